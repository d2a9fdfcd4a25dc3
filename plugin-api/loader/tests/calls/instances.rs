//! Several drivers, and several instances of one, in one process.

use std::fs;
use std::time::Duration;

use longshore_loader::api::convenience::{exists, get_text};
use longshore_loader::api::{Call, Driver, ErrorClass};
use serde_json::json;
use tempfile::tempdir;

use crate::files::{CALL, OPTIONS, driver_file, key, loaded, loaded_file, memory, put, specimen};

/// Each driver answers as itself. (A loader with one slot for each table type would answer the first driver's table for every file.)
#[tokio::test]
async fn different_drivers_in_one_process_are_themselves() {
    for name in ["memory", "specimen-streams", "specimen-panics", "specimen-stalls", "specimen-echo"] {
        let driver = loaded(name);
        assert_eq!(driver.info().name, name);
        let inspection = longshore_loader::inspect(&driver_file(name)).expect("the file is a driver");
        assert!(driver.describes_itself(&inspection), "`describe` of {name} answers what its note says");
    }
    let streams = specimen("specimen-streams", "one", &json!({})).await.expect("the specimen opens");
    let memory = memory("two").await;
    put(&streams, "a", "of streams").await.expect("put works");
    put(&memory, "a", "of memory").await.expect("put works");
    assert_eq!(get_text(&streams, &CALL, key("a"), 100).await.expect("get works"), "of streams");
    assert_eq!(get_text(&memory, &CALL, key("a"), 100).await.expect("get works"), "of memory");
}

#[tokio::test]
async fn instances_of_one_driver_are_independent() {
    let (first, second) = (memory("first").await, memory("second").await);
    put(&first, "a", "x").await.expect("put works");
    assert!(!exists(&second, &CALL, key("a")).await.expect("stat works"), "an instance sees only its own objects");
    first.close(&CALL).await.expect("close works");
    put(&second, "a", "y").await.expect("an instance does not end with another one");
}

/// Driver contract, section 3: "two instances are independent", here with all their calls at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_work_at_the_same_time() {
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..8 {
        workers.spawn(async move {
            let driver = match number % 2 {
                0 => memory(&format!("at-once-{number}")).await,
                _ => specimen("specimen-streams", &format!("at-once-{number}"), &json!({})).await.expect("the specimen opens"),
            };
            for round in 0..200 {
                let text = format!("{number} in round {round}");
                put(&driver, "same", text.clone()).await.expect("put works");
                assert_eq!(get_text(&driver, &CALL, key("same"), 100).await.expect("get works"), text);
            }
        });
    }
    workers.join_all().await;
}

/// Another content is another library; instances of both work side by side.
#[tokio::test]
async fn other_build_of_a_driver_is_a_driver_of_its_own() {
    let folder = tempdir().expect("a temporary folder");
    let copy = folder.path().join("liblongshore_driver_memory.so");
    let mut content = fs::read(driver_file("memory")).expect("it can be read");
    // Behind all that a linker reads: the same code, but not the same content, of which a process has one library.
    content.extend_from_slice(b"another build");
    fs::write(&copy, content).expect("the folder is writable");
    let settings = json!({ "max_bytes": 1000 });
    let of_copy = loaded_file(&copy).open("copy", &settings, &OPTIONS).await.expect("the copy opens");
    let of_file = memory("file").await;
    put(&of_copy, "a", "x").await.expect("put works");
    assert!(!exists(&of_file, &CALL, key("a")).await.expect("stat works"), "the copy has a store of its own");
}

/// Driver contract, section 7: "The SDK adds driver and instance names."
#[tokio::test]
async fn errors_name_driver_and_instance() {
    let driver = memory("blue").await;
    let error = driver.stat(&CALL, key("nothing")).await.expect_err("there is no such key");
    assert_eq!((error.class(), error.origin()), (ErrorClass::NotFound, Some("memory/blue")));
    assert!(error.to_string().starts_with("driver memory/blue: "), "{error}");

    let opened = loaded("memory").open("red", &json!({ "max_bytes": "many" }), &OPTIONS).await;
    let error = opened.err().expect("the settings do not fit");
    assert_eq!((error.class(), error.origin()), (ErrorClass::Config, Some("memory/red")));

    let mut upload = driver.upload_begin(&CALL, None).await.expect("an upload begins");
    let error = longshore_loader::api::Upload::commit(&mut upload, &CALL, key("a"), 7).await.expect_err("it has no bytes");
    assert_eq!(error.origin(), Some("memory/blue"), "errors of an upload name the instance too");
}

/// Driver contract, section 8: "Each call carries a deadline and a trace id in its context."
#[tokio::test]
async fn call_of_a_handle_has_its_limit_and_trace() {
    let driver = memory("calls").await;
    let call: Call = driver.call(77);
    assert_eq!(call.trace_id(), 77);
    let remaining = call.remaining().expect("it has a deadline");
    assert!(remaining <= OPTIONS.call_limit && remaining > OPTIONS.call_limit / 2, "{remaining:?} remain");
}

/// Driver contract, section 8: "The deadline of a `commit` is later by a second for each 32 MiB of the upload".
#[tokio::test]
async fn call_of_a_large_commit_has_time_for_a_copy() {
    let driver = memory("commits").await;
    let limit = OPTIONS.call_limit + Duration::from_secs(320);
    let remaining = driver.call_with_copy(77, 10 << 30).remaining().expect("it has a deadline");
    assert!(remaining <= limit && remaining > limit - OPTIONS.call_limit / 2, "{remaining:?} remain");
}

/// Driver contract, section 3: "every fault is reported at once, each naming its key", also to a host that checked nothing.
#[tokio::test]
async fn settings_that_nobody_checked_are_refused_with_all_their_faults() {
    let open = |settings| async move { loaded("filesystem").open("unchecked", &settings, &OPTIONS).await.err().expect("they are wrong") };
    let error = open(json!({ "rot": "data", "durability": "fast", "direct_io": "yes" })).await;
    assert_eq!(error.class(), ErrorClass::Config);
    let expected = "direct_io is \"yes\", must be a boolean; durability is \"fast\", must be \"disk\" or \"process\"; rot is not a setting; \
                    root is missing: ";
    assert!(error.message().starts_with(expected), "{error}");
    assert_eq!(open(json!([])).await.class(), ErrorClass::Config);
}
