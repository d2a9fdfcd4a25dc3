//! The header names of the protocol, and the values that need care to write.

use http::{HeaderName, HeaderValue};

use super::digest::Digest;
use super::reference::Tag;

/// The digest of the content that an answer carries or speaks of.
pub const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Tells old clients that they have found a registry; always [`API_VERSION`].
pub const DOCKER_DISTRIBUTION_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The id of the upload that an answer speaks of.
pub const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The subject of a pushed manifest, sent once the manifest is listed as its referrer.
pub const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The filters that a list of referrers went through.
pub const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// The smallest chunk that is not the last, in bytes.
pub const OCI_CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");
/// The tags that a push by digest has set.
pub const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");

/// The value of [`DOCKER_DISTRIBUTION_API_VERSION`].
pub const API_VERSION: HeaderValue = HeaderValue::from_static("registry/2.0");
/// The value of [`OCI_FILTERS_APPLIED`] for the only filter there is.
pub const FILTERED_BY_ARTIFACT_TYPE: HeaderValue = HeaderValue::from_static("artifactType");

/// The most that all warnings of one answer may take, in bytes.
///
/// Source: distribution specification, "Warnings".
pub const WARNINGS_MAX_BYTES: usize = 4096;

/// A digest as the value of [`DOCKER_CONTENT_DIGEST`] or [`OCI_SUBJECT`].
#[must_use]
pub fn digest_value(digest: &Digest) -> HeaderValue {
    printable(digest.to_string())
}

/// A digest as an entity tag: content never changes under its digest, so the tag is strong.
///
/// Source: RFC 9110, section 8.8.3.
#[must_use]
pub fn etag(digest: &Digest) -> HeaderValue {
    printable(format!("\"{digest}\""))
}

/// The value of [`OCI_TAG`] for the tags that were set, in one header.
///
/// Source: distribution specification, "Pushing Manifests".
#[must_use]
pub fn tags_value(tags: &[Tag]) -> HeaderValue {
    let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
    printable(names.join(", "))
}

/// Values for `Warning` headers, one a text, as many from the front as fit into [`WARNINGS_MAX_BYTES`].
///
/// Source: distribution specification, "Warnings": code 299, agent `-`, no date.
pub fn warnings<'a>(texts: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = HeaderValue> {
    let mut left = WARNINGS_MAX_BYTES;
    texts.into_iter().map_while(move |text| {
        let value = format!("299 - \"{}\"", text.chars().map(quotable).collect::<String>());
        left = left.checked_sub(value.len())?;
        Some(printable(value))
    })
}

/// A character as it may stand in a quoted string of ASCII; quotes and backslashes become an apostrophe and a slash rather than escapes,
/// which clients show raw.
const fn quotable(character: char) -> char {
    match character {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => character,
        _ => '?',
    }
}

/// A header value from text that is printable ASCII by its making.
pub(super) fn printable(text: String) -> HeaderValue {
    debug_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "header value {text:?} is not printable");
    // Every caller passes printable ASCII, which is always a header value; should one ever not, an empty value is better than a dead
    // connection.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::super::digest::Algorithm;
    use super::*;

    #[test]
    fn digest_is_written_plain_and_as_a_strong_tag() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(digest_value(&digest), digest.to_string());
        assert_eq!(etag(&digest), format!("\"{digest}\""));
    }

    #[test]
    fn tags_are_written_as_one_list() {
        let tags: Vec<Tag> = ["v1", "latest"].iter().map(|tag| tag.parse().expect("a tag")).collect();
        assert_eq!(tags_value(&tags), "v1, latest");
    }

    #[test]
    fn warning_has_the_form_of_the_specification() {
        let values: Vec<HeaderValue> = warnings(["an \"old\" type\n", "é"]).collect();
        assert_eq!(values, ["299 - \"an 'old' type?\"", "299 - \"?\""]);
    }

    #[test]
    fn warnings_together_stay_below_the_limit() {
        let text = "x".repeat(1500);
        let total: usize = warnings([text.as_str(); 9]).map(|value| value.len()).sum();
        assert!(total > 2000 && total <= WARNINGS_MAX_BYTES, "{total} bytes");
    }
}
