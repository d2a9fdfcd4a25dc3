//! Several hosts on one store behind a plain round robin: each request of an operation goes to another host, and all of them agree after it.
//!
//! On the filesystem driver, or on what `LONGSHORE_TEST_STORAGE` names (`support/hosts.rs`).

use serde_json::json;

use crate::support::{Answer, Hosts, OCI_MANIFEST, Request, Start, broken_links, bytes, image, in_time, sha256};

/// Each host asks the store at each request, as operators of several hosts may want it.
const REMEMBER_NOTHING: &str = "cache.ttl_secs = 0";
/// Nothing is forgotten during a test.
const REMEMBER_LONG: &str = "cache.ttl_secs = 3600";
const PART: usize = 600_000;

/// What is asked for twice around, so that every host has answered it once fresh and once from memory, if it remembers.
fn twice_around(hosts: &Hosts) -> usize {
    2 * hosts.count()
}

/// Every host answers so, and nothing in the store is broken.
#[track_caller]
fn all_agree(hosts: &Hosts, target: &str, agrees: impl Fn(&Answer) -> bool, rule: &str) {
    for host in hosts.each() {
        let answer = host.get(target);
        assert!(agrees(&answer), "{rule}: {target}: {} {}", answer.status, answer.text());
    }
    let (broken, links) = broken_links(&hosts.storage);
    assert_eq!(broken, Vec::<String>::new(), "{rule}: no link of {links} is broken");
}

fn hosts_of_each_count(keys: &'static str) -> impl Iterator<Item = Hosts> {
    [2, 3].into_iter().map(move |count| Hosts::start(count, keys))
}

#[test]
fn many_hosts_share_the_requests_of_one_connection() {
    let hosts = Hosts::start(3, "log.level = \"debug\"");
    let mut connection = hosts.front.connect();
    let mut ids = vec![Vec::new(); 3];
    for _ in 0..6 {
        let turn = hosts.turn();
        ids[turn]
            .push(connection.send(&Request::new("GET", "/v2/")).is(200, "one connection, many requests").need("x-request-id").to_owned());
    }
    for (host, ids) in hosts.each().zip(ids) {
        assert_eq!(ids.len(), 2, "each host gets its share of a connection that is kept alive");
        for id in ids {
            host.logged("the host answers for itself", |line| line["request"] == id.as_str());
        }
    }
}

#[test]
fn many_hosts_take_a_push_together() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        let layers = [bytes(1, 1000), bytes(2, PART), bytes(3, 3 * PART)];
        for (number, layer) in layers.iter().enumerate() {
            let (digest, name) = (sha256(layer), format!("a{number}"));
            let location = hosts.front.begin(&name);
            hosts.front.finish(&location, &digest, layer).is(201, "begun at one host, sent to the next one");
            hosts.front.push_blob(&name, b"{}");
            hosts.front.head(format!("/v2/{name}/blobs/{digest}")).is(200, "a third one finds it");
            let manifest = image(b"{}", layer).to_string().into_bytes();
            hosts.front.put_manifest(&name, "v1", OCI_MANIFEST, &manifest).is(201, "and the image is pushed to whoever is next");
            all_agree(&hosts, &format!("/v2/{name}/blobs/{digest}"), |got| got.body == *layer, "the blob is whole at every host");
            all_agree(&hosts, &format!("/v2/{name}/manifests/v1"), |got| got.body == manifest, "so is the manifest");
        }
        let catalog = hosts.front.get("/v2/_catalog").json();
        assert_eq!(catalog["repositories"], json!(["a0", "a1", "a2"]), "every host lists them");
    }
}

