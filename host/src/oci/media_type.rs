//! The media types of manifests, and what `Content-Type` says about them.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
