//! Conditional requests: a digest is the best entity tag there is, so clients that hold content need not fetch it again.

use http::HeaderMap;
use http::header::{IF_NONE_MATCH, IF_RANGE};

use super::digest::Digest;

/// Whether the client already holds the content named `digest`, so that 304 is the answer to its GET or HEAD.
///
/// Lists, weak tags and `*` count, and so does a digest without quotes, which distribution accepts and clients send.
///
/// Source: RFC 9110, section 13.1.2: compared weakly.
#[must_use]
pub fn if_none_match(headers: &HeaderMap, digest: &Digest) -> bool {
    let mut tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || names(tag.strip_prefix("W/").unwrap_or(tag), digest)
    })
}

/// Whether a `Range` header counts: if `If-Range` is absent, or names this content.
///
/// Source: RFC 9110, section 13.1.5: compared strongly. A date never matches, because content here has none.
#[must_use]
pub fn if_range(headers: &HeaderMap, digest: &Digest) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value.to_str().is_ok_and(|tag| names(tag.trim(), digest)))
}

fn names(tag: &str, digest: &Digest) -> bool {
    let bare = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
    bare.parse().is_ok_and(|named: Digest| named == *digest)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::digest::Algorithm;
    use super::*;

    fn digest() -> Digest {
        Digest::of(Algorithm::Sha256, b"")
    }

    fn holds(value: &str) -> bool {
        let value = HeaderValue::from_str(value).expect("a header value");
        if_none_match(&HeaderMap::from_iter([(IF_NONE_MATCH, value)]), &digest())
    }

    #[test]
    fn none_match_finds_the_digest_in_every_form() {
        let (digest, other) = (digest(), Digest::of(Algorithm::Sha512, b""));
        for value in
            ["*".to_owned(), format!("\"{digest}\""), format!("W/\"{digest}\""), digest.to_string(), format!("\"{other}\" , \"{digest}\"")]
        {
            assert!(holds(&value), "{value:?}");
        }
    }

    #[test]
    fn none_match_of_anything_else_misses() {
        let digest = digest();
        for value in [
            "",
            ",",
            "\"",
            "\"\"",
            "W/",
            "\"abc\"",
            &Digest::of(Algorithm::Sha512, b"").to_string(),
            &format!("\"{digest}"),
            &format!("{digest}0"),
        ] {
            assert!(!holds(value), "{value:?}");
        }
        assert!(!if_none_match(&HeaderMap::new(), &digest));
    }

    #[test]
    fn range_counts_unless_it_is_meant_for_other_content() {
        let with = |value: &str| HeaderMap::from_iter([(IF_RANGE, HeaderValue::from_str(value).expect("a header value"))]);
        let digest = digest();
        assert!(if_range(&HeaderMap::new(), &digest));
        assert!(if_range(&with(&format!("\"{digest}\"")), &digest));
        for value in [format!("W/\"{digest}\""), "Wed, 21 Oct 2015 07:28:00 GMT".to_owned(), "*".to_owned()] {
            assert!(!if_range(&with(&value), &digest), "{value:?}");
        }
    }
}