#[test]
fn many_hosts_join_the_chunks_of_an_upload() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        let content = bytes(4, 7 * PART);
        let mut location = hosts.front.begin("a");
        for (number, part) in content.chunks(PART).enumerate() {
            let range = format!("{}-{}", number * PART, (number + 1) * PART - 1);
            let chunk = Request::new("PATCH", &location).header("content-range", range).body(part);
            location = hosts.front.send(&chunk).is(202, "each chunk goes to another host").location();
            let status = hosts.front.get(&location).is(204, "another one tells where the upload stands");
            assert_eq!(status.need("range"), format!("0-{}", (number + 1) * PART - 1), "every host knows it");
            location = status.location();
        }
        let pushed = hosts.front.finish(&location, &sha256(&content), b"").is(201, "any host finishes").location();
        all_agree(&hosts, &pushed, |got| got.body == content, "the chunks are joined");
        for host in hosts.each() {
            host.get(&location).expect_error(404, "BLOB_UPLOAD_UNKNOWN", "every host knows that the session is over");
            host.patch(&location, b"more").expect_error(404, "BLOB_UPLOAD_UNKNOWN", "and nobody goes on with it");
        }
    }
}

#[test]
fn many_hosts_lose_one_chunk_when_one_is_killed_in_the_middle_of_it() {
    for count in [2, 3] {
        let mut hosts = Hosts::start(count, REMEMBER_LONG);
        let content = bytes(5, 4 * PART);
        let location = hosts.front.patch(&hosts.front.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
        // The host asks for the body: so it is certainly this one that gets it.
        let (turn, mut connection) = (hosts.turn(), hosts.front.connect());
        let head = format!("PATCH {location} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n", 3 * PART);
        connection.write(head);
        assert_eq!(connection.read_line(), "HTTP/1.1 100 Continue", "the host wants the body");
        connection.read_line();
        connection.write(&content[PART..3 * PART]);
        hosts.kill(turn);
        connection.read(false).is(502, "the client learns that the chunk is lost");
        let status = hosts.front.get(&location).is(204, "another host knows the session");
        assert_eq!(status.need("range"), format!("0-{}", PART - 1), "and all that was acknowledged");
        let again = hosts.front.patch(&status.location(), &content[PART..]).is(202, "only that chunk is sent again").location();
        let pushed = hosts.front.finish(&again, &sha256(&content), b"").is(201, "the upload ends as if nothing had been").location();
        hosts.revive(turn);
        all_agree(&hosts, &pushed, |got| got.body == content, "every host serves it, the one that came back too");
    }
}

#[test]
fn many_hosts_know_of_a_chunk_whose_answer_was_lost_with_its_host() {
    for count in [2, 3] {
        let mut hosts = Hosts::start(count, REMEMBER_LONG);
        let content = bytes(10, 4 * PART);
        let mut location = hosts.front.begin("a");
        for (number, part) in content.chunks(PART).enumerate() {
            let turn = hosts.turn();
            hosts.front.patch(&location, part).is(202, "a chunk is appended, and the test forgets the answer");
            hosts.kill(turn);
            // Of the first chunk nothing is known but its old URL, so it is sent again.
            let status = hosts.front.get(&location).is(204, "another host knows the session by the URL before");
            let stands = if number == 0 { 0 } else { (number + 1) * PART - 1 };
            assert_eq!(status.need("range"), format!("0-{stands}"), "and that the chunk was stored");
            location = status.location();
            if number == 0 {
                location = hosts.front.patch(&location, part).is(202, "the first chunk is sent again").location();
            }
            hosts.revive(turn);
        }
        let pushed = hosts.front.finish(&location, &sha256(&content), b"").is(201, "the upload is finished").location();
        all_agree(&hosts, &pushed, |got| got.body == content, "no byte is missing or doubled");
    }
}

#[test]
fn many_hosts_go_on_when_a_client_vanished_from_one_of_them() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        let content = bytes(6, 4 * PART);
        let location = hosts.front.patch(&hosts.front.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
        let request = Request::new("PATCH", &location).body(&content[PART..]).encode();
        let connection = hosts.front.connect();
        connection.write(&request[..request.len() - PART]);
        drop(connection);
        let (location, received) = in_time("what came of a broken body is known everywhere", || {
            let answers: Vec<_> = hosts.each().map(|host| host.get(&location).is(204, "the session lives")).collect();
            let received = answers[0].need("range")[2..].parse::<usize>().expect("range counts bytes") + 1;
            let same = answers.iter().all(|answer| answer.need("range") == answers[0].need("range"));
            (received > PART && same).then(|| (answers[0].location(), received))
        });
        let pushed = hosts.front.finish(&location, &sha256(&content), &content[received..]).is(201, "any host finishes").location();
        all_agree(&hosts, &pushed, |got| got.body == content, "no byte is missing or doubled");
    }
}

