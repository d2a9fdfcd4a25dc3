//! Byte ranges: `Range` of a pull, `Content-Range` of its answer, and the chunk's own `Content-Range` of a push, which has another grammar.

use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

use super::conditional::if_range;
use super::digest::Digest;
use super::error::clip;
use super::headers::printable;

/// What a pull asks for, resolved against the content's size.
///
/// Source: RFC 9110, section 14.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// Everything: answer 200.
    Whole,
    /// A part: answer 206.
    Part {
        /// The first byte, from 0.
        first: u64,
        /// The last byte, inclusive and below the size.
        last: u64,
    },
    /// Nothing that the content has: answer 416 with [`unsatisfied`].
    Unsatisfiable,
}

impl ByteRange {
    /// Reads the headers of a GET of the content named `digest`, `size` bytes long.
    ///
    /// A server may ignore a range, and this one does so for everything that it cannot serve as one part: another unit, a list of ranges, a
    /// broken header, several headers, an `If-Range` that names other content, and any range of the empty blob. A range that runs backwards
    /// is refused instead, as the conformance suite demands.
    #[must_use]
    pub fn requested(headers: &HeaderMap, digest: &Digest, size: u64) -> Self {
        let Some(spec) = single_spec(headers) else {
            return Self::Whole;
        };
        if size == 0 || !if_range(headers, digest) {
            return Self::Whole;
        }
        Self::resolve(spec, size).unwrap_or(Self::Whole)
    }

    /// Where a part begins, and how many bytes it has at the most, as far as that can be told without the content's size; `None` for the
    /// content's last bytes, and where everything is asked for.
    #[must_use]
    pub fn before_the_size_is_known(headers: &HeaderMap, digest: &Digest) -> Option<(u64, u64)> {
        let from_the_end = single_spec(headers)?.trim().starts_with('-');
        match Self::requested(headers, digest, u64::MAX) {
            Self::Part { first, last } if !from_the_end => Some((first, last - first + 1)),
            _ => None,
        }
    }

    /// `None` for a broken specification.
    fn resolve(spec: &str, size: u64) -> Option<Self> {
        let (first, last) = spec.trim().split_once('-')?;
        if first.is_empty() {
            let length = saturating(last)?.min(size);
            return Some(if length == 0 { Self::Unsatisfiable } else { Self::Part { first: size - length, last: size - 1 } });
        }
        let first = saturating(first)?;
        let last = if last.is_empty() { u64::MAX } else { saturating(last)? };
        Some(if first > last || first >= size { Self::Unsatisfiable } else { Self::Part { first, last: last.min(size - 1) } })
    }
}

/// The one range of bytes that the headers ask for.
fn single_spec(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    value.to_str().ok().and_then(bytes_spec)
}

/// `Content-Range` of a 206 answer.
#[must_use]
pub fn satisfied(first: u64, last: u64, size: u64) -> HeaderValue {
    printable(format!("bytes {first}-{last}/{size}"))
}

/// `Content-Range` of a 416 answer to a pull.
#[must_use]
pub fn unsatisfied(size: u64) -> HeaderValue {
    printable(format!("bytes */{size}"))
}

/// `Range` of an answer about an upload that has received `offset` bytes: inclusive, and `0-0` as distribution has it when there are none.
///
/// Source: distribution specification, "Pushing a blob in chunks".
#[must_use]
pub fn received(offset: u64) -> HeaderValue {
    printable(format!("0-{}", offset.saturating_sub(1)))
}

/// Where in the blob a chunk claims to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRange {
    first: u64,
    last: u64,
}

impl ChunkRange {
    /// Reads `Content-Range` of a PATCH or PUT; `None` means a stream, which goes on wherever the upload stands.
    ///
    /// The specification's form is `0-99`; the form of RFC 9110, `bytes 0-99/*` or with a total, is what some clients send.
    ///
    /// Source: distribution specification, "Pushing a blob in chunks".
    ///
    /// # Errors
    /// [`ChunkError::Malformed`] and [`ChunkError::Backwards`].
    pub fn requested(headers: &HeaderMap) -> Result<Option<Self>, ChunkError> {
        let Some(value) = headers.get(CONTENT_RANGE) else {
            return Ok(None);
        };
        let malformed = || ChunkError::Malformed { given: clip(&String::from_utf8_lossy(value.as_bytes())) };
        let (first, last) = value.to_str().ok().and_then(chunk_spec).ok_or_else(malformed)?;
        if first > last {
            return Err(ChunkError::Backwards { first, last });
        }
        Ok(Some(Self { first, last }))
    }

