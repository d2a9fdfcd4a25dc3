//! How many driver calls each request costs, counted by a layer below the real program, against the table that `longshore plan` prints.
//!
//! The exact counts are the table's; the limits are promises of their own.

use longshore::store::plan::{Operation, Push, push_limit};
use longshore_loader::api::{Capabilities, Capability};
use serde_json::{Value, json};

use crate::support::{Account, Answer, COUNTED, Counts, OCI_MANIFEST, Registry, Request, Start, bytes, descriptor, sha256};

const DRIVERS: [&str; 2] = ["memory", "filesystem"];
const COLD: &str = "cache.ttl_secs = 0\n";
const WARM: &str = "cache.ttl_secs = 3600\n";
/// Larger than what is written with one `put`.
const LARGE: usize = 300_000;

/// What the drivers here can do, as far as it makes a difference.
fn both() -> Capabilities {
    Capabilities::of(&[Capability::PutIfAbsent, Capability::DeletePrefix])
}

fn cold(operation: Operation) -> longshore::store::plan::Cost {
    operation.cold(both())
}

fn warm(operation: Operation) -> longshore::store::plan::Cost {
    operation.warm(both())
}

/// The calls for which a remote store has to be asked; `write` was taken out before.
fn round_trips(counts: &Counts) -> u64 {
    counts.iter().filter(|(kind, _)| !["upload_begin", "upload_resume", "presign"].contains(&kind.as_str())).map(|(_, count)| count).sum()
}

fn part(digest: &str, range: &str) -> Request {
    Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", range)
}

#[test]
fn counts_of_pulls_when_nothing_is_remembered() {
    for driver in DRIVERS {
        let mut account = Account::open(driver, COLD);
        let manifest = account.registry.push_image("a", "v1", b"layer");
        let (layer, digest) = (sha256(b"layer"), sha256(&manifest));
        let registry = &account.registry;
        let answers = [
            (Operation::BlobHead, registry.head(format!("/v2/a/blobs/{layer}")).is(200, "HEAD of a blob")),
            (Operation::BlobGet, registry.get(format!("/v2/a/blobs/{layer}")).is(200, "GET of a blob")),
            (Operation::BlobRange, registry.send(&part(&layer, "bytes=1-2")).is(206, "a part of a blob")),
            (Operation::BlobRange, registry.send(&part(&layer, "bytes=1-")).is(206, "the rest of a blob")),
            (Operation::BlobMissing, registry.head(format!("/v2/a/blobs/{}", sha256(b"no"))).is(404, "no such blob")),
            (Operation::ManifestByTag, registry.get("/v2/a/manifests/v1").is(200, "GET by tag")),
            (Operation::ManifestByTag, registry.head("/v2/a/manifests/v1").is(200, "HEAD by tag")),
            (Operation::ManifestByDigest, registry.get(format!("/v2/a/manifests/{digest}")).is(200, "GET by digest")),
        ];
        let last = registry.send(&part(&layer, "bytes=-2")).is(206, "the last bytes of a blob");
        for (operation, answer) in &answers {
            let limit = operation.limit().map_or(u64::MAX, |(cold, _)| cold);
            account.costs(format!("{}, cold, over {driver}", operation.name()), &cold(*operation), 1, [answer]);
            account.checks(format!("{}, cold", operation.name()), [answer], move |what, counts| {
                assert!(counts.values().sum::<u64>() <= limit, "{what}: {counts:?}");
            });
        }
        account.checks("the last bytes of a blob need its size first", [&last], |what, counts| {
            assert_eq!(*counts, Counts::from([("read".into(), 2), ("stat".into(), 1)]), "{what}");
        });
        account.close();
    }
}

