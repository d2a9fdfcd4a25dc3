//! Upload sessions: chunks, streams, where a session stands, and its end.

use crate::support::{Registry, Request, Start, bytes, sha256, sha512};

const CHUNK: usize = 300_000;

fn chunk(location: &str, range: String, bytes: &[u8]) -> Request {
    Request::new("PATCH", location).header("content-range", range).header("content-type", "application/octet-stream").body(bytes)
}

#[test]
fn upload_in_chunks_with_either_form_of_range_is_joined() {
    let registry = Registry::memory();
    let content = bytes(1, 3 * CHUNK);
    let mut location = registry.begin("a");
    for (number, part) in content.chunks(CHUNK).enumerate() {
        let (first, last) = (number * CHUNK, (number + 1) * CHUNK - 1);
        let range = if number == 1 { format!("bytes {first}-{last}/*") } else { format!("{first}-{last}") };
        let appended = registry.send(&chunk(&location, range, part)).is(202, "a chunk is appended");
        assert_eq!(appended.need("range"), format!("0-{last}"), "the answer says what was received");
        location = appended.location();
        let status = registry.get(&location).is(204, "the session tells where it stands");
        assert_eq!(status.need("range"), format!("0-{last}"), "the status says what was received");
        assert!(status.header("docker-upload-uuid").is_some_and(|id| status.location().contains(id)), "the status names the session");
    }
    let pushed = registry.finish(&location, &sha256(&content), b"").is(201, "the session is finished without more bytes");
    assert_eq!(pushed.need("docker-content-digest"), sha256(&content), "the answer names the digest");
    assert_eq!(registry.get(pushed.location()).body, content, "the chunks are joined");
}

#[test]
fn upload_with_its_last_chunk_in_the_put_is_joined() {
    let registry = Registry::memory();
    let content = bytes(2, 2 * CHUNK);
    let location = registry.patch(&registry.begin("a"), &content[..CHUNK]).is(202, "a chunk is appended").location();
    let target = format!("{location}&digest={}", sha256(&content));
    let range = format!("{CHUNK}-{}", 2 * CHUNK - 1);
    let last = Request::new("PUT", target).header("content-range", range).body(&content[CHUNK..]);
    let pushed = registry.send(&last).is(201, "the last chunk comes with the PUT");
    assert_eq!(registry.get(pushed.location()).body, content, "the chunks are joined");
}

#[test]
fn upload_streamed_without_length_is_joined() {
    let registry = Registry::memory();
    let content = bytes(3, 2 * CHUNK);
    let mut location = registry.begin("a");
    for half in content.chunks(CHUNK) {
        let stream = Request::new("PATCH", &location).chunked(half.chunks(7000));
        location = registry.send(&stream).is(202, "a stream is appended").location();
    }
    let last = Request::new("PUT", format!("{location}&digest={}", sha256(&content))).chunked([]);
    let pushed = registry.send(&last).is(201, "the session is finished by an empty stream");
    assert_eq!(registry.get(pushed.location()).body, content, "the streams are joined");
}

#[test]
fn upload_chunk_out_of_order_is_refused_and_the_session_goes_on() {
    let registry = Registry::memory();
    let content = bytes(4, 2 * CHUNK);
    let digest = sha256(&content);
    let first = registry.begin("a");
    let location = registry.patch(&first, &content[..CHUNK]).is(202, "a chunk is appended").location();
    let bad = [(0, CHUNK - 1), (CHUNK + 1, 2 * CHUNK), (CHUNK - 1, 2 * CHUNK - 2), (usize::MAX - 1, usize::MAX)];
    for (from, to) in bad {
        for (method, target) in [("PATCH", location.clone()), ("PUT", format!("{location}&digest={digest}"))] {
            let request = Request::new(method, target).header("content-range", format!("{from}-{to}")).body(&content[CHUNK..]);
            let refused = registry.send(&request).expect_error(416, "RANGE_INVALID", &format!("{method} {from}-{to} is out of order"));
            assert_eq!(refused.need("range"), format!("0-{}", CHUNK - 1), "the refusal says what was received");
            let detail = &refused.json()["errors"][0]["detail"];
            assert_eq!(detail["expected"], CHUNK, "the refusal says where to go on");
            let status = registry.get(refused.location()).is(204, "the session survives");
            assert_eq!(status.need("range"), format!("0-{}", CHUNK - 1), "no byte was kept");
        }
    }
    let range = format!("{CHUNK}-{}", 2 * CHUNK - 1);
    let location = registry.send(&chunk(&location, range, &content[CHUNK..])).is(202, "the right chunk is accepted").location();
    registry.finish(&location, &digest, b"").is(201, "the session ends well");
}

