//! `close` of a driver in C comes last, once, whoever ends the instance and how.

use std::time::Duration;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Driver, ErrorClass, Upload};
use longshore_loader::{DriverHandle, LoadedDriver};
use serde_json::json;

use crate::specimen::{CALL, OPTIONS, Specimen, counter, key, stat, until};

/// A driver's file with two instances: one to be closed, one that tells what happened to it.
async fn two() -> Option<(LoadedDriver, DriverHandle, DriverHandle)> {
    let loaded = Specimen::new()?.load().expect("the specimen fits this host");
    let one = loaded.open("one", &json!({}), &OPTIONS).await.expect("the specimen opens");
    let other = loaded.open("other", &json!({}), &OPTIONS).await.expect("the specimen opens");
    Some((loaded, one, other))
}

/// Driver contract, section 3, `close`: "idempotent; open readers and uploads then fail with `closed`".
#[tokio::test]
async fn readers_and_uploads_are_given_back_before_close() {
    let Some((_, one, other)) = two().await else { return };
    let mut body = Body::new(one.read(&CALL, key("big"), ByteRange::ALL).await.expect("read works").body);
    let mut upload = one.upload_begin(&CALL, None).await.expect("upload_begin works");
    assert_eq!(counter(&other, "children").await, 2);
    for _ in 0..2 {
        one.close(&CALL).await.expect("close is idempotent");
    }
    assert_eq!(counter(&other, "children").await, 0);
    assert_eq!((counter(&other, "closed").await, counter(&other, "ended-early").await), (1, 0));
    assert_eq!(upload.write(&CALL, "x".into()).await.map_err(|error| error.class()), Err(ErrorClass::Closed));
    assert_eq!(body.next().await.map_err(|error| error.class()).map(drop), Err(ErrorClass::Closed));
    drop((body, upload, one));
    assert_eq!(counter(&other, "closed").await, 1);
}

#[tokio::test]
async fn dropped_instance_is_closed() {
    let Some((_, one, other)) = two().await else { return };
    let body = one.read(&CALL, key("big"), ByteRange::ALL).await.expect("read works").body;
    drop(one);
    drop(body);
    until(&other, "closed", 1).await;
    assert_eq!((counter(&other, "children").await, counter(&other, "ended-early").await), (0, 0));
}

/// Header, `close`: "when no other call runs".
#[tokio::test]
async fn close_waits_for_calls() {
    let Some((_, one, other)) = two().await else { return };
    let running = one.clone();
    let call = tokio::spawn(async move { tokio::time::timeout(Duration::from_millis(50), stat(&running, "wait")).await });
    tokio::time::timeout(Duration::from_secs(20), async {
        while one.counts().of(longshore_loader::CallKind::Stat) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the call begins");
    one.close(&CALL).await.expect("close works");
    assert!(call.await.expect("no panic").is_err(), "the call waits until it is given up");
    // Nothing else gives the call up, so had `close` not waited, it would have freed what the call still uses.
    assert_eq!((counter(&other, "noticed").await, counter(&other, "closed").await), (1, 1));
}
