//! The storage driver `minimal`: objects in one ordered map, gone with the process.
#![forbid(unsafe_code)]

mod list;
mod upload;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Host, Key, ListPage, ListRequest, ObjectInfo, OpenDriver, Read,
    ReadBody, Settings, UploadToken,
};
use serde::Deserialize;

use upload::MyUpload;

longshore_plugin_api::export_driver! {
    driver: MyDriver,
    name: "minimal",
    vendor: "Example",
    documentation: "https://example.org/minimal",
    capabilities: [NestedObjects], // `a` and `a/b` may both be objects
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// An instance. Uploads share its store, and may outlive it.
pub struct MyDriver(Arc<Mutex<Store>>);

/// The schema has checked them and filled in the defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MySettings {
    max_bytes: u64,
}

/// What is kept.
struct Store {
    /// By the key's text, so that any text can bound a range.
    objects: BTreeMap<String, Object>,
    /// What suspended uploads promised, by the number in their token.
    suspended: BTreeMap<u64, Bytes>,
    /// The last number that was given.
    last: u64,
    free_bytes: u64,
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

    /// Counts bytes that are about to be kept.
    fn take(&mut self, bytes: &[u8]) -> Result<(), DriverError> {
        let full = || DriverError::new(ErrorClass::Full, "max_bytes is reached");
        self.free_bytes = self.free_bytes.checked_sub(bytes.len() as u64).ok_or_else(full)?;
        Ok(())
    }

    fn give_back(&mut self, bytes: &[u8]) {
        self.free_bytes += bytes.len() as u64;
    }

    /// Keeps bytes that are counted already.
    fn insert(&mut self, key: &Key, bytes: Bytes) -> ObjectInfo {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let info = ObjectInfo::new(bytes.len() as u64, now.as_millis() as i64);
        let object = Object { bytes, info: info.clone() };
        if let Some(old) = self.objects.insert(key.to_string(), object) {
            self.give_back(&old.bytes);
        }
        info
    }

    /// Ends a token.
    fn forget(&mut self, token: Option<u64>) {
        if let Some(bytes) = token.and_then(|number| self.suspended.remove(&number)) {
            self.give_back(&bytes);
        }
    }
}

impl OpenDriver for MyDriver {
    async fn open(settings: Settings, _: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        let MySettings { max_bytes: free_bytes } = settings.parse()?;
        let (objects, suspended) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self(Arc::new(Mutex::new(Store { objects, suspended, last: 0, free_bytes }))))
    }
}

impl Driver for MyDriver {
    type Upload = MyUpload;

    async fn stat(&self, _: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        Ok(lock(&self.0).get(key)?.info.clone())
    }

    async fn read(&self, _: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let Object { bytes, info } = lock(&self.0).get(key)?.clone();
        // Both fit in `usize`: they lie within a buffer that does.
        let (from, length) = (range.offset as usize, range.within(info.size)? as usize);
        Ok(Read { info, body: ReadBody::Bytes(bytes.slice(from..from + length)) })
    }

    // The condition is `Always`: the boundary refuses the other one for a driver without the capability `put_if_absent`.
    async fn put(&self, _: &Call, key: &Key, bytes: Bytes, _: Condition) -> Result<ObjectInfo, DriverError> {
        let mut store = lock(&self.0);
        store.take(&bytes)?;
        // A copy: the caller's buffer may be a small part of a large one, which it would keep.
        Ok(store.insert(key, Bytes::copy_from_slice(&bytes)))
    }

    async fn list(&self, _: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        list::page(&lock(&self.0).objects, request)
    }

    async fn delete(&self, _: &Call, key: &Key) -> Result<(), DriverError> {
        let mut store = lock(&self.0);
        let old = store.objects.remove(key.as_str()).ok_or_else(|| DriverError::not_found(key))?;
        store.give_back(&old.bytes);
        Ok(())
    }

    async fn upload_begin(&self, _: &Call, _: Option<&Key>) -> Result<MyUpload, DriverError> {
        Ok(MyUpload::begin(self.0.clone()))
    }

    async fn upload_resume(&self, _: &Call, token: &UploadToken) -> Result<MyUpload, DriverError> {
        MyUpload::resume(self.0.clone(), token)
    }

    async fn health(&self, _: &Call) -> Result<(), DriverError> {
        Ok(())
    }
}
