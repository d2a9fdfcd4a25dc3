//! What the end of a driver's process costs.

use std::time::Duration;

use longshore_loader::api::{Bytes, Condition, Driver, DriverError, ErrorClass};
use longshore_loader::{DriverHandle, DriverState};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{dies, driver_file, is_alive, isolation, key, open_file};
use crate::support::in_time;

async fn stat(driver: &DriverHandle) -> Result<(), DriverError> {
    driver.stat(&driver.call(0), key("a")).await.map(drop)
}

/// Waits for an event in the background of a runtime of one thread.
async fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(tokio::time::Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn driver_that_ends_costs_its_calls_and_is_degraded_after_its_budget() {
    for (how, fate) in [("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("exit", "exit code 3"), ("memory", "SIGABRT")] {
        let driver = dies(&json!({ "at": "stat", "how": how }), 1).await;
        let error = stat(&driver).await.expect_err("the process ends, and so does the next one");
        assert_eq!((error.class(), error.origin()), (ErrorClass::Broken, Some("specimen-dies/main")), "{how}: {error}");
        let error = stat(&driver).await.expect_err("no further process is started");
        assert_eq!(error.class(), ErrorClass::Unreachable, "{how}: {error}");
        assert!(error.message().contains(fate), "the error says what ended it: {error}");
        assert!(matches!(driver.state(), DriverState::Degraded { reason } if reason.contains(fate)), "{how}: {:?}", driver.state());
        assert_eq!((driver.restarts(), driver.process_id()), (1, None), "{how}");
        driver.close(&driver.call(0)).await.expect("what has ended closes");
    }
}

#[tokio::test]
async fn read_is_asked_once_more_of_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let driver = dies(&json!({ "at": "stat", "how": "abort", "once": folder.path().join("once") }), 5).await;
    let error = stat(&driver).await.expect_err("the object is not there");
    assert_eq!(error.class(), ErrorClass::NotFound, "the second process answers: {error}");
    assert_eq!((driver.restarts(), driver.state()), (1, DriverState::Serving));
}

#[tokio::test]
async fn write_is_never_made_twice() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let driver = dies(&json!({ "at": "put", "how": "abort", "once": folder.path().join("once") }), 5).await;
    let call = driver.call(0);
    let put = || driver.put(&call, key("a"), Bytes::from_static(b"x"), Condition::Always);
    let error = put().await.expect_err("the process ends, and who knows what it wrote");
    assert_eq!(error.class(), ErrorClass::Broken, "{error}");
    put().await.expect("the next process serves");
    assert_eq!(driver.restarts(), 1);
}

#[tokio::test]
async fn driver_that_hangs_is_ended_and_started_again() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let settings = json!({ "at": "stat", "how": "hang", "once": folder.path().join("once") });
    let opened = open_file(&driver_file("specimen-dies"), &settings, &isolation(5), Duration::from_millis(300)).await;
    let driver = opened.expect("the specimen opens");
    let first = driver.process_id().expect("it has a process");
    assert_eq!(stat(&driver).await.expect_err("it hangs").class(), ErrorClass::Timeout);
    until("the process is ended", || !is_alive(first)).await;
    until("the next one serves", || driver.state() == DriverState::Serving && driver.process_id().is_some()).await;
    assert_eq!(stat(&driver).await.expect_err("the object is not there").class(), ErrorClass::NotFound);
}

/// Nobody asks for another process of a driver that is being closed, and whoever still has a handle does not keep the old one.
#[tokio::test]
async fn driver_that_hangs_in_close_is_ended_and_not_started_again() {
    let settings = json!({ "at": "close", "how": "hang" });
    let opened = open_file(&driver_file("specimen-dies"), &settings, &isolation(5), Duration::from_millis(300)).await;
    let driver = opened.expect("the specimen opens");
    let process = driver.process_id().expect("it has a process");
    assert_eq!(driver.close(&driver.call(0)).await.expect_err("it hangs").class(), ErrorClass::Timeout);
    until("the process is ended, and no other is there or awaited", || {
        !is_alive(process) && driver.process_id().is_none() && driver.state() == DriverState::Serving
    })
    .await;
    assert_eq!(driver.restarts(), 0);
    assert_eq!(stat(&driver).await.expect_err("it is closed").class(), ErrorClass::Closed);
}

#[tokio::test]
async fn driver_that_dies_while_it_opens_says_so() {
    let settings = json!({ "at": "open", "how": "segfault" });
    let opened = open_file(&driver_file("specimen-dies"), &settings, &isolation(5), Duration::from_secs(9)).await;
    let error = opened.err().expect("it ends before it is open");
    assert_eq!(error.class(), ErrorClass::Internal, "{error}");
    assert!(error.message().contains("before it was open, by signal 11 (SIGSEGV"), "{error}");
}

#[tokio::test]
async fn flood_of_lines_holds_nothing_up() {
    let driver = dies(&json!({ "at": "stat", "how": "flood" }), 0).await;
    for _ in 0..3 {
        assert_eq!(stat(&driver).await.expect_err("the object is not there").class(), ErrorClass::NotFound);
    }
}

#[tokio::test]
async fn process_ends_with_its_instance_whatever_it_thinks_of_signals() {
    let driver = dies(&json!({ "at": "health", "how": "hang" }), 0).await;
    let process = driver.process_id().expect("it has a process");
    let call = driver.call(0);
    let hanging = driver.health(&call);
    assert!(tokio::time::timeout(Duration::from_millis(50), hanging).await.is_err(), "it hangs, and reads no socket");
    drop(driver);
    until("the process is ended all the same", || !is_alive(process)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_many_are_served_by_the_next_process() {
    let driver = open_file(&driver_file("memory"), &json!({}), &isolation(50), Duration::from_secs(60)).await.expect("it opens");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let driver = driver.clone();
        calls.spawn(async move {
            for _ in 0..200 {
                let error = stat(&driver).await.expect_err("the object is not there");
                // A call that meets two ends is lost.
                assert!([ErrorClass::NotFound, ErrorClass::Broken].contains(&error.class()), "{error}");
            }
        });
    }
    for _ in 0..3 {
        let process = driver.process_id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(process.expect("it has a process"), Signal::KILL).expect("the process is ours");
        until("another process serves", || driver.process_id().is_some_and(|id| Pid::from_raw(id.cast_signed()) != process)).await;
    }
    calls.join_all().await;
    in_time("it serves in the end", || (driver.state() == DriverState::Serving).then_some(()));
}
