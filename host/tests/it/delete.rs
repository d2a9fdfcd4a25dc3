//! Deletes of tags and manifests: at once, and of nothing else.

use serde_json::json;

use crate::support::{OCI_MANIFEST, Registry, sha256};

#[test]
fn delete_of_a_tag_keeps_its_manifest() {
    let registry = Registry::memory();
    let manifest = registry.push_image("a", "v1", b"layer");
    let digest = sha256(&manifest);
    registry.put_manifest("a", "v2", OCI_MANIFEST, &manifest).is(201, "a second tag");
    registry.delete("/v2/a/manifests/v1").is(202, "a tag is deleted");
    registry.head("/v2/a/manifests/v1").is(404, "it is gone at once");
    registry.delete("/v2/a/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN", "a second delete finds nothing");
    for reference in ["v2", &digest] {
        registry.get(format!("/v2/a/manifests/{reference}")).is(200, "the manifest and its other tag stay");
    }
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["v2"]), "the list follows");
}

#[test]
fn delete_of_a_manifest_takes_its_tags_along() {
    let registry = Registry::memory();
    let manifest = registry.push_image("a", "v1", b"layer");
    let other = registry.push_image("a", "other", b"another layer");
    for number in 0..40 {
        registry.put_manifest("a", &format!("t{number}"), OCI_MANIFEST, &manifest).is(201, "one tag more");
    }
    registry.put_manifest("b", "v1", OCI_MANIFEST, &manifest).expect_error(400, "MANIFEST_BLOB_UNKNOWN", "repositories are apart");
    let digest = sha256(&manifest);
    registry.delete(format!("/v2/a/manifests/{digest}")).is(202, "a manifest is deleted");
    registry.head(format!("/v2/a/manifests/{digest}")).is(404, "it is gone at once");
    registry.head("/v2/a/manifests/v1").is(404, "its tags are gone with it");
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["other"]), "other tags stay");
    assert_eq!(registry.get("/v2/a/manifests/other").body, other, "other manifests stay");
    registry.delete(format!("/v2/a/manifests/{digest}")).expect_error(404, "MANIFEST_UNKNOWN", "a second delete finds nothing");
    registry.put_manifest("a", "v1", OCI_MANIFEST, &manifest).is(201, "it can be pushed again");
    assert_eq!(registry.get("/v2/a/manifests/v1").body, manifest, "and is served again");
}

#[test]
fn delete_of_a_manifest_finds_all_of_many_tags() {
    let registry = Registry::memory();
    let manifest = registry.push_image("a", "v1", b"layer");
    registry.push_image("a", "kept", b"another layer");
    let digest = sha256(&manifest);
    for hundred in 0..12 {
        let tags: Vec<String> = (0..100).map(|number| format!("tag=t{hundred}-{number}.x")).collect();
        registry.put_manifest("a", &format!("{digest}?{}", tags.join("&")), OCI_MANIFEST, &manifest).is(201, "a hundred tags");
    }
    let first = registry.get("/v2/a/tags/list").is(200, "more tags than fit on a page");
    assert_eq!(first.json()["tags"].as_array().map(Vec::len), Some(1000), "registry.tags_page_max is 1000");
    assert!(first.next_page().is_some(), "the rest is on the next page");
    registry.delete(format!("/v2/a/manifests/{digest}")).is(202, "the manifest is deleted");
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["kept"]), "every tag of it is gone, on whatever page it was");
}

#[test]
fn delete_of_a_manifest_keeps_a_tag_that_has_moved_on() {
    let registry = Registry::memory();
    let old = registry.push_image("a", "v1", b"layer");
    let new = registry.push_image("a", "v1", b"another layer");
    registry.delete(format!("/v2/a/manifests/{}", sha256(&old))).is(202, "the old manifest is deleted");
    assert_eq!(registry.get("/v2/a/manifests/v1").is(200, "the tag means another one now").body, new, "it is served");
}

#[test]
fn delete_is_refused_where_it_is_off() {
    let registry = Registry::start("memory", "registry.delete = false");
    let digest = sha256(&registry.push_image("a", "v1", b"layer"));
    for reference in ["v1", &digest, "unknown"] {
        let answer = registry.delete(format!("/v2/a/manifests/{reference}")).expect_error(405, "UNSUPPORTED", "registry.delete is false");
        assert!(answer.message().contains("registry.delete"), "the operator's key is told: {}", answer.message());
    }
    registry.get("/v2/a/manifests/v1").is(200, "nothing was deleted");
    registry.delete(registry.begin("a")).is(204, "an upload can be cancelled all the same");
}

#[test]
fn delete_on_one_host_is_seen_by_the_other() {
    let one = Registry::start("filesystem", "cache.ttl_secs = 0");
    let other = one.start_beside("cache.ttl_secs = 0");
    let digest = sha256(&one.push_image("a", "v1", b"layer"));
    let layer = sha256(b"layer");
    for target in [format!("/v2/a/manifests/{digest}"), format!("/v2/a/blobs/{layer}"), "/v2/a/manifests/v1".to_owned()] {
        other.get(target).is(200, "the other host serves what this one has stored");
    }
    one.delete(format!("/v2/a/manifests/{digest}")).is(202, "this host deletes the manifest");
    one.delete(format!("/v2/a/blobs/{layer}")).is(202, "this host deletes the blob");
    for target in [format!("/v2/a/manifests/{digest}"), format!("/v2/a/blobs/{layer}"), "/v2/a/manifests/v1".to_owned()] {
        other.get(target).is(404, "the other host knows once its memory is too old (cache.ttl_secs)");
    }
}
