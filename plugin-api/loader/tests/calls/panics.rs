//! A panic at each entry of a driver becomes `internal` for that call and a line of the log; the process and the instance live.
//!
//! Driver contract, section 8: "A panic anywhere in a driver (call, poll, drop, own thread) becomes `internal` for that call and a log line; it
//! never crosses the boundary and never ends the process."

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{
    ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, ListRequest, Method, Prefix, Upload, UploadToken,
};
use longshore_loader::{DriverHandle, LoadedDriver};
use serde_json::json;

use crate::files::{CALL, OPTIONS, key, loaded, loaded_apart, memory, put, uploaded, uploading};
use crate::log;

/// An instance that panics once at `entry`, of a library that has no other: the hook of a library is told of panics, not of instances, and so
/// the line of each is looked for where its newest instance is.
async fn panicking(entry: &str) -> Result<DriverHandle, DriverError> {
    static PANICS: LazyLock<LoadedDriver> = LazyLock::new(|| loaded_apart("specimen-panics"));
    log::keep();
    PANICS.open(entry, &json!({ "at": entry }), &OPTIONS).await
}

/// Makes the call that reaches `entry`.
async fn reach(driver: &DriverHandle, entry: &str) -> Result<(), DriverError> {
    let chunks = [Bytes::from("some "), Bytes::from("bytes")];
    match entry {
        "stat" | "second_poll" => driver.stat(&CALL, key("there")).await.map(drop),
        "read" => driver.read(&CALL, key("there"), ByteRange::ALL).await.map(drop),
        "stream_poll" => {
            let read = driver.read(&CALL, key("streamed"), ByteRange::ALL).await?;
            Body::new(read.body).next().await.map(drop)
        }
        "put" => driver.put(&CALL, key("new"), "bytes".into(), Condition::Always).await.map(drop),
        "list" => driver.list(&CALL, &ListRequest::children(Prefix::root(), 10)).await.map(drop),
        "delete" => {
            put(driver, "gone", "x").await?;
            driver.delete(&CALL, key("gone")).await
        }
        "upload_begin" | "offset" => driver.upload_begin(&CALL, None).await.map(drop),
        "upload_resume" => {
            let token = uploading(driver, &chunks).await?.suspend(&CALL).await?;
            driver.upload_resume(&CALL, &token).await.map(drop)
        }
        "write" => uploading(driver, &chunks).await.map(drop),
        "suspend" => uploading(driver, &chunks).await?.suspend(&CALL).await.map(drop),
        "commit" => uploaded(driver, "new", &chunks).await.map(drop),
        "abort" => uploading(driver, &chunks).await?.abort(&CALL).await,
        "health" | "own_thread" | "blocking_work" => driver.health(&CALL).await,
        "delete_prefix" => {
            put(driver, "below/it", "x").await?;
            driver.delete_prefix(&CALL, Prefix::parse("below")?).await
        }
        "copy" => driver.copy(&CALL, key("there"), key("copy")).await.map(drop),
        "presign" => driver.presign(&CALL, key("there"), Method::Get, 1000).await.map(drop),
        "upload_list" => driver.upload_list(&CALL, 0).await.map(drop),
        other => panic!("no call reaches {other}"),
    }
}

/// What the calls above need. None of it panics, as each entry's own first call comes later; but for those of an upload.
async fn prepare(driver: &DriverHandle, entry: &str) {
    if !matches!(entry, "put") {
        put(driver, "there", "x").await.expect("put works");
    }
    if !matches!(entry, "upload_begin" | "offset" | "write" | "commit") {
        uploaded(driver, "streamed", &[Bytes::from("two "), Bytes::from("chunks")]).await.expect("an upload works");
    }
}

fn assert_logged(entry: &str) {
    let lines = log::lines_of(&format!("specimen-panics/{entry}"));
    let ours = format!(": the specimen panics at {entry}");
    assert!(lines.iter().any(|line| line.starts_with("the driver panicked at ") && line.ends_with(&ours)), "{entry}: {lines:?}");
}

/// Calls, polls, own threads, blocking work: the call answers `internal`, and the same call works afterwards.
///
/// One test for all of them, so that each line is looked for while its instance is the newest.
#[tokio::test]
async fn panic_at_any_entry_is_internal_and_the_next_call_works() {
    for entry in [
        "stat",
        "read",
        "stream_poll",
        "put",
        "list",
        "delete",
        "upload_begin",
        "upload_resume",
        "offset",
        "write",
        "suspend",
        "commit",
        "abort",
        "health",
        "delete_prefix",
        "copy",
        "presign",
        "upload_list",
        "second_poll",
        "own_thread",
        "blocking_work",
    ] {
        let driver = panicking(entry).await.expect("the specimen opens");
        prepare(&driver, entry).await;
        let error = reach(&driver, entry).await.expect_err(entry);
        assert_eq!(error.class(), ErrorClass::Internal, "{entry}: {error}");
        assert!(error.message().starts_with("the driver panicked in "), "{entry}: {error}");
        assert!(error.message().ends_with(&format!("the specimen panics at {entry}")), "{entry}: {error}");
        assert_eq!(error.origin(), Some(format!("specimen-panics/{entry}").as_str()), "{entry}: {error}");
        assert_logged(entry);
        prepare(&driver, "").await;
        reach(&driver, entry).await.unwrap_or_else(|error| panic!("{entry} does not work after its panic: {error}"));
        driver.close(&CALL).await.expect("close works");
    }
    panics_where_no_answer_can_tell().await;
}

