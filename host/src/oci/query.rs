//! The query parameters that the protocol knows, decoded once; every other parameter is ignored.

use std::borrow::Cow;

use super::digest::{Algorithm, Digest, DigestError};
use super::error::ErrorCode;
use super::name::{NameError, RepositoryName};
use super::percent::decode;
use super::reference::{Tag, TagError};

/// The parameters of one request.
///
/// Of a parameter given twice the first counts, as for distribution, except `tag`, of which all count. An empty value counts as absent.
/// Typed values are parsed when they are asked for, so a parameter that the resource does not use can do no harm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// `n`: the size of a page.
    pub n: Option<Cow<'a, str>>,
    /// `last`: the entry before the page.
    pub last: Option<Cow<'a, str>>,
    /// `artifactType`: lists only referrers of this type.
    pub artifact_type: Option<Cow<'a, str>>,
    /// `_state`: the sealed state of an upload.
    pub state: Option<Cow<'a, str>>,
    digest: Option<Cow<'a, str>>,
    digest_algorithm: Option<Cow<'a, str>>,
    mount: Option<Cow<'a, str>>,
    from: Option<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Reads the part of a URL after the `?`.
    ///
    /// # Errors
    /// [`QueryError::Escape`] for a broken escape in a parameter that is known.
    pub fn parse(query: Option<&'a str>) -> Result<Self, QueryError> {
        let mut parsed = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // A name that cannot be decoded is none of ours.
            let name = decode(name, None).unwrap_or_default();
            parsed.set(&name, value)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &'a str) -> Result<(), QueryError> {
        let (parameter, code, slot) = match name {
            "n" => ("n", ErrorCode::PaginationNumberInvalid, &mut self.n),
            "last" => ("last", ErrorCode::NameInvalid, &mut self.last),
            "artifactType" => ("artifactType", ErrorCode::Unsupported, &mut self.artifact_type),
            "_state" => ("_state", ErrorCode::BlobUploadInvalid, &mut self.state),
            "digest" => ("digest", ErrorCode::DigestInvalid, &mut self.digest),
            "digest-algorithm" => ("digest-algorithm", ErrorCode::DigestInvalid, &mut self.digest_algorithm),
            "mount" => ("mount", ErrorCode::DigestInvalid, &mut self.mount),
            "from" => ("from", ErrorCode::NameInvalid, &mut self.from),
            "tag" => {
                self.tags.push(unescape("tag", ErrorCode::TagInvalid, value)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if slot.is_none() && !value.is_empty() {
            *slot = Some(unescape(parameter, code, value)?);
        }
        Ok(())
    }

    /// `digest`: of the whole blob, at the end of an upload or in a single POST.
    ///
    /// # Errors
    /// [`QueryError::Digest`].
    pub fn digest(&self) -> Result<Option<Digest>, QueryError> {
        parse_digest("digest", self.digest.as_deref())
    }

    /// `digest-algorithm`: which algorithm the upload will be closed with, SHA-256 if absent.
    ///
    /// Source: distribution specification, "Pushing a blob in chunks", end-4c.
    ///
    /// # Errors
    /// [`QueryError::Digest`] for an algorithm that is not supported.
    pub fn digest_algorithm(&self) -> Result<Algorithm, QueryError> {
        let named = self.digest_algorithm.as_deref().map_or(Ok(Algorithm::Sha256), str::parse);
        named.map_err(|fault| QueryError::Digest { parameter: "digest-algorithm", fault })
    }

    /// `mount`: the blob to take over from another repository.
    ///
    /// # Errors
    /// [`QueryError::Digest`].
    pub fn mount(&self) -> Result<Option<Digest>, QueryError> {
        parse_digest("mount", self.mount.as_deref())
    }

    /// `from`: the repository to mount from. Absent, the registry may look wherever it can.
    ///
    /// Source: distribution specification, "Mounting a blob from another repository".
    ///
    /// # Errors
    /// [`QueryError::Name`].
    pub fn from(&self) -> Result<Option<RepositoryName>, QueryError> {
        self.from.as_deref().map(str::parse).transpose().map_err(|fault| QueryError::Name { fault })
    }

    /// `tag`, repeated: the tags to set along with a push by digest, each once, in the order given.
    ///
    /// Source: distribution specification, "Pushing Manifests": at least 10 are to be accepted, 414 refuses too many.
    ///
    /// # Errors
    /// [`QueryError::TooManyTags`] above `max`; [`QueryError::Tag`].
    pub fn tags(&self, max: usize) -> Result<Vec<Tag>, QueryError> {
        if self.tags.len() > max {
            return Err(QueryError::TooManyTags { count: self.tags.len(), max });
        }
        let mut tags: Vec<Tag> = Vec::with_capacity(self.tags.len());
        for text in &self.tags {
            let tag = text.parse().map_err(|fault| QueryError::Tag { fault })?;
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        Ok(tags)
    }
}

fn unescape<'a>(parameter: &'static str, code: ErrorCode, value: &'a str) -> Result<Cow<'a, str>, QueryError> {
    decode(value, None).map_err(|fault| QueryError::Escape { parameter, code, position: fault.position })
}

fn parse_digest(parameter: &'static str, value: Option<&str>) -> Result<Option<Digest>, QueryError> {
    value.map(str::parse).transpose().map_err(|fault| QueryError::Digest { parameter, fault })
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A `%` without two hex digits, or escapes that are not UTF-8.
    #[error("parameter {parameter} has a broken percent-escape at byte {position}; write % and two hex digits, of UTF-8 text")]
    Escape {
        /// The parameter's name.
        parameter: &'static str,
        /// The code that fits what the parameter names.
        code: ErrorCode,
        /// The byte of the value at which the escape begins, from 0.
        position: usize,
    },
    /// A parameter that must be a digest, or an algorithm, is not.
    #[error("parameter {parameter} is wrong: {fault}")]
    Digest {
        /// The parameter's name.
        parameter: &'static str,
        /// What is wrong with it.
        fault: DigestError,
    },
    /// `from` is no repository name.
    #[error("parameter from is wrong: {fault}")]
    Name {
        /// What is wrong with it.
        fault: NameError,
    },
    /// A `tag` is no tag.
    #[error("parameter tag is wrong: {fault}")]
    Tag {
        /// What is wrong with it.
        fault: TagError,
    },
    /// More tags than one request may set.
    #[error("{count} tag parameters are too many for one request; send at most {max} and push the others one by one")]
    TooManyTags {
        /// How many were given.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Query<'_> {
        Query::parse(Some(query)).expect("a query")
    }

    #[test]
    fn query_without_escapes_borrows_its_values() {
        let query = parse("n=10&last=v1&artifactType=application/vnd.x+json&_state=QUJD==");
        assert!(matches!(query.n, Some(Cow::Borrowed("10"))));
        assert!(matches!(query.last, Some(Cow::Borrowed("v1"))));
        assert_eq!(query.artifact_type.as_deref(), Some("application/vnd.x+json"), "a plus is a plus");
        assert_eq!(query.state.as_deref(), Some("QUJD=="), "only the first = divides");
    }

    #[test]
    fn query_with_escapes_is_decoded() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let text = digest.to_string().replace(':', "%3a");
        assert_eq!(parse(&format!("digest={text}")).digest(), Ok(Some(digest)));
        assert_eq!(
            parse("from=library%2Fdebian").from().map(|name| name.map(|name| name.to_string())),
            Ok(Some("library/debian".to_owned()))
        );
        assert_eq!(parse("%6E=5").n.as_deref(), Some("5"));
    }

    #[test]
    fn query_of_strangers_and_rubbish_is_ignored() {
        assert_eq!(Query::parse(None), Ok(Query::default()));
        for query in ["", "&", "&&=&=x", "N=1", "ns=docker.io", "service=%zz", "%zz=1", "n", "n=", "digest=&mount="] {
            assert_eq!(Query::parse(Some(query)), Ok(Query::default()), "{query:?}");
        }
    }

    #[test]
    fn query_given_twice_counts_once() {
        assert_eq!(parse("n=1&n=2").n.as_deref(), Some("1"));
        assert_eq!(parse("n=&n=2").n.as_deref(), Some("2"));
    }

    #[test]
    fn query_fault_carries_the_code_of_its_parameter() {
        for (query, code) in
            [("digest=%", ErrorCode::DigestInvalid), ("tag=%ff", ErrorCode::TagInvalid), ("n=%2", ErrorCode::PaginationNumberInvalid)]
        {
            let Err(QueryError::Escape { code: got, .. }) = Query::parse(Some(query)) else { panic!("{query:?} must be refused") };
            assert_eq!(got, code);
        }
        assert!(matches!(parse("digest=sha256:x").digest(), Err(QueryError::Digest { parameter: "digest", .. })));
        assert!(matches!(parse("mount=sha384:ab").mount(), Err(QueryError::Digest { parameter: "mount", .. })));
        assert!(matches!(parse("from=..").from(), Err(QueryError::Name { .. })));
    }

    #[test]
    fn query_algorithm_defaults_to_the_canonical_one() {
        assert_eq!(parse("").digest_algorithm(), Ok(Algorithm::Sha256));
        assert_eq!(parse("digest-algorithm=sha512").digest_algorithm(), Ok(Algorithm::Sha512));
        assert!(parse("digest-algorithm=blake3").digest_algorithm().is_err());
    }

    #[test]
    fn query_tags_come_in_order_and_once() {
        let tags = parse("tag=b&tag=a&tag=b").tags(10).expect("tags");
        assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(parse("tag=a&tag=b").tags(1), Err(QueryError::TooManyTags { count: 2, max: 1 }));
        assert!(matches!(parse("tag=").tags(10), Err(QueryError::Tag { .. })), "an empty tag was meant to be one");
    }
}
