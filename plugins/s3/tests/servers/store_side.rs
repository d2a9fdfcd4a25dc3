//! What the store does with an object because a request says so: encryption by keys of its own, the storage class.

use std::process::{Command, Stdio};

use longshore_plugin_api::{Condition, Driver};
use serde_json::json;

use super::{CALL, content, key, push, run_on, server::Server};

/// The fields that the store tells of an object.
fn told(server: &Server, name: &str) -> String {
    let url = format!("{}/{}/{name}", server.env("ENDPOINT"), server.env("BUCKET"));
    let keys = format!("{}:{}", server.env("ACCESS_KEY"), server.env("SECRET_KEY"));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-f", "--head", "--max-time", "20", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", &keys]);
    curl.args(["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", &url]);
    let done = curl.stdin(Stdio::null()).output().expect("the server needs it as well");
    assert!(done.status.success(), "{name}: {done:?}");
    String::from_utf8_lossy(&done.stdout).to_ascii_lowercase()
}

/// However an object comes to its key.
#[test]
fn every_object_is_encrypted_by_the_store_and_of_the_storage_class() {
    run_on("moto", async |moto| {
        let settings = json!({ "encryption": "s3", "storage_class": "STANDARD_IA" });
        let store = moto.open(settings).await.expect("the store opens");
        let whole = content(12 << 20);
        store.put(&CALL, key("put"), content(1000).into(), Condition::Always).await.expect("it can be written");
        store.put(&CALL, key("new"), content(1000).into(), Condition::IfAbsent).await.expect("it can be created");
        push(&store, "short", &whole[..1000], false).await.expect("an upload of less than a part");
        push(&store, "told", &whole, true).await.expect("an upload whose key is known at once");
        push(&store, "untold", &whole, false).await.expect("an upload whose key is known at the end");
        for name in ["put", "told"] {
            store.copy(&CALL, key(name), key(&format!("{name}-copy"))).await.expect("it can be copied");
        }
        for name in ["put", "new", "short", "told", "untold", "put-copy", "told-copy"] {
            let told = told(moto, name);
            assert!(told.contains("x-amz-server-side-encryption: aes256"), "{name}: {told}");
            assert!(told.contains("x-amz-storage-class: standard_ia"), "{name}: {told}");
        }

        let store = moto.open(json!({})).await.expect("the store opens");
        store.put(&CALL, key("plain"), content(1000).into(), Condition::Always).await.expect("it can be written");
        let told = told(moto, "plain");
        assert!(!told.contains("standard_ia"), "the test sees no difference: {told}");
    });
}
