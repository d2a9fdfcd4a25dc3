//! Uploads: a growing buffer, of which `suspend` leaves a copy in the store.

use std::sync::{Arc, Mutex};

use longshore_plugin_api::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

use crate::{Store, lock};

/// An upload. Two that were resumed with one token are two uploads from there on.
pub struct MinimalUpload {
    store: Arc<Mutex<Store>>,
    bytes: Vec<u8>,
    /// The number of the newest token.
    token: Option<u64>,
}

impl MinimalUpload {
    pub(crate) fn begin(store: Arc<Mutex<Store>>) -> Self {
        Self { store, bytes: Vec::new(), token: None }
    }

    pub(crate) fn resume(store: Arc<Mutex<Store>>, token: &UploadToken) -> Result<Self, DriverError> {
        let foreign = |_| DriverError::new(ErrorClass::InvalidArgument, "this is no token of the minimal driver");
        let number = u64::from_le_bytes(token.as_bytes().try_into().map_err(foreign)?);
        let kept = lock(&store).suspended.get(&number).cloned();
        let bytes = kept.ok_or_else(|| DriverError::not_found(format_args!("upload {number}")))?.into();
        Ok(Self { store, bytes, token: Some(number) })
    }
}

// After `commit` and `abort` no call comes any more: the boundary answers `invalid_state`.
impl Upload for MinimalUpload {
    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn write(&mut self, _: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn suspend(&mut self, _: &Call) -> Result<UploadToken, DriverError> {
        let mut store = lock(&self.store);
        store.last += 1;
        let number = store.last;
        store.suspended.insert(number, Bytes::copy_from_slice(&self.bytes));
        store.forget(self.token.replace(number)); // the older token ends here
        UploadToken::new(number.to_le_bytes())
    }

    // The boundary has compared the size with the offset.
    async fn commit(&mut self, _: &Call, destination: &Key, _size: u64) -> Result<ObjectInfo, DriverError> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut store = lock(&self.store);
        store.forget(self.token.take());
        Ok(store.put(destination, bytes.into()))
    }

    async fn abort(&mut self, _: &Call) -> Result<(), DriverError> {
        lock(&self.store).forget(self.token.take());
        Ok(())
    }
}
