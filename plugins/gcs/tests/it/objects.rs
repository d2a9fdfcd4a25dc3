//! Names, lost answers, broken bodies, and copies that the store makes in several calls.

use longshore_plugin_api::{Bytes, Condition, Driver as _, ErrorClass, Upload};
use serde_json::json;

use crate::support::{CALL, Driver, ask, key, open, open_to_all, opened, order, read, run};

/// Bytes that are nowhere like others.
fn bytes(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(size).collect()
}

#[test]
fn object_lies_at_the_root_and_its_key() {
    let fake = open_to_all();
    run(async {
        for (root, path) in [("", "/bucket/a/b"), ("x", "/bucket/x/a/b"), ("/x/y/", "/bucket/x/y/a/b")] {
            let driver = opened(&fake, &json!({ "root": root })).await.expect("the driver opens");
            driver.put(&CALL, key("a/b"), root.to_owned().into(), Condition::Always).await.expect("it is written");
            assert_eq!(ask(&fake, "GET", path, &[], b""), (200, root.as_bytes().to_vec()), "root {root:?}");
        }
    });
}

#[test]
fn write_whose_answer_is_lost_is_no_failure() {
    let fake = open_to_all();
    let lost =
        |method: &str, target: &str| order(&fake, "faults", &json!({ "method": method, "target": target, "status": 503, "done": true }));
    run(async {
        let driver = open(&fake).await;
        lost("POST", "/upload/");
        driver.put(&CALL, key("new"), "x".into(), Condition::IfAbsent).await.expect("it was created by this call");
        lost("DELETE", "/new");
        driver.delete(&CALL, key("new")).await.expect("it was removed by this call");
        assert_eq!(driver.delete(&CALL, key("new")).await.map_err(|error| error.class()), Err(ErrorClass::NotFound));
        let content = bytes(9 << 20);
        let mut upload = driver.upload_begin(&CALL, Some(key("large"))).await.expect("it begins");
        upload.write(&CALL, content.clone()).await.expect("it is taken");
        lost("POST", "/data-");
        let info = upload.commit(&CALL, key("large"), content.len() as u64).await.expect("it was completed by this call");
        assert_eq!(info.size, content.len() as u64);
        assert_eq!(read(&driver, "large").await.expect("it is there"), content);
    });
}

#[test]
fn body_that_breaks_off_goes_on_where_it_was() {
    let fake = open_to_all();
    run(async {
        let (driver, content) = (open(&fake).await, bytes(1 << 20));
        driver.put(&CALL, key("a"), content.clone(), Condition::Always).await.expect("it is written");
        order(&fake, "faults", &json!({ "method": "GET", "target": "/bucket/r/a", "cut": 300_000, "count": 2 }));
        assert_eq!(read(&driver, "a").await.expect("it is there"), content);
    });
}

#[test]
fn part_that_changes_on_its_way_is_refused() {
    let fake = open_to_all();
    let wrong = [("x-goog-hash", "crc32c=AAAAAA==")];
    assert_eq!(ask(&fake, "PUT", "/bucket/a", &wrong, b"bytes").0, 400, "the store compares what the driver sends");
    run(async {
        let driver = open(&fake).await;
        driver.put(&CALL, key("a"), "bytes".into(), Condition::Always).await.expect("the driver's checksum is right");
    });
}

#[test]
fn copy_takes_as_many_calls_as_the_store_wants() {
    let fake = open_to_all();
    run(async {
        let (driver, content) = (open(&fake).await, bytes(20 << 20));
        write(&driver, "from", &content).await;
        let info = driver.copy(&CALL, key("from"), key("to")).await.expect("it is copied");
        assert_eq!(info.size, content.len() as u64);
        assert_eq!(read(&driver, "to").await.expect("it is there"), content);
        let absent = driver.copy(&CALL, key("none"), key("to")).await.map(|_| ()).map_err(|error| error.class());
        assert_eq!(absent, Err(ErrorClass::NotFound));
    });
}

async fn write(driver: &Driver, name: &str, content: &Bytes) {
    let mut upload = driver.upload_begin(&CALL, Some(key(name))).await.expect("it begins");
    upload.write(&CALL, content.clone()).await.expect("it is taken");
    upload.commit(&CALL, key(name), content.len() as u64).await.expect("it is there");
}

#[test]
fn storage_class_and_key_are_those_of_the_settings() {
    let fake = open_to_all();
    run(async {
        let more = json!({ "storage_class": "NEARLINE", "kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k" });
        let (driver, content) = (opened(&fake, &more).await.expect("the driver opens"), bytes(9 << 20));
        driver.put(&CALL, key("put"), "x".into(), Condition::Always).await.expect("it is written");
        write(&driver, "uploaded", &content).await;
        driver.copy(&CALL, key("uploaded"), key("copied")).await.expect("it is copied");
        for name in ["put", "uploaded", "copied"] {
            let (status, body) = ask(&fake, "GET", &format!("/storage/v1/b/bucket/o/r%2F{name}"), &[], b"");
            let resource: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(
                (status, &resource["storageClass"], &resource["kmsKeyName"]),
                (200, &more["storage_class"], &more["kms_key"]),
                "{name}"
            );
        }
    });
}
