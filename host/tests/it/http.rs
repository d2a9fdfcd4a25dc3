//! Connections: kept alive, pipelined, of an older version, with expectations.

use crate::support::{OCI_MANIFEST, Registry, Request, bytes, sha256};

#[test]
fn http_connection_lives_on_after_errors() {
    let registry = Registry::memory();
    let mut connection = registry.connect();
    for _ in 0..3 {
        connection.send(&Request::new("GET", "/v2/")).is(200, "the connection is kept");
        connection.send(&Request::new("GET", "/v2/a/manifests/v1")).is(404, "an unknown manifest");
        connection.send(&Request::new("HEAD", "/v2/a/manifests/v1")).is(404, "an unknown manifest, without a body");
        connection.send(&Request::new("GET", "/v2/A/manifests/v1")).is(400, "a bad name");
        connection.send(&Request::new("PUT", "/v2/")).is(405, "a bad method");
        let refused = Request::new("PUT", "/v2/a/manifests/v1").header("content-type", OCI_MANIFEST).body("{}");
        connection.send(&refused).is(400, "a bad manifest, whose body was read");
    }
}

#[test]
fn http_client_that_stops_to_send_after_its_requests_gets_every_answer() {
    for registry in Registry::of_each_driver() {
        let content = bytes(1, 8 << 20);
        let digest = registry.push_blob("a", &content);
        registry.push_image("a", "v1", b"layer");
        let blob = format!("/v2/a/blobs/{digest}");
        let targets = ["/v2/", "/v2/_catalog", "/v2/a/manifests/v1", &blob, "/v2/a/tags/list"];
        for some in [&targets[..1], &targets[1..2], &targets[3..4], &targets[..]] {
            let mut connection = registry.connect();
            let requests: Vec<u8> = some.iter().flat_map(|target| Request::new("GET", *target).encode()).collect();
            connection.write(&requests);
            connection.end_sending();
            for target in some {
                let answer = connection.read(false).is(200, target);
                assert!(**target != blob || answer.body == content, "it is whole");
            }
            assert!(connection.is_closed(), "nothing can follow");
        }
    }
}

#[test]
fn http_head_of_an_error_has_no_body() {
    let registry = Registry::memory();
    let digest = sha256(b"x");
    for (target, status) in [
        ("/v2/a/manifests/v1".to_owned(), 404),
        (format!("/v2/a/blobs/{digest}"), 404),
        ("/v2/a/blobs/x".to_owned(), 400),
        ("/v2/a/tags/list".to_owned(), 404),
        ("/nowhere".to_owned(), 404),
        ("/v2/a/blobs/uploads/".to_owned(), 405),
        ("/v2/a/blobs/uploads/x".to_owned(), 404),
    ] {
        let length = registry.get(&target).need("content-length").to_owned();
        let mut connection = registry.connect();
        let answer = connection.send(&Request::new("HEAD", &target)).is(status, &target);
        if status != 405 {
            assert_eq!(answer.need("content-length"), length, "it is as long as GET would have it");
        }
        connection.send(&Request::new("GET", "/v2/")).is(200, "no byte of a body stands between two answers");
    }
}

#[test]
fn http_pipelined_requests_are_answered_in_order() {
    for registry in Registry::of_each_driver() {
        let blobs: Vec<Vec<u8>> = (0..4).map(|seed| bytes(seed, 100 + 700_000 * seed as usize)).collect();
        let digests: Vec<String> = blobs.iter().map(|blob| registry.push_blob("a", blob)).collect();
        let mut requests = Vec::new();
        for digest in &digests {
            requests.push(Request::new("GET", format!("/v2/a/blobs/{digest}")));
            requests.push(Request::new("HEAD", format!("/v2/a/blobs/{digest}")));
            requests.push(Request::new("GET", "/v2/a/manifests/none"));
            requests.push(Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", "bytes=10-89"));
        }
        let mut connection = registry.connect();
        connection.write(requests.iter().flat_map(Request::encode).collect::<Vec<u8>>());
        for blob in &blobs {
            assert!(connection.read(false).is(200, "the first answer").body == *blob, "the whole blob comes first");
            assert_eq!(connection.read(true).is(200, "the second answer").need("content-length"), blob.len().to_string(), "then HEAD");
            connection.read(false).is(404, "then an error");
            assert_eq!(connection.read(false).is(206, "the last answer").body, blob[10..90], "then a part of the blob");
        }
    }
}

#[test]
fn http_parts_of_a_large_blob_are_exact() {
    let mut random = crate::support::Random::any();
    for registry in Registry::of_each_driver() {
        let content = bytes(1, 5_000_000);
        let digest = registry.push_blob("a", &content);
        let mut connection = registry.connect();
        for _ in 0..50 {
            let first = random.below(content.len());
            let last = first + random.below(content.len() - first);
            let request = Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", format!("bytes={first}-{last}"));
            let part = connection.send(&request).is(206, "a part is served");
            assert!(part.body == content[first..=last], "bytes {first} to {last} are these");
        }
    }
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", b"layer");
    let mut connection = registry.connect();
    connection.write(format!("GET /v2/a/blobs/{digest} HTTP/1.0\r\n\r\n"));
    assert_eq!(connection.read(false).is(200, "an old client is served").body, b"layer", "the blob comes whole");
    assert!(connection.is_closed(), "it did not ask to keep the connection");
    let mut kept = registry.connect();
    for _ in 0..2 {
        kept.write("GET /v2/ HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        kept.read(false).is(200, "an old client may ask to keep it");
    }
}

#[test]
fn http_connection_is_closed_when_the_client_wants_that() {
    let registry = Registry::memory();
    let mut connection = registry.connect();
    connection.send(&Request::new("GET", "/v2/").header("connection", "close")).is(200, "it is answered");
    assert!(connection.is_closed(), "then closed");
}

#[test]
fn http_expectation_is_met_before_the_body() {
    let registry = Registry::memory();
    let digest = sha256(b"12345");
    let head = |target: &str| format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    let mut connection = registry.connect();
    connection.write(head(&format!("/v2/a/blobs/uploads/?digest={digest}")));
    assert_eq!(connection.read_line(), "HTTP/1.1 100 Continue", "the client is told to go on");
    assert_eq!(connection.read_line(), "", "with nothing else");
    connection.write("12345");
    connection.read(false).is(201, "the body was taken");
    let mut refused = registry.connect();
    refused.write(head("/v2/A/blobs/uploads/"));
    assert_eq!(refused.read_line(), "HTTP/1.1 400 Bad Request", "a body that is not wanted is not asked for");
}

#[test]
fn http_version_is_told_to_old_clients() {
    let registry = Registry::memory();
    for target in ["/v2/", "/v2", "http://registry.test/v2/"] {
        let answer = registry.get(target).is(200, target);
        assert_eq!(answer.need("docker-distribution-api-version"), "registry/2.0", "docker looks for this");
        assert_eq!((answer.text().as_str(), answer.need("content-type")), ("{}", "application/json"), "and this");
    }
}

#[test]
fn http_answers_carry_a_request_id_of_their_own() {
    let registry = Registry::memory();
    let mut connection = registry.connect();
    let mut ids = std::collections::HashSet::new();
    for target in ["/v2/", "/v2/", "/nowhere", "/v2/a/tags/list"] {
        let id = connection.send(&Request::new("GET", target)).need("x-request-id").to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id} is 32 digits");
        assert!(ids.insert(id), "no id comes twice");
    }
}