/// Drops and `open` and `close`.
async fn panics_where_no_answer_can_tell() {
    let error = panicking("open").await.err().expect("the specimen panics");
    assert_eq!((error.class(), error.origin()), (ErrorClass::Internal, Some("specimen-panics/open")), "{error}");
    assert!(error.message().contains("the specimen panics at open"), "{error}");
    assert_logged("open");

    let driver = panicking("close").await.expect("the specimen opens");
    let error = driver.close(&CALL).await.expect_err("the specimen panics");
    assert_eq!(error.class(), ErrorClass::Internal, "{error}");
    assert_logged("close");
    let error = driver.health(&CALL).await.expect_err("an instance whose close failed is closed");
    assert_eq!(error.class(), ErrorClass::Closed, "{error}");
    driver.close(&CALL).await.expect("close again does nothing");

    let driver = panicking("stream_drop").await.expect("the specimen opens");
    prepare(&driver, "").await;
    let mut body = Body::new(driver.read(&CALL, key("streamed"), ByteRange::ALL).await.expect("read works").body);
    assert_eq!(body.next().await.expect("a chunk comes").expect("there are two"), "two ");
    drop(body);
    assert_logged("stream_drop");
    reach(&driver, "stream_poll").await.expect("the next read works");

    let driver = panicking("upload_drop").await.expect("the specimen opens");
    drop(uploading(&driver, &[Bytes::from("x")]).await.expect("an upload works"));
    assert_logged("upload_drop");
    reach(&driver, "commit").await.expect("the next upload works");

    let driver = panicking("future_drop").await.expect("the specimen opens");
    prepare(&driver, "").await;
    give_up_after_one_poll(driver.stat(&CALL, key("there"))).await;
    assert_logged("future_drop");
    reach(&driver, "stat").await.expect("the next call works");

    let driver = panicking("instance_drop").await.expect("the specimen opens");
    reach(&driver, "health").await.expect("calls work");
    drop(driver);
    assert_logged("instance_drop");
    let driver = panicking("nowhere").await.expect("another instance opens");
    reach(&driver, "health").await.expect("calls work");
}

/// Polls once and drops, as a host does whose client is gone.
async fn give_up_after_one_poll<T>(work: impl Future<Output = T>) {
    let mut work = pin!(work);
    let first = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
    assert!(first.is_pending(), "the call does not answer at once");
}

/// Panics of one instance on many threads at once do not disturb another instance, of another driver.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn panics_beside_other_work_do_not_disturb_it() {
    let panics = loaded("specimen-panics");
    let steady = memory("beside-panics").await;
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (steady, panics) = (steady.clone(), panics.clone());
        workers.spawn(async move {
            let name = format!("k{number}");
            for _ in 0..20 {
                let settings = json!({ "at": "stat" });
                let driver = panics.open("beside", &settings, &OPTIONS).await.expect("the specimen opens");
                let error = driver.stat(&CALL, key("a")).await.expect_err("the specimen panics");
                assert_eq!(error.class(), ErrorClass::Internal, "{error}");
                put(&steady, &name, name.clone()).await.expect("put works");
                steady.stat(&CALL, key(&name)).await.expect("stat works");
            }
        });
    }
    workers.join_all().await;
}

/// Driver contract, section 8: "A driver does not print to stdout or stderr", not even where it panics.
#[test]
fn panic_prints_nothing() {
    let test = "panics::panic_at_any_entry_is_internal_and_the_next_call_works";
    let mut child = std::process::Command::new(std::env::current_exe().expect("a process knows its file"));
    let answer = child.args(["--exact", test, "--nocapture"]).output().expect("the test binary runs");
    assert!(answer.status.success() && String::from_utf8_lossy(&answer.stdout).contains("1 passed"), "{answer:?}");
    assert!(answer.stderr.is_empty(), "{}", String::from_utf8_lossy(&answer.stderr));
}

/// A token that is refused is an error like any other, not a panic.
#[tokio::test]
async fn nonsense_is_an_error_and_no_panic() {
    let driver = memory("nonsense").await;
    let token = UploadToken::new([0xff; 4096]).expect("it has 4 KiB");
    let error = driver.upload_resume(&CALL, &token).await.err().expect("this is no token");
    assert_eq!(error.class(), ErrorClass::InvalidArgument, "{error}");
}
