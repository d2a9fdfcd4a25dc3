//! Uploads that go on after something broke: a client that vanished, an old URL, another host, a host that was killed.

use crate::support::{Registry, Request, bytes, in_time, sha256};

const PART: usize = 1_000_000;

/// Sends part of a body and vanishes; waits until the registry has noticed. Answers where the session stands.
fn vanish(registry: &Registry, location: &str, body: &[u8], sent: usize) -> (String, usize) {
    let request = Request::new("PATCH", location).body(body).encode();
    let connection = registry.connect();
    connection.write(&request[..request.len() - (body.len() - sent)]);
    let before = registry.get(location).is(204, "the session is known").need("range").to_owned();
    drop(connection);
    in_time("what came of a broken body is kept", || {
        let status = registry.get(location).is(204, "the old URL still tells the status");
        let range = status.need("range").to_owned();
        let received = || range[2..].parse::<usize>().expect("range counts bytes") + 1;
        (range != before).then(|| (status.location(), received()))
    })
}

#[test]
fn resume_after_the_client_vanished_goes_on_from_what_was_kept() {
    for registry in Registry::of_each_driver() {
        let content = bytes(1, 4 * PART);
        let first = registry.patch(&registry.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
        let (location, received) = vanish(&registry, &first, &content[PART..], 2 * PART);
        assert!(received > PART && received <= 3 * PART, "it kept some of the {} bytes that were sent: {received}", 2 * PART);
        let pushed = registry.finish(&location, &sha256(&content), &content[received..]).is(201, "the upload goes on from there");
        assert_eq!(registry.get(pushed.location()).body, content, "no byte is missing or doubled");
    }
}

#[test]
fn resume_after_the_first_body_broke_goes_on_from_what_was_kept() {
    for registry in Registry::of_each_driver() {
        let content = bytes(2, 2 * PART);
        let (location, received) = vanish(&registry, &registry.begin("a"), &content, PART);
        let pushed = registry.finish(&location, &sha256(&content), &content[received..]).is(201, "the upload goes on from there");
        assert_eq!(registry.get(pushed.location()).body, content, "no byte is missing or doubled");
        registry.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "the session is over");
    }
}

/// What was written down of a broken body goes with the session, whoever ends it and however its client went on.
#[test]
fn resume_that_ended_leaves_no_record() {
    let one = Registry::filesystem();
    let other = one.start_beside("");
    let records = || one.files().into_iter().filter(|file| file.contains("/_uploads/")).count();
    let content = bytes(11, 2 * PART);
    let begun = one.begin("a");
    vanish(&one, &begun, &content, PART);
    assert_eq!(records(), 1, "what came is written down");
    let location = one.patch(&begun, &content).is(202, "the client starts again by the old URL").location();
    one.finish(&location, &sha256(&content), b"").is(201, "it is finished");
    assert_eq!(records(), 0, "this host knows that a body broke");
    let content = bytes(12, 2 * PART);
    let (location, received) = vanish(&one, &one.begin("a"), &content, PART);
    let location = other.patch(&location, &content[received..]).is(202, "another host goes on").location();
    other.finish(&location, &sha256(&content), b"").is(201, "it is finished there");
    assert_eq!(records(), 0, "the URL says that a body broke");
}

#[test]
fn resume_on_another_host_joins_the_chunks() {
    let one = Registry::filesystem();
    let other = one.start_beside("");
    let content = bytes(3, 5 * PART);
    let mut location = one.begin("a");
    for (number, part) in content.chunks(PART).enumerate() {
        let host = if number % 2 == 0 { &one } else { &other };
        let range = format!("{}-{}", number * PART, (number + 1) * PART - 1);
        let chunk = Request::new("PATCH", &location).header("content-range", range).body(part);
        location = host.send(&chunk).is(202, "either host appends").location();
        let status = one.get(&location).is(204, "either host knows the session");
        assert_eq!(status.need("range"), format!("0-{}", (number + 1) * PART - 1), "either host knows where it stands");
    }
    let pushed = other.finish(&location, &sha256(&content), b"").is(201, "either host finishes");
    for host in [&one, &other] {
        assert_eq!(host.get(pushed.location()).is(200, "either host serves").body, content, "the chunks are joined");
    }
}

