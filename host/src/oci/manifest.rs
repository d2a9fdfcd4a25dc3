//! Manifests: what a pushed body is, what is wrong with it, and what it refers to. The bytes themselves are never changed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;

use super::descriptor::{Descriptor, Field, ReferenceKind, Referenced};
use super::digest::{Digest, DigestError};
use super::error::clip;
use super::media_type::{ManifestType, essence, is_nondistributable, is_schema1};

/// A manifest that this registry accepts, read for what the registry must know of it.
///
/// Source: OCI image specification, "Image Manifest" and "Image Index"; Docker's schema 2 has the same fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The type it was pushed as, and is served as.
    pub media_type: ManifestType,
    /// The config of an image; `None` for an index.
    pub config: Option<Descriptor>,
    /// The layers of an image.
    pub layers: Vec<Descriptor>,
    /// The children of an index.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about. It need not exist.
    pub subject: Option<Descriptor>,
    /// What it is an artifact of: its own `artifactType`, else for an image the type of its config.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a pushed body, or a stored one if there is no `content_type`. Unknown fields are passed over.
    ///
    /// The type is nowhere stored but in the body, so a body that would be taken for another type when it is read again is refused.
    ///
    /// Source: distribution specification, "Pushing Manifests".
    ///
    /// # Errors
    /// A [`ManifestError`] with the place in the JSON.
    pub fn parse(body: &[u8], content_type: Option<&str>) -> Result<Self, ManifestError> {
        let declared = content_type.map(declared).transpose()?;
        let raw: RawManifest = serde_json::from_slice(body)?;
        let media_type = sniffed(raw.schema_version.as_ref(), raw.media_type.as_deref(), raw.manifests.is_some())?;
        if let Some(declared) = declared.filter(|declared| *declared != media_type) {
            return Err(mismatch(declared, media_type, raw.media_type.as_deref()));
        }
        raw.into_manifest(media_type)
    }

    /// Finds the type of a stored body, which is nowhere stored but in it. Cheaper than [`Manifest::parse`], and blind to all other faults.
    ///
    /// # Errors
    /// [`ManifestError::Json`], [`ManifestError::SchemaVersion`], [`ManifestError::Schema1`] or [`ManifestError::UnknownType`].
    pub fn sniff(body: &[u8]) -> Result<ManifestType, ManifestError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Probe {
            schema_version: Option<Number>,
            media_type: Option<String>,
            manifests: Option<IgnoredAny>,
        }
        let probe: Probe = serde_json::from_slice(body)?;
        sniffed(probe.schema_version.as_ref(), probe.media_type.as_deref(), probe.manifests.is_some())
    }

    /// Everything the manifest refers to and cannot be used without, in the order of the JSON: config, layers, children. The subject is not
    /// among it, since it may be pushed later.
    pub fn referenced(&self) -> impl Iterator<Item = Referenced<'_>> {
        let blob = |field, descriptor| Referenced { field, descriptor, kind: ReferenceKind::Blob, may_be_absent: false };
        let config = self.config.iter().map(move |descriptor| blob(Field::Config, descriptor));
        let layers = self.layers.iter().enumerate().map(move |(index, descriptor)| Referenced {
            may_be_absent: !descriptor.urls.is_empty() || is_nondistributable(&descriptor.media_type),
            ..blob(Field::Layer(index), descriptor)
        });
        let manifests = self.manifests.iter().enumerate().map(move |(index, descriptor)| Referenced {
            kind: if ManifestType::from_media_type(&descriptor.media_type).is_some() {
                ReferenceKind::Manifest
            } else {
                ReferenceKind::Either
            },
            ..blob(Field::Manifest(index), descriptor)
        });
        config.chain(layers).chain(manifests)
    }

    /// The descriptor under which this manifest, `size` bytes named `digest`, is listed as a referrer of its subject.
    ///
    /// Source: distribution specification, "Listing Referrers".
    #[must_use]
    pub fn describe(&self, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: self.media_type.as_str().to_owned(),
            digest,
            size,
            artifact_type: self.artifact_type.clone(),
            annotations: self.annotations.clone(),
            urls: Vec::new(),
        }
    }
}