#[test]
fn many_hosts_mount_what_another_one_stored() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        let content = bytes(7, PART);
        let digest = hosts.front.push_blob("a", &content);
        for number in 0..twice_around(&hosts) {
            let target = format!("/v2/b{number}/blobs/uploads/?mount={digest}&from=a");
            let mounted = hosts.front.post(target).is(201, "any host mounts it").location();
            hosts.front.get(&mounted).is(200, "the next one serves it there");
            all_agree(&hosts, &mounted, |got| got.body == content, "every host serves it there");
        }
    }
}

#[test]
fn many_hosts_follow_a_tag_at_once() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        for number in 0..u8::try_from(twice_around(&hosts)).expect("a few") {
            let manifest = hosts.front.push_image("a", "v1", &[number]);
            all_agree(&hosts, "/v2/a/manifests/v1", |got| got.body == manifest, "a tag that moved at one host has moved at all");
        }
        hosts.front.delete("/v2/a/manifests/v1").is(202, "any host deletes the tag");
        all_agree(
            &hosts,
            "/v2/a/manifests/v1",
            |got| got.status == 404,
            "a deleted tag is gone everywhere at once, whatever is remembered",
        );
        all_agree(&hosts, "/v2/a/tags/list", |got| got.json()["tags"] == json!([]), "and is listed nowhere");
    }
}

#[test]
fn many_hosts_that_remember_nothing_know_of_each_delete_at_once() {
    for hosts in hosts_of_each_count(REMEMBER_NOTHING) {
        for number in 0..u8::try_from(hosts.count()).expect("a few") {
            let (layer, tag) = ([number], format!("v{number}"));
            let manifest = hosts.front.push_image("a", &tag, &layer);
            let targets = [format!("/v2/a/manifests/{}", sha256(&manifest)), format!("/v2/a/blobs/{}", sha256(&layer))];
            for target in &targets {
                all_agree(&hosts, target, |got| got.status == 200, "every host has served it");
                hosts.front.delete(target).is(202, "any host deletes it");
                all_agree(&hosts, target, |got| got.status == 404, "and it is gone at all of them");
            }
            all_agree(&hosts, &format!("/v2/a/manifests/{tag}"), |got| got.status == 404, "the tag is gone with its manifest");
            let again = hosts.front.push_image("a", &tag, &layer);
            all_agree(&hosts, &format!("/v2/a/manifests/{tag}"), |got| got.body == again, "pushed again it is there again");
        }
    }
}

#[test]
fn many_hosts_serve_what_another_one_deleted_no_longer_than_they_remember() {
    let hosts = Hosts::start(3, "cache.ttl_secs = 1");
    let manifest = hosts.front.push_image("a", "v1", b"layer");
    for target in [format!("/v2/a/manifests/{}", sha256(&manifest)), format!("/v2/a/blobs/{}", sha256(b"layer"))] {
        all_agree(&hosts, &target, |got| got.status == 200, "every host has served it");
        hosts.front.delete(&target).is(202, "one host deletes it");
        in_time("the others know when their memory is too old (cache.ttl_secs)", || {
            hosts.each().all(|host| host.get(&target).status == 404).then_some(())
        });
    }
}

