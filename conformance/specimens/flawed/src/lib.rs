//! A driver of files that keeps the contract, with one flaw at a time: the setting `flaw` names it, see [`Flaw`].
//!
//! Without a flaw it is a second reference beside the filesystem driver: slower, much shorter, and with every capability but `layer`.
#![forbid(unsafe_code)]

mod flaw;
mod index;
mod list;
mod open;
mod place;
mod process;
mod read;
mod remove;
mod upload;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use longshore_plugin_api::blocking::{Blocking, BlockingDriver, BlockingRead};
use longshore_plugin_api::{
    ByteRange, Bytes, Condition, DriverError, Host, Key, ListPage, ListRequest, Method, ObjectInfo, Prefix, Settings, UploadToken,
};

pub use flaw::Flaw;
use open::Opened;
use upload::FlawedUpload;

longshore_plugin_api::export_driver! {
    driver: Blocking<Flawed>,
    name: "specimen-flawed",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Disk,
    settings: include_str!("../settings.schema.json"),
}

/// An instance.
pub struct Flawed(Arc<Opened>);

/// What the instance and its uploads share.
impl Opened {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// The root, which one flaw shares between instances.
    fn root(&self) -> PathBuf {
        if self.has(Flaw::SharesState) { process::shared_root(&self.root) } else { self.root.clone() }
    }

    fn objects(&self) -> PathBuf {
        self.root().join("objects")
    }

    fn uploads(&self) -> PathBuf {
        self.root().join("uploads")
    }

    /// The folder of a key, which two flaws confuse with others.
    fn folder(&self, key: &str) -> PathBuf {
        let key = match self.flaw {
            Flaw::LowersCase => key.to_ascii_lowercase(),
            Flaw::DecodesPercent => key.replace("%41", "A").replace("%2e", ".").replace("%2F", "_"),
            _ => key.to_owned(),
        };
        place::folder(&self.objects(), &key)
    }

    fn object(&self, key: &Key) -> PathBuf {
        self.folder(key.as_str()).join(place::OBJECT)
    }

    /// An I/O error as the contract has it.
    fn error(&self, error: std::io::Error, what: impl std::fmt::Display) -> DriverError {
        match error.kind() {
            std::io::ErrorKind::NotFound => DriverError::not_found(what),
            std::io::ErrorKind::PermissionDenied if self.has(Flaw::HidesDenial) => DriverError::not_found(what),
            std::io::ErrorKind::NotADirectory => DriverError::not_found(what),
            std::io::ErrorKind::StorageFull if self.has(Flaw::NothingSupported) => DriverError::unsupported("a full disk"),
            _ => DriverError::from(error),
        }
    }

    /// Refuses a folder that lies behind a symbolic link.
    fn no_link(&self, path: &Path) -> Result<(), DriverError> {
        if self.has(Flaw::FollowsLinks) {
            return Ok(());
        }
        let objects = self.objects();
        let link = path.ancestors().take_while(|path| *path != objects).find(|path| path.is_symlink());
        match link {
            Some(link) => {
                let message = format!("{} is a symbolic link, which this store has none of", link.display());
                Err(DriverError::new(longshore_plugin_api::ErrorClass::Broken, message))
            }
            None => Ok(()),
        }
    }
}

impl BlockingDriver for Flawed {
    type Upload = FlawedUpload;

    fn open(settings: Settings, host: &Host) -> Result<Self, DriverError> {
        Opened::open(&settings, host).map(Arc::new).map(Self)
    }

    fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.stat(key)
    }

    fn read(&self, key: &Key, range: ByteRange) -> Result<BlockingRead, DriverError> {
        self.0.read(key, range)
    }

    fn put(&self, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.0.put(key, &bytes, condition)
    }

    fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.0.list(request)
    }

    fn delete(&self, key: &Key) -> Result<(), DriverError> {
        self.0.delete(key)
    }

    fn upload_begin(&self, destination: Option<&Key>) -> Result<FlawedUpload, DriverError> {
        FlawedUpload::begin(&self.0, destination)
    }

    fn upload_resume(&self, token: &UploadToken) -> Result<FlawedUpload, DriverError> {
        FlawedUpload::resume(&self.0, token)
    }

    fn health(&self) -> Result<(), DriverError> {
        self.0.health()
    }

    fn close(&self) -> Result<(), DriverError> {
        self.0.close();
        Ok(())
    }

    fn delete_prefix(&self, prefix: &Prefix) -> Result<(), DriverError> {
        self.0.delete_prefix(prefix)
    }

    fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.copy(from, to)
    }

    fn presign(&self, key: &Key, _: Method, expires_ms: u64) -> Result<String, DriverError> {
        if self.0.has(Flaw::NothingSupported) {
            return Err(DriverError::unsupported("presign"));
        }
        Ok(format!("https://specimen.invalid/{key}?expires_ms={expires_ms}"))
    }

    fn upload_list(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.0.upload_list(older_than_ms)
    }
}
