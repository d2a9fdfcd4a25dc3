//! Limits, each with its key in the configuration: what exceeds one gets an answer, and everybody else is served as before.

use std::io::Read;

use crate::support::{OCI_MANIFEST, Registry, Request, Start, bytes, image, sha256};

const MIB: usize = 1 << 20;

/// Nothing but the store's own key: no blob, no upload, no temporary file.
fn is_empty(registry: Registry, rule: &str) {
    let (data, _folder) = (registry.data(), registry.folder.clone());
    drop(registry);
    assert_eq!(crate::support::files(&data), ["docker/registry/longshore/upload-key"], "{rule}");
}

#[test]
fn limit_of_headers_answers_431() {
    let registry = Registry::memory();
    let long = Request::new("GET", "/v2/").header("x-long", "x".repeat(70_000));
    registry.send(&long).is(431, "server.header_max_bytes is 64 KiB");
    let many = (0..200).fold(Request::new("GET", "/v2/"), |request, number| request.header(&format!("x-{number}"), "x"));
    registry.send(&many).is(431, "and no client needs two hundred headers");
    let fair = (0..50).fold(Request::new("GET", "/v2/"), |request, number| request.header(&format!("x-{number}"), "x".repeat(1000)));
    registry.send(&fair).is(200, "below the limit all is well");
    let small = Registry::start("memory", "server.header_max_bytes = \"8KiB\"");
    small.send(&Request::new("GET", "/v2/").header("x-long", "x".repeat(9000))).is(431, "the operator's limit holds");
    small.get("/v2/").is(200, "the registry lives on");
}

#[test]
fn limit_of_headers_ends_a_flood() {
    let registry = Registry::memory();
    for line in ["x: y\r\n", "x"] {
        let mut connection = registry.connect();
        connection.write("GET /v2/ HTTP/1.1\r\n");
        let flood = line.repeat(MIB / line.len());
        // The registry may close before it has all been sent.
        let _ = std::io::Write::write_all(&mut connection.stream(), flood.as_bytes());
        assert!(connection.is_closed_after_any_answer(), "headers without end are cut");
    }
    registry.get("/v2/").is(200, "the registry lives on");
}

#[test]
fn limit_of_a_url_answers_414_or_431() {
    let registry = Registry::memory();
    let status = registry.get(format!("/v2/{}/tags/list", "a".repeat(100_000))).status;
    assert!([414, 431].contains(&status), "a URL of 100 kB is too long: {status}");
    registry.get("/v2/").is(200, "the registry lives on");
}

#[test]
fn limit_of_a_stalled_body_answers_408() {
    let registry = Registry::start("filesystem", "server.body_idle_secs = 1");
    let digest = sha256(b"x");
    let manifest = image(b"{}", b"x").to_string();
    let location = registry.begin("a");
    let requests = [
        Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")).body(bytes(1, MIB)),
        Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")).body("12345"),
        Request::new("PUT", format!("{location}&digest={digest}")).body("12345"),
        Request::new("PUT", "/v2/a/manifests/v1").header("content-type", OCI_MANIFEST).body(manifest),
        Request::new("PATCH", registry.begin("a")).body("12345"),
    ];
    let mut stalled: Vec<_> = requests.iter().map(|_| registry.connect()).collect();
    for (connection, request) in stalled.iter().zip(&requests) {
        let whole = request.encode();
        connection.write(&whole[..whole.len() - 2]);
    }
    for connection in &mut stalled {
        let answer = connection.read(false).expect_error(408, "BLOB_UPLOAD_INVALID", "server.body_idle_secs is 1");
        assert!(answer.message().contains("server.body_idle_secs"), "the key is told: {}", answer.message());
        assert!(connection.is_closed(), "the rest of the body would be taken for a request");
    }
    is_empty(registry, "nothing is left of stalled bodies");
}

#[test]
fn limit_of_a_stalled_body_does_not_hurry_a_slow_one() {
    let registry = Registry::start("memory", "server.body_idle_secs = 1");
    let whole = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(b"12345678"))).body("12345678").encode();
    let mut connection = registry.connect();
    let (head, body) = whole.split_at(whole.len() - 8);
    connection.write(head);
    for byte in body {
        // Slower in all than the limit, but never pausing for as long: this pause is what is tested.
        std::thread::sleep(std::time::Duration::from_millis(250));
        connection.write([*byte]);
    }
    connection.read(false).is(201, "a slow body is fine, a stalled one is not");
}

#[test]
fn limit_of_a_client_that_does_not_read_cuts_it() {
    for driver in ["memory", "filesystem"] {
        let registry = Registry::start(driver, "server.body_idle_secs = 1\nlog.level = \"debug\"");
        let content = bytes(1, 48 * MIB);
        let digest = registry.push_blob("a", &content);
        let connection = registry.connect();
        connection.write(Request::new("GET", format!("/v2/a/blobs/{digest}")).encode());
        registry.logged("the connection is cut", |line| {
            line["message"] == "a connection ended with an error" && line["cause"] == "the client took nothing for too long"
        });
        let mut received = Vec::new();
        let _ = connection.stream().take(64 << 20).read_to_end(&mut received);
        assert!(received.len() < content.len(), "{} bytes are not the whole blob", received.len());
        assert_eq!(registry.get(format!("/v2/a/blobs/{digest}")).body.len(), content.len(), "others are served");
    }
}

