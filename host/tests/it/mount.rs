//! Mounts: a blob taken over from another repository without its bytes being sent.

use crate::support::{Registry, Start, sha256, sha512};

/// Asks for a mount into `b`.
fn mount(registry: &Registry, digest: &str, from: &str) -> crate::support::Answer {
    registry.post(format!("/v2/b/blobs/uploads/?mount={digest}{from}"))
}

/// A refused mount is an upload that begins.
fn is_an_upload(registry: &Registry, answer: crate::support::Answer, rule: &str) {
    let location = answer.is(202, rule).location();
    registry.finish(&location, &sha256(b"other"), b"other").is(201, "the upload that begins instead can be finished");
}

#[test]
fn mount_from_a_repository_that_has_the_blob_links_it() {
    let registry = Registry::memory();
    let digest = registry.push_blob("team/a", b"layer");
    let mounted = mount(&registry, &digest.replace(':', "%3A"), "&from=team%2Fa").is(201, "the blob is mounted");
    assert_eq!(mounted.location(), format!("/v2/b/blobs/{digest}"), "the location is in the repository that asked");
    assert_eq!(mounted.need("docker-content-digest"), digest, "the answer names the digest");
    assert_eq!(registry.get(mounted.location()).body, b"layer", "the mounted blob is served");
    registry.delete(format!("/v2/team/a/blobs/{digest}")).is(202, "the source is deleted");
    registry.get(format!("/v2/b/blobs/{digest}")).is(200, "a mount does not depend on its source");
}

#[test]
fn mount_without_from_finds_the_blob_anywhere() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", b"layer");
    mount(&registry, &digest, "").is(201, "a blob that the registry has is mounted from wherever it is");
    assert_eq!(registry.get(format!("/v2/b/blobs/{digest}")).body, b"layer", "the mounted blob is served");
}

#[test]
fn mount_of_a_missing_blob_begins_an_upload() {
    let registry = Registry::memory();
    registry.push_blob("a", b"layer");
    for digest in [sha256(b"missing"), sha512(b"missing")] {
        for from in ["&from=a", "&from=nowhere", ""] {
            is_an_upload(&registry, mount(&registry, &digest, from), &format!("{digest} {from} is nowhere"));
            registry.head(format!("/v2/b/blobs/{digest}")).is(404, "nothing was linked");
        }
    }
}

#[test]
fn mount_from_a_repository_without_the_link_begins_an_upload() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", b"layer");
    registry.push_blob("c", b"something else");
    is_an_upload(&registry, mount(&registry, &digest, "&from=c"), "the source must be able to read the blob itself");
    registry.head(format!("/v2/b/blobs/{digest}")).is(404, "nothing was linked");
}

#[test]
fn mount_of_a_deleted_blob_begins_an_upload() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", b"layer");
    registry.delete(format!("/v2/a/blobs/{digest}")).is(202, "the blob is deleted");
    is_an_upload(&registry, mount(&registry, &digest, "&from=a"), "a deleted blob is mounted from nowhere");
}

#[test]
fn mount_by_sha512_links_both_names() {
    let registry = Registry::memory();
    let digest = sha512(b"layer");
    let location = registry.begin("a");
    registry.finish(&location, &digest, b"layer").is(201, "a blob is pushed by sha512");
    for from in ["&from=a", ""] {
        mount(&registry, &digest, from).is(201, "it is mounted by sha512");
        assert_eq!(registry.get(format!("/v2/b/blobs/{digest}")).body, b"layer", "it is served by sha512");
        registry.delete(format!("/v2/b/blobs/{digest}")).is(202, "it is deleted");
    }
}

#[test]
fn mount_with_words_out_of_grammar_is_refused() {
    let registry = Registry::memory();
    let digest = sha256(b"layer");
    mount(&registry, "sha256:short", "&from=a").expect_error(400, "DIGEST_INVALID", "mount is a digest");
    mount(&registry, &digest, "&from=../a").expect_error(400, "NAME_INVALID", "from is a name");
    mount(&registry, &digest, "&from=A").expect_error(400, "NAME_INVALID", "from is a name");
}

#[test]
fn mount_across_storages_begins_an_upload() {
    let tables = "[storage.other]\ndriver = \"memory\"\n[[route]]\nrepository = \"other/**\"\nstorage = \"other\"\n";
    let registry = Registry::start_with(Start { driver: "memory", tables, ..Start::default() });
    let digest = registry.push_blob("other/a", b"layer");
    is_an_upload(&registry, mount(&registry, &digest, "&from=other/a"), "the bytes lie in another storage");
    is_an_upload(&registry, mount(&registry, &digest, ""), "anywhere is anywhere in the storage of the repository");
}
