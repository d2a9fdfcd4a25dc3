//! The media types of manifests, and what `Content-Type` and `Accept` say about them.

use std::fmt;

use http::HeaderMap;
use http::header::ACCEPT;

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index, also the type of a referrers answer.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A Docker image manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image manifest, version 2 schema 1, without its signature. Refused.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// A Docker image manifest, version 2 schema 1, signed. Refused.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/// The body of a blob, up and down.
pub const OCTET_STREAM: &str = "application/octet-stream";
/// Everything else that this registry answers with.
pub const JSON: &str = "application/json";

/// Layers that a manifest may name without the registry holding them.
const NONDISTRIBUTABLE: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// A type of manifest that this registry accepts, which is one that distribution can read from a store it shares with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ManifestType {
    /// [`OCI_MANIFEST`].
    OciManifest,
    /// [`OCI_INDEX`].
    OciIndex,
    /// [`DOCKER_MANIFEST`].
    DockerManifest,
    /// [`DOCKER_LIST`].
    DockerList,
}

impl ManifestType {
    /// Every accepted type.
    pub const ALL: [Self; 4] = [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerList];

    /// Reads a media type, of a descriptor or a `Content-Type` header, whose parameters are ignored.
    ///
    /// Source: distribution specification, "Pushing Manifests".
    #[must_use]
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let essence = essence(media_type);
        Self::ALL.into_iter().find(|known| essence.eq_ignore_ascii_case(known.as_str()))
    }

    /// The media type, without parameters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OciManifest => OCI_MANIFEST,
            Self::OciIndex => OCI_INDEX,
            Self::DockerManifest => DOCKER_MANIFEST,
            Self::DockerList => DOCKER_LIST,
        }
    }

    /// Whether manifests of this type list other manifests instead of a config and layers.
    #[must_use]
    pub const fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }
}

impl fmt::Display for ManifestType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A media type without its parameters.
#[must_use]
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether a media type is one of schema 1, which this registry refuses.
#[must_use]
pub fn is_schema1(media_type: &str) -> bool {
    let essence = essence(media_type);
    [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED].iter().any(|old| essence.eq_ignore_ascii_case(old))
}

/// Whether a layer of this type may be missing from the registry because its licence forbids storing it there.
#[must_use]
pub fn is_nondistributable(media_type: &str) -> bool {
    NONDISTRIBUTABLE.iter().any(|layer| media_type.eq_ignore_ascii_case(layer))
}

/// Whether the body of a chunk may be of this `Content-Type`: absent or octets, whatever the parameters.
#[must_use]
pub fn is_octets(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|content_type| essence(content_type).eq_ignore_ascii_case(OCTET_STREAM))
}

/// Whether a client accepts an answer of this type, over all its `Accept` headers, honouring wildcards and `q=0`.
///
/// A client that says nothing accepts everything, and so does one whose header cannot be read: serving what is stored helps it more than a
/// refusal.
///
/// Source: RFC 9110, section 12.5.1: the most specific range that matches decides.
#[must_use]
pub fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut said_anything = false;
    let mut decision = None;
    for range in headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        if range.trim().is_empty() {
            continue;
        }
        said_anything = true;
        let Some(specificity) = specificity(essence(range), media_type) else {
            continue;
        };
        // Of two ranges alike, the one that accepts wins.
        decision = decision.max(Some((specificity, !is_refused(range))));
    }
    decision.map_or(!said_anything, |(_, accepted)| accepted)
}

/// How exactly a media range names `media_type`, or `None` if it does not.
fn specificity(range: &str, media_type: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media_type) {
        return Some(2);
    }
    if range == "*/*" || range == "*" {
        return Some(0);
    }
    let group = range.strip_suffix("/*")?;
    let (of_type, _) = media_type.split_once('/')?;
    group.eq_ignore_ascii_case(of_type).then_some(1)
}

/// Whether the range carries a weight of nothing: `q=0`, `q=0.0` and so on.
fn is_refused(range: &str) -> bool {
    range.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).any(|(name, weight)| {
        let weight = weight.trim();
        name.trim().eq_ignore_ascii_case("q") && weight.starts_with('0') && weight.bytes().all(|byte| matches!(byte, b'0' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accept(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn content_type_is_read_without_case_and_parameters() {
        assert_eq!(ManifestType::from_media_type("Application/vnd.OCI.image.index.v1+json ; charset=utf-8"), Some(ManifestType::OciIndex));
        for known in ManifestType::ALL {
            assert_eq!(ManifestType::from_media_type(known.as_str()), Some(known));
        }
        for unknown in ["", ";", "application/json", DOCKER_SCHEMA1, "application/vnd.oci.artifact.manifest.v1+json"] {
            assert_eq!(ManifestType::from_media_type(unknown), None);
        }
        assert!(is_schema1("application/vnd.docker.distribution.manifest.v1+prettyjws; a=b"));
        assert!(is_octets(None) && is_octets(Some("application/octet-stream;x=y")) && !is_octets(Some("multipart/form-data")));
    }

    #[test]
    fn accept_without_a_word_takes_everything() {
        assert!(accepts(&accept(&[]), OCI_MANIFEST));
        assert!(accepts(&accept(&["", " , "]), OCI_MANIFEST));
    }

    #[test]
    fn accept_over_several_headers_and_lists_is_one() {
        let headers = accept(&[OCI_INDEX, "text/html, application/vnd.oci.image.manifest.v1+json;q=0.5"]);
        assert!(accepts(&headers, OCI_MANIFEST));
        assert!(accepts(&headers, OCI_INDEX));
        assert!(!accepts(&headers, DOCKER_LIST));
    }

    #[test]
    fn accept_follows_the_most_specific_range() {
        assert!(accepts(&accept(&["*/*"]), OCI_MANIFEST));
        assert!(accepts(&accept(&["application/*"]), OCI_MANIFEST));
        assert!(!accepts(&accept(&["text/*"]), OCI_MANIFEST));
        let all_but_one = accept(&["application/vnd.oci.image.manifest.v1+json; q=0.000, */*; q=0.1"]);
        assert!(!accepts(&all_but_one, OCI_MANIFEST), "q=0 for the exact type outweighs a wildcard");
        assert!(accepts(&all_but_one, OCI_INDEX));
    }
}
