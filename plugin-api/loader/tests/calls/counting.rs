//! Each call of the contract is counted, once, by its kind.

use longshore_loader::CallKind;
use longshore_loader::api::convenience::get_text;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, ListRequest, Method, Prefix, Upload};
use serde_json::json;

use crate::files::{CALL, key, specimen, uploading};

#[tokio::test]
async fn every_call_is_counted_by_its_kind() {
    let driver = specimen("specimen-streams", "counted", &json!({})).await.expect("the specimen opens");
    assert!(CallKind::ALL.iter().all(|kind| driver.counts().of(*kind) == 0), "a new instance was not called");

    driver.put(&CALL, key("a/b"), "x".into(), Condition::Always).await.expect("put works");
    driver.stat(&CALL, key("a/b")).await.expect("stat works");
    driver.stat(&CALL, key("nothing")).await.expect_err("a failed call is one too");
    driver.read(&CALL, key("a/b"), ByteRange::ALL).await.expect("read works");
    driver.list(&CALL, &ListRequest::children(Prefix::root(), 1)).await.expect("list works");
    let mut upload = uploading(&driver, &[Bytes::from("x"), Bytes::from("y")]).await.expect("an upload works");
    let token = upload.suspend(&CALL).await.expect("suspend works");
    drop(upload);
    let mut upload = driver.upload_resume(&CALL, &token).await.expect("resume works");
    upload.commit(&CALL, key("c"), 2).await.expect("commit works");
    uploading(&driver, &[]).await.expect("an upload works").abort(&CALL).await.expect("abort works");
    driver.copy(&CALL, key("c"), key("d/e")).await.expect("copy works");
    driver.presign(&CALL, key("c"), Method::Get, 1).await.expect("presign works");
    driver.upload_list(&CALL, 0).await.expect("upload_list works");
    driver.delete(&CALL, key("c")).await.expect("delete works");
    driver.delete_prefix(&CALL, Prefix::parse("d").expect("legal")).await.expect("delete_prefix works");
    driver.health(&CALL).await.expect("health works");
    // A clone is the same instance.
    driver.clone().close(&CALL).await.expect("close works");

    for kind in CallKind::ALL {
        let expected = match kind {
            CallKind::Stat | CallKind::UploadBegin | CallKind::Write => 2,
            _ => 1,
        };
        assert_eq!(driver.counts().of(*kind), expected, "{}", kind.name());
        let ended: u64 = driver.counts().outcomes(*kind).map(|(_, count)| count).sum();
        assert_eq!(ended, expected, "{} ended as often as it began", kind.name());
    }
    let stat: Vec<_> = driver.counts().outcomes(CallKind::Stat).filter(|(_, count)| *count > 0).collect();
    assert_eq!(stat, [("ok", 1), ("not_found", 1)], "a call ends well, or with its error's class");
}

/// design.md, "fast": a warm read costs one driver call, whatever the number of chunks.
#[tokio::test]
async fn body_of_many_chunks_is_one_call() {
    let driver = specimen("specimen-streams", "one-call", &json!({})).await.expect("the specimen opens");
    let chunks: Vec<_> = (0..100).map(|_| Bytes::from("x")).collect();
    uploading(&driver, &chunks).await.expect("an upload works").commit(&CALL, key("a"), 100).await.expect("commit works");
    assert_eq!(get_text(&driver, &CALL, key("a"), 100).await.expect("get works").len(), 100);
    assert_eq!(driver.counts().of(CallKind::Read), 1);
    assert_eq!(driver.counts().of(CallKind::Stat), 0);
}
