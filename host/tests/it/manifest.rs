//! Manifests: stored and served byte for byte, by digest and by tag.

use serde_json::json;

use crate::support::{
    Answer, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry, Request, descriptor, image, index, sha256, sha512,
};

/// A registry whose repository `a` has the blobs of [`image`]`(b"{}", b"layer")`.
fn with_blobs() -> Registry {
    let registry = Registry::memory();
    registry.push_blob("a", b"{}");
    registry.push_blob("a", b"layer");
    registry
}

fn small() -> String {
    image(b"{}", b"layer").to_string()
}

fn put_with_tags(registry: &Registry, digest: &str, tags: &[String], content: &[u8]) -> Answer {
    let tags: Vec<String> = tags.iter().map(|tag| format!("tag={tag}")).collect();
    registry.put_manifest("a", &format!("{digest}?{}", tags.join("&")), OCI_MANIFEST, content)
}

#[test]
fn manifest_is_served_byte_for_byte() {
    let registry = with_blobs();
    let odd = format!("\n\t{}\n  ", small().replacen('{', "{ \"x-unknown\" : [1.0e2, \"\\u00e9\", null],\r\n", 1)).into_bytes();
    let digest = sha256(&odd);
    let pushed = registry.put_manifest("a", "v1", OCI_MANIFEST, &odd).is(201, "unknown fields and odd spaces are none of our business");
    assert_eq!(pushed.location(), format!("/v2/a/manifests/{digest}"), "the location is by digest");
    assert_eq!(pushed.need("docker-content-digest"), digest, "the digest is that of the bytes");
    for reference in ["v1", &digest, &digest.replace(':', "%3a")] {
        let target = format!("/v2/a/manifests/{reference}");
        let served = registry.get(&target).is(200, reference);
        assert_eq!(served.body, odd, "the bytes are those that were pushed");
        let head = registry.head(&target).is(200, "HEAD finds it");
        for answer in [served, head] {
            assert_eq!(answer.need("content-type"), OCI_MANIFEST, "the type has no parameters");
            assert_eq!(answer.need("content-length"), odd.len().to_string(), "the length is told");
            assert_eq!(answer.need("docker-content-digest"), digest, "the digest is told");
        }
    }
}

