//! Errors as clients see them: a code of the specification, a sentence, a detail, and the id under which the log knows the request.

use std::fs;

use serde_json::{Value, json};

use crate::support::{OCI_MANIFEST, Registry, Request, image, sha256};

/// Checks an answer's form and answers the detail of its only error.
fn only_error(registry: &Registry, request: &Request, status: u16, code: &str) -> Value {
    let answer = registry.send(request).expect_error(status, code, code);
    assert_eq!(answer.need("content-type"), "application/json", "{code}: errors are JSON");
    assert_eq!(answer.need("x-request-id").len(), 32, "{code}: the log can be asked");
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{code}: errors are a list: {body}"));
    assert_eq!((body.as_object().map(serde_json::Map::len), errors.len()), (Some(1), 1), "{code}: nothing beside it: {body}");
    let error = errors[0].as_object().expect("an error is an object");
    assert!(
        error.keys().all(|key| ["code", "message", "detail"].contains(&key.as_str())),
        "{code}: only the specification's fields: {body}"
    );
    let message = error["message"].as_str().unwrap_or_default();
    let begins = message.chars().next().is_some_and(|first| !first.is_uppercase());
    assert!(begins && !message.ends_with('.'), "{code}: one sentence, lower case, no full stop: {message:?}");
    error.get("detail").cloned().unwrap_or(Value::Null)
}

#[test]
fn error_of_each_code_has_the_form_of_the_specification() {
    let registry = Registry::start("memory", "registry.delete = false");
    let digest = sha256(b"x");
    let get = |target: &str| Request::new("GET", target);
    let put = |target: &str, body: &str| Request::new("PUT", target).header("content-type", OCI_MANIFEST).body(body);
    let location = registry.begin("a");
    let id = location.split(['/', '?']).nth(5).expect("the location names the upload").to_owned();
    let (path, _) = location.split_once('?').expect("the location has a state");
    let bad_chunk = Request::new("PATCH", &location).header("content-range", "5-9").body("12345");
    let bad_size = Request::new("PATCH", &location).header("content-range", "0-9").body("12345");
    let bad_digest = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")).body("y");
    let unknown_blob = get(&format!("/v2/a/blobs/{digest}"));
    let bad_manifest = image(b"{}", b"x").to_string();
    for (request, status, code, detail) in [
        (unknown_blob, 404, "BLOB_UNKNOWN", json!({ "digest": digest })),
        (get(&format!("{path}?_state=AAAA")), 404, "BLOB_UPLOAD_INVALID", Value::Null),
        (get(path), 404, "BLOB_UPLOAD_UNKNOWN", Value::Null),
        (bad_digest, 400, "DIGEST_INVALID", json!({ "want": digest, "got": sha256(b"y") })),
        (get("/v2/a/blobs/x"), 400, "DIGEST_INVALID", Value::Null),
        (put("/v2/a/manifests/v1", "{"), 400, "MANIFEST_INVALID", json!({ "line": 1, "column": 1 })),
        (get("/v2/a/manifests/v1"), 404, "MANIFEST_UNKNOWN", json!({ "reference": "v1" })),
        (get("/v2/A/tags/list"), 400, "NAME_INVALID", Value::Null),
        (get("/v2/a/tags/list"), 404, "NAME_UNKNOWN", json!({ "name": "a" })),
        (bad_size, 400, "SIZE_INVALID", json!({ "expected": 10, "got": 5 })),
        (Request::new("PUT", "/v2/"), 405, "UNSUPPORTED", json!({ "allow": "GET, HEAD" })),
        (Request::new("DELETE", "/v2/a/manifests/v1"), 405, "UNSUPPORTED", Value::Null),
        (get("/v2/a/manifests/-"), 400, "TAG_INVALID", Value::Null),
        (bad_chunk, 416, "RANGE_INVALID", json!({ "expected": 0, "got": 5 })),
        (get("/v2/a/tags/list?n=x"), 400, "PAGINATION_NUMBER_INVALID", json!({ "n": "x" })),
    ] {
        assert_eq!(only_error(&registry, &request, status, code), detail, "{code}: the detail helps a program");
    }
    registry.delete(&location).is(204, "the upload is cancelled");
    assert_eq!(only_error(&registry, &get(&location), 404, "BLOB_UPLOAD_UNKNOWN"), json!({ "id": id }), "the upload is told");
    let missing =
        registry.send(&put("/v2/a/manifests/v1", &bad_manifest)).expect_error(400, "MANIFEST_BLOB_UNKNOWN", "its blobs are missing");
    assert_eq!(missing.json()["errors"].as_array().map(Vec::len), Some(2), "one error for each missing blob");
}

#[test]
fn error_repeats_no_more_than_a_line_of_what_the_client_sent() {
    let registry = Registry::memory();
    let long = "A".repeat(30_000);
    for target in [format!("/v2/{long}/tags/list"), format!("/v2/a/manifests/x{long}"), format!("/v2/a/blobs/{long}"), format!("/{long}")] {
        let answer = registry.get(&target);
        assert!(answer.status == 400 || answer.status == 404, "it is refused: {}", answer.status);
        assert!(answer.body.len() < 1000, "an answer is not as long as its request: {} bytes", answer.body.len());
    }
    let control = registry.get("/v2/a%1b%5b2J/tags/list").expect_error(400, "NAME_INVALID", "control characters are no name");
    assert!(!control.body.contains(&0x1b), "and are not sent back raw");
}

#[test]
fn error_of_a_driver_is_told_to_client_and_operator_under_one_id() {
    let registry = Registry::start("filesystem", "cache.ttl_secs = 0");
    let manifest = registry.push_image("a", "v1", b"layer");
    fs::remove_dir_all(registry.data()).expect("the test may remove it");
    for (method, target) in [
        ("GET", "/v2/a/manifests/v1".to_owned()),
        ("GET", format!("/v2/a/blobs/{}", sha256(b"layer"))),
        ("GET", "/v2/a/tags/list".to_owned()),
        ("GET", "/v2/_catalog".to_owned()),
        ("GET", format!("/v2/a/referrers/{}", sha256(&manifest))),
        ("DELETE", format!("/v2/a/blobs/{}", sha256(b"layer"))),
    ] {
        let answer =
            registry.send(&Request::new(method, &target)).expect_error(500, "UNKNOWN", "a store that is gone is not an empty store");
        assert!(!answer.text().contains("root"), "the client does not learn where the store is: {}", answer.text());
        let id = answer.need("x-request-id").to_owned();
        let line = registry.logged("the operator finds the cause under the id of the answer", |line| line["request"] == id.as_str());
        assert_eq!((&line["level"], &line["status"], &line["method"]), (&"ERROR".into(), &500.into(), &method.into()), "the log: {line}");
        let message = line["message"].as_str().expect("a line has a message");
        assert!(message.contains("root folder") && message.contains("filesystem"), "the log tells cause and driver: {message}");
        assert_eq!(line["path"], target.as_str(), "the log tells the path");
    }
    let push = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(b"x"))).body("x");
    assert!(registry.send(&push).status >= 500, "nor can anything be pushed");
}

#[test]
fn error_of_a_client_is_not_the_operators() {
    let registry = Registry::memory();
    registry.get("/v2/a/manifests/v1").is(404, "an unknown manifest");
    registry.get("/v2/A/manifests/v1").is(400, "a bad name");
    let ended = registry.stop();
    let loud: Vec<_> = ended.log.iter().filter(|line| line["level"] != "INFO").collect();
    assert!(loud.is_empty(), "nobody has to read of it: {loud:?}");
}
