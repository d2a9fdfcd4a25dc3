//! The filesystem driver against the driver contract, called directly: the boundary has tests of its own.

mod crash;
mod full_disk;
mod links;
mod lists;
mod objects;
mod races;
mod speed;
mod uploads;

use std::path::{Path, PathBuf};

use futures_executor::block_on;
use longshore_driver_filesystem::{Filesystem, FilesystemUpload};
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, Entry, ErrorClass, Host, Key, ListRequest, ObjectInfo, OpenDriver, Prefix,
    Settings, Upload, UploadToken, convenience,
};
use tempfile::TempDir;

/// The driver's own folder, as its documentation names it.
const PRIVATE: &str = ".longshore#";
const CALL: Call = Call::unbounded();

fn key(text: &str) -> &Key {
    Key::parse(text).expect("tests use legal keys")
}

fn prefix(text: &str) -> &Prefix {
    Prefix::parse(text).expect("tests use legal prefixes")
}

/// The class of a failed call.
#[track_caller]
fn class<T>(answer: Result<T, DriverError>) -> ErrorClass {
    answer.map(drop).expect_err("the call should have failed").class()
}

/// A driver on a folder of its own; calls wait for their answer.
struct Store {
    folder: TempDir,
    driver: Filesystem,
}

impl Store {
    fn new() -> Self {
        Self::with("disk")
    }

    fn with(durability: &str) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let driver = open(folder.path(), durability).expect("the folder is there");
        Self { folder, driver }
    }

    /// A second instance on the same folder, as another process would open.
    fn another(&self) -> Filesystem {
        open(self.folder.path(), "disk").expect("the folder is there")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn put(&self, name: &str, bytes: impl Into<Bytes>) -> Result<ObjectInfo, DriverError> {
        block_on(self.driver.put(&CALL, key(name), bytes.into(), Condition::Always))
    }

    fn put_if_absent(&self, name: &str, bytes: impl Into<Bytes>) -> Result<ObjectInfo, DriverError> {
        block_on(self.driver.put(&CALL, key(name), bytes.into(), Condition::IfAbsent))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, DriverError> {
        block_on(convenience::get(&self.driver, &CALL, key(name), u64::MAX)).map(Into::into)
    }

    fn range(&self, name: &str, range: ByteRange) -> Result<Vec<u8>, DriverError> {
        let read = block_on(self.driver.read(&CALL, key(name), range))?;
        let length = range.within(read.info.size)?;
        block_on(convenience::collect(read, length)).map(Into::into)
    }

    fn stat(&self, name: &str) -> Result<ObjectInfo, DriverError> {
        block_on(self.driver.stat(&CALL, key(name)))
    }

    fn delete(&self, name: &str) -> Result<(), DriverError> {
        block_on(self.driver.delete(&CALL, key(name)))
    }

    fn delete_prefix(&self, name: &str) -> Result<(), DriverError> {
        block_on(self.driver.delete_prefix(&CALL, prefix(name)))
    }

    fn list(&self, request: &ListRequest<'_>) -> Result<(Vec<String>, bool), DriverError> {
        let page = block_on(self.driver.list(&CALL, request))?;
        Ok((page.entries.iter().map(Entry::text).collect(), page.more))
    }

    fn children(&self, name: &str) -> Result<Vec<String>, DriverError> {
        Ok(self.list(&ListRequest::children(prefix(name), 10_000))?.0)
    }

    fn objects(&self, name: &str) -> Result<Vec<String>, DriverError> {
        Ok(self.list(&ListRequest::objects(prefix(name), 10_000))?.0)
    }

    fn begin(&self) -> FilesystemUpload {
        block_on(self.driver.upload_begin(&CALL, None)).expect("an upload begins")
    }

    fn resume(&self, token: &UploadToken) -> Result<FilesystemUpload, DriverError> {
        block_on(self.driver.upload_resume(&CALL, token))
    }

    /// Names of files in one of the driver's own folders.
    fn private(&self, name: &str) -> Vec<String> {
        let folder = self.path(PRIVATE).join(name);
        let names = std::fs::read_dir(folder).expect("the private folder is there");
        names.map(|name| name.expect("a name").file_name().into_string().expect("a text")).collect()
    }
}

fn open(root: &Path, durability: &str) -> Result<Filesystem, DriverError> {
    let settings = serde_json::json!({ "root": root, "durability": durability, "upload_stale_secs": 604_800 });
    block_on(Filesystem::open(Settings::new(settings), Host::detached(), None))
}

fn write(upload: &mut FilesystemUpload, bytes: impl Into<Bytes>) {
    block_on(upload.write(&CALL, bytes.into())).expect("the upload takes the bytes");
}

fn suspend(upload: &mut FilesystemUpload) -> UploadToken {
    block_on(upload.suspend(&CALL)).expect("the upload is suspended")
}

fn commit(upload: &mut FilesystemUpload, name: &str) -> Result<ObjectInfo, DriverError> {
    let size = upload.offset();
    block_on(upload.commit(&CALL, key(name), size))
}

/// Numbers that look random and come again with the same seed, which is printed.
struct Random(u64);

impl Random {
    fn new(test: &str) -> Self {
        let seed = match std::env::var("LONGSHORE_TEST_SEED") {
            Ok(seed) => seed.parse().expect("LONGSHORE_TEST_SEED is a number"),
            Err(_) => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_nanos() as u64 | 1,
        };
        say(&format!("{test}: LONGSHORE_TEST_SEED={seed}"));
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }
}

#[expect(clippy::print_stderr, reason = "what a test has to tell people: seeds, skips, figures")]
fn say(text: &str) {
    eprintln!("{text}");
}
