//! A bucket that has something else in it: nothing of that is touched.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use longshore_bucket::{Bucket, Mark, Payload, Query, Span};
use longshore_driver_s3::S3;
use longshore_plugin_api::{Bytes, Condition, Driver, ErrorClass, Host, ListRequest, Prefix, Settings, Upload};
use serde_json::json;

use super::server::{Server, Store};
use super::{CALL, content, key, push, run};

/// Beside the root `registry`, in it under names that no key has, and what another registry wrote there.
const FOREIGN: [&str; 14] = [
    "!uploads/notes",
    "notes.txt",
    "registry",
    "registry.old/docker/registry/v2/blobs/x",
    "registry/",
    "registry/!other/notes",
    "registry/!uploads/",
    "registry/!uploads/0123456789abcdef0123456789abcdef/notes",
    "registry/!uploads/notes",
    "registry/Read me.txt",
    "registry/docker/registry/v2/blobs/sha256/00/0000/data",
    "registry/docker/registry/v2/repositories/mine-too/_layers/link",
    "registry/docker/registry/v2/repositories/mine/",
    "registry/docker/registry/v2/repositories/mine/zum Löschen?",
];

/// All objects of the bucket, and all multipart uploads in progress.
async fn everything(bucket: &S3) -> (BTreeMap<String, Vec<u8>>, Vec<(String, String)>) {
    let query = Query { prefix: String::new(), after: None, token: None, joined: false, limit: 1000 };
    let mut objects = BTreeMap::new();
    for (name, _) in bucket.list(&query).await.expect("it can be listed").objects {
        let body = bucket.get(&name, &Span::default()).await.expect("it can be read").body;
        let bytes = body.try_collect::<Vec<Bytes>>().await.expect("it can be read").concat();
        objects.insert(name, bytes);
    }
    let uploads = bucket.uploads("").await.expect("they can be listed");
    (objects, uploads.into_iter().map(|pending| (pending.name, pending.upload)).collect())
}

async fn furnish(ceph: &Server) -> S3 {
    let (bucket, _) = S3::open(Settings::new(ceph.settings(&json!({}))), &Host::detached()).await.expect("it opens");
    for name in FOREIGN {
        bucket.put(name, Payload::from(vec![Bytes::from(name)]), None).await.expect("it can be written");
    }
    for name in ["notes.tar", "registry/Read me.tar", "registry/!uploads/notes.tar"] {
        let mark = Mark::random().expect("there are random bytes");
        let upload = bucket.begin(name, &mark).await.expect("it begins");
        bucket.part(name, &upload, 1, Payload::from(vec![Bytes::from(name)])).await.expect("it can be written");
    }
    bucket
}

/// All that a registry does, and at the end all is away that it made.
async fn use_it(store: &Store) {
    let prefix = Prefix::parse("docker/registry/v2/repositories/mine").expect("it is a prefix");
    let below = |name: &str| format!("{prefix}/{name}");
    store.put(&CALL, key(&below("_layers/link")), "link".into(), Condition::Always).await.expect("it can be written");
    store.put(&CALL, key(&below("_manifests/link")), "link".into(), Condition::IfAbsent).await.expect("it can be written");
    let whole = content(6 << 20);
    push(store, &below("told"), &whole, true).await.expect("it is pushed");
    push(store, &below("untold"), &whole, false).await.expect("it is pushed");
    store.copy(&CALL, key(&below("told")), key(&below("copy"))).await.expect("it is copied");
    for (told, suspended) in [(true, true), (false, true), (true, false), (false, false)] {
        let destination = below("begun");
        let mut upload = store.upload_begin(&CALL, told.then(|| key(&destination))).await.expect("it begins");
        upload.write(&CALL, Bytes::from(whole.clone())).await.expect("it takes bytes");
        if suspended {
            upload.suspend(&CALL).await.expect("it is put down");
        }
    }
    let all = ListRequest { prefix: Prefix::root(), start_after: None, limit: 100, recursive: true };
    let listed = store.list(&CALL, &all).await.expect("it can be listed").entries.len();
    assert_eq!(listed, 7, "its own five, and two of another registry");
    store.delete(&CALL, key(&below("copy"))).await.expect("it is there");
    store.delete_prefix(&CALL, prefix).await.expect("there are some");
    let again = store.delete_prefix(&CALL, prefix).await.expect_err("what is left is no key");
    assert_eq!(again.class(), ErrorClass::NotFound, "{again}");
    let abandoned = store.upload_list(&CALL, 0).await.expect("they can be listed");
    assert!(abandoned.len() >= 2, "{} were found", abandoned.len());
    for token in abandoned {
        store.upload_resume(&CALL, &token).await.expect("it is there").abort(&CALL).await.expect("it is ours");
    }
    store.close(&CALL).await.expect("it closes");
}

#[test]
fn what_others_keep_in_the_bucket_stays_as_it_is() {
    run(async |ceph| {
        let bucket = furnish(ceph).await;
        let before = everything(&bucket).await;
        assert_eq!((before.0.len(), before.1.len()), (FOREIGN.len(), 3));
        use_it(&ceph.open(json!({ "root": "registry" })).await.expect("it opens")).await;
        let after = everything(&bucket).await;
        assert_eq!(after.0.keys().collect::<Vec<_>>(), before.0.keys().collect::<Vec<_>>());
        assert!(after == before, "bytes or uploads of others changed: {:?}", after.1);
    });
}
