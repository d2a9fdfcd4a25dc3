//! Blobs: pushed whole, served whole or in part, deleted where they are linked.

use crate::support::{Registry, Request, bytes, sha256, sha512};

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn ask(registry: &Registry, digest: &str, headers: &[(&str, &str)]) -> crate::support::Answer {
    let request = Request::new("GET", format!("/v2/a/blobs/{digest}"));
    registry.send(&headers.iter().fold(request, |request, (name, value)| request.header(name, *value)))
}

#[test]
fn blob_pushed_in_one_post_is_served() {
    let registry = Registry::memory();
    let content = bytes(1, 100_000);
    let digest = sha256(&content);
    let request = Request::new("POST", format!("/v2/a/b/blobs/uploads/?digest={}", digest.replace(':', "%3A")));
    let pushed = registry.send(&request.body(content.clone())).is(201, "a single POST pushes the blob");
    assert_eq!(pushed.location(), format!("/v2/a/b/blobs/{digest}"), "the location is where the blob is");
    assert_eq!(pushed.need("docker-content-digest"), digest, "the answer names the digest");
    assert_eq!(pushed.need("content-length"), "0", "an empty answer tells its length");
    let served = registry.get(pushed.location()).is(200, "the location serves the blob");
    assert_eq!(served.body, content, "the bytes are those that were pushed");
    assert_eq!(served.need("content-type"), "application/octet-stream", "a blob is octets");
    assert_eq!(served.need("docker-content-digest"), digest, "the answer names the digest");
    assert_eq!(served.need("etag"), format!("\"{digest}\""), "the digest is the entity tag");
    assert_eq!(served.need("accept-ranges"), "bytes", "parts can be had");
}

#[test]
fn blob_pushed_by_post_and_put_is_served() {
    let registry = Registry::memory();
    let content = bytes(2, 1_000_000);
    let location = registry.begin("a");
    let pushed = registry.finish(&location, &sha256(&content), &content).is(201, "POST, then PUT with everything");
    assert_eq!(registry.get(pushed.location()).body, content, "the bytes are those that were pushed");
}

#[test]
fn blob_pushed_in_http_chunks_is_served() {
    let registry = Registry::memory();
    let content = bytes(3, 700_000);
    let target = format!("/v2/a/blobs/uploads/?digest={}", sha256(&content));
    let request = Request::new("POST", target).chunked(content.chunks(10_000));
    let pushed = registry.send(&request).is(201, "a single POST needs no content-length");
    assert_eq!(registry.get(pushed.location()).body, content, "the bytes are those that were pushed");
}

#[test]
fn blob_asked_for_by_head_tells_size_and_digest_only() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", &bytes(4, 1234));
    let head = registry.head(format!("/v2/a/blobs/{digest}")).is(200, "HEAD finds the blob");
    assert_eq!(head.need("content-length"), "1234", "HEAD tells the size");
    assert_eq!(head.need("docker-content-digest"), digest, "HEAD tells the digest");
    let request = Request::new("HEAD", format!("/v2/a/blobs/{digest}")).header("range", "bytes=0-9");
    let ranged = registry.send(&request).is(200, "a range means nothing to HEAD");
    assert_eq!(ranged.need("content-length"), "1234", "HEAD tells the whole size");
}

#[test]
fn blob_of_zero_bytes_is_pushed_and_served() {
    let registry = Registry::memory();
    assert_eq!(registry.push_blob("a", b""), EMPTY, "this is the digest of nothing");
    let head = registry.head(format!("/v2/a/blobs/{EMPTY}")).is(200, "the empty blob is there");
    assert_eq!(head.need("content-length"), "0", "its length is told, although it is 0");
    assert_eq!(registry.get(format!("/v2/a/blobs/{EMPTY}")).is(200, "the empty blob is served").body, b"", "it is empty");
    ask(&registry, EMPTY, &[("range", "bytes=0-5")]).is(200, "a range of nothing is ignored");
}

