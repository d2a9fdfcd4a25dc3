//! Drivers of this workspace, loaded and opened, and short forms of their calls.

use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_loader::api::{Bytes, Call, Condition, Driver, DriverError, Key, ObjectInfo, Upload};
use longshore_loader::{DriverHandle, LoadedDriver, OpenOptions, Policy, UploadHandle, inspect, load, verify};
use serde_json::{Value, json};

/// Generous, as other tests run at the same time.
pub(crate) const OPTIONS: OpenOptions = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(30) };

pub(crate) const CALL: Call = Call::unbounded();

/// The file of a driver of this workspace, beside the folder of the test binary.
pub(crate) fn driver_file(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its file");
    let folder = test.parent().and_then(Path::parent).expect("tests run in target/<profile>/deps");
    let path = folder.join(format!("liblongshore_driver_{}.so", name.replace('-', "_")));
    assert!(path.exists(), "{path:?} is missing: run `cargo build --workspace` first");
    path
}

pub(crate) fn loaded_file(path: &Path) -> LoadedDriver {
    let inspection = inspect(path).expect("the file is a driver");
    // Whoever works on this project may have a umask that lets others write.
    let policy = Policy { allow_writable: true, ..Policy::of_this_host() };
    verify(&inspection, &policy).expect("the driver fits this host");
    load(&inspection).expect("the driver fits this host")
}

pub(crate) fn loaded(name: &str) -> LoadedDriver {
    loaded_file(&driver_file(name))
}

/// A library that no other test has: the driver's file with one byte more, since the same bytes would be the same library.
pub(crate) fn loaded_apart(name: &str) -> LoadedDriver {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = driver_file(name);
    let copy = folder.path().join(file.file_name().expect("it has a name"));
    let mut bytes = std::fs::read(file).expect("the driver can be read");
    bytes.push(0);
    std::fs::write(&copy, bytes).expect("the folder is writable");
    loaded_file(&copy)
}

/// An instance of the memory driver.
pub(crate) async fn memory(instance: &str) -> DriverHandle {
    let settings = json!({ "max_bytes": 1 << 30 });
    loaded("memory").open(instance, &settings, &OPTIONS).await.expect("the memory driver opens")
}

/// An instance of a specimen.
pub(crate) async fn specimen(name: &str, instance: &str, settings: &Value) -> Result<DriverHandle, DriverError> {
    loaded(name).open(instance, settings, &OPTIONS).await
}

pub(crate) fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

pub(crate) async fn put(driver: &DriverHandle, name: &str, bytes: impl Into<Bytes>) -> Result<ObjectInfo, DriverError> {
    driver.put(&CALL, key(name), bytes.into(), Condition::Always).await
}

/// Begins an upload and writes `chunks` to it.
pub(crate) async fn uploading(driver: &DriverHandle, chunks: &[Bytes]) -> Result<UploadHandle, DriverError> {
    let mut upload = driver.upload_begin(&CALL, None).await?;
    for chunk in chunks {
        upload.write(&CALL, chunk.clone()).await?;
    }
    Ok(upload)
}

/// An object that was written in `chunks`.
pub(crate) async fn uploaded(driver: &DriverHandle, name: &str, chunks: &[Bytes]) -> Result<ObjectInfo, DriverError> {
    let mut upload = uploading(driver, chunks).await?;
    let size = upload.offset();
    upload.commit(&CALL, key(name), size).await
}
