//! The smallest driver that keeps the whole contract: objects in one ordered map, gone with the process.
//!
//! It declares one capability, which a map has by nature; `plugins/memory` shows the others, and a limit on its bytes.
#![forbid(unsafe_code)]

mod list;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, Host, Key, ListPage, ListRequest, ObjectInfo, OpenDriver, Read, ReadBody,
    Settings, UploadToken,
};

use upload::MinimalUpload;

longshore_plugin_api::export_driver! {
    driver: Minimal,
    name: "minimal",
    vendor: "Example",
    documentation: "https://example.org/minimal",
    capabilities: [NestedObjects], // `a` and `a/b` may both be objects
    consistency: Strong,
    durability: Memory,
    settings: r#"{"type": "object", "properties": {}}"#,
}

/// An instance. Uploads share its store, and may outlive it.
pub struct Minimal(Arc<Mutex<Store>>);

/// What is kept.
#[derive(Default)]
struct Store {
    /// By the key's text, so that any text can bound a range.
    objects: BTreeMap<String, Object>,
    /// What suspended uploads promised, by the number in their token.
    suspended: BTreeMap<u64, Bytes>,
    /// The last number that was given.
    last: u64,
}

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    info: ObjectInfo,
}

/// The store. A panic cannot leave it half-changed, so a poisoned lock is good to use.
fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    fn get(&self, key: &Key) -> Result<&Object, DriverError> {
        self.objects.get(key.as_str()).ok_or_else(|| DriverError::not_found(key))
    }

    fn put(&mut self, key: &Key, bytes: Bytes) -> ObjectInfo {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        let info = ObjectInfo::new(bytes.len() as u64, now);
        self.objects.insert(key.to_string(), Object { bytes, info: info.clone() });
        info
    }

    /// Ends a token.
    fn forget(&mut self, token: Option<u64>) {
        if let Some(number) = token {
            self.suspended.remove(&number);
        }
    }
}

impl OpenDriver for Minimal {
    async fn open(_: Settings, _: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        Ok(Self(Arc::default()))
    }
}

impl Driver for Minimal {
    type Upload = MinimalUpload;

    async fn stat(&self, _: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        Ok(lock(&self.0).get(key)?.info.clone())
    }

    async fn read(&self, _: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let object = lock(&self.0).get(key)?.clone();
        // Both fit in `usize`: they lie within a buffer that does.
        let (from, length) = (range.offset as usize, range.within(object.info.size)? as usize);
        Ok(Read { info: object.info, body: ReadBody::Bytes(object.bytes.slice(from..from + length)) })
    }

    // The condition is `Always`: the boundary refuses the other one for a driver without the capability `put_if_absent`.
    async fn put(&self, _: &Call, key: &Key, bytes: Bytes, _: Condition) -> Result<ObjectInfo, DriverError> {
        // A copy: the caller's buffer may be a small part of a large one, which would stay alive with it.
        Ok(lock(&self.0).put(key, Bytes::copy_from_slice(&bytes)))
    }

    async fn list(&self, _: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        list::page(&lock(&self.0).objects, request)
    }

    async fn delete(&self, _: &Call, key: &Key) -> Result<(), DriverError> {
        lock(&self.0).objects.remove(key.as_str()).map(drop).ok_or_else(|| DriverError::not_found(key))
    }

    async fn upload_begin(&self, _: &Call, _: Option<&Key>) -> Result<MinimalUpload, DriverError> {
        Ok(MinimalUpload::begin(self.0.clone()))
    }

    async fn upload_resume(&self, _: &Call, token: &UploadToken) -> Result<MinimalUpload, DriverError> {
        MinimalUpload::resume(self.0.clone(), token)
    }

    async fn health(&self, _: &Call) -> Result<(), DriverError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;
    use longshore_plugin_api::{ErrorClass, Upload};

    use super::*;

    /// A driver is tested without a host and without its file. The whole contract is the business of Longshore's own checks.
    #[test]
    fn suspended_upload_goes_on_where_it_stood() {
        let (driver, call) = (Minimal(Arc::default()), Call::unbounded());
        let key = Key::parse("a/b").expect("a legal key");
        let mut upload = block_on(driver.upload_begin(&call, None)).expect("an upload begins");
        block_on(upload.write(&call, "one ".into())).expect("bytes are accepted");
        let token = block_on(upload.suspend(&call)).expect("an upload is suspended");
        drop(upload);
        let mut upload = block_on(driver.upload_resume(&call, &token)).expect("the token is known");
        block_on(upload.write(&call, "two".into())).expect("bytes are accepted");
        let info = block_on(upload.commit(&call, key, 7)).expect("an upload is committed");
        assert_eq!(block_on(driver.stat(&call, key)), Ok(info), "the object is there once it is committed");
        let again = block_on(driver.upload_resume(&call, &token)).err().map(|error| error.class());
        assert_eq!(again, Some(ErrorClass::NotFound), "a token ends with its upload");
    }
}
