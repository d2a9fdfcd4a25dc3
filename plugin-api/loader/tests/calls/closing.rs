//! The end of an instance is one for everything that came from it.

use longshore_loader::DriverHandle;
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{
    ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, ListRequest, Method, Prefix, Upload, UploadToken,
};
use serde_json::json;

use crate::files::{CALL, key, specimen, uploaded, uploading};

fn is_closed<T>(result: Result<T, DriverError>, what: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{what} works after close"));
    assert_eq!(error.class(), ErrorClass::Closed, "{what}: {error}");
    assert!(error.to_string().contains("the driver instance is closed"), "{what}: {error}");
}

async fn closing(instance: &str) -> DriverHandle {
    let driver = specimen("specimen-streams", instance, &json!({})).await.expect("the specimen opens");
    uploaded(&driver, "a", &[Bytes::from("two "), Bytes::from("chunks")]).await.expect("an upload works");
    driver
}

/// Driver contract, section 3, `close`: "idempotent; open readers and uploads then fail with `closed`".
#[tokio::test]
async fn every_call_after_close_is_closed() {
    let driver = closing("calls").await;
    let call = &CALL;
    for _ in 0..3 {
        driver.close(call).await.expect("close is idempotent");
    }
    is_closed(driver.stat(call, key("a")).await, "stat");
    is_closed(driver.read(call, key("a"), ByteRange::ALL).await, "read");
    is_closed(driver.put(call, key("a"), "x".into(), Condition::Always).await, "put");
    is_closed(driver.list(call, &ListRequest::children(Prefix::root(), 1)).await, "list");
    is_closed(driver.delete(call, key("a")).await, "delete");
    is_closed(driver.upload_begin(call, None).await.map(drop), "upload_begin");
    is_closed(driver.upload_resume(call, &UploadToken::new([1; 8]).expect("short")).await.map(drop), "upload_resume");
    is_closed(driver.health(call).await, "health");
    is_closed(driver.delete_prefix(call, Prefix::parse("a").expect("legal")).await, "delete_prefix");
    is_closed(driver.copy(call, key("a"), key("b")).await, "copy");
    is_closed(driver.presign(call, key("a"), Method::Get, 1).await, "presign");
    is_closed(driver.upload_list(call, 0).await, "upload_list");
}

#[tokio::test]
async fn open_body_and_upload_are_closed_with_their_instance() {
    let driver = closing("open-things").await;
    let body = driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works").body;
    let mut body = Body::new(body);
    assert_eq!(body.next().await.expect("a chunk comes").expect("there are two"), "two ");
    let mut upload = uploading(&driver, &[Bytes::from("x")]).await.expect("an upload works");
    let mut committed = uploading(&driver, &[Bytes::from("x")]).await.expect("an upload works");
    committed.commit(&CALL, key("b"), 1).await.expect("commit works");

    driver.close(&CALL).await.expect("close works");
    is_closed(body.next().await, "the next chunk");
    assert!(body.next().await.expect("a body that failed has ended").is_none());
    is_closed(upload.write(&CALL, "y".into()).await, "write");
    is_closed(upload.suspend(&CALL).await, "suspend");
    is_closed(upload.commit(&CALL, key("c"), 1).await, "commit");
    is_closed(upload.abort(&CALL).await, "abort");
    is_closed(committed.abort(&CALL).await, "abort of a committed upload");
}

/// Bodies, uploads and handles may outlive each other in any order: the library stays, and each owns what it needs.
#[tokio::test]
async fn things_of_an_instance_may_outlive_its_handle() {
    let driver = closing("outlived").await;
    let body = driver.read(&CALL, key("a"), ByteRange::ALL).await.expect("read works").body;
    let mut upload = uploading(&driver, &[Bytes::from("x")]).await.expect("an upload works");
    drop(driver);
    let mut body = Body::new(body);
    assert_eq!(body.next().await.expect("a chunk comes").expect("there are two"), "two ");
    assert_eq!(body.next().await.expect("a chunk comes").expect("there are two"), "chunks");
    assert!(body.next().await.expect("the body ends").is_none());
    upload.write(&CALL, "y".into()).await.expect("write works");
    upload.commit(&CALL, key("b"), 2).await.expect("commit works");
}