#[test]
fn blob_range_is_served_exactly() {
    let registry = Registry::memory();
    let content = bytes(5, 2048);
    let digest = registry.push_blob("a", &content);
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, 2047),
        ("bytes=-500", 1548, 2047),
        ("bytes=2000-5000", 2000, 2047),
        ("bytes=0-0", 0, 0),
        ("bytes=2047-2047", 2047, 2047),
        ("bytes=-5000", 0, 2047),
        ("bytes=0-99999999999999999999999", 0, 2047),
    ] {
        let part = ask(&registry, &digest, &[("range", range)]).is(206, range);
        assert_eq!(part.body, content[first..=last], "{range} is these bytes");
        assert_eq!(part.need("content-range"), format!("bytes {first}-{last}/2048"), "{range} is placed");
        assert_eq!(part.need("docker-content-digest"), digest, "the digest is that of the whole blob");
    }
}

#[test]
fn blob_range_outside_is_refused_with_the_size() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", &bytes(6, 2048));
    for range in ["bytes=2048-", "bytes=5000-10000", "bytes=500-0", "bytes=-0"] {
        let refused = ask(&registry, &digest, &[("range", range)]).expect_error(416, "RANGE_INVALID", range);
        assert_eq!(refused.need("content-range"), "bytes */2048", "{range}: the size is told");
    }
}

#[test]
fn blob_range_that_is_not_one_part_is_served_whole() {
    let registry = Registry::memory();
    let content = bytes(7, 2048);
    let digest = registry.push_blob("a", &content);
    for range in ["bytes=0-1,5-9", "bytes=0-1, -2", "lines=1-2", "bytes=x-y", "bytes=", "0-5"] {
        let whole = ask(&registry, &digest, &[("range", range)]).is(200, range);
        assert_eq!(whole.body, content, "{range} is ignored");
    }
    let twice = ask(&registry, &digest, &[("range", "bytes=0-1"), ("range", "bytes=2-3")]).is(200, "two range headers");
    assert_eq!(twice.body, content, "two range headers are ignored");
}

#[test]
fn blob_range_counts_only_for_the_content_that_if_range_names() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", &bytes(8, 2048));
    let etag = format!("\"{digest}\"");
    for (named, status) in [(etag.as_str(), 206), (&format!("\"{EMPTY}\""), 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)] {
        ask(&registry, &digest, &[("range", "bytes=0-9"), ("if-range", named)]).is(status, named);
    }
}

#[test]
fn blob_that_the_client_holds_is_not_sent_again() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", &bytes(9, 2048));
    for held in [format!("\"{digest}\""), digest.clone(), format!("W/\"{digest}\""), "*".to_owned(), format!("\"{EMPTY}\", \"{digest}\"")] {
        let answer = ask(&registry, &digest, &[("if-none-match", &held), ("range", "bytes=9999-")]).is(304, &held);
        assert_eq!(answer.need("etag"), format!("\"{digest}\""), "a 304 names what did not change");
    }
    let other = ask(&registry, &digest, &[("if-none-match", &format!("\"{EMPTY}\""))]).is(200, "other content is held");
    assert_eq!(other.body.len(), 2048, "it is sent");
}

#[test]
fn blob_of_another_repository_is_unknown() {
    let registry = Registry::memory();
    let digest = registry.push_blob("a", b"secret");
    let answer = registry.get(format!("/v2/b/blobs/{digest}"));
    let answer = answer.expect_error(404, "BLOB_UNKNOWN", "a blob is readable only through a repository that links it");
    assert_eq!(answer.json()["errors"][0]["detail"]["digest"], digest, "the error tells which blob");
    registry.head(format!("/v2/b/blobs/{digest}")).is(404, "HEAD does not find it either");
}

