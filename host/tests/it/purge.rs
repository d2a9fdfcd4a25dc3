//! Uploads that nobody goes on with.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, SystemTime};

use crate::observe::admin;
use crate::support::{Registry, Start, bytes, in_time, sha256};

const CHUNK: usize = 300_000;
const EVERY_SECOND: &str = "registry.upload_purge_secs = 1\nregistry.upload_max_secs = 3600";

/// An upload with a chunk, and the files that it added to the store.
fn begun(registry: &Registry, salt: u64) -> (String, Vec<String>) {
    let before: BTreeSet<_> = registry.files().into_iter().collect();
    let location = registry.patch(&registry.begin("a"), &bytes(salt, CHUNK)).is(202, "a chunk is appended").location();
    (location, registry.files().into_iter().filter(|file| !before.contains(file)).collect())
}

#[test]
fn upload_that_nobody_goes_on_with_is_removed_and_a_young_one_is_not() {
    let registry = Registry::start("filesystem", EVERY_SECOND);
    // The store's own key is made by the first of them.
    begun(&registry, 1);
    let (_, old) = begun(&registry, 2);
    let (young, _) = begun(&registry, 3);
    assert!(!old.is_empty(), "an upload has a file");
    let two_hours_ago = SystemTime::now() - Duration::from_secs(7200);
    for file in &old {
        let file = File::options().write(true).open(registry.data().join(file)).expect("it is there");
        file.set_modified(two_hours_ago).expect("its time can be set");
    }
    let line = registry.logged("the operator is told", |line| line["message"] == "abandoned uploads purged");
    assert_eq!((&line["storage"], &line["removed"], &line["kept"]), (&"main".into(), &1.into(), &0.into()), "{line}");
    let left = registry.files();
    assert!(old.iter().all(|file| !left.contains(file)), "what it left is gone: {left:?}");
    let pushed = registry.finish(&young, &sha256(&bytes(3, CHUNK)), b"").is(201, "a young upload goes on");
    assert_eq!(registry.get(pushed.location()).body, bytes(3, CHUNK), "with all its bytes");
}

#[test]
fn store_that_can_only_be_read_is_no_reason_to_warn_each_hour() {
    let (settings, keys) =
        ("at = \"upload_list\"\nerror = \"read_only\"", "registry.upload_purge_secs = 1\nserver.admin = \"127.0.0.1:0\"");
    let registry = Registry::start_with(Start { driver: "specimen-stalls", settings, keys, ..Start::default() });
    let refused = "call=\"upload_list\",outcome=\"read_only\"} ";
    // What is said of the first is said before the second begins.
    in_time("the driver has refused twice", || {
        let page = admin(&registry).get("/metrics").text();
        let count = page.lines().find_map(|line| line.split_once(refused)?.1.parse::<u64>().ok());
        count.filter(|count| *count >= 2)
    });
    let ended = registry.stop();
    assert!(ended.log.iter().all(|line| line["level"] != "WARN"), "{:?}", ended.log);
}