#[test]
fn counts_of_pulls_when_all_is_remembered() {
    for driver in DRIVERS {
        let mut account = Account::open(driver, WARM);
        let manifest = account.registry.push_image("a", "v1", b"layer");
        let (layer, digest) = (sha256(b"layer"), sha256(&manifest));
        let registry = &account.registry;
        registry.get("/v2/a/manifests/v1").is(200, "it is asked for once");
        let answers = [
            (Operation::BlobHead, registry.head(format!("/v2/a/blobs/{layer}")).is(200, "HEAD of a blob")),
            (Operation::BlobGet, registry.get(format!("/v2/a/blobs/{layer}")).is(200, "GET of a blob")),
            (Operation::BlobRange, registry.send(&part(&layer, "bytes=1-2")).is(206, "a part of a blob")),
            (Operation::BlobRange, registry.send(&part(&layer, "bytes=-2")).is(206, "the last bytes of a blob")),
            (Operation::BlobMissing, registry.head(format!("/v2/a/blobs/{}", sha256(b"no"))).is(404, "no such blob")),
            (Operation::ManifestByTag, registry.get("/v2/a/manifests/v1").is(200, "GET by tag")),
            (Operation::ManifestByDigest, registry.get(format!("/v2/a/manifests/{digest}")).is(200, "GET by digest")),
        ];
        for (operation, answer) in &answers {
            let limit = operation.limit().map_or(u64::MAX, |(_, warm)| warm);
            account.costs(format!("{}, warm, over {driver}", operation.name()), &warm(*operation), 1, [answer]);
            account.checks(format!("{}, warm", operation.name()), [answer], move |what, counts| {
                assert!(counts.values().sum::<u64>() <= limit, "{what}: {counts:?}");
            });
        }
        account.close();
    }
}

/// Also shows that a layer hands on what needs a table of its own.
#[test]
fn counts_of_redirects() {
    for (keys, cost) in [(COLD, cold as fn(Operation) -> _), (WARM, warm)] {
        let settings = [("URL", "http://elsewhere.test"), ("SIGNATURE", "5ecret")];
        let variables =
            settings.map(|(key, value)| (["LONGSHORE_STORAGE__MAIN__SETTINGS__", key].concat().leak() as &str, value.to_owned()));
        let tables = format!("{COUNTED}[storage.main.redirect]\nmin_bytes = 0\n").leak();
        let start = Start { driver: "specimen-presigns", keys, tables, variables: variables.to_vec(), ..Start::default() };
        let mut account = Account::start(start);
        let digest = account.registry.push_blob("a", b"layer");
        let sent = account.registry.get(format!("/v2/a/blobs/{digest}")).is(307, "the client is sent elsewhere");
        account.costs(format!("a redirect, {keys}"), &cost(Operation::BlobRedirect), 1, [&sent]);
        account.close();
    }
}

/// Lets many tags mean one manifest.
fn tag_all(registry: &Registry, manifest: &[u8], tags: &[String]) {
    for some in tags.chunks(100) {
        let tags: Vec<String> = some.iter().map(|tag| format!("tag={tag}")).collect();
        let reference = format!("{}?{}", sha256(manifest), tags.join("&"));
        registry.put_manifest("a", &reference, OCI_MANIFEST, manifest).is(201, "a manifest is pushed with tags");
    }
}

#[test]
fn counts_of_pages_follow_the_page_and_not_the_list() {
    for driver in DRIVERS {
        let mut account = Account::open(driver, COLD);
        let manifest = account.registry.push_image("a", "t0000", b"layer");
        for upto in [10, 1500] {
            let tags: Vec<String> = (0..upto).map(|number| format!("t{number:04}")).collect();
            tag_all(&account.registry, &manifest, &tags);
            for target in ["/v2/a/tags/list?n=3", "/v2/a/tags/list?n=3&last=t0004"] {
                let page = account.registry.get(target).is(200, "a page of tags");
                assert_eq!(page.json()["tags"].as_array().map(Vec::len), Some(3), "{target}");
                account.costs(format!("3 of {upto} tags over {driver}"), &cold(Operation::TagsPage), 3, [&page]);
            }
        }
        let page = account.registry.get("/v2/a/tags/list").is(200, "a full page");
        assert_eq!(page.json()["tags"].as_array().map(Vec::len), Some(1000), "registry.tags_page_max");
        account.costs("1000 of 1500 tags", &cold(Operation::TagsPage), 1000, [&page]);
        account.close();
    }
}