    /// How many bytes the chunk must have.
    #[must_use]
    pub const fn length(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// Checks the chunk against the upload, which has `offset` bytes, and against `Content-Length` if the client sent one.
    ///
    /// Without one, whoever counts the body compares it with [`length`](Self::length) in the end.
    ///
    /// # Errors
    /// [`ChunkError::OutOfOrder`] and [`ChunkError::Length`]; in either case no byte of the body may be kept.
    pub fn check(&self, offset: u64, content_length: Option<u64>) -> Result<(), ChunkError> {
        if self.first != offset {
            return Err(ChunkError::OutOfOrder { offset, first: self.first });
        }
        match content_length {
            Some(got) if got != self.length() => Err(ChunkError::Length { promised: self.length(), got }),
            _ => Ok(()),
        }
    }
}

/// What is wrong with a chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The header has neither form.
    #[error("content-range {given:?} is not a range; write first-last, for example 0-99, both inclusive")]
    Malformed {
        /// The value, clipped.
        given: String,
    },
    /// The last byte lies before the first.
    #[error("content-range {first}-{last} ends before it begins; both ends are inclusive")]
    Backwards {
        /// The first byte it names.
        first: u64,
        /// The last byte it names.
        last: u64,
    },
    /// The chunk does not begin where the upload stands.
    #[error("the upload expects the next chunk at byte {offset}, got {first}; ask for its state with GET and go on from there")]
    OutOfOrder {
        /// How many bytes the upload has.
        offset: u64,
        /// Where the chunk begins.
        first: u64,
    },
    /// The body is longer or shorter than the range.
    #[error("content-range promises {promised} bytes, the body has {got}; send the chunk again with matching headers")]
    Length {
        /// Bytes in the range.
        promised: u64,
        /// Bytes in the body.
        got: u64,
    },
}

/// The single range after `bytes=`, or `None` for another unit or a list.
fn bytes_spec(value: &str) -> Option<&str> {
    let (unit, spec) = value.split_once('=')?;
    (unit.trim().eq_ignore_ascii_case("bytes") && !spec.contains(',')).then_some(spec)
}

fn chunk_spec(value: &str) -> Option<(u64, u64)> {
    let value = value.trim();
    let range = match value.strip_prefix("bytes ") {
        None => value,
        Some(rest) => {
            let (range, total) = rest.split_once('/')?;
            if total != "*" {
                exact(total)?;
            }
            range
        }
    };
    let (first, last) = range.split_once('-')?;
    Some((exact(first)?, exact(last)?))
}

/// A number that may be larger than any content, and then means "the end".
fn saturating(digits: &str) -> Option<u64> {
    is_digits(digits).then(|| digits.parse().unwrap_or(u64::MAX))
}