#[test]
fn resume_on_another_host_after_the_client_vanished_goes_on() {
    let one = Registry::filesystem();
    let other = one.start_beside("");
    let content = bytes(4, 3 * PART);
    let first = one.patch(&one.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
    let (_, received) = vanish(&one, &first, &content[PART..], PART);
    let status = other.get(&first).is(204, "the other host knows what was kept");
    assert_eq!(status.need("range"), format!("0-{}", received - 1), "it knows where the upload stands");
    other.finish(&status.location(), &sha256(&content), &content[received..]).is(201, "the other host finishes");
}

#[test]
fn resume_after_the_host_was_killed_goes_on_from_the_last_chunk() {
    let one = Registry::filesystem();
    let content = bytes(5, 3 * PART);
    let location = one.patch(&one.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
    let request = Request::new("PATCH", &location).body(&content[PART..]).encode();
    let connection = one.connect();
    connection.write(&request[..request.len() - PART]);
    let other = one.start_beside("");
    one.kill();
    let status = other.get(&location).is(204, "the session survives its host");
    assert_eq!(status.need("range"), format!("0-{}", PART - 1), "what was answered is kept");
    let pushed = other.finish(&location, &sha256(&content), &content[PART..]).is(201, "the upload goes on from there");
    assert_eq!(other.get(pushed.location()).body, content, "no byte of the broken chunk is in it");
}

#[test]
fn resume_of_an_upload_that_ended_on_another_host_is_unknown() {
    let one = Registry::filesystem();
    let other = one.start_beside("");
    let content = bytes(6, PART);
    let cancelled = one.patch(&one.begin("a"), &content).is(202, "a chunk is appended").location();
    one.delete(&cancelled).is(204, "it is cancelled");
    let finished = one.patch(&one.begin("a"), &content).is(202, "a chunk is appended").location();
    one.finish(&finished, &sha256(&content), b"").is(201, "it is finished");
    for location in [cancelled, finished] {
        other.patch(&location, b"more").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "the other host finds nothing to go on with");
        other.finish(&location, &sha256(&content), b"").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "nor to finish");
        other.delete(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "nor to cancel");
    }
}

/// A session has one content: whatever a client does with the URLs that it was given, the hash that runs along is of the bytes that are stored.
#[test]
fn resume_from_an_old_url_never_stores_other_bytes_than_were_hashed() {
    for registry in Registry::of_each_driver() {
        let (start, good, bad) = (bytes(7, PART), bytes(8, PART), bytes(9, PART));
        let first = registry.patch(&registry.begin("a"), &start).is(202, "a chunk is appended").location();
        let second = registry.patch(&first, &good).is(202, "a chunk is appended").location();
        // The client goes back to the URL before, as if the last answer had not reached it, and sends something else.
        registry.patch(&first, &bad);
        let whole = [start, good].concat();
        let digest = sha256(&whole);
        let finished = registry.finish(&second, &digest, b"");
        let served = registry.get(format!("/v2/a/blobs/{digest}"));
        match finished.status {
            201 => assert_eq!(sha256(&served.body), digest, "the blob has the bytes of its digest"),
            404 => _ = served.is(404, "an upload that was overtaken leaves no blob"),
            other => panic!("an overtaken upload is known or unknown, not {other}: {}", finished.text()),
        }
    }
}

#[test]
fn resume_from_a_url_that_was_overtaken_is_unknown() {
    for registry in Registry::of_each_driver() {
        let content = bytes(10, 3 * PART);
        let first = registry.patch(&registry.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
        let second = registry.patch(&first, &content[PART..2 * PART]).is(202, "a chunk is appended").location();
        registry.patch(&first, &content[PART..]).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "the session has gone on since this URL");
        registry.finish(&second, &sha256(&content), &content[2 * PART..]).is(201, "the newest URL goes on");
    }
}
