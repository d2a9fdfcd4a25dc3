//! Manifests that are not accepted, each with a sentence that says why.

use serde_json::json;

use crate::support::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry, Request, descriptor, image, index, sha256, sha512};

/// Pushes a manifest that must be refused with MANIFEST_INVALID; the sentence and the detail.
fn refused(content_type: &str, content: &str, status: u16, rule: &str) -> (String, serde_json::Value) {
    let registry = Registry::memory();
    let answer = registry.put_manifest("a", "v1", content_type, content.as_bytes()).expect_error(status, "MANIFEST_INVALID", rule);
    registry.get("/v2/a/manifests/v1").is(404, "a refused manifest is not there");
    (answer.message(), answer.json()["errors"][0]["detail"].clone())
}

#[test]
fn manifest_with_missing_references_lists_them_all() {
    let registry = Registry::memory();
    registry.push_blob("a", b"there");
    let mut content = image(b"config", b"there");
    for (position, layer) in [(1, &b"layer 1"[..]), (2, b"layer 2")] {
        content["layers"][0].as_object().expect("a descriptor");
        content["layers"].as_array_mut().expect("a list").insert(position, descriptor("application/x", layer));
    }
    let answer = registry.put_manifest("a", "v1", OCI_MANIFEST, content.to_string().as_bytes());
    let answer = answer.expect_error(400, "MANIFEST_BLOB_UNKNOWN", "a manifest's blobs come first");
    let details: Vec<_> = answer.json()["errors"].as_array().expect("a list").iter().map(|error| error["detail"].clone()).collect();
    let missing = |field, content: &[u8]| json!({ "field": field, "digest": sha256(content) });
    let expected = [missing("config", b"config"), missing("layers[1]", b"layer 1"), missing("layers[2]", b"layer 2")];
    assert_eq!(details, expected, "every missing blob is told with the field that names it");
}

#[test]
fn manifest_that_refers_to_another_repository_is_refused() {
    let registry = Registry::memory();
    let child = registry.push_image("a", "v1", b"layer");
    registry.put_manifest("b", "v1", OCI_MANIFEST, &child).expect_error(400, "MANIFEST_BLOB_UNKNOWN", "blobs of another repository");
    let parent = index(&[&child]).to_string().into_bytes();
    let answer = registry.put_manifest("b", "v1", OCI_INDEX, &parent);
    let answer = answer.expect_error(400, "MANIFEST_BLOB_UNKNOWN", "a child of another repository");
    assert_eq!(answer.json()["errors"][0]["detail"]["field"], "manifests[0]", "the child is told");
    registry.put_manifest("a", "all", OCI_INDEX, &parent).is(201, "in its own repository the child is there");
}

#[test]
fn manifest_with_missing_references_is_accepted_where_that_is_configured() {
    let registry = Registry::start("memory", "registry.missing_references = \"accept\"");
    registry.push_blob("a", b"there");
    let content = image(b"there", b"never pushed").to_string();
    let pushed = registry.put_manifest("a", "v1", OCI_MANIFEST, content.as_bytes()).is(201, "registry.missing_references is accept");
    let warning = pushed.need("warning");
    assert!(warning.starts_with("299 - \"") && warning.contains("refers to sha256:"), "the client is warned of what is missing: {warning}");
    assert_eq!(registry.get("/v2/a/manifests/v1").text(), content, "it is served");
}

