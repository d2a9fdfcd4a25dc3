//! Content that is named by sha512: the bytes lie under their sha256 digest, where distribution finds them, and an alias leads there.

use longshore_loader::api::DriverError;

use super::{Repository, layout};
use crate::oci::{Algorithm, Digest};

impl Repository {
    /// The digest under which the blob's bytes lie, if any repository has pushed it by this digest.
    pub(super) async fn blob_anywhere(&self, digest: &Digest) -> Result<Option<Digest>, DriverError> {
        match digest.algorithm() {
            Algorithm::Sha256 => Ok(Some(*digest)),
            Algorithm::Sha512 => self.link(&layout::blob_alias(digest)).await,
        }
    }

    /// Keeps the other name of a blob, for every repository.
    pub(super) async fn put_blob_alias(&self, digest: &Digest, stored: &Digest) -> Result<(), DriverError> {
        if digest == stored {
            return Ok(());
        }
        self.put_link(&layout::blob_alias(digest), stored).await
    }

    /// The sha256 digest of a manifest of this repository.
    pub(super) async fn manifest_sha256(&self, digest: &Digest) -> Result<Option<Digest>, DriverError> {
        match digest.algorithm() {
            Algorithm::Sha256 => Ok(Some(*digest)),
            Algorithm::Sha512 => self.link(&layout::manifest_alias(&self.name, digest)).await,
        }
    }

    /// Keeps both directions: by the name that the client gave to the bytes, and from the bytes to the name to announce.
    pub(super) async fn put_manifest_alias(&self, digest: &Digest, sha256: &Digest) -> Result<(), DriverError> {
        if digest == sha256 {
            return Ok(());
        }
        self.put_link(&layout::manifest_alias(&self.name, digest), sha256).await?;
        self.put_link(&layout::manifest_name(&self.name, sha256), digest).await
    }

    /// Forgets them.
    pub(super) async fn remove_manifest_alias(&self, sha256: &Digest) -> Result<(), DriverError> {
        let name = layout::manifest_name(&self.name, sha256);
        if let Some(digest) = self.link(&name).await? {
            self.remove(&layout::manifest_alias(&self.name, &digest)).await?;
            self.remove(&name).await?;
        }
        Ok(())
    }
}