/// Tags that extend one another are where a driver's order is not the client's.
#[test]
fn counts_of_pages_of_versions_follow_the_page_too() {
    let mut account = Account::open("memory", COLD);
    let manifest = account.registry.push_image("a", "v1", b"layer");
    let versions =
        (0..40).flat_map(|minor| (0..10).flat_map(move |patch| [format!("v1.{minor}.{patch}"), format!("v1.{minor}.{patch}-rc.1")]));
    let mut tags: Vec<String> = versions.collect();
    tag_all(&account.registry, &manifest, &tags);
    tags.push("v1".to_owned());
    tags.sort_unstable();
    let whole = account.registry.get("/v2/a/tags/list").is(200, "all of them");
    assert_eq!(whole.json()["tags"], json!(tags), "in the order of bytes");
    account.costs("all names are in one listing, which tells of each stem whether it is there", &cold(Operation::TagsPage), 801, [&whole]);
    let (mut target, mut pages) = ("/v2/a/tags/list?n=5".to_owned(), 0);
    let mut told: Vec<Value> = Vec::new();
    loop {
        let page = account.registry.get(&target).is(200, "a page");
        told.extend(page.json()["tags"].as_array().expect("a list").iter().cloned());
        pages += 1;
        // `v1.0.0-rc.1` has four stems.
        account.checks(format!("5 of {} tags: {target}", tags.len()), [&page], |what, counts| {
            assert!(counts.len() == 1 && (1..=2 + 4).contains(&counts["list"]), "{what}: {counts:?}");
        });
        match page.next_page() {
            Some(next) => target = next,
            None => break,
        }
    }
    assert_eq!((json!(told), pages), (json!(tags), 161), "the pages are the list");
    account.close();
}

#[test]
fn counts_of_other_pages_follow_the_page() {
    for driver in DRIVERS {
        let mut account = Account::open(driver, COLD);
        let subject = account.registry.push_image("a", "v1", b"layer");
        for upto in [10, 150] {
            for number in 0..upto {
                let mut referrer = crate::support::image(b"{}", b"layer");
                referrer["subject"] = descriptor(OCI_MANIFEST, &subject);
                referrer["annotations"] = json!({ "number": number.to_string() });
                let referrer = referrer.to_string().into_bytes();
                account.registry.put_manifest("a", &sha256(&referrer), OCI_MANIFEST, &referrer).is(201, "a referrer is pushed");
                account.registry.push_image(&format!("r{number:03}"), "v1", b"layer");
            }
            let page = account.registry.get(format!("/v2/a/referrers/{}?n=3", sha256(&subject))).is(200, "a page of referrers");
            assert_eq!(page.json()["manifests"].as_array().map(Vec::len), Some(3), "it is a page");
            account.costs(format!("3 of {upto} referrers over {driver}"), &cold(Operation::ReferrersPage), 3, [&page]);
            let page = account.registry.get("/v2/_catalog?n=3&last=r004").is(200, "a page of repositories");
            account.costs(format!("3 of {upto} repositories over {driver}"), &cold(Operation::CatalogPage), 3, [&page]);
        }
        account.close();
    }
}

