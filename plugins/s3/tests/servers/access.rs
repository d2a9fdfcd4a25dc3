//! Credentials that are good, and not for this bucket, or not any more.

use longshore_plugin_api::{Bytes, Condition, Driver, ErrorClass, Upload};
use serde_json::json;

use super::{CALL, bytes, content, key, refused, run};

/// The bucket of another owner, who lets nobody in, or only readers.
#[test]
fn a_bucket_of_another_owner_is_refused_or_only_read() {
    run(async |ceph| {
        ceph.admin(&["user", "create", "--uid=other", "--display-name=other", "--access-key=AKOTHER", "--secret-key=SKOTHER"]);
        let other = json!({ "access_key": "AKOTHER", "secret_key": "SKOTHER" });
        refused(ceph.open(other.clone()).await, ErrorClass::Unauthorized, "is it yours?");

        ceph.let_everybody_read();
        let store = ceph.open(other).await.expect("it can be read");
        refused(store.put(&CALL, key("a"), "bytes".into(), Condition::Always).await, ErrorClass::Unauthorized, "is it yours?");
        let owner = ceph.open(json!({})).await.expect("it opens");
        refused(owner.stat(&CALL, key("a")).await, ErrorClass::NotFound, "");
    });
}

/// The account is closed while the registry runs, and opened again: what was accepted is there, and what was refused is not.
#[test]
fn uploads_outlast_an_account_that_is_closed_for_a_while() {
    run(async |ceph| {
        let store = ceph.open(json!({})).await.expect("it opens");
        let whole = content(12 << 20);
        let mut untold = store.upload_begin(&CALL, None).await.expect("it begins");
        untold.write(&CALL, Bytes::from(whole.clone())).await.expect("it takes bytes");
        let mut put_down = store.upload_begin(&CALL, Some(key("put-down"))).await.expect("it begins");
        put_down.write(&CALL, Bytes::from(whole.clone())).await.expect("it takes bytes");
        let token = put_down.suspend(&CALL).await.expect("it is put down");
        drop(put_down);
        store.put(&CALL, key("old"), "old".into(), Condition::Always).await.expect("it can be written");

        ceph.admin(&["user", "suspend", "--uid=test"]);
        refused(store.put(&CALL, key("old"), "new".into(), Condition::Always).await, ErrorClass::Unauthorized, "");
        refused(store.put(&CALL, key("new"), "new".into(), Condition::IfAbsent).await, ErrorClass::Unauthorized, "");
        refused(bytes(&store, "old").await, ErrorClass::Unauthorized, "");
        refused(store.delete(&CALL, key("old")).await, ErrorClass::Unauthorized, "");
        refused(store.health(&CALL).await, ErrorClass::Unauthorized, "");
        refused(store.upload_resume(&CALL, &token).await.map(drop), ErrorClass::Unauthorized, "");
        refused(untold.commit(&CALL, key("untold"), whole.len() as u64).await, ErrorClass::Unauthorized, "");

        ceph.admin(&["user", "enable", "--uid=test"]);
        untold.commit(&CALL, key("untold"), whole.len() as u64).await.expect("a commit is made again");
        let mut resumed = store.upload_resume(&CALL, &token).await.expect("the token is good");
        resumed.commit(&CALL, key("put-down"), whole.len() as u64).await.expect("it commits");
        for name in ["untold", "put-down"] {
            assert!(bytes(&store, name).await.expect("it can be read") == whole, "{name} has other bytes");
        }
        assert_eq!(bytes(&store, "old").await.expect("it can be read"), "old");
        refused(store.stat(&CALL, key("new")).await, ErrorClass::NotFound, "");
        assert!(store.upload_list(&CALL, 0).await.expect("they can be listed").is_empty(), "something is left behind");
    });
}
