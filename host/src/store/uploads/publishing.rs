//! How the bytes of an upload become a blob: the digest is checked, the object published, the repository linked to it.

use bytes::Bytes;
use longshore_loader::UploadHandle;
use longshore_loader::api::{ByteRange, Condition, Driver, DriverError, ErrorClass, Upload, convenience};

use super::{Finished, unknown};
use crate::oci::{Algorithm, Digest, Hasher, UploadState};
use crate::store::pump::Hashes;
use crate::store::{Repository, StoreError, layout};

impl Repository {
    /// A small blob that came in one request.
    pub(super) async fn put_small(&self, bytes: Bytes, hashes: &Hashes, want: Digest) -> Result<Finished, StoreError> {
        let stored = checked(hashes, want)?;
        let size = bytes.len() as u64;
        let put = self.driver().put(&self.call(), &layout::blob(&stored), bytes, Condition::Always).await;
        put.map_err(StoreError::driver("write a blob"))?;
        self.facts().learn_size(&stored, size);
        self.link_blob(&want, &stored).await?;
        Ok(Finished { digest: want })
    }

    /// Checks the digest, commits under the digest of the bytes, and links. A damaged older copy is replaced.
    pub(super) async fn publish(
        &self,
        state: &UploadState,
        mut upload: UploadHandle,
        hashes: &Hashes,
        want: Digest,
    ) -> Result<Finished, StoreError> {
        let checked = match hashes.finish(want.algorithm()) {
            Some(_) => checked(hashes, want),
            // The client names an algorithm at the end that it did not announce. The bytes are right by the name we store them under;
            // whether the client's name is theirs too is asked of the stored bytes below.
            None => Ok(hashes.finish(Algorithm::Sha256).unwrap_or(want)),
        };
        let stored = match checked {
            Ok(stored) => stored,
            Err(error) => {
                upload.abort(&self.call()).await.map_err(StoreError::driver("abort an upload"))?;
                return Err(error);
            }
        };
        let size = upload.offset();
        let call = self.driver().call_with_copy(self.trace_id, size);
        if let Err(error) = upload.commit(&call, &layout::blob(&stored), size).await {
            return Err(self.uncommitted(state, upload, error).await);
        }
        self.facts().learn_size(&stored, size);
        if hashes.finish(want.algorithm()).is_none() {
            let got = self.hash_again(&stored, want.algorithm()).await?;
            if got != want {
                return Err(StoreError::DigestMismatch { want, got });
            }
        }
        self.link_blob(&want, &stored).await?;
        Ok(Finished { digest: want })
    }

    /// What the client is told of a commit that failed: to begin anew where no other commit of this upload can do better (driver contract,
    /// section 5), which is so if it was begun for the digest of a body that broke, and ends with another one.
    async fn uncommitted(&self, state: &UploadState, mut upload: UploadHandle, error: DriverError) -> StoreError {
        if !matches!(error.class(), ErrorClass::NotFound | ErrorClass::Unsupported) {
            return StoreError::driver("commit an upload")(error);
        }
        tracing::warn!(upload = %state.id, %error, "an upload could not be committed; its client has to begin anew");
        if let Err(error) = upload.abort(&self.call()).await {
            tracing::warn!(upload = %state.id, %error, "what it left stays until it is purged");
        }
        unknown(state)
    }

    /// Reads a blob back to name it by another algorithm.
    async fn hash_again(&self, stored: &Digest, algorithm: Algorithm) -> Result<Digest, StoreError> {
        let failed = StoreError::driver("read a blob back to hash it");
        let read = self.driver().read(&self.call(), &layout::blob(stored), ByteRange::ALL).await.map_err(&failed)?;
        let mut body = convenience::Body::new(read.body);
        let mut hasher = Hasher::new(algorithm);
        while let Some(chunk) = body.next().await.map_err(&failed)? {
            hasher.update(&chunk);
            // A large blob is minutes of hashing: other requests of this thread get their turn.
            tokio::task::yield_now().await;
        }
        Ok(hasher.finish())
    }
}

/// The digest under which the bytes are stored, if they have the digest that the client wants.
fn checked(hashes: &Hashes, want: Digest) -> Result<Digest, StoreError> {
    let got = hashes.finish(want.algorithm()).ok_or(StoreError::DigestMismatch { want, got: want })?;
    if got != want {
        return Err(StoreError::DigestMismatch { want, got });
    }
    // Sha256 always runs along.
    Ok(hashes.finish(Algorithm::Sha256).unwrap_or(got))
}
