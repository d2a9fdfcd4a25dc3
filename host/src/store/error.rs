//! What goes wrong in a store: the client's fault, the operator's, the driver's, in types.

use longshore_loader::api::{DriverError, ErrorClass};

use super::IncomingError;
use crate::oci::manifest::ManifestError;
use crate::oci::range::ChunkError;
use crate::oci::{Digest, Referenced, RepositoryName, UploadId};

/// A failed operation of a [`Repository`](super::Repository).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The repository has no such blob.
    #[error("repository {name} has no blob {digest}")]
    BlobUnknown {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// The repository has no such manifest.
    #[error("repository {name} has no manifest {reference}")]
    ManifestUnknown {
        /// The repository.
        name: RepositoryName,
        /// A tag or a digest.
        reference: String,
    },
    /// There is no such repository.
    #[error("there is no repository {name}")]
    NameUnknown {
        /// The repository.
        name: RepositoryName,
    },
    /// No route takes the repository.
    #[error("no storage of this registry takes repository {name}")]
    NoStorage {
        /// The repository.
        name: RepositoryName,
    },
    /// The storage that takes the repository could not be opened.
    #[error("the storage of repository {name} is not available")]
    StorageClosed {
        /// The repository.
        name: RepositoryName,
    },
    /// There is no such upload: it was finished, cancelled, or is too old.
    #[error("upload {id} is not known: it was finished or cancelled, or is too old; begin a new one")]
    UploadUnknown {
        /// The upload.
        id: UploadId,
    },
    /// Somebody else writes to the upload.
    #[error("another request writes to upload {id}; send one chunk at a time")]
    UploadBusy {
        /// The upload.
        id: UploadId,
    },
    /// The chunk does not fit.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// What was received is not what was promised.
    #[error("the content received has digest {got}, not {want}")]
    DigestMismatch {
        /// What the client said.
        want: Digest,
        /// What came.
        got: Digest,
    },
    /// More than is accepted.
    #[error("the blob is larger than {limit} bytes (registry.blob_max_bytes)")]
    BlobTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The manifest is not acceptable.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest refers to what the repository does not have: digest, and the place in the JSON.
    #[error("the manifest refers to {} missing blobs or manifests", .0.len())]
    MissingReferences(Vec<(Digest, String)>),
    /// The body did not come whole.
    #[error(transparent)]
    Incoming(#[from] IncomingError),
    /// The storage failed.
    #[error("cannot {action}")]
    Driver {
        /// What was tried, as a verb and its object.
        action: &'static str,
        /// What the driver says.
        #[source]
        source: DriverError,
    },
}

impl StoreError {
    /// For `map_err`: a driver's error on the way out of `action`.
    pub(super) fn driver(action: &'static str) -> impl Fn(DriverError) -> Self {
        move |source| Self::Driver { action, source }
    }

    /// For a log: the sentence, and what the driver says.
    pub fn with_cause(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }

    /// A reference that a manifest lacks.
    pub(super) fn missing(reference: &Referenced<'_>) -> (Digest, String) {
        (reference.descriptor.digest, reference.field.to_string())
    }
}

/// `None` for what is not there, so that absence is a value and not an error.
pub(super) fn found<T>(answer: Result<T, DriverError>) -> Result<Option<T>, DriverError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