#[test]
fn limit_of_idle_time_closes_connections() {
    let registry = Registry::start("memory", "server.keep_alive_idle_secs = 1");
    let mut idle = registry.connect();
    idle.send(&Request::new("GET", "/v2/")).is(200, "a request is answered");
    let silent = registry.connect();
    let mut half = registry.connect();
    half.write("GET /v2/ HTTP/1.1\r\nhost: x\r\n");
    for mut connection in [idle, silent] {
        assert!(connection.is_closed(), "server.keep_alive_idle_secs is 1");
    }
    assert!(half.is_closed_after_any_answer(), "half a head is no request either");
}

#[test]
fn limit_of_connections_lets_others_wait() {
    let registry = Registry::start("memory", "server.connections_max = 2");
    let mut held: Vec<_> = (0..2).map(|_| registry.connect()).collect();
    for connection in &mut held {
        connection.send(&Request::new("GET", "/v2/")).is(200, "two are served");
    }
    let mut waiting = registry.connect();
    waiting.write(Request::new("GET", "/v2/").encode());
    for connection in &mut held {
        connection.send(&Request::new("GET", "/v2/")).is(200, "the two are served again");
    }
    waiting.stream().set_nonblocking(true).expect("it can be set");
    let peeked = waiting.stream().peek(&mut [0]);
    assert!(peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "the third waits, and is not refused");
    waiting.stream().set_nonblocking(false).expect("it can be set");
    drop(held.pop());
    waiting.read(false).is(200, "it is served as soon as one of the others has gone");
}

#[test]
fn limit_of_a_blob_answers_413() {
    let registry = Registry::start("filesystem", "registry.blob_max_bytes = \"1MiB\"");
    let content = bytes(1, MIB + 1);
    let digest = sha256(&content);
    let single = || Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}"));
    let location = registry.patch(&registry.begin("a"), &content[..MIB]).is(202, "up to the limit all is well").location();
    for request in [
        single().body(content.clone()),
        single().chunked(content.chunks(50_000)),
        Request::new("PATCH", registry.begin("a")).body(content.clone()),
        Request::new("PATCH", registry.begin("a")).chunked(content.chunks(50_000)),
        Request::new("PUT", format!("{location}&digest={digest}")).body(&content[MIB..]),
        Request::new("PATCH", &location).chunked([&content[MIB..]]),
    ] {
        let answer = registry.send(&request).expect_error(413, "SIZE_INVALID", "registry.blob_max_bytes is 1 MiB");
        assert_eq!(answer.json()["errors"][0]["detail"]["limit"], MIB, "the limit is told");
    }
    registry.delete(&location).is(204, "the session that was full is still there");
    is_empty(registry, "nothing is left of what was too large");
}

#[test]
fn limit_of_a_blob_is_told_to_a_client_that_is_still_sending() {
    let registry = Registry::start("memory", "registry.blob_max_bytes = 1000");
    let request = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(b"x"))).body(bytes(1, 32 * MIB));
    registry.send(&request).expect_error(413, "SIZE_INVALID", "a client that sends everything first still gets the answer");
}

#[test]
fn limit_of_a_full_storage_answers_507_and_gives_the_space_back() {
    let registry = Registry::start_with(Start { driver: "memory", settings: "max_bytes = \"2MiB\"", ..Start::default() });
    let content = bytes(1, 3 * MIB);
    let target = format!("/v2/a/blobs/uploads/?digest={}", sha256(&content));
    for _ in 0..3 {
        let full = registry.send(&Request::new("POST", &target).body(content.clone()));
        let full = full.expect_error(507, "UNAVAILABLE", "the storage is full");
        let id = full.need("x-request-id").to_owned();
        let line = registry.logged("the operator is told", |line| line["request"] == id.as_str());
        assert!(line["message"].as_str().is_some_and(|text| text.contains("max_bytes")), "the cause is in the log: {line}");
    }
    registry.push_blob("a", &content[..MIB]);
}

#[test]
fn limit_of_an_uploads_age_ends_it() {
    // The shortest age that can be configured is a minute, so the state of an older upload is made with a key that the test knows.
    let key = "0123456789abcdef0123456789abcdef".to_owned();
    let keys = "registry.upload_max_secs = 3600\nregistry.upload_signing_keys = [{ env = \"KEY\" }]";
    let variables = vec![("KEY", key.clone())];
    let registry = Registry::start_with(Start { driver: "memory", keys, variables, ..Start::default() });
    let seal = |age: i64| {
        let keys = longshore::oci::SigningKeys::new([key.as_bytes()]).expect("a key");
        let state = longshore::oci::UploadState {
            name: "a".parse().expect("a name"),
            id: "018f3c0e-5b7a-4c1e-9d3f-a1b2c3d4e5f6".parse().expect("an id"),
            offset: 0,
            started_at: jiff::Timestamp::now() - jiff::SignedDuration::from_secs(age),
            token: Vec::new(),
            hashes: std::collections::BTreeMap::new(),
            recorded: false,
        };
        state.location(&keys).to_str().expect("a location is text").to_owned()
    };
    registry.get(seal(3000)).is(204, "a young upload goes on");
    registry.get(seal(4000)).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "registry.upload_max_secs is an hour");
}