#[test]
fn counts_of_uploads() {
    for driver in DRIVERS {
        let mut account = Account::open(driver, COLD);
        let registry = &account.registry;
        let (large, small) = (bytes(1, LARGE), bytes(2, 1000));
        let begun = registry.post("/v2/a/blobs/uploads/").is(202, "POST");
        let patched = registry.patch(&begun.location(), &large).is(202, "PATCH");
        let status = registry.get(patched.location()).is(204, "GET");
        let finished = registry.finish(&patched.location(), &sha256(&large), b"").is(201, "PUT");
        let cancelled = registry.patch(&registry.begin("a"), &small).is(202, "PATCH");
        let gone = registry.delete(cancelled.location()).is(204, "DELETE");
        let whole = |content: &[u8], target: String, method: &str| {
            registry.send(&Request::new(method, target).body(content)).is(201, "a whole blob")
        };
        let post = |content: &[u8]| whole(content, format!("/v2/a/blobs/uploads/?digest={}", sha256(content)), "POST");
        let put = |content: &[u8]| whole(content, format!("{}&digest={}", registry.begin("a"), sha256(content)), "PUT");
        let answers = vec![
            (Operation::UploadPost, begun),
            (Operation::UploadPatch, patched),
            (Operation::UploadStatus, status),
            (Operation::UploadPut, finished),
            (Operation::UploadPatch, cancelled),
            (Operation::UploadCancel, gone),
            (Operation::PushSmall, post(&bytes(3, 1000))),
            (Operation::PushSmall, put(&bytes(4, 1000))),
            (Operation::PushLarge, post(&bytes(5, LARGE))),
            (Operation::PushLarge, put(&bytes(6, LARGE))),
            (Operation::Mount, registry.post(format!("/v2/b/blobs/uploads/?mount={}&from=a", sha256(&large))).is(201, "a mount")),
        ];
        for (operation, answer) in &answers {
            account.costs(format!("{} over {driver}", operation.name()), &cold(*operation), 1, [answer]);
        }
        account.close();
    }
}

#[test]
fn counts_of_a_mount_from_what_is_remembered() {
    let mut account = Account::open("memory", WARM);
    let digest = account.registry.push_blob("a", b"layer");
    let mounted = account.registry.post(format!("/v2/b/blobs/uploads/?mount={digest}&from=a")).is(201, "a mount");
    account.costs("a mount, warm", &warm(Operation::Mount), 1, [&mounted]);
    account.close();
}

#[test]
fn counts_of_the_key_that_seals_uploads() {
    let start = Start { driver: "filesystem", tables: COUNTED, ..Start::default() };
    let mut account = Account::start(start.clone());
    let (first, second) = (account.registry.post("/v2/a/blobs/uploads/"), account.registry.post("/v2/a/blobs/uploads/"));
    account.checks("a store without a key gets one", [&first], |what, counts| {
        assert_eq!(*counts, Counts::from([("put".into(), 1), ("read".into(), 1)]), "{what}");
    });
    account.costs("then it is known", &cold(Operation::UploadPost), 1, [&second]);
    let mut other = Account::start(Start { folder: Some(account.registry.folder.clone()), ..start });
    let first = other.registry.post("/v2/a/blobs/uploads/");
    other.costs("the next host reads it", &cold(Operation::UploadKey), 1, [&first]);
    account.close();
    other.close();
}

#[test]
fn counts_of_deletes() {
    for driver in DRIVERS {
        for (keys, cost) in [(COLD, cold as fn(Operation) -> _), (WARM, warm)] {
            let mut account = Account::open(driver, keys);
            let manifest = account.registry.push_image("a", "v1", b"layer");
            let other = account.registry.push_image("a", "v2", b"another layer");
            let registry = &account.registry;
            registry.get("/v2/a/manifests/v1").is(200, "it is asked for once");
            let answers = [
                (Operation::TagDelete, registry.delete("/v2/a/manifests/v1").is(202, "a tag is deleted"), 1),
                (Operation::ManifestDelete, registry.delete(format!("/v2/a/manifests/{}", sha256(&manifest))).is(202, "a manifest"), 1),
                (Operation::BlobDelete, registry.delete(format!("/v2/a/blobs/{}", sha256(b"layer"))).is(202, "a blob"), 1),
            ];
            for (operation, answer, n) in &answers {
                account.costs(format!("{} over {driver}, {keys}", operation.name()), &cost(*operation), *n, [answer]);
            }
            account.registry.get(format!("/v2/a/manifests/{}", sha256(&other))).is(200, "the other one stays");
            account.close();
        }
    }
}

