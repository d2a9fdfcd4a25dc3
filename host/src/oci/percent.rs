//! Percent-encoding of paths and queries, without an allocation where there is nothing to decode.

use std::borrow::Cow;
use std::fmt;

/// A `%` that begins no usable escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadEscape {
    /// Byte of the text at which the escape begins, from 0.
    pub(super) position: usize,
}

/// Decodes every escape of `text`.
///
/// A `+` stays a `+`: it is a space only in HTML forms, and none of our parameters has spaces, while media types do have plus signs.
///
/// # Errors
/// [`BadEscape`] for an escape without two hex digits, one that decodes to `forbidden`, and escapes that are not UTF-8 together.
pub(super) fn decode(text: &str, forbidden: Option<u8>) -> Result<Cow<'_, str>, BadEscape> {
    let Some(first) = text.find('%') else {
        return Ok(Cow::Borrowed(text));
    };
    let bytes = text.as_bytes();
    let mut decoded = bytes[..first].to_vec();
    let mut position = first;
    while let Some(&byte) = bytes.get(position) {
        if byte != b'%' {
            decoded.push(byte);
            position += 1;
            continue;
        }
        let byte = escape(bytes, position).filter(|byte| Some(*byte) != forbidden).ok_or(BadEscape { position })?;
        decoded.push(byte);
        position += 3;
    }
    // The position is that of the first escape: where in the result the bytes go wrong says nothing about the original.
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| BadEscape { position: first })
}

fn escape(bytes: &[u8], position: usize) -> Option<u8> {
    let digit = |offset: usize| char::from(*bytes.get(position + offset)?).to_digit(16);
    // Two hex digits are at most 255.
    Some((digit(1)? * 16 + digit(2)?) as u8)
}

/// Encodes a value for a query: everything but the unreserved characters of RFC 3986, section 2.3.
pub(super) struct Encoded<'a>(pub(super) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(plain) = rest.find(|character: char| !is_unreserved(character)) {
            f.write_str(&rest[..plain])?;
            let width = rest[plain..].chars().next().map_or(1, char::len_utf8);
            for byte in &rest.as_bytes()[plain..plain + width] {
                write!(f, "%{byte:02X}")?;
            }
            rest = &rest[plain + width..];
        }
        f.write_str(rest)
    }
}

const fn is_unreserved(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_without_escapes_borrows() {
        assert!(matches!(decode("library/debian+1", None), Ok(Cow::Borrowed("library/debian+1"))));
    }

    #[test]
    fn decode_reads_each_escape_once() {
        assert_eq!(decode("sha256%3aab%2525", None).as_deref(), Ok("sha256:ab%25"), "never twice: %252F must not become a slash");
        assert_eq!(decode("%C3%A9", None).as_deref(), Ok("é"));
    }

    #[test]
    fn decode_refuses_what_is_no_escape() {
        for (text, position) in [("%", 0), ("ab%2", 2), ("%zz", 0), ("%+1", 0), ("a%ff", 1), ("é%2x", 2), ("%é", 0), ("%-1", 0)] {
            assert_eq!(decode(text, None), Err(BadEscape { position }), "{text:?}");
        }
        assert_eq!(decode("a%2Fb", Some(b'/')), Err(BadEscape { position: 1 }));
    }

    #[test]
    fn encode_survives_decoding() {
        for text in ["", "a/b c", "application/vnd.x+json;q=1", "é€😀", "%2F", "a&b=c#d"] {
            let encoded = Encoded(text).to_string();
            assert!(encoded.bytes().all(|byte| byte == b'%' || is_unreserved(char::from(byte))), "{encoded:?}");
            assert_eq!(decode(&encoded, None).as_deref(), Ok(text));
        }
    }
}
