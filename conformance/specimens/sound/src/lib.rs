//! A driver that keeps every rule, for specimens to break one of them: it is wrapped, never changed.
//!
//! Objects are lists of chunks kept by reference: a body leaves at the addresses at which it came, so that tests can see whether a boundary
//! copies, and a gigabyte made of one chunk costs no memory.
#![forbid(unsafe_code)]

mod around;
pub mod echo;
mod flaws;
mod store;
mod stream;
mod upload;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, Host, Key, ListPage, ListRequest, Method, ObjectInfo, OpenDriver, Prefix, Read,
    Settings, UploadToken,
};

pub use around::{Around, AroundUpload, Interference};
use store::Store;
pub use upload::SoundUpload;

/// An instance; clones share its store.
#[derive(Clone, Default)]
pub struct Sound(Arc<Mutex<Store>>);

impl Sound {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenDriver for Sound {
    async fn open(_: Settings, _: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        Ok(Self::default())
    }
}

impl Driver for Sound {
    type Upload = SoundUpload;

    async fn stat(&self, _: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        Ok(self.store().get(key)?.info())
    }

    async fn read(&self, _: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let object = self.store().get(key)?.clone();
        let length = range.within(object.size())?;
        Ok(Read { info: object.info(), body: stream::body(object.chunks(), range.offset, length) })
    }

    async fn put(&self, _: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.store().put(key, vec![bytes], condition)
    }

    async fn list(&self, _: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.store().list(request)
    }

    async fn delete(&self, _: &Call, key: &Key) -> Result<(), DriverError> {
        self.store().delete(key)
    }

    async fn upload_begin(&self, _: &Call, _: Option<&Key>) -> Result<SoundUpload, DriverError> {
        Ok(SoundUpload::begin(self.clone()))
    }

    async fn upload_resume(&self, _: &Call, token: &UploadToken) -> Result<SoundUpload, DriverError> {
        SoundUpload::resume(self.clone(), token)
    }

    async fn health(&self, _: &Call) -> Result<(), DriverError> {
        Ok(())
    }

    async fn delete_prefix(&self, _: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        self.store().delete_prefix(prefix)
    }

    async fn copy(&self, _: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let mut store = self.store();
        let chunks = store.get(from)?.chunks().to_vec();
        store.put(to, chunks, Condition::Always)
    }

    async fn presign(&self, _: &Call, key: &Key, _: Method, expires_ms: u64) -> Result<String, DriverError> {
        Ok(format!("sound:///{key}?expires_ms={expires_ms}"))
    }

    async fn upload_list(&self, _: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.store().abandoned(older_than_ms)
    }
}
