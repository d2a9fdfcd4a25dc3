//! An instance goes out of use while others use it; several versions of a driver are in one process.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use longshore_loader::api::convenience::{Body, get_text};
use longshore_loader::api::{ByteRange, Bytes, Driver, ErrorClass, Upload};
use longshore_loader::{DriverHandle, Generations, InUse, Inspection, LoadedDriver, Refusal, RefusalCode, inspect};
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::files::{CALL, OPTIONS, driver_file, key, put, specimen, uploaded, uploading};

/// Long enough that a test which waits for it hangs.
const FOR_EVER: Duration = Duration::from_secs(3600);

async fn streaming(instance: &str) -> DriverHandle {
    let driver = specimen("specimen-streams", instance, &json!({})).await.expect("the specimen opens");
    uploaded(&driver, "a", &[Bytes::from("two "), Bytes::from("chunks")]).await.expect("an upload works");
    driver
}

async fn body(driver: &DriverHandle) -> Body {
    Body::new(driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works").body)
}

#[tokio::test]
async fn retired_instance_is_drained_when_its_last_handle_is_gone() {
    let driver = streaming("handles").await;
    let (retired, other) = (driver.retire(), driver.clone());
    assert_eq!(retired.drain(Duration::ZERO).await, Err(InUse { uploads: 0, readers: 0 }), "its handles may make calls");
    drop(driver);
    let draining = tokio::spawn(async move { (retired.drain(FOR_EVER).await, retired) });
    put(&other, "b", "x").await.expect("a handle that is left works");
    drop(other);
    let (drained, retired) = draining.await.expect("no panic");
    assert_eq!((drained, retired.in_use()), (Ok(()), None), "nobody is left");
    retired.close().await.expect("it is closed");
    assert_eq!(retired.drain(FOR_EVER).await, Ok(()), "and stays so");
}

#[tokio::test]
async fn retired_instance_waits_for_uploads_and_readers() {
    let driver = streaming("users").await;
    let retired = driver.retire();
    let (mut reader, unread) = (body(&driver).await, body(&driver).await);
    let mut upload = uploading(&driver, &[Bytes::from("x")]).await.expect("an upload works");
    drop(driver);
    assert_eq!(retired.drain(Duration::ZERO).await, Err(InUse { uploads: 1, readers: 2 }));
    while reader.next().await.expect("the body goes on").is_some() {}
    assert_eq!(retired.in_use(), Some(InUse { uploads: 1, readers: 1 }), "a body that has ended is no user, dropped or not");
    drop(unread);
    upload.commit(&CALL, key("b"), 1).await.expect("the upload goes on");
    assert_eq!(retired.in_use(), Some(InUse { uploads: 1, readers: 0 }), "an upload is one until it is dropped");
    drop(upload);
    assert_eq!(retired.drain(FOR_EVER).await, Ok(()));
}

#[tokio::test]
async fn retired_instance_that_is_closed_too_early_cuts_off_its_users() {
    let driver = streaming("cut-off").await;
    let (retired, mut reader) = (driver.retire(), body(&driver).await);
    drop(driver);
    assert_eq!(retired.drain(Duration::ZERO).await, Err(InUse { uploads: 0, readers: 1 }));
    retired.close().await.expect("it is closed all the same");
    let error = reader.next().await.expect_err("a reader is cut off");
    assert_eq!(error.class(), ErrorClass::Closed);
    assert_eq!(retired.drain(FOR_EVER).await, Ok(()), "a body that failed is no user");
}

#[tokio::test]
async fn retired_layer_is_drained_by_its_own_users() {
    let lower = streaming("below").await;
    let count = crate::files::loaded("count");
    let layer = count.open_over(Some(lower.clone()), "above", &json!({}), &OPTIONS).await.expect("the layer opens");
    let (retired, reader) = (layer.retire(), body(&layer).await);
    drop(layer);
    assert_eq!(retired.in_use(), Some(InUse { uploads: 0, readers: 1 }));
    drop(reader);
    assert_eq!(retired.drain(FOR_EVER).await, Ok(()), "the driver below it is no user");
    retired.close().await.expect("it closes");
    let error = get_text(&lower, &CALL, key("a"), 100).await.expect_err("the driver below it is closed");
    assert_eq!(error.class(), ErrorClass::Closed);
}

/// A driver's file that changes.
struct Changing {
    folder: TempDir,
    bytes: Vec<u8>,
    mark: u8,
}

impl Changing {
    /// Its versions differ from those with another `mark`: what one test loads, the process has for ever.
    fn new(mark: u8) -> Self {
        Self { folder: tempdir().expect("a folder"), bytes: fs::read(driver_file("memory")).expect("it is readable"), mark }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("liblongshore_driver_memory.so")
    }

    /// Another version, which works as well: what follows an ELF file's tables is no part of it.
    fn renew(&mut self) -> Inspection {
        self.bytes.push(self.mark);
        let next = self.folder.path().join("next");
        fs::write(&next, &self.bytes).expect("the folder is writable");
        fs::rename(next, self.path()).expect("the folder is writable");
        inspect(&self.path()).expect("it is a driver")
    }
}

fn load(generations: &Generations, file: &Inspection) -> Result<LoadedDriver, Refusal> {
    generations.load(file, 3)
}

#[tokio::test]
async fn versions_of_one_file_are_drivers_of_their_own() {
    let (generations, mut file) = (Generations::new(), Changing::new(b'a'));
    let (mut opened, mut copies) = (Vec::new(), Vec::new());
    for number in 0..3 {
        let inspection = file.renew();
        copies.push(inspection.content().expect("it can be copied").file().metadata().expect("it is open").ino());
        let loaded = load(&generations, &inspection).expect("it fits this host");
        let driver = loaded.open(&format!("version-{number}"), &json!({ "max_bytes": 1000 }), &OPTIONS).await.expect("it opens");
        put(&driver, "a", number.to_string()).await.expect("put works");
        opened.push(driver);
    }
    assert_eq!(generations.count("memory"), 3);
    for copy in copies {
        assert!(mapped(copy), "each is a library of its own: {copy}");
    }
    for (number, driver) in opened.iter().enumerate() {
        assert_eq!(get_text(driver, &CALL, key("a"), 100).await.expect("get works"), number.to_string());
    }
}

/// True if this process has mapped the memory file of that inode.
fn mapped(inode: u64) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").expect("a process may read its own");
    maps.lines().filter(|line| line.contains("/memfd:")).any(|line| line.split_whitespace().nth(4) == Some(&inode.to_string()))
}

