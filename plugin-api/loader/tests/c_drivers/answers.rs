//! Nothing that comes from C is believed: a bad answer is an error of its call, and the next call works.

use longshore_loader::DriverHandle;
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Condition, Driver, DriverError, ErrorClass, ListRequest, Method, Prefix, Upload};

use crate::specimen::{CALL, counter, key, opened, stat, until};

#[track_caller]
fn broken<T>(answer: Result<T, DriverError>, message: &str) {
    let error = answer.err().unwrap_or_else(|| panic!("{message}: it was believed"));
    assert_eq!((error.class(), error.message()), (ErrorClass::Broken, message));
}

#[tokio::test]
async fn errors_keep_class_message_and_cause() {
    let Some(driver) = opened().await else { return };
    let error = stat(&driver, "full").await.expect_err("it fails");
    let text = "driver specimen-c/test: cannot write \"full\": no space \u{fffd} (full); errno 28";
    assert_eq!((error.to_string().as_str(), error.retry_after(), error.is_retryable()), (text, Some(1500), true));
    let error = stat(&driver, "endless").await.expect_err("it fails");
    assert_eq!((error.class(), error.message().len(), error.is_retryable()), (ErrorClass::Timeout, 4096, true));
    let error = stat(&driver, "unknown").await.expect_err("it fails");
    assert_eq!((error.class(), error.message()), (ErrorClass::Internal, "the driver gave no reason"));
    let error = stat(&driver, "only-errno").await.expect_err("it fails");
    assert_eq!(error.to_string(), "driver specimen-c/test: Permission denied (os error 13) (unauthorized); errno 13");
}

#[tokio::test]
async fn facts_that_are_none_are_refused() {
    let Some(driver) = opened().await else { return };
    assert_eq!(stat(&driver, "version").await.ok().and_then(|info| info.version).as_deref(), Some("v1"));
    broken(stat(&driver, "bad-version").await, "the driver answered a version that is not UTF-8");
    broken(stat(&driver, "endless-version").await, "the driver answered a version of 136 bytes, at most 128 are allowed");
    let put = driver.put(&CALL, key("wrong-size"), "four".into(), Condition::Always).await;
    broken(put, "the driver answered a size of 5 bytes to a write of 4");
    for name in ["endless", "empty"] {
        let url = driver.presign(&CALL, key(name), Method::Get, 1).await;
        assert_eq!(url.map_err(|error| error.class()), Err(ErrorClass::Broken), "{name}");
    }
}

async fn read(driver: &DriverHandle, name: &str) -> Result<u64, DriverError> {
    let mut body = Body::new(driver.read(&CALL, key(name), ByteRange::ALL).await?.body);
    let mut read = 0;
    while let Some(chunk) = body.next().await? {
        read += chunk.len() as u64;
    }
    Ok(read)
}

#[tokio::test]
async fn bodies_that_are_none_are_refused() {
    let Some(driver) = opened().await else { return };
    broken(read(&driver, "no-body").await, "the driver answered a read without a body");
    broken(read(&driver, "file-and-reader").await, "the driver answered a file and a reader to one read");
    broken(read(&driver, "pipe").await, "the driver answered a descriptor that is no regular file");
    broken(read(&driver, "short-file").await, "the driver answered 10 bytes at 3 of a file of 12");
    let error = read(&driver, "no-descriptor").await.expect_err("it is no descriptor");
    assert!(error.message().starts_with("the driver answered a descriptor that is none: "), "{error}");
    broken(read(&driver, "ends-early").await, "the driver answered a body that ends 6 bytes early");
    broken(read(&driver, "too-much").await, "the driver answered 11 bytes of a body of which 10 are left");
    broken(read(&driver, "beyond-the-room").await, "the driver answered 11 bytes in a room of 10");
    broken(read(&driver, "fails").await, "the disk is on fire");
    assert_eq!(read(&driver, "room").await.ok(), Some(10), "the instance stays usable");
    until(&driver, "children", 0).await;
    assert_eq!(counter(&driver, "released").await, 1, "what was refused is released too");
}

#[tokio::test]
async fn pages_and_tokens_that_are_none_are_refused() {
    let Some(driver) = opened().await else { return };
    let list = async |name| driver.list(&CALL, &ListRequest::children(Prefix::parse(name).expect("legal"), 9)).await;
    broken(list("lost").await, "the driver answered a list of \"lost\" with the name \"../etc/passwd\"");
    broken(list("bad-facts").await, "the driver answered a version that is not UTF-8");
    broken(list("elsewhere").await, "the driver answered a list of \"elsewhere\" with the name \"a/00\"");
    let tokens = driver.upload_list(&CALL, 13).await.expect_err("the token is too long");
    assert!(tokens.message().ends_with(" of 5000 bytes"), "{tokens}");
}

#[tokio::test]
async fn uploads_that_are_none_are_refused() {
    let Some(driver) = opened().await else { return };
    broken(driver.upload_begin(&CALL, Some(key("null"))).await.map(drop), "the driver answered NULL for an upload");

    let mut upload = driver.upload_begin(&CALL, None).await.expect("upload_begin works");
    upload.write(&CALL, "too long".into()).await.expect("write works");
    broken(upload.suspend(&CALL).await, "the driver answered a token of 5000 bytes, at most 4096 are allowed");
    broken(upload.commit(&CALL, key("wrong-size"), 8).await, "the driver answered a size of 9 bytes to a write of 8");

    let mut upload = driver.upload_begin(&CALL, None).await.expect("upload_begin works");
    broken(upload.write(&CALL, "lie".into()).await, "the driver answered the offset 4 to a write that ends at 3");
}

/// Header, `upload_write`: "After a failure, what `upload_offset` counts is good".
#[tokio::test]
async fn offset_after_a_failed_write_is_the_drivers() {
    let Some(driver) = opened().await else { return };
    let mut upload = driver.upload_begin(&CALL, None).await.expect("upload_begin works");
    let error = upload.write(&CALL, "half".into()).await.expect_err("there is no space");
    assert_eq!(error.class(), ErrorClass::Full);
    let error = upload.commit(&CALL, key("a"), 4).await.expect_err("half of it was written");
    assert_eq!(error.class(), ErrorClass::Corrupt);
    upload.commit(&CALL, key("a"), 2).await.expect("half of it was written");
}