#[test]
fn upload_chunk_with_a_range_that_is_none_is_refused() {
    let registry = Registry::memory();
    let location = registry.begin("a");
    for range in ["", "5", "a-b", "0-", "-5", "bytes=0-4", "bytes 0-4", "0-4/5", "0-99999999999999999999999"] {
        registry.send(&chunk(&location, range.to_owned(), b"12345")).expect_error(400, "RANGE_INVALID", &format!("{range:?} is no range"));
    }
    registry.send(&chunk(&location, "4-0".to_owned(), b"12345")).expect_error(416, "RANGE_INVALID", "a range ends after it begins");
    registry.finish(&location, &sha256(b"12345"), b"12345").is(201, "the session survives all of them");
}

#[test]
fn upload_chunk_longer_or_shorter_than_its_range_is_refused() {
    let registry = Registry::memory();
    let content = bytes(5, CHUNK);
    let location = registry.begin("a");
    for wrong in [CHUNK - 2, CHUNK] {
        let range = format!("0-{wrong}");
        let rule = "content-range and body have the same length";
        let refused = registry.send(&chunk(&location, range.clone(), &content)).expect_error(400, "SIZE_INVALID", rule);
        assert_eq!(refused.json()["errors"][0]["detail"]["got"], CHUNK, "the refusal counts the body");
        let stream = Request::new("PATCH", &location).header("content-range", range).chunked(content.chunks(CHUNK / 3));
        registry.send(&stream).expect_error(400, "SIZE_INVALID", "so it is when the length is known only in the end");
        assert_eq!(registry.get(&location).is(204, "the session survives").need("range"), "0-0", "no byte was kept");
    }
    registry.finish(&location, &sha256(&content), &content).is(201, "the session ends well");
}

#[test]
fn upload_without_a_byte_stands_at_zero() {
    let registry = Registry::memory();
    let status = registry.get(registry.begin("a")).is(204, "an upload that has just begun has a status");
    assert_eq!(status.need("range"), "0-0", "distribution writes nothing as 0-0");
    let location = registry.patch(&status.location(), b"").is(202, "an empty chunk is no fault").location();
    registry.finish(&location, &sha256(b""), b"").is(201, "nothing can be pushed");
}

#[test]
fn upload_cancelled_is_unknown() {
    let registry = Registry::memory();
    let begun = registry.begin("a");
    let written = registry.patch(&registry.begin("a"), &bytes(6, CHUNK)).is(202, "a chunk is appended").location();
    for location in [begun, written] {
        registry.delete(&location).is(204, "an upload can be cancelled");
        registry.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "its status is gone");
        registry.patch(&location, b"more").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "it cannot go on");
        registry.finish(&location, &sha256(b"more"), b"more").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "it cannot be finished");
        registry.delete(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "it cannot be cancelled again");
    }
}

#[test]
fn upload_finished_is_unknown() {
    let registry = Registry::memory();
    for length in [1000, CHUNK] {
        let content = bytes(7, length);
        let location = registry.patch(&registry.begin("a"), &content).is(202, "a chunk is appended").location();
        registry.finish(&location, &sha256(&content), b"").is(201, "the upload is finished");
        registry.finish(&location, &sha256(&content), b"").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "it cannot be finished twice");
        registry.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "its status is gone");
    }
}

