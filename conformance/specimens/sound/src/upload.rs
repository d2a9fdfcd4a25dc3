//! Uploads: a growing list of chunks, copied (the list, not the bytes) into the store by `suspend`.

use longshore_plugin_api::{Bytes, Call, Condition, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

use crate::Sound;
use crate::store::size_of;

/// An upload.
pub struct SoundUpload {
    driver: Sound,
    id: u64,
    chunks: Vec<Bytes>,
    size: u64,
}

impl SoundUpload {
    pub(crate) fn begin(driver: Sound) -> Self {
        let id = driver.store().number();
        Self { driver, id, chunks: Vec::new(), size: 0 }
    }

    pub(crate) fn resume(driver: Sound, token: &UploadToken) -> Result<Self, DriverError> {
        let foreign = |_| DriverError::new(ErrorClass::InvalidArgument, "this is no token of this driver");
        let id = u64::from_le_bytes(token.as_bytes().try_into().map_err(foreign)?);
        let chunks = driver.store().resume(id)?;
        Ok(Self { driver, id, size: size_of(&chunks), chunks })
    }
}

impl Upload for SoundUpload {
    fn offset(&self) -> u64 {
        self.size
    }

    async fn write(&mut self, _: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.size += bytes.len() as u64;
        self.chunks.push(bytes);
        Ok(())
    }

    async fn suspend(&mut self, _: &Call) -> Result<UploadToken, DriverError> {
        self.driver.store().suspend(self.id, self.chunks.clone());
        UploadToken::new(self.id.to_le_bytes())
    }

    async fn commit(&mut self, _: &Call, destination: &Key, _: u64) -> Result<ObjectInfo, DriverError> {
        let mut store = self.driver.store();
        store.forget(self.id);
        store.put(destination, std::mem::take(&mut self.chunks), Condition::Always)
    }

    async fn abort(&mut self, _: &Call) -> Result<(), DriverError> {
        self.driver.store().forget(self.id);
        Ok(())
    }
}