#[test]
fn manifest_of_each_type_is_served_as_that_type() {
    let registry = with_blobs();
    let docker = |media_type| json!({ "schemaVersion": 2, "mediaType": media_type });
    let mut docker_manifest = docker(DOCKER_MANIFEST);
    docker_manifest["config"] = descriptor("application/vnd.docker.container.image.v1+json", b"{}");
    docker_manifest["layers"] = json!([descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", b"layer")]);
    let docker_manifest = docker_manifest.to_string();
    let mut docker_list = docker(DOCKER_LIST);
    docker_list["manifests"] = json!([descriptor(DOCKER_MANIFEST, docker_manifest.as_bytes())]);
    let oci = small();
    let all = [
        (OCI_MANIFEST, oci.clone()),
        (OCI_INDEX, index(&[oci.as_bytes()]).to_string()),
        (DOCKER_MANIFEST, docker_manifest),
        (DOCKER_LIST, docker_list.to_string()),
    ];
    for (media_type, content) in all {
        registry.put_manifest("a", "latest", media_type, content.as_bytes()).is(201, media_type);
        for accept in ["*/*", "application/json", media_type] {
            let served = registry.send(&Request::new("GET", "/v2/a/manifests/latest").header("accept", accept)).is(200, accept);
            assert_eq!((served.need("content-type"), served.text()), (media_type, content.clone()), "served whatever accept says");
        }
    }
}

#[test]
fn manifest_without_media_type_is_what_its_fields_say() {
    let registry = with_blobs();
    let mut bare = image(b"{}", b"layer");
    bare.as_object_mut().expect("an object").remove("mediaType");
    registry.put_manifest("a", "v1", OCI_MANIFEST, bare.to_string().as_bytes()).is(201, "mediaType may be missing");
    assert_eq!(registry.get("/v2/a/manifests/v1").need("content-type"), OCI_MANIFEST, "it has a config, so it is an image");
    registry.put_manifest("a", "v2", DOCKER_MANIFEST, bare.to_string().as_bytes()).expect_error(
        400,
        "MANIFEST_INVALID",
        "it would be served as another type than it was pushed as",
    );
}

#[test]
fn manifest_content_type_may_have_parameters() {
    let registry = with_blobs();
    let content_type = format!("{OCI_MANIFEST}; charset=utf-8");
    registry.put_manifest("a", "v1", &content_type, small().as_bytes()).is(201, "parameters are ignored");
    assert_eq!(registry.get("/v2/a/manifests/v1").need("content-type"), OCI_MANIFEST, "and not repeated");
}

#[test]
fn manifest_that_the_client_holds_is_not_sent_again() {
    let registry = Registry::memory();
    let digest = sha256(&registry.push_image("a", "v1", b"layer"));
    for method in ["GET", "HEAD"] {
        for held in [format!("\"{digest}\""), digest.clone(), "*".to_owned()] {
            let request = Request::new(method, "/v2/a/manifests/v1").header("if-none-match", held.as_str());
            let answer = registry.send(&request).is(304, &held);
            assert_eq!(answer.need("docker-content-digest"), digest, "a 304 tells the digest");
        }
    }
    registry.push_image("a", "v1", b"another layer");
    let request = Request::new("GET", "/v2/a/manifests/v1").header("if-none-match", format!("\"{digest}\""));
    registry.send(&request).is(200, "a tag that has moved is sent");
}

#[test]
fn manifest_sent_in_http_chunks_is_stored() {
    let registry = with_blobs();
    let content = small();
    let request = Request::new("PUT", "/v2/a/manifests/v1").header("content-type", OCI_MANIFEST);
    registry.send(&request.chunked(content.as_bytes().chunks(7))).is(201, "go's clients send manifests without a length");
    assert_eq!(registry.get("/v2/a/manifests/v1").text(), content, "it is whole");
}

#[test]
fn manifest_pushed_by_both_digests_is_announced_by_the_last_one() {
    for registry in Registry::of_each_driver() {
        let content = index(&[]).to_string().into_bytes();
        let (short, long) = (sha256(&content), sha512(&content));
        registry.put_manifest("a", &format!("{long}?tag=v1"), OCI_INDEX, &content).is(201, "it is pushed by sha512");
        let pushed = registry.put_manifest("a", "v2", OCI_INDEX, &content).is(201, "it is pushed by tag");
        assert_eq!(pushed.need("docker-content-digest"), short, "a push by tag means sha256");
        for (reference, announced) in [("v1", &short), ("v2", &short), (&short, &short), (&long, &long)] {
            let served = registry.get(format!("/v2/a/manifests/{reference}")).is(200, "it is served by every name");
            assert_eq!(served.need("docker-content-digest"), announced, "{reference}: by the digest that is asked for, or pushed by last");
        }
        registry.put_manifest("a", &long, OCI_INDEX, &content).is(201, "it is pushed by sha512 again");
        assert_eq!(registry.get("/v2/a/manifests/v2").need("docker-content-digest"), long, "which is the last one now");
        registry.put_manifest("a", &short, OCI_INDEX, &content).is(201, "and by sha256");
        registry.delete(format!("/v2/a/manifests/{short}")).is(202, "it is deleted by sha256");
        registry.put_manifest("a", &short, OCI_INDEX, &content).is(201, "it is pushed by sha256 alone");
        registry.get(format!("/v2/a/manifests/{long}")).expect_error(404, "MANIFEST_UNKNOWN", "the other name went with the manifest");
    }
}

#[test]
fn manifest_by_sha512_is_announced_by_it() {
    let registry = with_blobs();
    let content = small().into_bytes();
    let long = sha512(&content);
    let pushed = put_with_tags(&registry, &long, &["v1".to_owned()], &content).is(201, "a manifest is pushed by sha512");
    assert_eq!(pushed.need("docker-content-digest"), long, "the answer keeps the algorithm");
    for reference in ["v1", &long] {
        let served = registry.get(format!("/v2/a/manifests/{reference}")).is(200, reference);
        assert_eq!((served.need("docker-content-digest"), &served.body), (long.as_str(), &content), "{reference} announces sha512");
    }
    let short = sha256(&content);
    let served = registry.get(format!("/v2/a/manifests/{short}")).is(200, "it is served by sha256 too");
    assert_eq!(served.need("docker-content-digest"), short, "and then announced by it");
    registry.delete(format!("/v2/a/manifests/{long}")).is(202, "it is deleted by sha512");
    for reference in ["v1", &long, &short] {
        registry.get(format!("/v2/a/manifests/{reference}")).expect_error(404, "MANIFEST_UNKNOWN", "no name of it is left");
    }
}

#[test]
fn manifest_pushed_with_tags_sets_them_all() {
    let registry = with_blobs();
    let content = small().into_bytes();
    let digest = sha256(&content);
    let tags: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    let pushed = put_with_tags(&registry, &digest, &tags, &content).is(201, "a push sets tags");
    assert_eq!(pushed.need("oci-tag"), tags.join(", "), "the answer lists the tags");
    for tag in &tags {
        assert_eq!(registry.head(format!("/v2/a/manifests/{tag}")).need("docker-content-digest"), digest, "each tag is set");
    }
    let again = put_with_tags(&registry, &digest, &["x".to_owned(), "x".to_owned()], &content).is(201, "a tag given twice is set once");
    assert_eq!(again.need("oci-tag"), "x", "and listed once");
}

#[test]
fn manifest_pushed_with_too_many_tags_is_refused() {
    let registry = Registry::start("memory", "registry.push_tags_max = 10");
    registry.push_image("a", "v1", b"layer");
    let content = small().into_bytes();
    let digest = sha256(&content);
    let tags: Vec<String> = (0..11).map(|number| format!("t{number}")).collect();
    let refused = put_with_tags(&registry, &digest, &tags, &content).is(414, "registry.push_tags_max is 10");
    assert_eq!(refused.json()["errors"][0]["detail"], json!({ "count": 11, "max": 10 }), "the refusal tells the limit");
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["v1"]), "no tag was set");
    put_with_tags(&registry, &digest, &tags[..10], &content).is(201, "10 tags are accepted, as the specification demands");
    put_with_tags(&registry, &digest, &["-x".to_owned()], &content).expect_error(400, "TAG_INVALID", "a tag has a grammar");
}

