//! Many clients at once: nobody gets an error that is not theirs, and what is left is whole.

use std::fs;
use std::thread;

use serde_json::json;

use crate::support::{OCI_MANIFEST, Registry, Request, bytes, image, in_time, sha256};

#[test]
fn concurrent_pushes_of_one_image_all_succeed() {
    for registry in Registry::of_each_driver() {
        let layer = bytes(1, 400_000);
        thread::scope(|scope| {
            for number in 0..12 {
                let (registry, layer) = (&registry, &layer);
                scope.spawn(move || registry.push_image("a", &format!("t{}", number % 3), layer));
            }
        });
        assert_eq!(registry.get(format!("/v2/a/blobs/{}", sha256(&layer))).body, layer, "the blob is whole");
        assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["t0", "t1", "t2"]), "every tag is there");
    }
}

#[test]
fn concurrent_moves_of_a_tag_leave_it_at_one_of_them() {
    for registry in Registry::of_each_driver() {
        registry.push_blob("a", b"{}");
        let manifests: Vec<Vec<u8>> = (0..12)
            .map(|number: u8| {
                registry.push_blob("a", &[number]);
                image(b"{}", &[number]).to_string().into_bytes()
            })
            .collect();
        thread::scope(|scope| {
            for manifest in &manifests {
                scope.spawn(|| registry.put_manifest("a", "v1", OCI_MANIFEST, manifest).is(201, "every writer succeeds"));
                scope.spawn(|| {
                    let read = registry.get("/v2/a/manifests/v1");
                    assert!(
                        read.status == 404 || manifests.contains(&read.body),
                        "a reader sees one of them, or none yet: {}",
                        read.status
                    );
                });
            }
        });
        let last = registry.get("/v2/a/manifests/v1").is(200, "the tag is there").body;
        assert!(manifests.contains(&last), "it means one of those that were pushed");
    }
}

#[test]
fn concurrent_deletes_and_pushes_end_in_no_error_of_ours() {
    for registry in Registry::of_each_driver() {
        let manifest = registry.push_image("a", "v1", b"layer");
        let digest = sha256(&manifest);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        registry.put_manifest("a", "v1", OCI_MANIFEST, &manifest).is(201, "its blobs are there");
                    }
                });
                scope.spawn(|| {
                    for _ in 0..10 {
                        for target in [format!("/v2/a/manifests/{digest}"), "/v2/a/manifests/v1".to_owned()] {
                            let status = registry.delete(target).status;
                            assert!(status == 202 || status == 404, "a delete finds something or nothing: {status}");
                        }
                    }
                });
                scope.spawn(|| {
                    for target in ["/v2/a/tags/list", "/v2/_catalog", "/v2/a/manifests/v1"].iter().cycle().take(60) {
                        let status = registry.get(*target).status;
                        assert!(status == 200 || status == 404, "a read finds something or nothing: {status}");
                    }
                });
            }
        });
        registry.put_manifest("a", "v1", OCI_MANIFEST, &manifest).is(201, "a last push");
        assert_eq!(registry.get("/v2/a/manifests/v1").body, manifest, "is served");
    }
}

/// A tag that is pushed while its manifest is deleted is there with it, or gone with it.
#[test]
fn concurrent_delete_and_push_of_one_manifest_leave_no_tag_without_it() {
    for registry in Registry::of_each_driver() {
        let manifest = registry.push_image("a", "v1", b"layer");
        for _ in 0..100 {
            thread::scope(|scope| {
                scope.spawn(|| registry.delete(format!("/v2/a/manifests/{}", sha256(&manifest))));
                scope.spawn(|| registry.put_manifest("a", "v2", OCI_MANIFEST, &manifest).is(201, "its blobs are there"));
            });
            for tag in registry.get("/v2/a/tags/list").json()["tags"].as_array().into_iter().flatten() {
                let tag = tag.as_str().expect("a tag");
                registry.get(format!("/v2/a/manifests/{tag}")).is(200, "a tag that is listed means a manifest");
            }
        }
    }
}

#[test]
fn concurrent_uploads_of_one_repository_do_not_mix() {
    for registry in Registry::of_each_driver() {
        thread::scope(|scope| {
            for seed in 0..8 {
                let registry = &registry;
                scope.spawn(move || {
                    let content = bytes(seed, 600_000 + seed as usize);
                    let mut location = registry.begin("a");
                    for part in content.chunks(200_000) {
                        location = registry.patch(&location, part).is(202, "a chunk is appended").location();
                    }
                    let pushed = registry.finish(&location, &sha256(&content), b"").is(201, "each upload has its own bytes");
                    assert!(registry.get(pushed.location()).body == content, "and its own blob");
                });
            }
        });
    }
}

#[test]
fn concurrent_replacement_of_a_blob_does_not_disturb_its_reader() {
    let registry = Registry::filesystem();
    let content = bytes(2, 48 << 20);
    let digest = registry.push_blob("a", &content);
    let mut reader = registry.connect();
    reader.write(Request::new("GET", format!("/v2/a/blobs/{digest}")).encode());
    reader.stream().peek(&mut [0]).expect("the answer has begun");
    fs::remove_file(registry.blob_file(&digest)).expect("the test may remove it");
    registry.push_blob("a", &content);
    assert!(reader.read(false).is(200, "a reader keeps what it began to read").body == content, "to the last byte");
}

#[test]
fn concurrent_pulls_that_break_off_leave_nothing_open() {
    for registry in Registry::of_each_driver() {
        let digest = registry.push_blob("a", &bytes(3, 16 << 20));
        let before = registry.open_files();
        for _ in 0..30 {
            let connection = registry.connect();
            connection.write(Request::new("GET", format!("/v2/a/blobs/{digest}")).encode());
            connection.stream().peek(&mut [0]).expect("the answer has begun");
        }
        in_time("every file and socket of a client that went away is closed", || (registry.open_files() <= before).then_some(()));
    }
}

#[test]
fn concurrent_pushes_that_break_off_leave_nothing_open() {
    for registry in Registry::of_each_driver() {
        let content = bytes(4, 2 << 20);
        let whole = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&content))).body(content).encode();
        registry.get("/v2/").is(200, "the registry serves");
        let before = registry.open_files();
        for _ in 0..30 {
            registry.connect().write(&whole[..1 << 20]);
        }
        in_time("every file and socket of a client that went away is closed", || (registry.open_files() <= before).then_some(()));
    }
}
