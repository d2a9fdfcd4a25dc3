//! Objects: bytes, ranges, facts, overwriting, deleting, copying, and what an instance answers of itself.

use super::*;

/// Semantics: "An object is a byte string of 0 to at least 5 TiB under one key."
#[test]
fn objects_of_all_small_sizes_come_back_as_they_were() {
    let store = Store::with("process");
    for size in [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1 << 20] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let put = store.put("a/b", bytes.clone()).expect("put");
        assert_eq!(put, store.stat("a/b").expect("stat"), "put answers what stat will");
        assert_eq!(put.size, size as u64);
        assert_eq!(store.get("a/b").expect("get"), bytes, "{size} bytes");
    }
}

/// Layout: a key is the file of that path below the root.
#[test]
fn a_key_is_the_file_of_that_path() {
    let store = Store::new();
    let name = "docker/registry/v2/blobs/sha256/ab/abcd/data";
    store.put(name, "bytes").expect("put");
    assert_eq!(std::fs::read(store.path(name)).expect("the file"), b"bytes");
    std::fs::write(store.path("docker/registry/v2/blobs/sha256/ab/abcd/other"), "theirs").expect("a file");
    assert_eq!(store.get("docker/registry/v2/blobs/sha256/ab/abcd/other").expect("get"), b"theirs");
}

/// Semantics: "offset = size gives an empty stream; offset > size is invalid_range", and the rest of that row.
#[test]
fn ranges_are_cut_at_the_end_and_refused_beyond() {
    let store = Store::with("process");
    let mut random = Random::new("ranges");
    for size in [0_usize, 10, 70_000, 200_000] {
        let bytes = random.bytes(size);
        store.put("a", bytes.clone()).expect("put");
        for _ in 0..50 {
            let (offset, length) = (random.below(size + 1), random.below(size + 10));
            let range = ByteRange::new(offset as u64, length as u64);
            let read = block_on(store.driver.read(&CALL, key("a"), range)).expect("read");
            assert_eq!(read.info.size, size as u64, "the info tells the full size");
            assert_eq!(store.range("a", range).expect("range"), bytes[offset..(offset + length).min(size)]);
        }
        assert_eq!(store.range("a", ByteRange::from(size as u64)).expect("at the end"), b"");
        assert_eq!(class(store.range("a", ByteRange::from(size as u64 + 1))), ErrorClass::InvalidRange);
        assert_eq!(class(store.range("a", ByteRange::new(1, u64::MAX))), ErrorClass::InvalidRange);
    }
    assert_eq!(class(store.range("b", ByteRange::from(99))), ErrorClass::NotFound, "a missing key is not_found whatever the range");
}

/// Semantics: "A reader that began before an overwrite or a delete delivers the old bytes to the end."
#[test]
fn a_reader_keeps_the_bytes_it_began_with() {
    let store = Store::new();
    let old = vec![b'o'; 300_000];
    for end in ["overwrite", "delete", "delete_prefix"] {
        store.put("a/b", old.clone()).expect("put");
        let read = block_on(store.driver.read(&CALL, key("a/b"), ByteRange::ALL)).expect("read");
        match end {
            "overwrite" => drop(store.put("a/b", vec![b'n'; 400_000]).expect("put")),
            "delete" => store.delete("a/b").expect("delete"),
            _ => store.delete_prefix("a").expect("delete_prefix"),
        }
        assert_eq!(block_on(convenience::collect(read, old.len() as u64)).expect("collect"), old, "{end}");
    }
}

/// Semantics: "version, where given, changes whenever the content is replaced".
#[test]
fn the_version_changes_with_each_content() {
    let store = Store::with("process");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let info = store.put("a", "same").expect("put");
        let version = info.version.expect("the driver gives versions");
        assert!(version.len() <= 128);
        assert!(seen.insert(version), "a version came twice");
    }
}

