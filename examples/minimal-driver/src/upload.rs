//! Uploads: a growing buffer, of which `suspend` leaves a copy in the store.

use std::sync::{Arc, Mutex};

use longshore_plugin_api::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

use crate::{Store, lock};

/// An upload. Two that were resumed with one token are two uploads from there on.
pub struct MyUpload {
    store: Arc<Mutex<Store>>,
    bytes: Vec<u8>,
    /// The number of the newest token.
    token: Option<u64>,
}

impl MyUpload {
    pub(crate) fn begin(store: Arc<Mutex<Store>>) -> Self {
        Self { store, bytes: Vec::new(), token: None }
    }

    pub(crate) fn resume(store: Arc<Mutex<Store>>, token: &UploadToken) -> Result<Self, DriverError> {
        let foreign = |_| DriverError::new(ErrorClass::InvalidArgument, "this is no token of ours");
        let number = u64::from_le_bytes(token.as_bytes().try_into().map_err(foreign)?);
        let mut kept = lock(&store);
        let bytes = kept.suspended.get(&number).cloned();
        let bytes = bytes.ok_or_else(|| DriverError::not_found(format_args!("upload {number}")))?;
        kept.take(&bytes)?;
        drop(kept);
        Ok(Self { store, bytes: bytes.into(), token: Some(number) })
    }
}

// After `commit` and `abort` no call comes any more: the boundary answers `invalid_state`.
impl Upload for MyUpload {
    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn write(&mut self, _: &Call, bytes: Bytes) -> Result<(), DriverError> {
        lock(&self.store).take(&bytes)?;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn suspend(&mut self, _: &Call) -> Result<UploadToken, DriverError> {
        let mut store = lock(&self.store);
        store.take(&self.bytes)?;
        store.last += 1;
        let number = store.last;
        store.suspended.insert(number, Bytes::copy_from_slice(&self.bytes));
        store.forget(self.token.replace(number)); // the older token ends here
        UploadToken::new(number.to_le_bytes())
    }

    // The boundary has compared the size with the offset.
    async fn commit(&mut self, _: &Call, key: &Key, _: u64) -> Result<ObjectInfo, DriverError> {
        let bytes = std::mem::take(&mut self.bytes);
        let mut store = lock(&self.store);
        store.forget(self.token.take());
        Ok(store.insert(key, bytes.into()))
    }

    async fn abort(&mut self, _: &Call) -> Result<(), DriverError> {
        lock(&self.store).forget(self.token.take());
        Ok(()) // `drop` gives back the buffer
    }
}

impl Drop for MyUpload {
    fn drop(&mut self) {
        lock(&self.store).give_back(&self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use longshore_plugin_api::{Condition, Driver, Host, OpenDriver, Settings};

    use super::*;
    use crate::MyDriver;

    /// A driver is tested without a host and without its file. The whole contract is the business of `longshore-conformance`.
    #[test]
    fn full_store_takes_more_once_an_upload_is_gone() {
        let (call, key) = (Call::unbounded(), Key::parse("a/b").expect("a legal key"));
        let settings = Settings::new(serde_json::json!({ "max_bytes": 10 }));
        let driver = block_on(MyDriver::open(settings, Host::detached(), None)).expect("it opens");
        let mut upload = block_on(driver.upload_begin(&call, None)).expect("an upload begins");
        block_on(upload.write(&call, "8 bytes.".into())).expect("there is room");
        let put = || block_on(driver.put(&call, key, "3 b".into(), Condition::Always));
        assert_eq!(put().map_err(|error| error.class()), Err(ErrorClass::Full));
        block_on(upload.abort(&call)).expect("an upload is aborted");
        drop(upload);
        assert_eq!(put().map(|info| info.size), Ok(3), "what an upload held is given back");
    }
}