#[test]
fn upload_finished_in_one_put_is_unknown() {
    let registry = Registry::memory();
    for length in [1000, CHUNK] {
        let content = bytes(8, length);
        let location = registry.begin("a");
        registry.finish(&location, &sha256(&content), &content).is(201, "the upload is finished");
        registry.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "its status is gone");
        registry.patch(&location, b"more").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "it cannot go on");
    }
}

#[test]
fn upload_with_another_digest_is_refused_and_ends() {
    let registry = Registry::memory();
    for length in [1000, CHUNK] {
        let content = bytes(9, length);
        let (want, got) = (sha256(b"something else"), sha256(&content));
        let location = registry.begin("a");
        let refused = registry.finish(&location, &want, &content).expect_error(400, "DIGEST_INVALID", "the digest is checked");
        let detail = &refused.json()["errors"][0]["detail"];
        assert_eq!((&detail["want"], &detail["got"]), (&want.into(), &got.clone().into()), "the refusal tells both digests");
        registry.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "the upload has ended");
        registry.head(format!("/v2/a/blobs/{got}")).is(404, "what came is not there by its own name either");
    }
}

#[test]
fn upload_announced_as_sha512_is_finished_by_it() {
    let registry = Registry::memory();
    let content = bytes(10, 2 * CHUNK);
    let begun = registry.post("/v2/a/blobs/uploads/?digest-algorithm=sha512").is(202, "sha512 can be announced");
    let location = registry.patch(&begun.location(), &content[..CHUNK]).is(202, "a chunk is appended").location();
    let pushed = registry.finish(&location, &sha512(&content), &content[CHUNK..]).is(201, "sha512 has run along");
    assert_eq!(pushed.need("docker-content-digest"), sha512(&content), "the answer keeps the algorithm");
    assert_eq!(registry.get(pushed.location()).body, content, "the blob is served");
}

#[test]
fn upload_finished_by_an_algorithm_that_was_not_announced_is_checked() {
    let registry = Registry::memory();
    let content = bytes(11, CHUNK);
    let fill = || registry.patch(&registry.begin("a"), &content).is(202, "a chunk is appended").location();
    registry.finish(&fill(), &sha512(b"something else"), b"").expect_error(400, "DIGEST_INVALID", "the stored bytes are hashed again");
    registry.head(format!("/v2/a/blobs/{}", sha256(&content))).is(404, "nothing was linked");
    let pushed = registry.finish(&fill(), &sha512(&content), b"").is(201, "the stored bytes have the digest");
    assert_eq!(registry.get(pushed.location()).body, content, "the blob is served");
}

#[test]
fn upload_by_an_unknown_algorithm_is_refused() {
    let registry = Registry::memory();
    for algorithm in ["blake3", "sha384", "SHA256", "sha256,sha512"] {
        let answer = registry.post(format!("/v2/a/blobs/uploads/?digest-algorithm={algorithm}"));
        answer.expect_error(400, "DIGEST_INVALID", &format!("{algorithm} is not supported"));
    }
    let location = registry.begin("a");
    let target = format!("{location}&digest=blake3:{}", "0".repeat(64));
    registry.send(&Request::new("PUT", target)).expect_error(400, "DIGEST_INVALID", "blake3 is not supported");
    registry.send(&Request::new("PUT", location)).expect_error(400, "DIGEST_INVALID", "a PUT without a digest finishes nothing");
}

