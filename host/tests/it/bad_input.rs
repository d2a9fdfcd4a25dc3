//! Requests that no good client sends: each has its answer, nothing is touched, and the registry lives on.

use std::fs;

use crate::support::{OCI_MANIFEST, Registry, Request, sha256};

/// A registry with a secret beside its store, and an image in it.
fn registry() -> Registry {
    let registry = Registry::filesystem();
    fs::write(registry.folder.path().join("secret"), "secret").expect("the test may write there");
    registry.push_image("a", "v1", b"layer");
    registry
}

#[test]
fn bad_path_that_leads_elsewhere_is_refused() {
    let registry = registry();
    let before = registry.files();
    let digest = sha256(b"layer");
    let names =
        "..,../..,a/..,a/../a,.,a/.,%2e%2e,%2E%2e/a,a%2Fb,a%2f..%2fb,..%2f..%2fsecret,%252e%252e,a%00b,a%0ab,a%5c..%5cb,a\\b,_uploads,\
                 a/_manifests,a//b,/a,a/,~,a;b,a%,a%2,a%zz,%ff%fe,%c0%ae%c0%ae,a b"
            .replace(' ', "%20");
    let (blob, upload) = (format!("blobs/{digest}"), "blobs/uploads/".to_owned());
    for name in names.split(',') {
        for resource in ["manifests/v1", "tags/list", &blob, &upload, &format!("referrers/{digest}")] {
            let method = if resource == upload { "POST" } else { "GET" };
            let request = Request::new(method, format!("/v2/{name}/{resource}"));
            registry.send(&request).expect_error(400, "NAME_INVALID", &format!("{method} {name:?} {resource}"));
        }
        let target = format!("/v2/{name}/manifests/v1");
        registry.send(&Request::new("PUT", &target).header("content-type", OCI_MANIFEST).body("{}")).is(400, "nor can it be written");
        registry.delete(target).is(400, "nor deleted");
    }
    assert_eq!(registry.files(), before, "no file was made, changed its place or went");
    registry.get("/v2/a/manifests/v1").is(200, "what is there is served as before");
}

#[test]
fn bad_path_outside_of_the_protocol_is_not_found() {
    let registry = registry();
    for target in [
        "/",
        "/v1/",
        "/v22/",
        "//v2/",
        "/v2/..",
        "/v2/../etc/passwd",
        "/../secret",
        "/v2/../../secret",
        "/v2/a",
        "/v2/a/tags/other",
        "/etc/passwd",
        "/v2/%2e%2e/secret",
        "/v2/a/uploads/",
        "*",
        "/V2/",
        "/v2/a/manifest/v1",
    ] {
        let answer = registry.get(target);
        assert!(!answer.text().contains("secret\n") && answer.text() != "secret", "no file outside is served");
        answer.expect_error(404, "UNSUPPORTED", target);
    }
}

#[test]
fn bad_tag_is_refused() {
    let registry = registry();
    let long = "v".repeat(129);
    for tag in ["..", ".", ".v1", "-v1", "v%2B1", "v1%20", "%C3%A9", "v%00", "", &long] {
        let target = format!("/v2/a/manifests/{tag}");
        registry.get(&target).expect_error(400, "TAG_INVALID", &format!("GET {tag:?}"));
        let push = Request::new("PUT", &target).header("content-type", OCI_MANIFEST).body("{}");
        registry.send(&push).expect_error(400, "TAG_INVALID", &format!("PUT {tag:?}"));
        registry.delete(&target).expect_error(400, "TAG_INVALID", &format!("DELETE {tag:?}"));
    }
    registry.get(format!("/v2/a/manifests/{}", "v".repeat(128))).expect_error(404, "MANIFEST_UNKNOWN", "128 bytes are a tag");
}

#[test]
fn bad_name_is_refused_with_the_place() {
    let registry = registry();
    for name in ["A", "a..b", "a.", "a_-b", "a___b", "-a", "aé"] {
        let escaped = name.replace('é', "%C3%A9");
        let answer = registry.get(format!("/v2/{escaped}/tags/list")).expect_error(400, "NAME_INVALID", name);
        assert!(answer.message().contains(name), "the name is repeated: {}", answer.message());
    }
    let long = "a".repeat(256);
    registry.get(format!("/v2/{long}/tags/list")).expect_error(400, "NAME_INVALID", "256 bytes are too many");
    registry.get(format!("/v2/{}/tags/list", &long[1..])).expect_error(404, "NAME_UNKNOWN", "255 bytes are a name");
    let nested = "a/".repeat(100) + "a";
    registry.push_image(&nested, "v1", b"layer");
    registry.get(format!("/v2/{nested}/manifests/v1")).is(200, "a name of a hundred parts is a name");
}

#[test]
fn bad_digest_is_refused() {
    let registry = registry();
    let good = sha256(b"layer");
    let upper = good.to_uppercase().replace("SHA256", "sha256");
    for digest in
        ["latest", "sha256:", "sha256:ab", &good[..70], &format!("{good}0"), &upper, &format!("sha384:{}", &good[7..]), "sha256:../x", ":"]
    {
        registry.get(format!("/v2/a/blobs/{}", digest.replace('/', "%2e"))).expect_error(400, "DIGEST_INVALID", digest);
        registry.post(format!("/v2/a/blobs/uploads/?digest={digest}")).expect_error(400, "DIGEST_INVALID", digest);
    }
    registry.get("/v2/a/manifests/sha256:baddigeststring").expect_error(400, "DIGEST_INVALID", "a reference with a colon is a digest");
}

