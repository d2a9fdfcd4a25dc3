//! Every call of the contract reaches a driver in C, and its answer comes back.

use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{
    ByteRange, Call, Condition, Driver, Entry, ErrorClass, ListRequest, Method, Prefix, ReadBody, Upload, UploadToken,
};
use longshore_loader::{CallKind, DriverHandle};
use serde_json::json;

use crate::log;
use crate::specimen::{CALL, OPTIONS, Specimen, counter, key, opened, stat, until};

#[tokio::test]
async fn settings_arrive_flat_and_faults_come_back() {
    let Some(specimen) = Specimen::new() else { return };
    let loaded = specimen.load().expect("the specimen fits this host");
    let open = async |word: &str| loaded.open("test", &json!({ "deep": { "word": word } }), &OPTIONS).await;
    let driver = open("a \"word\"").await.expect("the specimen opens");
    assert_eq!(counter(&driver, "word").await, 8);
    let error = open("bad").await.err().expect("the specimen refuses it");
    assert_eq!(error.to_string(), "driver specimen-c/test: deep.word is \"bad\"; json has 23 bytes (config)");
    let error = open("null").await.err().expect("NULL is no instance");
    assert_eq!(error.to_string(), "driver specimen-c/test: the driver answered NULL for an open instance (broken)");
}

/// Driver contract, section 3: "settings are JSON already checked against the driver's schema; every fault is reported at once, each naming its
/// key".
#[tokio::test]
async fn settings_that_nobody_checked_do_not_reach_the_driver() {
    let Some(specimen) = Specimen::new() else { return };
    let wrong = json!({ "deep": { "word": 7 }, "dep": true });
    let error = specimen.open(&wrong).await.err().expect("the schema has no such settings");
    assert_eq!(error.class(), ErrorClass::Config);
    assert!(error.message().contains("deep.word") && error.message().contains("dep"), "every fault by its key: {error}");
}

#[tokio::test]
async fn call_carries_deadline_and_trace() {
    let Some(driver) = opened().await else { return };
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + Duration::from_secs(20);
    let deadline = u64::try_from(soon.as_millis()).expect("it is not that late");
    let info = driver.stat(&Call::new(deadline, 40 << 64 | 2), key("context")).await.expect("stat works");
    assert_eq!((info.size, info.modified), (deadline, 42));
    assert_eq!(driver.counts().of(CallKind::Stat), 1);
}

async fn read(driver: &DriverHandle, name: &str, range: ByteRange) -> (ReadBody, u64) {
    let read = driver.read(&CALL, key(name), range).await.expect("read works");
    (read.body, read.info.size)
}

#[tokio::test]
async fn small_reads_are_bytes_and_the_reader_is_back_at_once() {
    let Some(driver) = opened().await else { return };
    for name in ["room", "own"] {
        for (range, expected) in [(ByteRange::ALL, "0123456789"), (ByteRange::from(10), ""), (ByteRange::new(0, 4), "0123")] {
            let (ReadBody::Bytes(bytes), 10) = read(&driver, name, range).await else { panic!("{name}: bytes of an object of 10") };
            assert_eq!(bytes, expected, "{name}");
        }
    }
    assert_eq!(counter(&driver, "children").await, 0);
    assert_eq!(counter(&driver, "released").await, 2, "two chunks of the driver's own came and went");
}

#[tokio::test]
async fn large_reads_are_streams_of_exactly_the_range() {
    let Some(driver) = opened().await else { return };
    for name in ["big", "big-own"] {
        let (body @ ReadBody::Stream(_), 1_000_000) = read(&driver, name, ByteRange::new(0, 999_999)).await else {
            panic!("{name}: a stream of an object of 1,000,000")
        };
        let mut body = Body::new(body);
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await.expect("the stream is sound") {
            bytes.extend_from_slice(&chunk);
        }
        assert_eq!(bytes.len(), 999_999, "{name}");
        drop(body);
        until(&driver, "children", 0).await;
    }
    // A stream that nobody reads on is given back too.
    drop(read(&driver, "big", ByteRange::ALL).await);
    until(&driver, "children", 0).await;
}

#[tokio::test]
async fn file_is_handed_over() {
    let Some(driver) = opened().await else { return };
    let (ReadBody::File(region), 10) = read(&driver, "file", ByteRange::new(3, 4)).await else { panic!("a file") };
    let mut bytes = [0; 4];
    std::fs::File::from(region.file).read_exact_at(&mut bytes, region.offset).expect("the region is there");
    assert_eq!((&bytes, region.length), (b"3456", 4));
}

#[tokio::test]
async fn ranges_that_need_arithmetic_are_the_hosts() {
    let Some(driver) = opened().await else { return };
    for range in [ByteRange::new(2, u64::MAX), ByteRange::new(11, u64::MAX), ByteRange::from(11)] {
        let error = driver.read(&CALL, key("room"), range).await.expect_err("the range is none");
        assert_eq!(error.class(), ErrorClass::InvalidRange, "{error}");
    }
    let error = driver.read(&CALL, key("absent"), ByteRange::ALL).await.expect_err("there is none");
    assert_eq!(error.class(), ErrorClass::NotFound);
    assert_eq!(counter(&driver, "children").await, 0);
}

