//! Uploads that nobody goes on with: their clients are gone, their parts cost money or space.
//!
//! The driver knows them and names them by their tokens (driver contract, section 4, `upload_list`). Every host on a store asks; that two
//! remove the same upload hurts neither.

use longshore_loader::api::{Capability, Driver, DriverError, ErrorClass, Upload, UploadToken};

use super::{Storage, StoreError};

/// What became of abandoned uploads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Removed now.
    pub removed: u64,
    /// Still there: somebody had them, or the driver failed.
    pub kept: u64,
}

impl Storage {
    /// Removes the uploads that nobody has written to for as long as an upload may take; a client cannot go on with them any more. A driver
    /// that cannot tell them has none, nor has a store that can only be read.
    ///
    /// # Errors
    /// What the driver says when it is asked for them. One that cannot be removed is logged, counted, and found again the next time.
    pub async fn purge_uploads(&self) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        if !self.driver.capabilities().has(Capability::UploadList) {
            return Ok(purged);
        }
        let older_than_ms = u64::try_from(self.options.upload_max.as_millis()).unwrap_or(u64::MAX);
        let tokens = match self.driver.upload_list(&self.driver.call(0), older_than_ms).await {
            // Nobody begins uploads there either.
            Err(error) if error.class() == ErrorClass::ReadOnly => return Ok(purged),
            tokens => tokens.map_err(StoreError::driver("list abandoned uploads"))?,
        };
        for token in tokens {
            match self.purge(&token).await {
                Ok(true) => {
                    purged.removed += 1;
                    self.past.uploads.purged();
                }
                Ok(false) => {}
                Err(error) => {
                    purged.kept += 1;
                    tracing::warn!(storage = self.name(), %error, "an abandoned upload was not removed");
                }
            }
        }
        Ok(purged)
    }

    /// Removes one upload; `false` if there is none any more, or if somebody goes on with it after all.
    async fn purge(&self, token: &UploadToken) -> Result<bool, DriverError> {
        match self.driver.upload_resume(&self.driver.call(0), token).await {
            Ok(mut upload) => upload.abort(&self.driver.call(0)).await.map(|()| true),
            Err(error) if matches!(error.class(), ErrorClass::NotFound | ErrorClass::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
