//! A call that does not answer is given up at its deadline, and the driver is told.

use std::time::{Duration, Instant};

use longshore_loader::api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, ListRequest, Method, Prefix, Upload, UploadToken,
};
use longshore_loader::{DriverHandle, OpenOptions};
use serde_json::json;

use crate::files::{CALL, key, loaded, uploading};
use crate::log;

const LIMIT: Duration = Duration::from_millis(60);
/// How much later than its deadline a call may answer on a busy machine.
const SLACK: Duration = Duration::from_secs(5);
/// A limit that no test reaches.
const LONG: Duration = Duration::from_secs(3600);

/// An instance that never answers at `entry`, and is waited for that long.
async fn stalling(instance: &str, entry: &str, open_limit: Duration, call_limit: Duration) -> Result<DriverHandle, DriverError> {
    log::keep();
    let options = OpenOptions { open_limit, call_limit };
    let settings = json!({ "at": entry });
    loaded("specimen-stalls").open(instance, &settings, &options).await
}

async fn reach(driver: &DriverHandle, entry: &str) -> Result<(), DriverError> {
    let chunk = [Bytes::from("x")];
    match entry {
        "stat" => driver.stat(&CALL, key("a")).await.map(drop),
        "read" => driver.read(&CALL, key("a"), ByteRange::ALL).await.map(drop),
        "put" => driver.put(&CALL, key("a"), "x".into(), Condition::Always).await.map(drop),
        "list" => driver.list(&CALL, &ListRequest::children(Prefix::root(), 1)).await.map(drop),
        "delete" => driver.delete(&CALL, key("a")).await,
        "upload_begin" => driver.upload_begin(&CALL, None).await.map(drop),
        "upload_resume" => driver.upload_resume(&CALL, &UploadToken::new([1])?).await.map(drop),
        "write" => uploading(driver, &chunk).await.map(drop),
        "suspend" => uploading(driver, &chunk).await?.suspend(&CALL).await.map(drop),
        "commit" => uploading(driver, &chunk).await?.commit(&CALL, key("a"), 1).await.map(drop),
        "abort" => uploading(driver, &chunk).await?.abort(&CALL).await,
        "health" => driver.health(&CALL).await,
        "close" => driver.close(&CALL).await,
        "delete_prefix" => driver.delete_prefix(&CALL, Prefix::parse("a")?).await,
        "copy" => driver.copy(&CALL, key("a"), key("b")).await.map(drop),
        "presign" => driver.presign(&CALL, key("a"), Method::Get, 1).await.map(drop),
        "upload_list" => driver.upload_list(&CALL, 0).await.map(drop),
        other => panic!("no call reaches {other}"),
    }
}

/// Driver contract, section 8: each call carries a deadline; "dropping the future of a call cancels it".
#[tokio::test]
async fn call_that_never_answers_is_a_timeout_and_is_cancelled() {
    for entry in [
        "stat",
        "read",
        "put",
        "list",
        "delete",
        "upload_begin",
        "upload_resume",
        "write",
        "suspend",
        "commit",
        "abort",
        "health",
        "delete_prefix",
        "copy",
        "presign",
        "upload_list",
        "close",
    ] {
        let driver = stalling(entry, entry, LONG, LIMIT).await.expect("the specimen opens");
        let begin = Instant::now();
        let error = reach(&driver, entry).await.expect_err("the specimen does not answer");
        let took = begin.elapsed();
        assert_eq!(error.class(), ErrorClass::Timeout, "{entry}: {error}");
        assert_eq!(error.message(), format!("{entry} did not answer within 60 ms"));
        assert!(error.is_retryable(), "{entry}: a timeout is worth another try");
        assert!((LIMIT..LIMIT + SLACK).contains(&took), "{entry} answered after {took:?}");
        // No wait: the driver's future is gone when the answer is here.
        assert_eq!(log::lines_of(&format!("specimen-stalls/{entry}")), [format!("{entry} was given up")]);
        if !matches!(entry, "health" | "close") {
            driver.health(&CALL).await.expect("an instance stays usable");
        }
    }
}

/// Driver contract, section 8: "The deadline of a `commit` is later by a second for each 32 MiB of the upload", also of a call without a deadline.
#[tokio::test]
async fn commit_may_take_longer_by_its_size() {
    let driver = stalling("large", "commit", LONG, LIMIT).await.expect("the specimen opens");
    let mut upload = uploading(&driver, &[Bytes::from(vec![0; 32 << 20])]).await.expect("an upload takes bytes");
    let error = upload.commit(&CALL, key("a"), 32 << 20).await.expect_err("the specimen does not answer");
    assert_eq!(error.message(), "commit did not answer within 1060 ms");
}

#[tokio::test]
async fn open_that_never_answers_is_a_timeout_and_is_cancelled() {
    let begin = Instant::now();
    let error = stalling("open", "open", LIMIT, LONG).await.err().expect("the specimen does not open");
    assert_eq!((error.class(), error.origin()), (ErrorClass::Timeout, Some("specimen-stalls/open")), "{error}");
    assert!((LIMIT..LIMIT + SLACK).contains(&begin.elapsed()));
    assert_eq!(log::lines_of("specimen-stalls/open"), ["open was given up"]);
}

/// The caller's own deadline counts where it has one: a request's time is not begun anew by each of its calls.
#[tokio::test]
async fn deadline_of_the_call_comes_before_that_of_the_instance() {
    let driver = stalling("own-deadline", "stat", LONG, LONG).await.expect("the specimen opens");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is right");
    let deadline = u64::try_from((now + LIMIT).as_millis()).expect("the clock is right");
    let begin = Instant::now();
    let error = driver.stat(&Call::new(deadline, 0), key("a")).await.expect_err("the specimen does not answer");
    assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
    assert!(begin.elapsed() < LIMIT + SLACK, "the call's own deadline was not kept");
}

/// A host whose client is gone drops the call, before any deadline.
#[tokio::test]
async fn dropped_call_is_cancelled_at_once() {
    let driver = stalling("dropped", "write", LONG, LONG).await.expect("the specimen opens");
    let mut upload = driver.upload_begin(&CALL, None).await.expect("an upload begins");
    {
        let mut write = std::pin::pin!(upload.write(&CALL, "x".into()));
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context))).await;
        assert!(first.is_pending(), "the specimen does not answer");
        assert!(log::lines_of("specimen-stalls/dropped").is_empty(), "the call goes on");
    }
    assert_eq!(log::lines_of("specimen-stalls/dropped"), ["write was given up"]);
    assert_eq!(upload.offset(), 0, "a cancelled write has accepted nothing");
    upload.abort(&CALL).await.expect("the upload stays usable");
}
