//! Descriptors: how manifests, indexes and lists of referrers refer to content.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::media_type::OCI_INDEX;

/// What some content is: type, name and size. Serializes to the specification's JSON.
///
/// Of the fields that the specification knows, `platform` and `data` are not kept: nothing here needs them, and manifests are served as
/// they were received.
///
/// Source: OCI image specification, "Descriptors".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The length of the content, in bytes; at most `i64::MAX`, so that every client can read it.
    pub size: u64,
    /// What an artifact is, if the content is a manifest of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Whatever else is said of the content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Where else the content can be had; such a layer may be missing from the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// Content that a manifest refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referenced<'a> {
    /// The field that refers to it.
    pub field: Field,
    /// The content.
    pub descriptor: &'a Descriptor,
    /// As what the repository must hold it.
    pub kind: ReferenceKind,
    /// Whether the manifest is good without it, because the layer is to be had elsewhere.
    pub may_be_absent: bool,
}

/// As what a repository holds content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKind {
    /// As a blob.
    Blob,
    /// As a manifest.
    Manifest,
    /// As either: an index may list content that is no manifest, as build caches do, and distribution accepts it as a blob.
    Either,
}

/// A field of a manifest that holds a descriptor; displayed as its path in the JSON, such as `layers[3]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `config`
    Config,
    /// `layers[n]`
    Layer(usize),
    /// `manifests[n]`
    Manifest(usize),
    /// `subject`
    Subject,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("config"),
            Self::Layer(index) => write!(f, "layers[{index}]"),
            Self::Manifest(index) => write!(f, "manifests[{index}]"),
            Self::Subject => f.write_str("subject"),
        }
    }
}

/// The body of a referrers answer: an image index of these descriptors. It is sent as [`OCI_INDEX`].
///
/// Source: distribution specification, "Listing Referrers".
///
/// # Errors
/// None that can happen: a descriptor has only texts and numbers. The type is serde_json's, for the caller to treat as a fault of ours.
pub fn referrers_body(referrers: &[Descriptor]) -> Result<Bytes, serde_json::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Index<'a> {
        schema_version: u8,
        media_type: &'a str,
        manifests: &'a [Descriptor],
    }
    let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests: referrers };
    serde_json::to_vec(&index).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::super::digest::Algorithm;
    use super::*;

    fn descriptor() -> Descriptor {
        Descriptor {
            media_type: "application/x".to_owned(),
            digest: Digest::of(Algorithm::Sha256, b""),
            size: 3,
            artifact_type: Some("application/vnd.x".to_owned()),
            annotations: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            urls: Vec::new(),
        }
    }

    #[test]
    fn descriptor_has_the_fields_of_the_specification() {
        let whole = descriptor();
        let json = serde_json::to_string(&whole).expect("serializes");
        let digest = whole.digest;
        assert_eq!(
            json,
            format!(
                r#"{{"mediaType":"application/x","digest":"{digest}","size":3,"artifactType":"application/vnd.x","annotations":{{"k":"v"}}}}"#
            )
        );
        assert_eq!(serde_json::from_str::<Descriptor>(&json).expect("deserializes"), whole);
        let bare = Descriptor { artifact_type: None, annotations: BTreeMap::new(), ..whole };
        assert_eq!(
            serde_json::to_string(&bare).expect("serializes"),
            format!(r#"{{"mediaType":"application/x","digest":"{digest}","size":3}}"#)
        );
    }

    #[test]
    fn referrers_body_is_an_index_even_when_empty() {
        let empty = referrers_body(&[]).expect("serializes");
        assert_eq!(empty, r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#);
        assert!(referrers_body(&[descriptor()]).expect("serializes").len() > empty.len());
    }
}
