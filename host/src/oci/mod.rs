//! The OCI distribution protocol without I/O: what a request says, what an answer may say, and what is wrong with either.
//!
//! Nothing here reads a socket, a clock or a store, so all of it is tested as pure functions. Types are parsed once, at the edge, and are
//! proof of their grammar from then on; whatever a client gets wrong becomes a [`ProtocolError`].
//!
//! | subject | file |
//! | --- | --- |
//! | digests, and hashes that can be interrupted | [`digest`], [`hasher`] |
//! | repository names and upload ids, tags and references | [`name`], [`mod@reference`] |
//! | paths and queries | [`route`], [`query`], [`page`], `percent` |
//! | headers | [`headers`], [`range`], [`conditional`], [`media_type`] |
//! | manifests and descriptors | [`manifest`], [`descriptor`] |
//! | the upload state inside a Location URL | [`state`] |
//! | error codes and bodies | [`error`] |

pub mod conditional;
pub mod descriptor;
pub mod digest;
pub mod error;
pub mod hasher;
pub mod headers;
pub mod manifest;
pub mod media_type;
pub mod name;
pub mod page;
mod percent;
pub mod query;
pub mod range;
pub mod reference;
pub mod route;
pub mod state;

pub use descriptor::{Descriptor, ReferenceKind, Referenced};
pub use digest::{Algorithm, Digest};
pub use error::{ErrorCode, ProtocolError};
pub use hasher::Hasher;
pub use manifest::Manifest;
pub use media_type::ManifestType;
pub use name::{RepositoryName, UploadId};
pub use page::Page;
pub use query::Query;
pub use range::ByteRange;
pub use reference::{Reference, Tag};
pub use route::Route;
pub use state::{SigningKeys, UploadState};