/// An image of `layers` layers of `length` bytes, all new.
fn contents(seed: u64, layers: u64, length: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let blobs: Vec<Vec<u8>> = (0..=layers).map(|number| bytes(seed * 1000 + number, if number == 0 { 2000 } else { length })).collect();
    let layer = |content: &Vec<u8>| descriptor("application/vnd.oci.image.layer.v1.tar", content);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &blobs[0]),
        "layers": blobs[1..].iter().map(layer).collect::<Vec<_>>(),
    });
    (blobs, manifest.to_string().into_bytes())
}

/// Pushes it as clients do; every answer.
fn push(registry: &Registry, way: Push, tag: &str, blobs: &[Vec<u8>], manifest: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for blob in blobs {
        let digest = sha256(blob);
        answers.push(registry.head(format!("/v2/a/blobs/{digest}")).is(404, "a new blob is not there"));
        let begun = registry.post("/v2/a/blobs/uploads/").is(202, "POST");
        let (location, tail): (String, &[u8]) = match way {
            Push::Stream => {
                let patch = Request::new("PATCH", begun.location()).chunked(blob.chunks(100_000));
                let patched = registry.send(&patch).is(202, "PATCH");
                let location = patched.location();
                answers.push(patched);
                (location, b"")
            }
            Push::Whole => (begun.location(), blob),
        };
        answers.push(begun);
        answers.push(registry.finish(&location, &digest, tail).is(201, "PUT"));
    }
    answers.push(registry.put_manifest("a", tag, OCI_MANIFEST, manifest).is(201, "the manifest"));
    answers
}

#[test]
fn counts_of_pushes_keep_their_limit() {
    for driver in DRIVERS {
        let mut account = Account::open(driver, WARM);
        let mut seed = 0;
        for way in Push::ALL {
            for (layers, length) in [(0, LARGE), (1, LARGE), (3, LARGE), (12, LARGE), (1, 1000), (12, 1000)] {
                seed += 1;
                let (blobs, manifest) = contents(seed, layers, length);
                let answers = push(&account.registry, way, &format!("t{seed}"), &blobs, &manifest);
                let what = format!("{}, n = {layers}, {length} bytes each, over {driver}", way.name());
                let exact = way.cost(both()).round_trips(layers);
                account.checks(what, &answers, move |what, counts| {
                    let counted = round_trips(counts);
                    assert!(counted <= push_limit(layers), "{what}: {counted} is more than {}: {counts:?}", push_limit(layers));
                    assert_eq!(counted, exact, "{what}: {counts:?}");
                });
                // The config is small, and what is small and whole is one `put`.
                if way == Push::Stream {
                    account.costs(format!("all calls, n = {layers}"), &way.cost(both()), layers, &answers);
                }
            }
        }
        account.close();
    }
}

/// Links that were forgotten, or that another host made, are looked for.
#[test]
fn counts_of_a_manifest_whose_links_are_not_remembered() {
    let mut account = Account::open("memory", COLD);
    let (blobs, manifest) = contents(1, 3, 1000);
    let answers = push(&account.registry, Push::Whole, "v1", &blobs, &manifest);
    account.costs("a manifest, cold", &cold(Operation::ManifestPut), 4, answers.last());
    let (blobs, manifest) = contents(2, 3, 1000);
    let answers = push(&account.registry, Push::Whole, "v1", &blobs, &manifest);
    account.checks("a push, cold", &answers, |what, counts| assert!(round_trips(counts) <= push_limit(3) + 4, "{what}: {counts:?}"));
    account.close();
}