/// Semantics: "`a` as an object and `a/b` as an object at the same time … `conflict` for the second, always the same way".
#[test]
fn a_key_below_or_above_another_is_a_conflict() {
    let store = Store::new();
    store.put("a", "1").expect("put");
    store.put("d/e/f", "1").expect("put");
    for (name, condition) in [("a/b", "above"), ("a/b/c", "above"), ("d", "below"), ("d/e", "below")] {
        assert_eq!(class(store.put(name, "2")), ErrorClass::Conflict, "{name}: {condition}");
        assert_eq!(class(store.put_if_absent(name, "2")), ErrorClass::Conflict, "{name}: {condition}");
        let mut upload = store.begin();
        write(&mut upload, "2");
        assert_eq!(class(commit(&mut upload, name)), ErrorClass::Conflict, "{name}: {condition}");
        assert_eq!(class(block_on(store.driver.copy(&CALL, key("a"), key(name)))), ErrorClass::Conflict, "{name}: {condition}");
        assert_eq!(class(store.stat(name)), ErrorClass::NotFound);
        assert_eq!(class(store.get(name)), ErrorClass::NotFound);
        assert_eq!(class(store.delete(name)), ErrorClass::NotFound);
    }
    assert_eq!(store.objects("").expect("list"), ["a", "d/e/f"], "neither was lost");
    assert_eq!(store.private("temporary"), [""; 0], "nothing is left of the refused writes");
}

/// Storage layout 4.8: "Empty directories remain" where distribution removed objects.
#[test]
fn empty_folders_left_by_others_are_in_nobodys_way() {
    let store = Store::new();
    std::fs::create_dir_all(store.path("a/b/c")).expect("folders");
    std::fs::create_dir_all(store.path("a/d")).expect("folders");
    assert_eq!(class(store.stat("a")), ErrorClass::NotFound);
    assert_eq!(class(store.put_if_absent("x/y", "1").and_then(|_| store.put_if_absent("x", "2"))), ErrorClass::Conflict);
    store.put_if_absent("a", "1").expect("only empty folders were there");
    assert_eq!(store.get("a").expect("get"), b"1");
}

/// Semantics: `delete` answers `not_found` if absent, every time.
#[test]
fn delete_removes_one_key_and_the_folders_it_leaves_empty() {
    let store = Store::new();
    store.put("a/b/c", "1").expect("put");
    store.put("a/d", "2").expect("put");
    store.delete("a/b/c").expect("delete");
    for _ in 0..2 {
        assert_eq!(class(store.delete("a/b/c")), ErrorClass::NotFound);
    }
    assert!(!store.path("a/b").exists(), "the emptied folder goes");
    assert_eq!(store.get("a/d").expect("the other stays"), b"2");
    store.delete("a/d").expect("delete");
    assert!(!store.path("a").exists() && store.folder.path().exists(), "but never the root");
    assert_eq!(store.children("").expect("the root is always listable"), [""; 0]);
}

/// Semantics: "removes all keys below, and only those".
#[test]
fn delete_prefix_removes_what_is_below_and_nothing_else() {
    let store = Store::with("process");
    for name in ["a/b/c", "a/b/d/e/f", "a/b/d/e/g", "a/bc", "a-b", "ab/c"] {
        store.put(name, "1").expect("put");
    }
    (0..3000).for_each(|number| drop(store.put(&format!("a/b/many/{}/{number}", number % 7), "1").expect("put")));
    store.delete_prefix("a/b").expect("delete_prefix");
    assert_eq!(store.objects("").expect("list"), ["a-b", "a/bc", "ab/c"]);
    assert_eq!(class(store.delete_prefix("a/b")), ErrorClass::NotFound, "it can be repeated");
    assert_eq!(class(store.delete_prefix("a-b")), ErrorClass::NotFound, "an object is no prefix");
    assert_eq!(store.private("temporary"), [""; 0], "the space is given back");
    store.put("a/b/c", "2").expect("a put after the removal works at once");
    assert_eq!(store.get("a/b/c").expect("get"), b"2");
}

/// Capability `copy`: "server-side, atomic at the destination".
#[test]
fn copies_are_objects_of_their_own() {
    let store = Store::new();
    let mut random = Random::new("copies");
    for size in [0, 1, 100_000, 3 << 20] {
        let bytes = random.bytes(size);
        store.put("from", bytes.clone()).expect("put");
        let info = block_on(store.driver.copy(&CALL, key("from"), key("to/there"))).expect("copy");
        assert_eq!(info, store.stat("to/there").expect("stat"));
        block_on(store.driver.copy(&CALL, key("from"), key("from"))).expect("a copy to itself loses nothing");
        assert_eq!((store.get("from").expect("get"), store.get("to/there").expect("get")), (bytes.clone(), bytes));
    }
    assert_eq!(class(block_on(store.driver.copy(&CALL, key("absent"), key("to/there")))), ErrorClass::NotFound);
    assert_eq!(store.stat("to/there").expect("untouched").size, 3 << 20);
}

