//! `longshore driver reload`: another driver under requests.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use super::{PART, waits};
use crate::support::{Client, Exchanged, OCI_MANIFEST, Request, Start, bytes, image, in_time, sha256};

/// Driver contract, section 9: "Two generations of a driver […] may have one store open at once: each sees what the other wrote, and goes on
/// with uploads that the other suspended."
#[test]
fn driver_that_is_exchanged_20_times_under_load_fails_no_request() {
    let mut it = Exchanged::start("drivers.generations_max = 21");
    let manifest = it.registry.push_image("pulled", "v1", &bytes(1, PART));
    let (done, pulls, pushes) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let client = *it.registry;
    thread::scope(|scope| {
        let (done, pulls, pushes, manifest) = (&done, &pulls, &pushes, &manifest);
        for number in 0..2u64 {
            scope.spawn(move || {
                let mut connection = client.connect();
                while !done.load(Ordering::Relaxed) {
                    let got = connection.send(&Request::new("GET", "/v2/pulled/manifests/v1")).is(200, "a pull goes on");
                    assert_eq!(&got.body, manifest);
                    let blob = format!("/v2/pulled/blobs/{}", sha256(&bytes(1, PART)));
                    let got = connection.send(&Request::new("GET", blob)).is(200, "a pull goes on");
                    assert!(got.body == bytes(1, PART), "every byte of it");
                    pulls.fetch_add(1, Ordering::Relaxed);
                }
            });
            scope.spawn(move || {
                let mut round = 100 * (number + 1);
                while !done.load(Ordering::Relaxed) {
                    round += 1;
                    push_in_chunks(&client, &format!("pushed{number}"), &bytes(round, PART));
                    pushes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let exchanged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..20 {
                let before = (pulls.load(Ordering::Relaxed), pushes.load(Ordering::Relaxed));
                it.renew();
                let answer = it.ask(&["driver", "reload", "main", "--json"]).ends(0, "the driver is exchanged").json();
                assert_eq!(answer["warnings"], json!([]), "nothing is cut off in round {round}");
                assert_ne!(answer["storages"][0]["from"], answer["storages"][0]["to"], "it is another file");
                in_time("pulls and pushes go on", || {
                    (pulls.load(Ordering::Relaxed) > before.0 && pushes.load(Ordering::Relaxed) > before.1).then_some(())
                });
            }
        }));
        done.store(true, Ordering::Relaxed);
        exchanged.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let ended = it.registry.stop();
    assert_eq!(ended.code, Some(0));
    let failed: Vec<&Value> = ended.log.iter().filter(|line| line["level"] == "ERROR" || line["level"] == "WARN").collect();
    assert_eq!(failed, Vec::<&Value>::new(), "nothing went wrong");
}

fn push_in_chunks(client: &Client, name: &str, layer: &[u8]) {
    let (first, second) = layer.split_at(layer.len() / 2);
    let location = client.patch(&client.begin(name), first).is(202, "a chunk is appended").location();
    client.finish(&location, &sha256(layer), second).is(201, "the blob is whole");
    client.push_blob(name, b"{}");
    let manifest = image(b"{}", layer).to_string();
    client.put_manifest(name, "v1", OCI_MANIFEST, manifest.as_bytes()).is(201, "its image is pushed");
}

#[test]
fn upload_that_began_before_an_exchange_ends_after_it() {
    let mut it = Exchanged::start("");
    let content = bytes(2, 3 * PART);
    let location = it.registry.patch(&it.registry.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
    it.renew();
    it.ask(&["driver", "reload", "filesystem"]).ends(0, "by the driver's name, too");
    let location = it.registry.patch(&location, &content[PART..2 * PART]).is(202, "the session goes on").location();
    it.renew();
    it.registry.hang_up();
    it.registry.logged("a SIGHUP finds the other file", |line| line["message"] == "exchanged" && line["storage"] == "main");
    it.registry.finish(&location, &sha256(&content), &content[2 * PART..]).is(201, "to its end");
}

#[test]
fn request_under_way_ends_with_the_driver_that_it_began_with() {
    let mut it = Exchanged::start("");
    let content = bytes(3, 4 * PART);
    let whole = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&content))).body(content.clone()).encode();
    let mut connection = it.registry.connect();
    connection.write(&whole[..2 * PART]);
    in_time("the upload has begun", || it.registry.files().iter().any(|file| !file.ends_with("upload-key")).then_some(()));
    it.renew();
    let mut reload = it.command(&["driver", "reload", "main", "--json"]).stdout(Stdio::piped()).spawn().expect("it starts");
    waits(&it.registry);
    let busy = it.ask(&["driver", "reload", "main"]).ends(8, "one at a time").text();
    assert!(busy.contains("a reload is under way"), "{busy}");
    it.registry.push_image("b", "v1", b"layer");
    assert!(reload.try_wait().expect("it is ours").is_none(), "the answer waits for the upload");
    connection.write(&whole[2 * PART..]);
    connection.read(false).is(201, "a push that has begun may end");
    let answer: Value = serde_json::from_reader(reload.stdout.take().expect("a pipe")).expect("it is JSON");
    assert!(reload.wait().expect("it is ours").success());
    assert_eq!(answer["warnings"], json!([]), "nothing was cut off: {answer}");
}

#[test]
fn request_that_takes_too_long_is_cut_off_and_said() {
    let mut it = Exchanged::start("drivers.drain_secs = 0");
    let content = bytes(4, 4 * PART);
    let whole = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&content))).body(content.clone()).encode();
    let mut connection = it.registry.connect();
    connection.write(&whole[..2 * PART]);
    in_time("the upload has begun", || it.registry.files().iter().any(|file| !file.ends_with("upload-key")).then_some(()));
    it.renew();
    let said = it.ask(&["driver", "reload", "main"]).ends(0, "the driver is exchanged all the same").text();
    assert!(said.contains("warning: storage \"main\"") && said.contains("drivers.drain_secs") && said.contains("1 uploads"), "{said}");
    connection.write(&whole[2 * PART..]);
    assert_ne!(connection.read(false).status, 201, "the push was cut off");
    it.registry.push_blob("a", &content);
}