#[test]
fn many_hosts_refuse_a_manifest_whose_blob_another_one_deleted() {
    for hosts in hosts_of_each_count(REMEMBER_NOTHING) {
        let layer = sha256(b"layer");
        let manifest = hosts.front.push_image("a", "v1", b"layer");
        all_agree(&hosts, &format!("/v2/a/blobs/{layer}"), |got| got.status == 200, "every host has served it");
        hosts.front.delete(format!("/v2/a/blobs/{layer}")).is(202, "one host deletes it");
        for host in hosts.each() {
            host.head(format!("/v2/a/blobs/{layer}")).is(404, "no host says that it need not be pushed");
            let refused = host.put_manifest("a", "v2", OCI_MANIFEST, &manifest);
            refused.expect_error(400, "MANIFEST_BLOB_UNKNOWN", "nor takes a manifest without it");
        }
        hosts.front.push_image("a", "v2", b"layer");
        all_agree(&hosts, &format!("/v2/a/blobs/{layer}"), |got| got.body == b"layer", "pushed again it is there again");
    }
}

#[test]
fn many_hosts_refuse_an_index_whose_manifest_another_one_deleted() {
    for hosts in hosts_of_each_count(REMEMBER_NOTHING) {
        let manifest = hosts.front.push_image("a", "v1", b"layer");
        let index = crate::support::index(&[&manifest]).to_string().into_bytes();
        let target = format!("/v2/a/manifests/{}", sha256(&manifest));
        all_agree(&hosts, &target, |got| got.status == 200, "every host has served it");
        hosts.front.delete(&target).is(202, "one host deletes it");
        for host in hosts.each() {
            let refused = host.put_manifest("a", "all", crate::support::OCI_INDEX, &index);
            refused.expect_error(400, "MANIFEST_BLOB_UNKNOWN", "no host takes an index whose manifest is gone");
        }
    }
}

/// A tag that is pushed while its manifest is deleted is there with it, or gone with it.
#[test]
fn many_hosts_that_push_and_delete_one_manifest_at_once_leave_no_tag_without_it() {
    let hosts = Hosts::start(3, REMEMBER_NOTHING);
    let manifest = hosts.front.push_image("a", "v1", b"layer");
    let target = format!("/v2/a/manifests/{}", sha256(&manifest));
    for _ in 0..60 {
        std::thread::scope(|scope| {
            for (index, host) in hosts.each().enumerate() {
                let (target, manifest) = (&target, &manifest);
                scope.spawn(move || match index {
                    0 => drop(host.delete(target)),
                    _ => drop(host.put_manifest("a", &format!("v{index}"), OCI_MANIFEST, manifest).is(201, "its blobs are there")),
                });
            }
        });
        let (broken, _) = broken_links(&hosts.storage);
        assert_eq!(broken, Vec::<String>::new(), "whoever came first");
    }
}

#[test]
fn many_hosts_know_of_a_cancelled_upload() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        let content = bytes(8, PART);
        let location = hosts.front.patch(&hosts.front.begin("a"), &content).is(202, "a chunk is appended").location();
        hosts.front.delete(&location).is(204, "any host cancels it");
        for host in hosts.each() {
            let unknown = |answer: Answer, rule: &str| drop(answer.expect_error(404, "BLOB_UPLOAD_UNKNOWN", rule));
            unknown(host.get(&location), "no host tells where it stands");
            unknown(host.patch(&location, b"more"), "nor goes on with it");
            unknown(host.finish(&location, &sha256(&content), b""), "nor finishes it");
            unknown(host.delete(&location), "nor cancels it again");
        }
    }
}

/// There is nothing to end then: another host may still take the URL, which is as good as beginning anew.
#[test]
fn many_hosts_store_nothing_unchecked_through_an_upload_that_was_cancelled_before_its_first_byte() {
    for hosts in hosts_of_each_count(REMEMBER_LONG) {
        let location = hosts.front.begin("a");
        hosts.front.delete(&location).is(204, "any host cancels it");
        let wrong = sha256(b"something else");
        for host in hosts.each() {
            let answer = host.finish(&location, &wrong, b"content");
            assert!(answer.status == 404 || answer.status == 400, "unknown, or not what the digest says: {}", answer.status);
            let answer = host.finish(&location, &sha256(b"content"), b"content");
            assert!(answer.status == 404 || answer.status == 201, "unknown, or a blob like any other: {}", answer.status);
        }
        all_agree(&hosts, &format!("/v2/a/blobs/{wrong}"), |got| got.status == 404, "nothing lies under a digest that it does not have");
    }
}