/// Semantics: "every fault is reported at once"; `missing` if the root is not there.
#[test]
fn open_makes_the_last_component_of_the_root_only() {
    let folder = TempDir::new().expect("a folder");
    drop(open(&folder.path().join("new"), "disk").expect("the last component is made"));
    assert!(folder.path().join("new").is_dir());
    let answer = open(&folder.path().join("not/there"), "disk").map(drop);
    assert!(answer.as_ref().is_err_and(|error| error.message().contains("not\" is not there; make that folder")), "{answer:?}");
    assert_eq!(class(answer), ErrorClass::Missing);
    std::fs::write(folder.path().join("file"), "").expect("a file");
    assert_eq!(class(open(&folder.path().join("file"), "disk")), ErrorClass::Config);
}

/// Errors: `missing`, the container itself is not there.
#[test]
fn a_removed_or_replaced_root_is_missing() {
    let store = Store::new();
    block_on(store.driver.health(&CALL)).expect("a good store is healthy");
    let (moved, root) = (store.path("").with_extension("moved"), store.path(""));
    std::fs::rename(&root, &moved).expect("moved away");
    assert_eq!(class(block_on(store.driver.health(&CALL))), ErrorClass::Missing);
    std::fs::create_dir(&root).expect("another folder");
    assert_eq!(class(block_on(store.driver.health(&CALL))), ErrorClass::Missing);
    std::fs::remove_dir_all(&moved).expect("removed");
    assert_eq!(class(store.stat("a")), ErrorClass::Missing, "not disguised as not_found");
    assert_eq!(class(store.put("a", "1")), ErrorClass::Missing);
    assert_eq!(class(store.children("")), ErrorClass::Missing);
}

/// Semantics: "Each call carries a deadline"; "a cancelled put leaves the old or the new state, whole".
#[test]
fn calls_that_are_over_have_no_effect() {
    let store = Store::new();
    let late = Call::new(1, 0);
    assert_eq!(class(block_on(store.driver.put(&late, key("a"), Bytes::from("1"), Condition::Always))), ErrorClass::Timeout);
    assert_eq!(class(block_on(store.driver.stat(&late, key("a")))), ErrorClass::Timeout);
    assert_eq!(class(store.stat("a")), ErrorClass::NotFound);
    for _ in 0..200 {
        let put = std::pin::pin!(store.driver.put(&CALL, key("a"), Bytes::from(vec![b'x'; 100_000]), Condition::Always));
        let _ = Future::poll(put, &mut std::task::Context::from_waker(std::task::Waker::noop()));
    }
    match store.get("a") {
        Ok(bytes) => assert_eq!(bytes.len(), 100_000),
        Err(error) => assert_eq!(error.class(), ErrorClass::NotFound),
    }
}

/// Semantics: "no thread, file descriptor, child or temporary file survives" close, and open uploads fail with `closed`.
#[test]
fn close_lets_go_of_everything() {
    let store = Store::new();
    let mut never_suspended = store.begin();
    write(&mut never_suspended, vec![1; 300_000]);
    let mut suspended = store.begin();
    write(&mut suspended, vec![2; 300_000]);
    let token = suspend(&mut suspended);
    for _ in 0..2 {
        block_on(store.driver.close(&CALL)).expect("close is idempotent");
    }
    let root = std::fs::canonicalize(store.path("")).expect("the root");
    let open: Vec<_> =
        std::fs::read_dir("/proc/self/fd").expect("descriptors").filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).collect();
    assert!(!open.iter().any(|path| path.starts_with(&root)), "descriptors are left: {open:?}");
    assert_eq!(store.private("temporary"), [""; 0], "what has no token is gone");
    assert_eq!(class(block_on(suspended.write(&CALL, Bytes::from("x")))), ErrorClass::Closed);
    assert_eq!(class(block_on(never_suspended.suspend(&CALL))), ErrorClass::Closed);
    assert_eq!(class(store.stat("a")), ErrorClass::Closed);
    let resumed = block_on(store.another().upload_resume(&CALL, &token)).expect("what was suspended is kept");
    assert_eq!(resumed.offset(), 300_000);
}