/// The type a `Content-Type` header declares.
fn declared(content_type: &str) -> Result<ManifestType, ManifestError> {
    if is_schema1(content_type) {
        return Err(ManifestError::Schema1);
    }
    ManifestType::from_media_type(content_type).ok_or_else(|| ManifestError::UnknownType { media_type: clip(essence(content_type)) })
}

/// The type that a body has for whoever only has the body; the rules are distribution's.
fn sniffed(schema_version: Option<&Number>, media_type: Option<&str>, has_manifests: bool) -> Result<ManifestType, ManifestError> {
    let media_type = media_type.unwrap_or_default();
    if is_schema1(media_type) || schema_version.and_then(Number::as_u64) == Some(1) {
        return Err(ManifestError::Schema1);
    }
    if schema_version.and_then(Number::as_u64) != Some(2) {
        return Err(ManifestError::SchemaVersion { found: schema_version.map_or("missing".to_owned(), Number::to_string) });
    }
    if media_type.is_empty() {
        return Ok(if has_manifests { ManifestType::OciIndex } else { ManifestType::OciManifest });
    }
    // Compared exactly: distribution, which reads the same store, does so too.
    let known = ManifestType::ALL.into_iter().find(|known| media_type == known.as_str());
    known.ok_or_else(|| ManifestError::UnknownType { media_type: clip(media_type) })
}

fn mismatch(declared: ManifestType, sniffed: ManifestType, stated: Option<&str>) -> ManifestError {
    match stated {
        Some(stated) if !stated.is_empty() => ManifestError::TypeMismatch { content_type: declared, media_type: sniffed },
        _ => ManifestError::TypeMissing { content_type: declared, assumed: sniffed },
    }
}

/// A manifest as serde reads it, before anything of it is believed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    schema_version: Option<Number>,
    media_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    subject: Option<RawDescriptor>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<Number>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    urls: Option<Vec<String>>,
}

impl RawManifest {
    fn into_manifest(self, media_type: ManifestType) -> Result<Manifest, ManifestError> {
        self.check_kind(media_type)?;
        let config = self.config.map(|raw| raw.check(Field::Config)).transpose()?;
        let artifact_type = self.artifact_type.filter(|own| !own.is_empty());
        Ok(Manifest {
            media_type,
            // An index has no config, so it has no type to fall back to.
            artifact_type: artifact_type.or_else(|| config.as_ref().map(|config| config.media_type.clone())),
            config,
            layers: check_all(self.layers, Field::Layer)?,
            manifests: check_all(self.manifests, Field::Manifest)?,
            subject: self.subject.map(|raw| raw.check(Field::Subject)).transpose()?,
            annotations: self.annotations.unwrap_or_default(),
        })
    }

    /// One body that is an image to one reader and an index to another could carry content that nobody has checked (CVE-2021-41190).
    fn check_kind(&self, media_type: ManifestType) -> Result<(), ManifestError> {
        let foreign = if media_type.is_index() {
            self.config.as_ref().map(|_| "config").or(self.layers.as_ref().map(|_| "layers"))
        } else {
            self.manifests.as_ref().map(|_| "manifests")
        };
        match foreign {
            Some(field) => Err(ManifestError::Ambiguous { media_type, field }),
            None if media_type.is_index() || self.config.is_some() => Ok(()),
            None => Err(ManifestError::Missing { path: "config".to_owned() }),
        }
    }
}

/// A list that is missing or null is empty: Go writes a list without entries as null.
fn check_all(raw: Option<Vec<RawDescriptor>>, field: fn(usize) -> Field) -> Result<Vec<Descriptor>, ManifestError> {
    raw.unwrap_or_default().into_iter().enumerate().map(|(index, raw)| raw.check(field(index))).collect()
}

