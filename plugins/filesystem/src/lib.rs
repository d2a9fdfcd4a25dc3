//! The filesystem driver: objects are plain files below one folder, in CNCF distribution's layout as the host names them.
//!
//! | to learn about | read |
//! |---|---|
//! | why no key and no link leads out of the root | `root.rs` |
//! | why a write is whole and durable | `write.rs` |
//! | where temporary files and uploads are | `private.rs` |
//! | what costs no thread | `read.rs` |
#![forbid(unsafe_code)]

mod errno;
mod folders;
mod growing;
mod held;
mod list;
mod private;
mod read;
mod remove;
mod root;
mod seen;
mod settings;
mod staging;
mod store;
mod token;
mod upload;
mod work;
mod write;

use std::sync::{Arc, PoisonError, RwLock};

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, Host, Key, ListPage, ListRequest, ObjectInfo, OpenDriver, Prefix, Read,
    Settings, UploadToken,
};

use settings::FilesystemSettings;
use store::Store;
pub use upload::FilesystemUpload;
use work::Stop;

longshore_plugin_api::export_driver! {
    driver: Filesystem,
    name: "filesystem",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/plugins/filesystem",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, FileRegion, UploadList],
    consistency: Strong,
    durability: Disk,
    settings: include_str!("../settings.schema.json"),
}

/// An instance; `None` once it was closed.
pub struct Filesystem(RwLock<Option<Arc<Store>>>);

impl Filesystem {
    fn store(&self) -> Result<Arc<Store>, DriverError> {
        let store = self.0.read().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or_else(DriverError::closed)
    }
}

impl OpenDriver for Filesystem {
    async fn open(settings: Settings, host: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        let settings: FilesystemSettings = settings.parse()?;
        let of_store = host.clone();
        let store = host.blocking(move || Store::open(&settings, of_store)).await?;
        Ok(Self(RwLock::new(Some(store))))
    }
}

impl Driver for Filesystem {
    type Upload = FilesystemUpload;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        read::stat(&self.store()?, call, key).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        read::read(&self.store()?, call, key, range).await
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        let key = key.to_owned();
        self.store()?.blocking(call, move |store, _| write::put(store, &key, &bytes, condition)).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        request.check()?;
        let request = list::Request {
            prefix: request.prefix.to_owned(),
            start_after: request.start_after.map(str::to_owned),
            limit: request.limit,
            recursive: request.recursive,
        };
        let store = self.store()?;
        work::check_deadline(call)?;
        if let Some(page) = list::page_cached(&store, &request, &Stop::new(call)) {
            return page;
        }
        store.blocking(call, move |store, stop| list::page(store, &request, stop)).await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        let key = key.to_owned();
        self.store()?.blocking(call, move |store, _| remove::object(store, &key)).await
    }

    async fn upload_begin(&self, call: &Call, _: Option<&Key>) -> Result<FilesystemUpload, DriverError> {
        work::check_deadline(call)?;
        upload::begin(&self.store()?)
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<FilesystemUpload, DriverError> {
        upload::resume(&self.store()?, call, token).await
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.store()?.blocking(call, |store, _| store.health()).await
    }

    async fn close(&self, _: &Call) -> Result<(), DriverError> {
        let Some(store) = self.0.write().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(());
        };
        // Uploads are let go of between two steps, which may take as long as a sync.
        let host = store.host.clone();
        host.blocking(move || {
            store.close();
            Ok(())
        })
        .await
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        let prefix = prefix.to_owned();
        self.store()?.blocking(call, move |store, stop| remove::below(store, &prefix, stop)).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.store()?.blocking(call, move |store, stop| write::copy(store, &from, &to, stop)).await
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.store()?.blocking(call, move |store, _| upload::abandoned(store, older_than_ms)).await
    }
}