fn exact(digits: &str) -> Option<u64> {
    if is_digits(digits) { digits.parse().ok() } else { None }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, IF_RANGE};

    use super::super::digest::Algorithm;
    use super::*;

    const HUGE: &str = "99999999999999999999999999";

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header value"))])
    }

    fn resolve(value: &str, size: u64) -> ByteRange {
        ByteRange::requested(&headers(RANGE, value), &Digest::of(Algorithm::Sha256, b""), size)
    }

    #[test]
    fn range_of_the_conformance_suite_is_resolved() {
        let part = |first, last| ByteRange::Part { first, last };
        assert_eq!(resolve("bytes=500-1499", 2048), part(500, 1499));
        assert_eq!(resolve("bytes=500-", 2048), part(500, 2047));
        assert_eq!(resolve("bytes=-500", 2048), part(1548, 2047));
        assert_eq!(resolve("bytes=2000-5000", 2048), part(2000, 2047));
        assert_eq!(resolve("bytes=500-0", 2048), ByteRange::Unsatisfiable);
        assert_eq!(resolve("bytes=5000-10000", 2048), ByteRange::Unsatisfiable);
    }

    #[test]
    fn range_at_the_edges_is_clamped_or_refused() {
        let whole = ByteRange::Part { first: 0, last: 9 };
        assert_eq!(resolve("bytes=0-", 10), whole);
        assert_eq!(resolve("bytes=-11", 10), whole);
        assert_eq!(resolve(&format!("Bytes = 0-{HUGE}"), 10), whole);
        assert_eq!(resolve(&format!("bytes=-{HUGE}"), 10), whole);
        assert_eq!(resolve("bytes=9-9", 10), ByteRange::Part { first: 9, last: 9 });
        for nothing in ["bytes=10-", "bytes=-0", &format!("bytes={HUGE}-"), "bytes=10-10"] {
            assert_eq!(resolve(nothing, 10), ByteRange::Unsatisfiable, "{nothing:?}");
        }
        assert_eq!(resolve("bytes=0-", u64::MAX), ByteRange::Part { first: 0, last: u64::MAX - 1 });
    }

    #[test]
    fn range_that_is_not_one_part_is_ignored() {
        for ignored in
            ["bytes=0-1,3-4", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "items=0-1", "0-1", "bytes=+1-2", "bytes=0--1", "bytes=1-2-3"]
        {
            assert_eq!(resolve(ignored, 10), ByteRange::Whole, "{ignored:?}");
        }
        assert_eq!(resolve("bytes=0-5", 0), ByteRange::Whole, "an empty blob is served whole");
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(ByteRange::requested(&HeaderMap::new(), &digest, 10), ByteRange::Whole);
        let mut twice = headers(RANGE, "bytes=0-1");
        twice.append(RANGE, HeaderValue::from_static("bytes=2-3"));
        assert_eq!(ByteRange::requested(&twice, &digest, 10), ByteRange::Whole);
    }

    #[test]
    fn range_of_other_content_is_ignored() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let mut asked = headers(RANGE, "bytes=0-1");
        asked.insert(IF_RANGE, super::super::headers::etag(&digest));
        assert_eq!(ByteRange::requested(&asked, &digest, 10), ByteRange::Part { first: 0, last: 1 });
        asked.insert(IF_RANGE, HeaderValue::from_static("\"sha256:00\""));
        assert_eq!(ByteRange::requested(&asked, &digest, 10), ByteRange::Whole);
    }

    #[test]
    fn answers_count_both_ends() {
        assert_eq!(satisfied(0, 0, 1), "bytes 0-0/1");
        assert_eq!(unsatisfied(7), "bytes */7");
        assert_eq!(received(0), "0-0");
        assert_eq!(received(1), "0-0");
        assert_eq!(received(1024), "0-1023");
    }

    #[test]
    fn chunk_is_read_in_both_forms() {
        for (value, first, length) in [("0-99", 0, 100), ("bytes 0-99/*", 0, 100), ("bytes 5-5/100", 5, 1), ("0-0", 0, 1)] {
            let chunk = ChunkRange::requested(&headers(CONTENT_RANGE, value)).expect("a chunk").expect("a header");
            assert_eq!((chunk.first, chunk.length()), (first, length), "{value:?}");
        }
        assert_eq!(ChunkRange::requested(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn chunk_of_another_form_is_refused() {
        for value in [
            "",
            "-",
            "0",
            "0-",
            "-9",
            "a-b",
            "bytes 0-99",
            "bytes 0-99/",
            "bytes 0-99/x",
            "bytes=0-99",
            "0-99/100",
            "1-2-3",
            &format!("0-{HUGE}"),
        ] {
            let fault = ChunkRange::requested(&headers(CONTENT_RANGE, value));
            assert!(matches!(fault, Err(ChunkError::Malformed { .. })), "{value:?}");
        }
        assert_eq!(ChunkRange::requested(&headers(CONTENT_RANGE, "9-5")), Err(ChunkError::Backwards { first: 9, last: 5 }));
    }

    #[test]
    fn chunk_out_of_order_or_of_another_length_is_refused() {
        let chunk = ChunkRange { first: 10, last: 19 };
        assert_eq!(chunk.check(10, Some(10)), Ok(()));
        assert_eq!(chunk.check(10, None), Ok(()));
        assert_eq!(chunk.check(0, Some(10)), Err(ChunkError::OutOfOrder { offset: 0, first: 10 }));
        assert_eq!(chunk.check(10, Some(9)), Err(ChunkError::Length { promised: 10, got: 9 }));
        assert_eq!(ChunkRange { first: 0, last: u64::MAX }.length(), u64::MAX);
    }
}