impl RawDescriptor {
    fn check(self, field: Field) -> Result<Descriptor, ManifestError> {
        let missing = |name: &str| ManifestError::Missing { path: format!("{field}.{name}") };
        let digest = self.digest.ok_or_else(|| missing("digest"))?;
        let size = self.size.ok_or_else(|| missing("size"))?;
        let in_bounds = size.as_u64().filter(|size| i64::try_from(*size).is_ok());
        Ok(Descriptor {
            media_type: self.media_type.filter(|stated| !stated.is_empty()).ok_or_else(|| missing("mediaType"))?,
            digest: digest.parse().map_err(|fault| ManifestError::Digest { path: format!("{field}.digest"), fault })?,
            size: in_bounds.ok_or_else(|| ManifestError::Size { path: format!("{field}.size"), found: clip(&size.to_string()) })?,
            artifact_type: self.artifact_type.filter(|own| !own.is_empty()),
            annotations: self.annotations.unwrap_or_default(),
            urls: self.urls.unwrap_or_default(),
        })
    }
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The body is longer than the registry takes.
    #[error(
        "the manifest is larger than {limit_bytes} bytes; move data out of its annotations into a blob, \
         or ask the operator for a higher limit"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// Not JSON, or a field of a wrong type.
    #[error("the manifest cannot be read at line {line}, column {column}: {reason}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1; 0 at the end of a line.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// `schemaVersion` is neither 2 nor, as in schema 1, 1.
    #[error("schemaVersion is {found}; a manifest must state schemaVersion 2")]
    SchemaVersion {
        /// The number, or `missing`.
        found: String,
    },
    /// Docker's schema 1.
    #[error(
        "this is a Docker manifest of schema 1, which is refused: its layers are named without sizes and \
         its image id is not a digest of what is pulled, so clients cannot check it; push it again with docker 1.10 or later, skopeo or crane"
    )]
    Schema1,
    /// A type that this registry, or a distribution on the same store, could not serve again.
    #[error(
        "manifest type {media_type:?} is not accepted; use one of {}, {}, {}, {}",
        ManifestType::ALL[0], ManifestType::ALL[1], ManifestType::ALL[2], ManifestType::ALL[3]
    )]
    UnknownType {
        /// The type, clipped.
        media_type: String,
    },
    /// Header and body disagree.
    #[error("content-type is {content_type}, but the manifest's mediaType is {media_type}; they must be equal")]
    TypeMismatch {
        /// What the header says.
        content_type: ManifestType,
        /// What the body says.
        media_type: ManifestType,
    },
    /// The body does not say what it is, and would be taken for something else than the header says.
    #[error(
        "the manifest is pushed as {content_type} but has no mediaType, so it would be served as {assumed}; set mediaType in the manifest"
    )]
    TypeMissing {
        /// What the header says.
        content_type: ManifestType,
        /// What the body would be taken for.
        assumed: ManifestType,
    },
    /// The fields of an image and of an index in one.
    #[error("a manifest of type {media_type} cannot have {field}: it must be either an image or an index to every reader")]
    Ambiguous {
        /// The type it is pushed as.
        media_type: ManifestType,
        /// The field of the other kind.
        field: &'static str,
    },
    /// A required field is missing.
    #[error("{path} is missing from the manifest")]
    Missing {
        /// The field's path in the JSON.
        path: String,
    },
    /// A descriptor's digest is none.
    #[error("{path} in the manifest is wrong: {fault}")]
    Digest {
        /// The field's path in the JSON.
        path: String,
        /// What is wrong with it.
        fault: DigestError,
    },
    /// A descriptor's size is negative, fractional or beyond what a client can count.
    #[error("{path} in the manifest is {found}; a size is a whole number of bytes, from 0 to {}", i64::MAX)]
    Size {
        /// The field's path in the JSON.
        path: String,
        /// The number.
        found: String,
    },
}

impl From<serde_json::Error> for ManifestError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // serde_json ends its sentence with the place, which ours begins with.
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        Self::Json { line: error.line(), column: error.column(), reason: clip(reason) }
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