#[test]
fn manifest_with_layers_that_are_elsewhere_is_accepted() {
    let registry = Registry::memory();
    registry.push_blob("a", b"{}");
    let mut content = image(b"{}", b"never pushed");
    content["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
    registry.put_manifest("a", "v1", OCI_MANIFEST, content.to_string().as_bytes()).is(201, "a layer that may not be distributed");
    content["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar".into();
    content["layers"][0]["urls"] = json!(["https://example.com/layer"]);
    registry.put_manifest("a", "v2", OCI_MANIFEST, content.to_string().as_bytes()).is(201, "a layer that is to be had elsewhere");
}

#[test]
fn manifest_of_schema_1_is_refused_with_the_reason() {
    let body = json!({ "schemaVersion": 1, "name": "a", "tag": "v1", "fsLayers": [], "history": [], "signatures": [] }).to_string();
    for content_type in
        ["application/vnd.docker.distribution.manifest.v1+prettyjws", "application/vnd.docker.distribution.manifest.v1+json", OCI_MANIFEST]
    {
        let (message, _) = refused(content_type, &body, 400, content_type);
        assert!(message.contains("schema 1") && message.contains("push it again with"), "it says what and what to do: {message}");
    }
}

#[test]
fn manifest_of_an_unknown_type_is_refused_with_those_that_are_known() {
    for content_type in ["application/json", "text/html", "application/vnd.oci.artifact.manifest.v1+json", ""] {
        let (message, _) = refused(content_type, &image(b"{}", b"x").to_string(), 400, content_type);
        assert!(message.contains(OCI_MANIFEST) && message.contains(DOCKER_MANIFEST), "it lists the types: {message}");
    }
    let mut content = image(b"{}", b"x");
    content["mediaType"] = "application/vnd.future.v9+json".into();
    refused(OCI_MANIFEST, &content.to_string(), 400, "its own mediaType is unknown");
}

#[test]
fn manifest_that_is_no_json_is_refused_with_line_and_column() {
    let (message, detail) = refused(OCI_MANIFEST, "{\n  \"schemaVersion\": 2,\n  \"config\": oops\n}", 400, "it is no JSON");
    assert_eq!(detail, json!({ "line": 3, "column": 13 }), "the place is told: {message}");
    for broken in ["", "{", "[]", "null", "\u{0}", "{\"schemaVersion\": \"2\"}", "{\"schemaVersion\":2}}"] {
        refused(OCI_MANIFEST, broken, 400, &format!("{broken:?} is no manifest"));
    }
    let deep = format!("{{\"schemaVersion\":2,\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    refused(OCI_MANIFEST, &deep, 400, "nesting without end is refused and ends no thread");
}

#[test]
fn manifest_with_wrong_fields_is_refused_with_their_path() {
    let good = || image(b"{}", b"x");
    let digest = sha256(b"x");
    for (path, value, told) in [
        ("/schemaVersion", json!(3), "schemaVersion"),
        ("/config/digest", json!("sha256:short"), "config.digest"),
        ("/layers/0/digest", json!(format!("md5:{}", &digest[7..39])), "layers[0].digest"),
        ("/layers/0/size", json!(-1), "layers[0].size"),
        ("/layers/0/size", json!(1.5), "layers[0].size"),
        ("/layers/0/mediaType", json!(""), "layers[0].mediaType"),
        ("/config/mediaType", json!(""), "config.mediaType"),
    ] {
        let mut content = good();
        *content.pointer_mut(path).expect("the field is there") = value;
        let (message, _) = refused(OCI_MANIFEST, &content.to_string(), 400, path);
        assert!(message.contains(told), "{told} is told: {message}");
    }
    let mut ambiguous = good();
    ambiguous["manifests"] = json!([]);
    refused(OCI_MANIFEST, &ambiguous.to_string(), 400, "an image that is an index too (CVE-2021-41190)");
    let mut bare = good();
    bare.as_object_mut().expect("an object").remove("config");
    let (message, _) = refused(OCI_MANIFEST, &bare.to_string(), 400, "an image without a config");
    assert!(message.contains("config is missing"), "the field is told: {message}");
}

#[test]
fn manifest_pushed_as_another_type_than_its_own_is_refused() {
    let content = image(b"{}", b"x").to_string();
    let (message, _) = refused(DOCKER_MANIFEST, &content, 400, "content-type and mediaType differ");
    assert!(message.contains(DOCKER_MANIFEST) && message.contains(OCI_MANIFEST), "both are told: {message}");
    refused(OCI_INDEX, &content, 400, "an image pushed as an index");
}

#[test]
fn manifest_larger_than_the_limit_is_refused() {
    let registry = Registry::memory();
    let large = vec![b' '; (4 << 20) + 1];
    for request in [
        Request::new("PUT", "/v2/a/manifests/v1").body(large.clone()),
        Request::new("PUT", "/v2/a/manifests/v1").chunked(large.chunks(60_000)),
        Request::new("PUT", format!("/v2/a/manifests/{}", sha256(&large))).body(large.clone()),
    ] {
        let answer =
            registry.send(&request.header("content-type", OCI_MANIFEST)).expect_error(413, "MANIFEST_INVALID", "4 MiB are the limit");
        assert_eq!(answer.json()["errors"][0]["detail"]["limit_bytes"], 4 << 20, "the limit is told");
    }
    let small = Registry::start("memory", "registry.manifest_max_bytes = \"1KiB\"");
    small.put_manifest("a", "v1", OCI_MANIFEST, &[b' '; 1025]).expect_error(413, "MANIFEST_INVALID", "the operator's limit holds");
    small.put_manifest("a", "v1", OCI_MANIFEST, &[b' '; 1024]).expect_error(400, "MANIFEST_INVALID", "up to it a manifest is read");
}

#[test]
fn manifest_with_another_digest_is_refused() {
    let registry = Registry::memory();
    let content = registry.push_image("a", "v1", b"layer");
    let changed = [content.as_slice(), b"  "].concat();
    for digest in [sha256(&content), sha512(&content)] {
        let answer = registry.put_manifest("a", &digest, OCI_MANIFEST, &changed);
        let answer = answer.expect_error(400, "DIGEST_INVALID", "the digest of the URL is that of the bytes");
        assert_eq!(answer.json()["errors"][0]["detail"]["want"], digest, "both digests are told");
    }
    registry.get(format!("/v2/a/manifests/{}", sha256(&changed))).is(404, "nothing was stored");
}