const OLD_KEY: &str = "registry.upload_signing_keys = [{ env = \"UPLOAD_KEY_OLD\" }]";
const OLD_AND_NEW: &str = "registry.upload_signing_keys = [{ env = \"UPLOAD_KEY_OLD\" }, { env = \"UPLOAD_KEY_NEW\" }]";
const NEW_AND_OLD: &str = "registry.upload_signing_keys = [{ env = \"UPLOAD_KEY_NEW\" }, { env = \"UPLOAD_KEY_OLD\" }]";
const NEW_KEY: &str = "registry.upload_signing_keys = [{ env = \"UPLOAD_KEY_NEW\" }]";

fn with_keys(keys: &'static str) -> Start {
    let variables = [("UPLOAD_KEY_OLD", "the old key of the hosts"), ("UPLOAD_KEY_NEW", "the new key of the hosts")];
    Start { keys, variables: variables.map(|(name, key)| (name, key.to_owned())).into(), ..Start::default() }
}

#[test]
fn many_hosts_replace_their_signing_key_while_an_upload_goes_on() {
    let mut hosts = Hosts::start_with(3, with_keys(OLD_KEY));
    let content = bytes(9, 9 * PART);
    let abandoned = hosts.front.begin("a");
    let mut location = hosts.front.begin("a");
    let mut parts = content.chunks(PART);
    for keys in [OLD_AND_NEW, NEW_AND_OLD, NEW_KEY] {
        for index in 0..hosts.count() {
            hosts.restart(index, keys);
            let part = parts.next().expect("a chunk for each restart");
            location = hosts.front.patch(&location, part).is(202, "the upload goes on between any two restarts").location();
            for host in hosts.each() {
                host.get(&location).is(204, "every host opens what the last one sealed, whichever keys it has by now");
            }
        }
    }
    let pushed = hosts.front.finish(&location, &sha256(&content), b"").is(201, "nine restarts later it is finished").location();
    all_agree(&hosts, &pushed, |got| got.body == content, "no byte is missing or doubled");
    for host in hosts.each() {
        let refused = host.patch(&abandoned, b"late").expect_error(404, "BLOB_UPLOAD_INVALID", "a removed key opens nothing");
        let told = refused.message();
        assert!(told.contains("begin a new upload") && told.contains("share their signing key"), "and says what to do: {told}");
    }
}

/// Why there is a step between: what the first restarted host seals, the others must open.
#[test]
fn many_hosts_that_do_not_know_the_new_key_yet_refuse_what_it_sealed() {
    let mut hosts = Hosts::start_with(2, with_keys(OLD_KEY));
    hosts.restart(0, NEW_AND_OLD);
    let location = hosts.host(0).begin("a");
    hosts.host(1).patch(&location, b"chunk").expect_error(404, "BLOB_UPLOAD_INVALID", "the other host has the old key only");
    hosts.host(0).patch(&hosts.host(1).begin("a"), b"chunk").is(202, "the other way round it goes on");
}

#[test]
#[ignore = "builds the official suite: host/tests/many-hosts.sh"]
fn many_hosts_pass_the_official_conformance_suite() {
    // The suite also pushes manifests whose blobs it never pushed.
    let hosts = Hosts::start(3, "cache.ttl_secs = 0\nregistry.missing_references = \"accept\"");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci-conformance.sh");
    let report = hosts.storage.folder.path().join("report");
    let suite = std::process::Command::new(script).arg(hosts.front.address.to_string()).arg(report).status();
    assert!(suite.expect("the script can be run").success(), "each request of the suite goes to another host");
}
