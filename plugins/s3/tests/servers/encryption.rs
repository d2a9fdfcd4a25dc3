//! Objects that the store encrypts, with a key of ours or of its key service.

use longshore_plugin_api::{ByteRange, Bytes, Condition, Driver, ErrorClass, Upload};
use serde_json::{Value, json};

use super::{CALL, bytes, content, key, push, range, refused, run, server::Store};

fn with_key(text: &str) -> Value {
    json!({ "encryption": "customer", "customer_key": text })
}

const OURS: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

/// Every way by which bytes come into the store, and out of it.
async fn serves(store: &Store) {
    let (small, whole) = (content(1000), content(12 << 20));
    store.put(&CALL, key("put"), Bytes::from(small.clone()), Condition::Always).await.expect("it can be written");
    store.put(&CALL, key("empty"), Bytes::new(), Condition::Always).await.expect("it can be written");
    store.put(&CALL, key("put"), Bytes::new(), Condition::IfAbsent).await.expect_err("it is there");
    push(store, "told", &whole, true).await.expect("an upload whose key is known at once");
    push(store, "untold", &whole, false).await.expect("an upload whose key is known at the end");
    push(store, "short", &small, false).await.expect("an upload of less than a part");
    resumed(store, &whole).await;
    for name in ["put", "told", "empty"] {
        store.copy(&CALL, key(name), key(&format!("{name}-copy"))).await.expect("it can be copied");
    }
    for name in ["put", "put-copy", "short"] {
        assert!(bytes(store, name).await.expect("it can be read") == small, "{name} has other bytes");
        let part = range(store, name, ByteRange { offset: 15, length: Some(500) }).await.expect("a part can be read");
        assert!(part == small[15..515], "a part of {name} has other bytes");
    }
    for name in ["told", "told-copy", "untold", "resumed"] {
        assert!(bytes(store, name).await.expect("it can be read") == whole, "{name} has other bytes");
        let part = range(store, name, ByteRange { offset: (5 << 20) - 3, length: Some(6 << 20) }).await.expect("a part can be read");
        assert!(part == whole[(5 << 20) - 3..][..6 << 20], "a part of {name} has other bytes");
        assert_eq!(store.stat(&CALL, key(name)).await.expect("it is there").size, whole.len() as u64, "{name}");
    }
    assert!(bytes(store, "empty-copy").await.expect("it can be read").is_empty());
}

async fn resumed(store: &Store, whole: &[u8]) {
    let mut upload = store.upload_begin(&CALL, None).await.expect("it begins");
    upload.write(&CALL, Bytes::copy_from_slice(&whole[..7_000_000])).await.expect("it takes bytes");
    let token = upload.suspend(&CALL).await.expect("it is put down");
    drop(upload);
    let mut upload = store.upload_resume(&CALL, &token).await.expect("it goes on");
    assert_eq!(upload.offset(), 7_000_000);
    upload.write(&CALL, Bytes::copy_from_slice(&whole[7_000_000..])).await.expect("it takes bytes");
    upload.commit(&CALL, key("resumed"), whole.len() as u64).await.expect("it commits");
}

#[test]
fn what_a_customers_key_encrypts_is_served_with_it_and_with_no_other() {
    run(async |ceph| {
        // Copies by one request, which Ceph refuses for such objects, and in parts.
        let mut settings = with_key(OURS);
        settings["copy_part_bytes"] = json!(1 << 30);
        let store = ceph.open(settings).await.expect("the store opens");
        serves(&store).await;
        for settings in [json!({}), with_key(OTHER)] {
            let other = ceph.open(settings).await.expect("a key is not asked for to list");
            for name in ["put", "told", "untold", "resumed", "put-copy", "told-copy"] {
                refused(bytes(&other, name).await, ErrorClass::Config, "customer_key");
                refused(other.stat(&CALL, key(name)).await, ErrorClass::Config, "customer_key");
                refused(other.copy(&CALL, key(name), key("stolen")).await, ErrorClass::Config, "customer_key");
            }
            refused(other.stat(&CALL, key("stolen")).await, ErrorClass::NotFound, "");
        }
    });
}

#[test]
fn what_a_key_service_encrypts_is_served() {
    run(async |ceph| {
        let kms = |key: &str| json!({ "encryption": "kms", "kms_key": key, "copy_part_bytes": 1 << 30 });
        let store = ceph.open(kms(ceph.env("KMS_KEY"))).await.expect("the store opens");
        serves(&store).await;
        let unknown = ceph.open(kms("unknown")).await;
        refused(unknown, ErrorClass::Config, "kms_key");
    });
}
