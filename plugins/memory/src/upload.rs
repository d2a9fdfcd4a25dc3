//! Uploads: a growing buffer that is parked between `suspend` and `resume`.

use std::sync::{Arc, Mutex};

use longshore_plugin_api::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

use crate::lock;
use crate::objects::Objects;

/// An upload.
pub struct MemoryUpload {
    objects: Arc<Mutex<Objects>>,
    id: u64,
    /// What was accepted; all of it is counted against the limit.
    bytes: Vec<u8>,
    /// How much of it the last `suspend` promised; `None` before the first.
    promised: Option<usize>,
    /// Committed or aborted: nothing is left to keep or to forget.
    ended: bool,
}

impl MemoryUpload {
    pub(crate) fn begin(objects: Arc<Mutex<Objects>>) -> Self {
        let id = {
            let mut objects = lock(&objects);
            let id = objects.number();
            objects.open_upload(id);
            id
        };
        Self { objects, id, bytes: Vec::new(), promised: None, ended: false }
    }

    pub(crate) fn resume(objects: Arc<Mutex<Objects>>, token: &UploadToken) -> Result<Self, DriverError> {
        let foreign = |_| DriverError::new(ErrorClass::InvalidArgument, "this is no token of the memory driver");
        let id = u64::from_le_bytes(token.as_bytes().try_into().map_err(foreign)?);
        let bytes = lock(&objects).claim(id)?.bytes;
        let promised = Some(bytes.len());
        Ok(Self { objects, id, bytes, promised, ended: false })
    }
}

impl Upload for MemoryUpload {
    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn write(&mut self, _: &Call, bytes: Bytes) -> Result<(), DriverError> {
        lock(&self.objects).reserve(bytes.len() as u64)?;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn suspend(&mut self, _: &Call) -> Result<UploadToken, DriverError> {
        self.promised = Some(self.bytes.len());
        UploadToken::new(self.id.to_le_bytes())
    }

    async fn commit(&mut self, _: &Call, destination: &Key, _size: u64) -> Result<ObjectInfo, DriverError> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut objects = lock(&self.objects);
        let info = objects.publish(destination, bytes.into());
        objects.forget(self.id, 0);
        self.ended = true;
        Ok(info)
    }

    async fn abort(&mut self, _: &Call) -> Result<(), DriverError> {
        lock(&self.objects).forget(self.id, self.bytes.len() as u64);
        self.ended = true;
        Ok(())
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut objects = lock(&self.objects);
        match self.promised {
            None => objects.forget(self.id, self.bytes.len() as u64),
            Some(promised) => {
                objects.release((self.bytes.len() - promised) as u64);
                self.bytes.truncate(promised);
                objects.park(self.id, std::mem::take(&mut self.bytes));
            }
        }
    }
}
