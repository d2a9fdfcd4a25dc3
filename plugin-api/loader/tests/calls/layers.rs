//! A layer over another driver: what it hands on, whose errors they are, and how the two end.

use longshore_loader::api::convenience::get_text;
use longshore_loader::api::{Capability, Condition, Driver, ErrorClass, Key, Upload};
use longshore_loader::{CallKind, DriverHandle};
use serde_json::{Value, json};

use crate::files::{CALL, OPTIONS, key, loaded, memory, put, specimen, uploading};

fn settings() -> Value {
    json!({ "label": "calls", "each_call": false, "summary_secs": 60 })
}

async fn over(lower: DriverHandle) -> DriverHandle {
    loaded("count").open_over(Some(lower), "layered", &settings(), &OPTIONS).await.expect("the layer opens")
}

#[tokio::test]
async fn layer_hands_calls_on_and_each_driver_counts_its_own() {
    let stack = over(over(memory("layered").await).await).await;
    let names: Vec<&str> = stack.stack().map(|driver| driver.info().name.as_str()).collect();
    assert_eq!(names, ["count", "count", "memory"], "from the outermost to the one that keeps the bytes");
    put(&stack, "a", "x").await.expect("put works");
    assert_eq!(get_text(&stack, &CALL, key("a"), 100).await.expect("get works"), "x");
    let mut upload = uploading(&stack, &["y".into()]).await.expect("an upload works");
    upload.commit(&CALL, key("b"), 1).await.expect("commit works");
    for driver in stack.stack() {
        let counts =
            [CallKind::Put, CallKind::Read, CallKind::UploadBegin, CallKind::Write, CallKind::Commit].map(|kind| driver.counts().of(kind));
        assert_eq!(counts, [1; 5], "{}", driver.origin());
    }
}

#[tokio::test]
async fn layer_can_what_the_driver_below_can() {
    let memory = memory("layered").await;
    let (declared, stack) = (memory.capabilities(), over(memory).await);
    assert_eq!(stack.capabilities(), declared, "the layer declares all, and hands on what there is");
    assert!(!stack.capabilities().has(Capability::Presign), "memory has no URLs");
    put(&stack, "a/b", "x").await.expect("put works");
    stack.copy(&CALL, key("a/b"), key("c")).await.expect("a call of an extension table goes through both");
    let lost = stack.put(&CALL, key("c"), "y".into(), Condition::IfAbsent).await.expect_err("it is there");
    assert_eq!(lost.class(), ErrorClass::AlreadyExists);
}

#[tokio::test]
async fn layer_leaves_an_error_its_name_and_causes() {
    let stack = over(memory("below").await).await;
    let absent = stack.stat(&CALL, key("nothing")).await.expect_err("it is absent");
    assert_eq!((absent.class(), absent.origin()), (ErrorClass::NotFound, Some("memory/below")));
    assert!(!absent.causes().iter().any(|cause| cause.kind == "driver"), "the name is no cause to be told twice: {absent}");
}

#[tokio::test]
async fn layer_that_is_closed_closes_the_driver_below() {
    let lower = memory("below").await;
    let stack = over(lower.clone()).await;
    stack.close(&CALL).await.expect("close works");
    for driver in [&stack, &lower] {
        assert_eq!(driver.stat(&CALL, key("a")).await.expect_err("it is closed").class(), ErrorClass::Closed, "{}", driver.origin());
    }
}

#[tokio::test]
async fn layer_that_does_not_open_leaves_no_driver_open() {
    let lower = memory("below").await;
    let refused = loaded("count").open_over(Some(lower.clone()), "layered", &json!({ "each_call": 3 }), &OPTIONS).await;
    assert_eq!(refused.err().map(|error| error.class()), Some(ErrorClass::Config));
    assert_eq!(lower.stat(&CALL, key("a")).await.expect_err("it is closed").class(), ErrorClass::Closed);
    let alone = loaded("count").open("alone", &settings(), &OPTIONS).await;
    let error = alone.err().expect("a layer needs a driver below it");
    assert!(error.class() == ErrorClass::Config && error.message().contains("`layers`"), "{error}");
}

/// Driver contract, section 8: "A panic anywhere in a driver becomes `internal` for that call", also one below a layer.
#[tokio::test]
async fn panic_below_a_layer_ends_in_its_call() {
    let panics = specimen("specimen-panics", "below", &json!({ "at": "stat" })).await.expect("the specimen opens");
    let stack = over(panics).await;
    let error = stack.stat(&CALL, key("a")).await.expect_err("it panics");
    assert_eq!((error.class(), error.origin()), (ErrorClass::Internal, Some("specimen-panics/below")), "{error}");
    put(&stack, "a", "x").await.expect("the next call works");
}

/// A call that is given up is given up all the way down.
#[tokio::test]
async fn deadline_of_a_call_holds_below_a_layer() {
    let stalls = specimen("specimen-stalls", "below", &json!({ "at": "stat" })).await.expect("the specimen opens");
    let stack = over(stalls).await;
    let call = longshore_loader::api::Call::new(1, 0);
    let error = stack.stat(&call, Key::parse("a").expect("legal")).await.expect_err("it stalls");
    assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
}