#[tokio::test]
async fn puts_lists_and_deletes_work() {
    let Some(driver) = opened().await else { return };
    let put = driver.put(&CALL, key("a"), "four".into(), Condition::Always).await.expect("put works");
    assert_eq!(put.size, 4);
    let error = driver.put(&CALL, key("a"), "four".into(), Condition::IfAbsent).await.expect_err("the condition is lost");
    assert_eq!(error.class(), ErrorClass::AlreadyExists);

    let page = driver.list(&CALL, &ListRequest::children(Prefix::root(), 3)).await.expect("list works");
    let texts: Vec<_> = page.entries.iter().map(Entry::text).collect();
    assert_eq!((texts, page.more), (vec!["a/00".to_owned(), "a/01/".to_owned(), "a/02".to_owned()], true));
    let page = driver.list(&CALL, &ListRequest::children(Prefix::root(), 30)).await.expect("list works");
    assert_eq!((page.entries.len(), page.more), (30, false));
    assert!(matches!(&page.entries[0], Entry::Object(_, Some(info)) if info.size == 3));

    driver.delete(&CALL, key("a")).await.expect("delete works");
    assert_eq!(driver.delete(&CALL, key("absent")).await.map_err(|error| error.class()), Err(ErrorClass::NotFound));
    driver.health(&CALL).await.expect("the specimen is healthy");
}

#[tokio::test]
async fn uploads_go_on_from_their_tokens() {
    let Some(driver) = opened().await else { return };
    let mut upload = driver.upload_begin(&CALL, Some(key("a"))).await.expect("upload_begin works");
    upload.write(&CALL, "some".into()).await.expect("write works");
    let token = upload.suspend(&CALL).await.expect("suspend works");
    assert_eq!((upload.offset(), token.as_bytes()), (4, &b"at 00004"[..]));
    drop(upload);
    let mut upload = driver.upload_resume(&CALL, &token).await.expect("upload_resume works");
    upload.write(&CALL, " more".into()).await.expect("write works");
    let error = upload.commit(&CALL, key("a"), 8).await.expect_err("there are 9 bytes");
    assert_eq!(error.class(), ErrorClass::Corrupt);
    let info = upload.commit(&CALL, key("a"), 9).await.expect("commit works");
    assert_eq!(info.size, 9);
    assert_eq!(upload.abort(&CALL).await.map_err(|error| error.class()), Err(ErrorClass::InvalidState));
    drop(upload);
    let mut upload = driver.upload_begin(&CALL, None).await.expect("upload_begin works");
    upload.abort(&CALL).await.expect("abort works");
    drop(upload);
    until(&driver, "children", 0).await;
    let error = driver.upload_resume(&CALL, &UploadToken::new([1]).expect("short")).await.err().expect("it is no token");
    assert_eq!(error.class(), ErrorClass::InvalidArgument);
}

#[tokio::test]
async fn optional_calls_work() {
    let Some(driver) = opened().await else { return };
    assert_eq!(driver.copy(&CALL, key("from"), key("to")).await.map(|info| info.size).ok(), Some(402));
    let url = driver.presign(&CALL, key("a"), Method::Put, 5000).await.expect("presign works");
    assert_eq!(url, "https://example.org/a?method=2&expires=5000");
    driver.delete_prefix(&CALL, Prefix::parse("a").expect("legal")).await.expect("delete_prefix works");
    let tokens = driver.upload_list(&CALL, 0).await.expect("upload_list works");
    assert_eq!(tokens.iter().map(UploadToken::as_bytes).collect::<Vec<_>>(), [b"at 00007"]);
}

#[tokio::test]
async fn undeclared_capabilities_are_not_asked_of_the_driver() {
    let Some(specimen) = Specimen::new() else { return };
    let specimen = specimen.note(|note| note["capabilities"] = json!([]));
    let driver = specimen.open(&json!({})).await.expect("the specimen opens");
    let answers = [
        driver.copy(&CALL, key("a"), key("b")).await.map(drop),
        driver.presign(&CALL, key("a"), Method::Get, 1).await.map(drop),
        driver.delete_prefix(&CALL, Prefix::parse("a").expect("legal")).await,
        driver.upload_list(&CALL, 0).await.map(drop),
        driver.put(&CALL, key("a"), "x".into(), Condition::IfAbsent).await.map(drop),
    ];
    for answer in answers {
        assert_eq!(answer.map_err(|error| error.class()), Err(ErrorClass::Unsupported));
    }
    let error = driver.read(&CALL, key("file"), ByteRange::ALL).await.expect_err("files were not declared");
    assert_eq!(error.class(), ErrorClass::Broken, "{error}");
}

/// Driver contract, section 8: "It logs and counts through the host's table".
#[tokio::test]
async fn lines_of_the_driver_are_in_the_hosts_log() {
    log::keep();
    let Some(specimen) = Specimen::new() else { return };
    let loaded = specimen.load().expect("the specimen fits this host");
    let driver = loaded.open("logging", &json!({}), &OPTIONS).await.expect("the specimen opens");
    stat(&driver, "log").await.expect("stat works");
    assert_eq!(log::lines_of("specimen-c/logging"), ["one line"], "one line each, cut where the driver says, and nothing of NULL");
}

/// Driver contract, section 8: "Dropping the future of a call cancels it".
#[tokio::test]
async fn driver_can_ask_whether_a_call_was_given_up() {
    let Some(driver) = opened().await else { return };
    let given_up = tokio::time::timeout(Duration::from_millis(20), stat(&driver, "wait")).await;
    assert!(given_up.is_err(), "the specimen waits until the call is given up");
    until(&driver, "noticed", 1).await;
}