#[test]
fn blob_deleted_in_one_repository_stays_in_the_other() {
    let registry = Registry::memory();
    for name in ["a", "b"] {
        registry.push_blob(name, b"shared");
    }
    let digest = sha256(b"shared");
    registry.delete(format!("/v2/a/blobs/{digest}")).is(202, "a blob is deleted");
    registry.head(format!("/v2/a/blobs/{digest}")).is(404, "the deleted blob is gone at once");
    assert_eq!(registry.get(format!("/v2/b/blobs/{digest}")).body, b"shared", "the other repository still has it");
    registry.delete(format!("/v2/a/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN", "a second delete finds nothing");
    registry.push_blob("a", b"shared");
    registry.head(format!("/v2/a/blobs/{digest}")).is(200, "a blob pushed again is there again");
}

#[test]
fn blob_by_sha512_deleted_by_sha256_is_gone_by_both_names() {
    for registry in Registry::of_each_driver() {
        let (short, long) = (sha256(b"layer"), sha512(b"layer"));
        registry.finish(&registry.begin("a"), &long, b"layer").is(201, "a blob is pushed by sha512");
        registry.finish(&registry.begin("a"), &sha512(b"another"), b"another").is(201, "and another");
        registry.delete(format!("/v2/a/blobs/{short}")).is(202, "it is deleted by sha256");
        for digest in [&short, &long] {
            registry.get(format!("/v2/a/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN", "it has gone by either name");
            registry.delete(format!("/v2/a/blobs/{digest}")).expect_error(404, "BLOB_UNKNOWN", "there is nothing left to delete");
        }
        registry.get(format!("/v2/a/blobs/{}", sha512(b"another"))).is(200, "the other one stays");
    }
}

#[test]
fn blob_by_sha512_is_served_by_both_names() {
    let registry = Registry::memory();
    let content = bytes(10, 5000);
    let (short, long) = (sha256(&content), sha512(&content));
    let request = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={long}")).body(content.clone());
    let pushed = registry.send(&request).is(201, "a blob is pushed by sha512");
    assert_eq!(pushed.need("docker-content-digest"), long, "the answer keeps the client's algorithm");
    for digest in [&short, &long] {
        let served = registry.get(format!("/v2/a/blobs/{digest}")).is(200, digest);
        assert_eq!((served.body.as_slice(), served.need("docker-content-digest")), (&content[..], digest.as_str()), "served as asked for");
    }
    registry.delete(format!("/v2/a/blobs/{long}")).is(202, "it is deleted by sha512");
    for digest in [&short, &long] {
        registry.head(format!("/v2/a/blobs/{digest}")).is(404, digest);
    }
}

#[test]
fn blob_delete_is_refused_where_deletes_are_off() {
    let registry = Registry::start("memory", "registry.delete = false");
    let digest = registry.push_blob("a", b"kept");
    registry.delete(format!("/v2/a/blobs/{digest}")).expect_error(405, "UNSUPPORTED", "registry.delete is false");
    registry.head(format!("/v2/a/blobs/{digest}")).is(200, "nothing was deleted");
}

/// Whether or not the size is known before the bytes are read.
#[test]
fn blob_range_of_what_is_not_remembered_is_the_same() {
    for driver in ["memory", "filesystem"] {
        let registry = Registry::start(driver, "cache.ttl_secs = 0");
        let (digest, empty) = (registry.push_blob("a", b"0123456789"), registry.push_blob("a", b""));
        for (range, status, body) in [
            ("bytes=2-4", 206, "234"),
            ("bytes=2-", 206, "23456789"),
            ("bytes=8-1000", 206, "89"),
            ("bytes=9-18446744073709551615", 206, "9"),
            ("bytes=-3", 206, "789"),
            ("bytes=-18446744073709551610", 206, "0123456789"),
            ("bytes=0-0,2-3", 200, "0123456789"),
            ("lines=1-2", 200, "0123456789"),
        ] {
            let answer = registry.send(&Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", range)).is(status, range);
            assert_eq!(answer.text(), body, "{range} over {driver}");
        }
        for range in ["bytes=10-", "bytes=11-12", "bytes=1000-", "bytes=4-2", "bytes=-0"] {
            let answer = registry.send(&Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", range));
            let answer = answer.expect_error(416, "RANGE_INVALID", range);
            assert_eq!(answer.header("content-range"), Some("bytes */10"), "{range} over {driver}");
        }
        for range in ["bytes=0-", "bytes=5-6"] {
            let answer = registry.send(&Request::new("GET", format!("/v2/a/blobs/{empty}")).header("range", range));
            assert_eq!(answer.is(200, "a range of nothing is everything").text(), "", "{range} over {driver}");
        }
        let other = format!("\"{}\"", sha256(b"other"));
        let request = Request::new("GET", format!("/v2/a/blobs/{digest}"))
            .header("range", "bytes=2-4")
            .header("if-none-match", format!("\"{digest}\""));
        registry.send(&request).is(304, "nothing has changed");
        let request = Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", "bytes=2-4").header("if-range", other);
        assert_eq!(registry.send(&request).is(200, "another content is asked for whole").text(), "0123456789", "over {driver}");
    }
}
