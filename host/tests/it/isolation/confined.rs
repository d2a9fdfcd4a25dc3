//! What a driver cannot do from a process of its own.

use std::net::TcpListener;

use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, ErrorClass, ReadBody, Upload};
use longshore_loader::{DriverState, LoadedDriver};
use serde_json::json;

use super::{dies, driver_file, inspected, isolation, key, open_file};

/// What the specimen says of something that it tried.
async fn tried(how: &str, target: &str) -> String {
    let driver = dies(&json!({ "at": "stat", "how": how, "target": target }), 0).await;
    let error = driver.stat(&driver.call(0), key("a")).await.expect_err("the specimen tells in an error");
    assert_eq!(error.class(), ErrorClass::InvalidState, "{error}");
    assert_eq!(driver.state(), DriverState::Serving, "what is refused ends nothing");
    driver.close(&driver.call(0)).await.expect("it closes");
    error.message().to_owned()
}

#[tokio::test]
async fn isolated_driver_finds_an_empty_environment() {
    assert!(std::env::vars_os().next().is_some(), "this process has an environment");
    assert_eq!(tried("environment", "").await, "[]");
}

#[tokio::test]
async fn isolated_driver_starts_no_process() {
    assert_eq!(tried("exec", "").await, "Operation not permitted (os error 1)");
}

#[tokio::test]
async fn isolated_driver_opens_no_file_that_its_settings_do_not_name() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("secret");
    std::fs::write(&file, "secret").expect("the folder is writable");
    let path = file.to_str().expect("the path is text");
    assert_eq!(tried("open", path).await, "Permission denied (os error 13)");
    assert_eq!(tried("write", path).await, "Permission denied (os error 13)");
    assert_eq!(tried("open", "/etc/shadow").await, "Permission denied (os error 13)");
    assert_eq!(std::fs::read(&file).expect("it is there"), b"secret", "it was not written");
}

#[tokio::test]
async fn isolated_driver_uses_the_folder_that_its_settings_name() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let once = folder.path().join("made");
    let settings = json!({ "at": "stat", "how": "open", "target": once, "once": once });
    let driver = dies(&settings, 0).await;
    let error = driver.stat(&driver.call(0), key("a")).await.expect_err("the specimen tells in an error");
    assert_eq!(error.message(), "it worked");
    assert!(once.exists(), "the file was made");
}

#[tokio::test]
async fn isolated_driver_without_a_url_has_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address").to_string();
    assert_eq!(tried("connect", &address).await, "Operation not permitted (os error 1)");
    assert_eq!(tried("datagram", &address).await, "Operation not permitted (os error 1)", "nor for what is not confined by port");
}

#[tokio::test]
async fn isolated_driver_does_not_see_other_processes() {
    assert_eq!(tried("ptrace", "").await, "Permission denied (os error 13)");
}

#[tokio::test]
async fn layer_is_not_isolated() {
    let opened = open_file(&driver_file("count"), &json!({}), &isolation(0), std::time::Duration::from_secs(9)).await;
    let error = opened.err().expect("a layer calls the driver below it, which is here");
    assert_eq!((error.class(), error.origin()), (ErrorClass::Unsupported, Some("count/main")), "{error}");
}

/// Driver contract, section 9: "Only `panic = "abort"` builds are refused, since their first panic would end the host". Here it ends a process
/// that is there to be ended.
#[tokio::test]
async fn driver_that_aborts_at_panics_is_taken() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("liblongshore_driver_memory.so");
    let mut bytes = std::fs::read(driver_file("memory")).expect("the driver can be read");
    let (unwind, abort) = (br#""panic":"unwind""#, br#""panic":"abort" "#);
    let places: Vec<_> = (0..bytes.len() - unwind.len()).filter(|at| bytes[*at..].starts_with(unwind)).collect();
    assert!(!places.is_empty(), "the note says how the driver panics");
    places.iter().for_each(|at| bytes[*at..*at + abort.len()].copy_from_slice(abort));
    std::fs::write(&file, bytes).expect("the folder is writable");
    assert_eq!(inspected(&file).info().panic, "abort");
    let driver = open_file(&file, &json!({}), &isolation(0), std::time::Duration::from_secs(9)).await.expect("it opens");
    driver.health(&driver.call(0)).await.expect("it serves");
}

/// Bodies of all sizes and forms cross whole.
#[tokio::test]
async fn bodies_cross_whole_in_both_directions() {
    let driver = open_file(&driver_file("memory"), &json!({}), &isolation(0), std::time::Duration::from_secs(60)).await.expect("it opens");
    for size in [0_usize, 1, 16 * 1024, 1024 * 1024, 1024 * 1024 + 1, 5_000_000] {
        let body: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
        driver.put(&driver.call(0), key("put"), body.clone(), Condition::Always).await.expect("put works");
        assert!(read(&driver, "put").await == body, "{size} bytes by put");
        let mut upload = driver.upload_begin(&driver.call(0), None).await.expect("an upload begins");
        upload.write(&driver.call(0), body.clone()).await.expect("it is written to");
        assert_eq!(upload.offset(), size as u64);
        upload.commit(&driver.call(0), key("upload"), size as u64).await.expect("it is committed");
        assert!(read(&driver, "upload").await == body, "{size} bytes by upload");
    }
    driver.close(&driver.call(0)).await.expect("it closes");
    let error = driver.stat(&driver.call(0), key("put")).await.expect_err("it is closed");
    assert_eq!(error.class(), ErrorClass::Closed, "{error}");
}

async fn read(driver: &longshore_loader::DriverHandle, name: &str) -> Vec<u8> {
    let read = driver.read(&driver.call(0), key(name), ByteRange::ALL).await.expect("it is there");
    match read.body {
        ReadBody::Bytes(bytes) => bytes.to_vec(),
        ReadBody::Stream(mut chunks) => {
            let mut all = Vec::new();
            while let Some(chunk) = std::future::poll_fn(|context| chunks.as_mut().poll_next(context)).await {
                all.extend_from_slice(&chunk.expect("the body is whole"));
            }
            all
        }
        ReadBody::File(_) => panic!("a driver in memory has no files"),
    }
}

/// The same file, both ways: what it does here and what it does there is called alike.
#[tokio::test]
async fn isolated_driver_is_the_file_that_was_inspected() {
    let loaded: LoadedDriver = longshore_loader::load(&inspected(&driver_file("memory"))).expect("it loads here");
    let driver = open_file(&driver_file("memory"), &json!({}), &isolation(0), std::time::Duration::from_secs(9)).await.expect("it opens");
    assert_eq!((loaded.info(), driver.is_isolated()), (driver.info(), true));
    assert!(driver.process_id().is_some_and(|id| id != std::process::id()), "it is another process");
}