#[test]
fn content_that_is_loaded_takes_no_place_again() {
    let (generations, mut file) = (Generations::new(), Changing::new(b'b'));
    let first = file.renew();
    for _ in 0..10 {
        load(&generations, &first).expect("it fits this host");
    }
    assert_eq!(generations.count("memory"), 1);
    for _ in 1..3 {
        load(&generations, &file.renew()).expect("it fits this host");
    }
    let refusal = load(&generations, &file.renew()).err().expect("three are enough");
    assert_eq!(refusal.code, RefusalCode::LoadGenerations);
    assert!(refusal.to_string().contains("restart the registry"), "it says what to do: {refusal}");
    load(&generations, &first).expect("back to what is there already is always possible");
}

#[tokio::test]
async fn file_that_is_overwritten_in_its_place_hurts_nobody() {
    let (generations, mut file) = (Generations::new(), Changing::new(b'c'));
    let inspection = file.renew();
    let loaded = load(&generations, &inspection).expect("it fits this host");
    fs::write(file.path(), vec![0; file.bytes.len()]).expect("the folder is writable");
    let driver = loaded.open("overwritten", &json!({ "max_bytes": 1000 }), &OPTIONS).await.expect("it opens");
    put(&driver, "a", "x").await.expect("put works");
    assert_eq!(loaded.path(), file.path(), "it is still known by its file");
}