#[test]
fn bad_content_type_of_a_blob_is_refused() {
    let registry = registry();
    let digest = sha256(b"12345");
    let location = registry.begin("a");
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        for request in [
            Request::new("POST", format!("/v2/a/blobs/uploads/?digest={digest}")),
            Request::new("PATCH", &location),
            Request::new("PUT", format!("{location}&digest={digest}")),
        ] {
            let answer = registry.send(&request.header("content-type", content_type).body("12345"));
            let answer = answer.expect_error(415, "BLOB_UPLOAD_INVALID", content_type);
            assert!(answer.message().contains("application/octet-stream"), "the right type is told: {}", answer.message());
        }
    }
    let request = Request::new("PUT", format!("{location}&digest={digest}")).header("content-type", "Application/Octet-Stream; x=y");
    registry.send(&request.body("12345")).is(201, "case and parameters do not matter");
}

#[test]
fn bad_method_is_refused_with_those_that_are_known() {
    let registry = registry();
    let digest = sha256(b"layer");
    for (method, target, allow) in [
        ("PUT", "/v2/".to_owned(), "GET, HEAD"),
        ("DELETE", "/v2/_catalog".to_owned(), "GET, HEAD"),
        ("POST", "/v2/a/tags/list".to_owned(), "GET, HEAD"),
        ("PATCH", "/v2/a/manifests/v1".to_owned(), "GET, HEAD, PUT, DELETE"),
        ("PUT", format!("/v2/a/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("GET", "/v2/a/blobs/uploads/".to_owned(), "POST"),
        ("POST", registry.begin("a"), "GET, HEAD, PATCH, PUT, DELETE"),
        ("get", "/v2/".to_owned(), "GET, HEAD"),
        ("PROPFIND", "/v2/".to_owned(), "GET, HEAD"),
    ] {
        let answer = registry.send(&Request::new(method, target)).expect_error(405, "UNSUPPORTED", method);
        assert_eq!(answer.need("allow"), allow, "the header lists the methods");
    }
}

#[test]
fn bad_bytes_instead_of_a_request_are_refused() {
    let registry = registry();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /v2/\0 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v2/a b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /v2/ HTTP/9.9\r\nhost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nbad header: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"GET /v2/\xff\xfe HTTP/1.1\r\nx: \x01\r\n\r\n",
        b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        b"\r\n\r\n\r\n\r\nGARBAGE\r\n\r\n",
    ] {
        let mut connection = registry.connect();
        connection.write(bytes);
        connection.end_sending();
        let answer = connection.read(false);
        assert_eq!(answer.status, 400, "{:?} is no request: {}", String::from_utf8_lossy(bytes), answer.text());
        assert!(connection.is_closed(), "after it nothing on the connection can be understood");
    }
    registry.get("/v2/").is(200, "the registry lives on");
}

#[test]
fn bad_chunks_of_a_body_are_refused() {
    let registry = registry();
    for body in ["zz\r\n12345\r\n0\r\n\r\n", "5\r\n1234", "ffffffffffffffffff\r\n", "5\r\n1234567\r\n0\r\n\r\n", "-1\r\n\r\n"] {
        let mut connection = registry.connect();
        let location = registry.begin("a");
        connection.write(format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{body}"));
        connection.end_sending();
        connection.read(false).expect_error(400, "SIZE_INVALID", &format!("{body:?} is no chunked body"));
        assert_eq!(registry.get(&location).is(204, "the session survives").need("range"), "0-0", "no byte was kept");
    }
}

#[test]
fn bad_body_that_is_shorter_than_announced_is_refused() {
    let registry = registry();
    for (announced, sent) in [(10, 5), (400_000, 300_000)] {
        let location = registry.begin("a");
        let body = "x".repeat(sent);
        let digest = sha256(body.as_bytes());
        for head in [
            format!("POST /v2/a/blobs/uploads/?digest={digest}"),
            format!("PUT {location}&digest={digest}"),
            "PUT /v2/a/manifests/v2".to_owned(),
        ] {
            let mut connection = registry.connect();
            connection.write(format!("{head} HTTP/1.1\r\nhost: x\r\ncontent-length: {announced}\r\n\r\n{body}"));
            connection.end_sending();
            connection.read(false).expect_error(400, "SIZE_INVALID", &format!("{sent} of {announced} bytes came"));
        }
        registry.head(format!("/v2/a/blobs/{digest}")).is(404, "half a body is no blob, even if its digest fits");
    }
}

#[test]
fn bad_body_never_becomes_another_request() {
    let registry = registry();
    let inner = "DELETE /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = inner.len();
    for head in [
        // Both framings at once: whoever believes the other one sees a second request.
        format!(
            "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"
        ),
        // Refused before its body is read.
        format!("PUT /v2/A/manifests/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{inner}"),
        format!("PUT /v2/a/manifests/-v1 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"),
        format!("GET /v2/ HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{inner}"),
    ] {
        let mut connection = registry.connect();
        connection.write(head);
        connection.read(false);
        connection.end_sending();
        assert!(connection.is_closed(), "there is one request and one answer");
        registry.get("/v2/a/manifests/v1").is(200, "what stands in a body is not done");
    }
}

#[test]
fn bad_query_is_refused_where_it_is_used() {
    let registry = registry();
    registry.get("/v2/a/tags/list?n=%").expect_error(400, "PAGINATION_NUMBER_INVALID", "a broken escape in a known parameter");
    registry.get("/v2/a/tags/list?last=%ff").expect_error(400, "NAME_INVALID", "an escape that is not UTF-8");
    registry.get("/v2/a/tags/list?unknown=%zz&&=&x").is(200, "unknown parameters are none of our business");
    registry.get(format!("/v2/a/tags/list?{}", "x=y&".repeat(5000))).is(200, "however many there are");
}