#[test]
fn manifest_pushed_by_a_tag_ignores_tag_parameters() {
    let registry = with_blobs();
    let pushed = put_with_tags(&registry, "v1", &["v2".to_owned()], small().as_bytes()).is(201, "the reference is a tag");
    assert_eq!(pushed.header("oci-tag"), None, "no other tag was set");
    assert_eq!(registry.get("/v2/a/tags/list").json()["tags"], json!(["v1"]), "only the reference was set");
}

#[test]
fn manifest_with_a_subject_says_so() {
    let registry = with_blobs();
    let mut content = image(b"{}", b"layer");
    content["subject"] = descriptor(OCI_MANIFEST, b"never pushed");
    let pushed = registry.put_manifest("a", "v1", OCI_MANIFEST, content.to_string().as_bytes());
    let pushed = pushed.is(201, "a subject need not exist");
    assert_eq!(pushed.need("oci-subject"), sha256(b"never pushed"), "the answer says that the referrer is listed");
    let plain = registry.put_manifest("a", "v2", OCI_MANIFEST, small().as_bytes()).is(201, "a manifest without a subject");
    assert_eq!(plain.header("oci-subject"), None, "has nothing to say of one");
}

#[test]
fn manifest_of_another_repository_is_unknown() {
    let registry = Registry::memory();
    let digest = sha256(&registry.push_image("a", "v1", b"layer"));
    for reference in ["v1", &digest] {
        let answer = registry.get(format!("/v2/b/manifests/{reference}"));
        let answer = answer.expect_error(404, "MANIFEST_UNKNOWN", "a manifest is readable only through its repository");
        assert_eq!(answer.json()["errors"][0]["detail"]["reference"], *reference, "the error tells which");
    }
    registry.get(format!("/v2/a/manifests/{}", sha256(b"x"))).expect_error(404, "MANIFEST_UNKNOWN", "an unknown digest");
    registry.get(format!("/v2/a/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN", "a manifest is no blob of the repository");
}

#[test]
fn manifest_of_four_mebibytes_is_stored() {
    let registry = with_blobs();
    let mut content = image(b"{}", b"layer");
    content["annotations"] = json!({ "filler": "" });
    let room = (4 << 20) - content.to_string().len();
    content["annotations"]["filler"] = "x".repeat(room).into();
    let content = content.to_string();
    assert_eq!(content.len(), 4 << 20, "the largest manifest");
    registry.put_manifest("a", "v1", OCI_MANIFEST, content.as_bytes()).is(201, "4 MiB are accepted");
    assert_eq!(registry.get("/v2/a/manifests/v1").text(), content, "it is served whole");
}
