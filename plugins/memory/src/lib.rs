//! The memory driver: the whole contract in ordinary safe Rust, small enough to copy and start from.
//!
//! Objects live in one ordered map and are gone with the process. Everything completes at once, so no call ever leaves its thread.
#![forbid(unsafe_code)]

mod objects;
mod upload;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, Host, Key, ListPage, ListRequest, ObjectInfo, OpenDriver, Prefix, Read,
    ReadBody, Settings, UploadToken,
};
use serde::Deserialize;

use objects::Objects;
use upload::MemoryUpload;

longshore_plugin_api::export_driver! {
    driver: Memory,
    name: "memory",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/plugins/memory",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// An instance.
pub struct Memory(Arc<Mutex<Objects>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemorySettings {
    max_bytes: u64,
}

/// The map. A panic cannot leave it half-changed, so a poisoned lock is good to use.
fn lock(objects: &Mutex<Objects>) -> MutexGuard<'_, Objects> {
    objects.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenDriver for Memory {
    async fn open(settings: Settings, _: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        let settings: MemorySettings = settings.parse()?;
        Ok(Self(Arc::new(Mutex::new(Objects::new(settings.max_bytes)))))
    }
}

impl Driver for Memory {
    type Upload = MemoryUpload;

    async fn stat(&self, _: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        Ok(lock(&self.0).get(key)?.info())
    }

    async fn read(&self, _: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let object = lock(&self.0).get(key)?.clone();
        let length = range.within(object.bytes.len() as u64)?;
        // Both fit in `usize`: they lie within a buffer that does.
        let (from, length) = (range.offset as usize, length as usize);
        Ok(Read { info: object.info(), body: ReadBody::Bytes(object.bytes.slice(from..from + length)) })
    }

    async fn put(&self, _: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        // The caller's buffer may be a small part of a large one, which would stay alive with it.
        let bytes = Bytes::copy_from_slice(&bytes);
        lock(&self.0).put(key, bytes, condition)
    }

    async fn list(&self, _: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        lock(&self.0).list(request)
    }

    async fn delete(&self, _: &Call, key: &Key) -> Result<(), DriverError> {
        lock(&self.0).delete(key)
    }

    async fn upload_begin(&self, _: &Call, _: Option<&Key>) -> Result<MemoryUpload, DriverError> {
        Ok(MemoryUpload::begin(self.0.clone()))
    }

    async fn upload_resume(&self, _: &Call, token: &UploadToken) -> Result<MemoryUpload, DriverError> {
        MemoryUpload::resume(self.0.clone(), token)
    }

    async fn health(&self, _: &Call) -> Result<(), DriverError> {
        Ok(())
    }

    async fn close(&self, _: &Call) -> Result<(), DriverError> {
        lock(&self.0).clear();
        Ok(())
    }

    async fn delete_prefix(&self, _: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        lock(&self.0).delete_prefix(prefix)
    }

    async fn copy(&self, _: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let mut objects = lock(&self.0);
        let bytes = objects.get(from)?.bytes.clone();
        objects.put(to, bytes, Condition::Always)
    }

    async fn upload_list(&self, _: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        lock(&self.0).abandoned(older_than_ms)
    }
}