#[test]
fn failure_before_the_exchange_leaves_the_old_driver_serving_and_says_why() {
    let it = Exchanged::start("");
    let manifest = it.registry.push_image("a", "v1", b"layer");
    let built = it.built().to_vec();
    let broken = |bytes: &[u8], code: i32, why: &str| {
        it.install(bytes);
        let said = it.ask(&["driver", "reload", "main"]).ends(code, why).text();
        assert!(said.contains(why), "{why} is in {said}");
        assert_eq!(it.registry.get("/v2/a/manifests/v1").is(200, "the old driver serves").body, manifest);
    };
    // Inspection.
    broken(b"", 3, "[file-empty]");
    broken(b"#!/bin/sh\n", 3, "[file-not-elf]");
    broken(&built[..built.len() / 8], 3, "[file-truncated]");
    // Verification.
    let note = |from: &str, to: &str| {
        let mut bytes = built.clone();
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("the note has it");
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    broken(&note("\"contract\":1", "\"contract\":9"), 3, "[contract-version]");
    // The loaded library is not what its note says.
    let mut described = note("\"licence\":\"Apache-2.0\"", "\"licence\":\"Apache-2.1\"");
    described.extend_from_slice(b"described");
    broken(&described, 4, "describes itself otherwise");
    // And then it works.
    it.install(&[built.as_slice(), b"good"].concat());
    it.ask(&["driver", "reload", "main"]).ends(0, "a good file is taken");
    it.registry.push_image("a", "v2", b"another layer");
}

#[test]
fn driver_of_which_there_are_enough_versions_is_not_exchanged() {
    let mut it = Exchanged::start("drivers.generations_max = 2");
    it.renew();
    it.ask(&["driver", "reload", "main"]).ends(0, "a second version");
    it.ask(&["driver", "reload", "main"]).ends(0, "the same version takes no place");
    it.renew();
    let said = it.ask(&["driver", "reload", "main"]).ends(4, "a third version").text();
    assert!(said.contains("[load-generations]") || said.contains("drivers.generations_max"), "{said}");
    assert!(said.contains("restart the registry") && said.contains("isolation = \"process\""), "it says what to do: {said}");
    it.registry.push_image("a", "v1", b"layer");
    it.install(it.built());
    it.ask(&["driver", "reload", "main"]).ends(0, "back to the first version");
}

#[test]
fn driver_whose_file_is_overwritten_in_its_place_goes_on() {
    let it = Exchanged::start("");
    it.registry.push_image("a", "v1", b"layer");
    std::fs::write(it.file(), vec![0; it.built().len()]).expect("the folder is ours");
    it.registry.push_image("a", "v2", b"another layer");
    it.ask(&["driver", "reload", "main"]).ends(3, "and is not taken for a driver");
    it.registry.get("/v2/a/manifests/v1").is(200, "the old driver serves");
}

#[test]
fn driver_that_keeps_its_bytes_in_the_process_is_not_exchanged() {
    let it = Exchanged::start_with(Start { storage: Some("driver = \"memory\"".to_owned()), ..Start::default() });
    it.registry.push_image("a", "v1", b"layer");
    let said = it.ask(&["driver", "reload", "memory"]).ends(3, "it would begin empty").text();
    assert!(said.contains("would begin empty") && said.contains("restart"), "{said}");
    it.registry.get("/v2/a/manifests/v1").is(200, "nothing is lost");
}

#[test]
fn name_that_nothing_has_is_told_what_there_is() {
    let it = Exchanged::start("");
    let said = it.ask(&["driver", "reload", "mian"]).ends(2, "no such storage").text();
    assert!(said.contains("\"mian\"") && said.contains("main (filesystem "), "{said}");
}
