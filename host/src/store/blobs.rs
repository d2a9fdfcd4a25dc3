//! Blobs: readable only through a repository that links them.

use longshore_loader::api::{ByteRange, Driver, DriverError, ErrorClass, ReadBody};

use super::error::found;
use super::{Repository, StoreError, layout};
use crate::oci::{Algorithm, Digest};

/// A blob of a repository, not read yet.
#[derive(Debug, Clone, Copy)]
pub struct Blob {
    /// The name that the client uses.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Under which its bytes lie.
    pub(super) stored: Digest,
}

impl Repository {
    /// Finds a blob. Two driver calls when nothing is remembered, none when all is.
    ///
    /// # Errors
    /// [`StoreError::BlobUnknown`] if the repository does not link it, or if its bytes are gone.
    pub async fn blob(&self, digest: &Digest) -> Result<Blob, StoreError> {
        let stored = self.linked(digest).await?.ok_or_else(|| self.blob_unknown(digest))?;
        let size = match self.facts().size(&stored) {
            Some(size) => size,
            None => self.blob_size(&stored).await?.ok_or_else(|| self.blob_unknown(digest))?,
        };
        Ok(Blob { digest: *digest, size, stored })
    }

    /// A blob and all of its bytes. One driver call when the link is remembered, two when nothing is.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub async fn whole_blob(&self, digest: &Digest) -> Result<(Blob, ReadBody), StoreError> {
        self.blob_and_part(digest, ByteRange::ALL).await?.ok_or_else(|| self.blob_unknown(digest))
    }

    /// A blob and a part of it, which is cut at the blob's end; no part if it begins beyond that. Driver calls as for
    /// [`whole_blob`](Self::whole_blob), for the driver tells the size with the bytes.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub async fn part_of_blob(&self, digest: &Digest, range: ByteRange) -> Result<(Blob, Option<ReadBody>), StoreError> {
        match self.blob_and_part(digest, range).await? {
            Some((blob, body)) => Ok((blob, Some(body))),
            None => Ok((self.blob(digest).await?, None)),
        }
    }

    /// `None` if the range begins beyond the blob's end.
    async fn blob_and_part(&self, digest: &Digest, range: ByteRange) -> Result<Option<(Blob, ReadBody)>, StoreError> {
        let stored = self.linked(digest).await?.ok_or_else(|| self.blob_unknown(digest))?;
        let read = match self.driver().read(&self.call(), &layout::blob(&stored), range).await {
            Err(error) if error.class() == ErrorClass::InvalidRange => return Ok(None),
            read => found(read).map_err(StoreError::driver("read a blob"))?,
        };
        let size = read.as_ref().map_or(0, |read| read.info.size);
        let blob = Blob { digest: *digest, size, stored };
        let Some(read) = read else {
            self.forget_blob(&blob);
            return Err(self.blob_unknown(digest));
        };
        self.check_whole(&stored, size)?;
        self.facts().learn_size(&stored, size);
        Ok(Some((blob, read.body)))
    }

    /// Fails if the stored copy has fewer bytes than are remembered: it was cut short, and would be served as if that were all. More bytes
    /// than are remembered are another host's repair of such a copy.
    fn check_whole(&self, stored: &Digest, size: u64) -> Result<(), StoreError> {
        match self.facts().size(stored) {
            Some(remembered) if size < remembered => Err(broken(stored, size, remembered)),
            _ => Ok(()),
        }
    }

    /// The bytes of a blob, or `length` of them from `offset` on. One driver call.
    ///
    /// # Errors
    /// [`StoreError::BlobUnknown`] if the bytes have gone since the blob was found.
    pub async fn read_blob(&self, blob: &Blob, range: ByteRange) -> Result<ReadBody, StoreError> {
        let read = found(self.driver().read(&self.call(), &layout::blob(&blob.stored), range).await);
        let read = read.map_err(StoreError::driver("read a blob"))?;
        let Some(read) = read else {
            self.forget_blob(blob);
            return Err(self.blob_unknown(&blob.digest));
        };
        if read.info.size != blob.size {
            // What was announced from memory is not what would be sent.
            self.check_whole(&blob.stored, read.info.size)?;
            self.facts().learn_size(&blob.stored, read.info.size);
            return Err(broken(&blob.stored, read.info.size, blob.size));
        }
        Ok(read.body)
    }

    /// Removes the repository's link; the bytes stay until garbage collection.
    ///
    /// # Errors
    /// [`StoreError::BlobUnknown`].
    pub async fn delete_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        let failed = StoreError::driver("delete a blob's link");
        let stored = self.link(&layout::layer_link(&self.name, digest)).await.map_err(&failed)?;
        let stored = stored.ok_or_else(|| self.blob_unknown(digest))?;
        // Pushed by sha512 it has two links, and neither may be left: distribution's layout, which does the same.
        let mut names = match stored == *digest {
            true => self.blob_other_names(&stored).await.map_err(&failed)?,
            false => vec![*digest],
        };
        names.push(stored);
        for name in &names {
            self.remove(&layout::layer_link(&self.name, name)).await.map_err(&failed)?;
            self.facts().forget_layer(&self.name, name);
        }
        Ok(())
    }

    /// Takes a blob over from `from`, or from anywhere; `false` if it is not there.
    ///
    /// # Errors
    /// Only the driver's.
    pub async fn mount(&self, digest: &Digest, from: Option<Self>) -> Result<bool, StoreError> {
        let found = match from {
            // A repository in another storage has its bytes elsewhere: the client must push.
            Some(from) if !std::sync::Arc::ptr_eq(&from.storage, &self.storage) => None,
            Some(from) => from.linked(digest).await?,
            None => self.blob_anywhere(digest).await.map_err(StoreError::driver("look for a blob to mount"))?,
        };
        let Some(stored) = found else { return Ok(false) };
        // Bytes that were never there, or that a garbage collection has taken, cannot be mounted, whatever is remembered.
        if self.blob_size(&stored).await?.is_none() {
            return Ok(false);
        }
        self.link_blob(digest, &stored).await?;
        Ok(true)
    }

    /// Lets the repository read a blob: distribution's link, under both names if it has two.
    pub(super) async fn link_blob(&self, digest: &Digest, stored: &Digest) -> Result<(), StoreError> {
        let failed = StoreError::driver("link a blob");
        if digest != stored {
            self.put_blob_alias(digest, stored).await.map_err(&failed)?;
            self.put_link(&layout::layer_link(&self.name, digest), stored).await.map_err(&failed)?;
            self.facts().learn_layer(&self.name, digest, *stored);
        }
        self.put_link(&layout::layer_link(&self.name, stored), stored).await.map_err(&failed)?;
        self.facts().learn_layer(&self.name, stored, *stored);
        Ok(())
    }

    /// The digest that the repository's link leads to.
    pub(super) async fn linked(&self, digest: &Digest) -> Result<Option<Digest>, StoreError> {
        if let Some(stored) = self.facts().layer(&self.name, digest) {
            return Ok(Some(stored));
        }
        let link = self.link(&layout::layer_link(&self.name, digest)).await;
        // Bytes lie under sha256 only; a link to anything else was not written by a registry.
        let link = link.map_err(StoreError::driver("read a blob's link"))?.filter(|stored| stored.algorithm() == Algorithm::Sha256);
        if let Some(stored) = link {
            self.facts().learn_layer(&self.name, digest, stored);
        }
        Ok(link)
    }

    /// The size of the bytes in the store, asked of the driver.
    pub(super) async fn blob_size(&self, stored: &Digest) -> Result<Option<u64>, StoreError> {
        let info = found(self.driver().stat(&self.call(), &layout::blob(stored)).await).map_err(StoreError::driver("look for a blob"))?;
        match &info {
            Some(info) => self.facts().learn_size(stored, info.size),
            None => self.facts().forget_size(stored),
        }
        Ok(info.map(|info| info.size))
    }

    fn forget_blob(&self, blob: &Blob) {
        self.facts().forget_size(&blob.stored);
        self.facts().forget_layer(&self.name, &blob.digest);
    }

    fn blob_unknown(&self, digest: &Digest) -> StoreError {
        StoreError::BlobUnknown { name: self.name.clone(), digest: *digest }
    }
}

fn broken(stored: &Digest, size: u64, remembered: u64) -> StoreError {
    let message = format!("blob {stored} has {size} bytes, not {remembered}; push it again to repair it");
    StoreError::Driver { action: "read a blob", source: DriverError::new(ErrorClass::Broken, message) }
}