#[test]
fn upload_state_of_another_session_is_refused() {
    let registry = Registry::memory();
    let (one, other) = (registry.begin("a"), registry.begin("a"));
    let (path, state) = one.split_once("?_state=").expect("the location carries a state");
    let (other_path, other_state) = other.split_once("?_state=").expect("the location carries a state");
    let mut flipped = state.to_owned().into_bytes();
    flipped[60] ^= 1;
    let flipped = String::from_utf8_lossy(&flipped).into_owned();
    registry.get(path).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "a URL without its state is no session");
    for (target, rule) in [
        (format!("{path}?_state={other_state}"), "the state is another session's"),
        (format!("{other_path}?_state={state}"), "the state is another session's"),
        (one.replacen("/v2/a/", "/v2/b/", 1), "the state is another repository's"),
        (format!("{path}?_state={flipped}"), "the state was changed"),
        (format!("{path}?_state=AAAA"), "the state is too short"),
        (format!("{path}?_state=%00%ff"), "the state is not text"),
        (format!("{path}?_state={}", "A".repeat(40_000)), "the state is too long"),
    ] {
        registry.get(target).expect_error(404, "BLOB_UPLOAD_INVALID", rule);
    }
    registry.get(one).is(204, "the session itself is good");
}

#[test]
fn upload_sealed_with_an_older_key_goes_on() {
    let (old, new) = ("an old key of the operator's", "a new key of the operator's");
    let begin = |keys: &'static str, folder| {
        let variables = vec![("OLD", old.to_owned()), ("NEW", new.to_owned())];
        Registry::start_with(Start { driver: "filesystem", keys, variables, folder, ..Start::default() })
    };
    let before = begin("registry.upload_signing_keys = [{ env = \"OLD\" }]", None);
    let location = before.patch(&before.begin("a"), b"12345").is(202, "a chunk is appended").location();
    let both = begin("registry.upload_signing_keys = [{ env = \"NEW\" }, { env = \"OLD\" }]", Some(before.folder.clone()));
    let renewed = both.get(&location).is(204, "every key is accepted").location();
    let after = begin("registry.upload_signing_keys = [{ env = \"NEW\" }]", Some(before.folder.clone()));
    after.get(&location).expect_error(404, "BLOB_UPLOAD_INVALID", "the old key was taken away");
    after.finish(&renewed, &sha256(b"12345"), b"").is(201, "the first key seals");
}

#[test]
fn upload_that_its_driver_cannot_commit_begins_anew() {
    // `unsupported` is what a store says whose upload was begun for the digest of a body that broke, and ends with another digest.
    for error in ["at = \"commit\"\nerror = \"unsupported\"", "at = \"commit\"\nerror = \"not_found\""] {
        let registry = Registry::start_with(Start { driver: "specimen-stalls", settings: error, ..Start::default() });
        let content = bytes(12, CHUNK);
        let location = registry.patch(&registry.begin("a"), &content).is(202, "a chunk is appended").location();
        let refused = registry.finish(&location, &sha256(&content), b"");
        refused.expect_error(404, "BLOB_UPLOAD_UNKNOWN", "the client is told to begin anew");
        registry.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "the session is over");
        assert!(registry.head(format!("/v2/a/blobs/{}", sha256(&content))).status == 404, "no blob is there");
    }
}

/// Driver contract, section 8: "The deadline of a `commit` is later by a second for each 32 MiB of the upload".
#[test]
fn large_upload_has_longer_to_be_committed() {
    let start = Start { driver: "specimen-stalls", settings: "at = \"commit\"", keys: "drivers.call_secs = 1", ..Start::default() };
    let registry = Registry::start_with(start);
    let content = bytes(13, 64 << 20);
    let location = registry.patch(&registry.begin("a"), &content).is(202, "it is received").location();
    registry.finish(&location, &sha256(&content), b"").is(503, "the driver never answers");
    let log = format!("{:?}", registry.stop().log);
    let waited = log.split_once("commit did not answer within ").and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(waited.is_some_and(|ms| (2001..=3000).contains(&ms)), "1 s and 2 s for 64 MiB, in the log: {log}");
}
