//! Uploads: appended, suspended, resumed, committed, aborted, dropped, swept.

use std::time::{Duration, SystemTime};

use super::*;

/// Semantics: "`write(bytes)` appends, any chunk size from 0 up."
#[test]
fn chunks_of_any_size_become_one_object() {
    let store = Store::new();
    let mut random = Random::new("chunks");
    for chunk_max in [1, 7, 1000, 131_072, 1 << 20] {
        let (mut upload, mut whole) = (store.begin(), Vec::new());
        while whole.len() < chunk_max * 40 {
            let length = random.below(chunk_max + 1);
            let chunk = random.bytes(length);
            whole.extend_from_slice(&chunk);
            write(&mut upload, chunk);
            assert_eq!(upload.offset(), whole.len() as u64, "the offset is exact after every write");
        }
        assert_eq!(class(store.stat("a/upload")), ErrorClass::NotFound, "invisible until commit");
        let info = commit(&mut upload, "a/upload").expect("commit");
        assert_eq!(info, store.stat("a/upload").expect("stat"));
        assert_eq!(store.get("a/upload").expect("get"), whole);
        store.delete("a/upload").expect("delete");
    }
    assert_eq!((store.private("temporary"), store.private("uploads")), (vec![], vec![]));
}

/// Semantics: an upload of nothing is an empty object.
#[test]
fn an_empty_upload_is_an_empty_object() {
    let store = Store::new();
    assert_eq!(commit(&mut store.begin(), "a").expect("commit").size, 0);
    let token = suspend(&mut store.begin());
    let mut resumed = store.resume(&token).expect("an upload without a byte can be resumed");
    assert_eq!(resumed.offset(), 0);
    write(&mut resumed, "later");
    commit(&mut resumed, "a").expect("commit replaces");
    assert_eq!(store.get("a").expect("get"), b"later");
}

/// Semantics: "any process, on any host sharing the store, can pass \[the token\] to `upload_resume`"; tiny chunks over many reopenings.
#[test]
fn an_upload_goes_on_in_other_instances() {
    let store = Store::new();
    let mut random = Random::new("reopenings");
    let (mut upload, mut whole) = (store.begin(), Vec::new());
    for _ in 0..20 {
        let length = random.below(300_000);
        let chunk = random.bytes(length);
        whole.extend_from_slice(&chunk);
        write(&mut upload, chunk);
        let token = suspend(&mut upload);
        assert!(token.as_bytes().len() <= 4096);
        drop(upload);
        upload = block_on(store.another().upload_resume(&CALL, &token)).expect("resume");
        assert_eq!(upload.offset(), whole.len() as u64);
    }
    commit(&mut upload, "a").expect("commit");
    assert_eq!(store.get("a").expect("get"), whole);
}

/// Semantics: "what the last `suspend` promised is kept, the rest may be lost."
#[test]
fn a_dropped_upload_resumes_where_it_was_suspended() {
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, vec![1; 200_000]);
    let token = suspend(&mut upload);
    write(&mut upload, vec![2; 200_000]);
    write(&mut upload, vec![3; 10]);
    drop(upload);
    let mut resumed = store.resume(&token).expect("resume");
    assert_eq!(resumed.offset(), 200_000, "cut back to what was promised");
    write(&mut resumed, vec![4; 5]);
    commit(&mut resumed, "a").expect("commit");
    assert_eq!(store.get("a").expect("get"), [vec![1; 200_000], vec![4; 5]].concat());
    assert_eq!(class(store.resume(&token)), ErrorClass::NotFound, "a committed upload is no more");
}

/// Semantics: "A token ends when the next one of its upload is made."
#[test]
fn a_token_ends_with_the_next_one() {
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, "one");
    let first = suspend(&mut upload);
    assert_eq!(suspend(&mut upload).as_bytes(), first.as_bytes(), "nothing was added: it is the same token");
    write(&mut upload, "two");
    let second = suspend(&mut upload);
    drop(upload);
    assert_eq!(class(store.resume(&first)), ErrorClass::NotFound, "the upload has gone on");
    assert_eq!(store.resume(&second).expect("resume").offset(), 6);
}

/// An upload of "onetwo", suspended after each word, as a process leaves it that is killed before the second token is known to be answered.
fn killed_while_suspending(store: &Store) -> (UploadToken, UploadToken) {
    let mut upload = store.begin();
    write(&mut upload, "one");
    let first = suspend(&mut upload);
    let name = store.path(PRIVATE).join("uploads").join(store.private("uploads").remove(0));
    write(&mut upload, "two");
    let second = suspend(&mut upload);
    let kept = store.path(PRIVATE).join("kept");
    std::fs::hard_link(&name, &kept).expect("the name of the first token is still there");
    drop(upload);
    std::fs::rename(&kept, &name).expect("a killed process removes nothing");
    (first, second)
}

/// Semantics: "After `kill -9`, `upload_resume` reports an offset between the last suspended one and what was written"; the token that
/// is used ends the other.
#[test]
fn of_two_tokens_that_a_kill_left_the_first_used_ends_the_other() {
    let store = Store::new();
    let (first, second) = killed_while_suspending(&store);
    assert_eq!(block_on(store.driver.upload_list(&CALL, 0)).expect("list").len(), 1, "it is one upload");
    let mut upload = store.resume(&first).expect("the second token may never have been answered");
    assert_eq!((upload.offset(), store.private("uploads").len()), (3, 1));
    write(&mut upload, "2");
    let third = suspend(&mut upload);
    drop(upload);
    assert_eq!(class(store.resume(&second)), ErrorClass::NotFound, "its bytes are no more");
    commit(&mut store.resume(&third).expect("resume"), "a").expect("commit");
    assert_eq!(store.get("a").expect("get"), b"one2");

    let (first, second) = killed_while_suspending(&store);
    assert_eq!(store.resume(&second).expect("resume").offset(), 6);
    assert_eq!(class(store.resume(&first)), ErrorClass::NotFound, "the upload has gone on");
    assert_eq!(store.resume(&second).expect("resume").offset(), 6);
}

/// Semantics: "what the last `suspend` promised is kept": the last that was answered.
#[test]
fn a_cancelled_suspend_ends_no_token() {
    let store = Store::new();
    for _ in 0..20 {
        let mut upload = store.begin();
        write(&mut upload, "one");
        let mut token = suspend(&mut upload);
        write(&mut upload, "two");
        {
            let suspend = std::pin::pin!(upload.suspend(&CALL));
            let answer = Future::poll(suspend, &mut std::task::Context::from_waker(std::task::Waker::noop()));
            if let std::task::Poll::Ready(answer) = answer {
                // A thread was faster than this one: then it counts.
                token = answer.expect("the upload is suspended");
            }
        }
        // Large enough for a job, which comes after the one of the suspend.
        write(&mut upload, vec![3; 200_000]);
        drop(upload);
        let resumed = store.resume(&token).expect("the token that was answered is good");
        assert!([3, 6].contains(&resumed.offset()), "{} bytes were suspended", resumed.offset());
        assert_eq!(store.private("uploads").len(), 1);
        block_on({ resumed }.abort(&CALL)).expect("abort");
    }
}

/// Semantics: dropping is "neither commit nor abort", but without a token nobody can go on.
#[test]
fn a_dropped_upload_without_a_token_leaves_nothing() {
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, vec![1; 200_000]);
    assert_eq!(store.private("temporary").len(), 1);
    drop(upload);
    assert_eq!((store.private("temporary"), store.private("uploads")), (vec![], vec![]));
}

/// Semantics: "Resuming one token twice at once: the second answers `conflict`".
#[test]
fn an_upload_is_held_by_one_at_a_time() {
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, "1");
    let token = suspend(&mut upload);
    assert_eq!(class(store.resume(&token)), ErrorClass::Conflict, "its first holder has it");
    drop(upload);
    let held = block_on(store.another().upload_resume(&CALL, &token)).expect("resume");
    assert_eq!(class(store.resume(&token)), ErrorClass::Conflict, "the other instance has it");
    drop(held);
    let mut again = store.resume(&token).expect("free again");
    commit(&mut again, "a").expect("commit");
    assert_eq!(class(store.resume(&token)), ErrorClass::NotFound);
}

/// Semantics: "`abort()` removes every trace"; "anything after `abort`: `invalid_state`".
#[test]
fn abort_leaves_nothing() {
    let store = Store::new();
    for suspended in [false, true] {
        let mut upload = store.begin();
        write(&mut upload, vec![1; 200_000]);
        let token = suspended.then(|| suspend(&mut upload));
        block_on(upload.abort(&CALL)).expect("abort");
        assert_eq!((store.private("temporary"), store.private("uploads")), (vec![], vec![]));
        assert_eq!(class(block_on(upload.write(&CALL, Bytes::from("x")))), ErrorClass::InvalidState);
        assert_eq!(class(block_on(upload.abort(&CALL))), ErrorClass::InvalidState);
        assert_eq!(class(commit(&mut upload, "a")), ErrorClass::InvalidState);
        if let Some(token) = token {
            assert_eq!(class(store.resume(&token)), ErrorClass::NotFound);
        }
    }
    assert_eq!(class(store.stat("a")), ErrorClass::NotFound);
}

/// Semantics: commit "refuses with `corrupt` if `size` differs", "`commit` twice … `invalid_state`, no change".
#[test]
fn a_commit_of_another_size_or_after_the_end_changes_nothing() {
    let store = Store::new();
    store.put("a", "old").expect("put");
    let mut upload = store.begin();
    write(&mut upload, "new!");
    for size in [0, 3, 5] {
        assert_eq!(class(block_on(upload.commit(&CALL, key("a"), size))), ErrorClass::Corrupt);
        assert_eq!(store.get("a").expect("get"), b"old");
    }
    commit(&mut upload, "a").expect("it can still be committed");
    assert_eq!(class(commit(&mut upload, "b")), ErrorClass::InvalidState);
    assert_eq!(class(block_on(upload.write(&CALL, Bytes::from("x")))), ErrorClass::InvalidState);
    assert_eq!(class(block_on(upload.suspend(&CALL))), ErrorClass::InvalidState);
    assert_eq!(store.objects("").expect("list"), ["a"]);
    assert_eq!(store.get("a").expect("get"), b"new!");
}

/// Bytes that are gone must not be made up for with zeroes.
#[test]
fn a_file_shorter_than_its_token_is_corrupt() {
    let store = Store::new();
    let mut upload = store.begin();
    write(&mut upload, vec![1; 1000]);
    let token = suspend(&mut upload);
    drop(upload);
    let name = store.private("uploads").pop().expect("the upload's file");
    let file = std::fs::File::options().write(true).open(store.path(PRIVATE).join("uploads").join(name)).expect("the file");
    file.set_len(999).expect("cut");
    assert_eq!(class(store.resume(&token)), ErrorClass::Corrupt);
}

/// Semantics: dropping the future of a call cancels it; what the caller does not know to be accepted is not part of the object.
#[test]
fn a_cancelled_write_leaves_no_trace() {
    let store = Store::new();
    let mut random = Random::new("cancelled writes");
    let (mut upload, mut whole) = (store.begin(), Vec::new());
    for _ in 0..60 {
        let length = random.below(300_000);
        let chunk = random.bytes(length);
        if random.below(2) == 0 {
            let lost = vec![0xEE; 250_000];
            let ready = {
                let write = std::pin::pin!(upload.write(&CALL, Bytes::from(lost.clone())));
                Future::poll(write, &mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
            };
            if ready {
                // A thread was faster than this one: then it counts.
                whole.extend_from_slice(&lost);
            }
            assert_eq!(upload.offset(), whole.len() as u64);
        }
        whole.extend_from_slice(&chunk);
        write(&mut upload, chunk);
    }
    commit(&mut upload, "a").expect("commit");
    assert!(store.get("a").expect("get") == whole, "only what was accepted is in the object");
}

/// Capability `upload_list`: "abandoned uploads as tokens, to purge them".
#[test]
fn abandoned_uploads_are_listed_and_can_be_purged() {
    let store = Store::new();
    let mut held = store.begin();
    write(&mut held, "held");
    let _token = suspend(&mut held);
    for _ in 0..10 {
        let mut upload = store.begin();
        write(&mut upload, "abandoned");
        let _token = suspend(&mut upload);
    }
    let list = |older_than_ms| block_on(store.driver.upload_list(&CALL, older_than_ms)).expect("upload_list");
    assert_eq!(list(3_600_000).len(), 0, "all are young");
    let tokens = list(0);
    assert_eq!(tokens.len(), 10, "the one in use is not abandoned");
    for token in &tokens {
        let mut upload = store.resume(token).expect("a token of the list can be resumed");
        assert_eq!(upload.offset(), 9);
        block_on(upload.abort(&CALL)).expect("abort");
    }
    assert_eq!(list(0).len(), 0);
    assert_eq!(commit(&mut held, "a").expect("the held one is untouched").size, 4);
}

/// Issue: "stale temporaries cleaned". Only what is old and held by nobody goes.
#[test]
fn stale_temporaries_are_removed_at_open() {
    let folder = TempDir::new().expect("a folder");
    let open = || {
        let settings = Settings::new(serde_json::json!({ "root": folder.path() }));
        let host = Host::new(std::sync::Arc::new(AtOnce), "test");
        block_on(Filesystem::open(settings, host, None)).expect("open")
    };
    drop(open());
    let private = folder.path().join(PRIVATE);
    let age = |path: &Path, hours: u64| {
        let file = std::fs::File::options().write(true).create(true).truncate(false).open(path).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).expect("its time is set");
    };
    age(&private.join("temporary/old"), 2);
    age(&private.join("temporary/young"), 0);
    age(&private.join("uploads/old"), 24 * 8);
    age(&private.join("uploads/young"), 24 * 6);
    std::fs::create_dir_all(private.join("temporary/tree/a/b")).expect("folders");
    std::fs::write(private.join("temporary/tree/a/b/c"), "").expect("a file");
    let driver = open();

    // An upload that goes on slowly is old, but held.
    let mut held = block_on(driver.upload_begin(&CALL, None)).expect("an upload begins");
    write(&mut held, vec![1; 200_000]);
    let is_id = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 32);
    let file = std::fs::read_dir(private.join("temporary")).expect("the folder").map(|name| name.expect("a name").path()).find(is_id);
    age(&file.expect("the upload's file"), 2);

    drop(open());
    let left = |name: &str| {
        let names = std::fs::read_dir(private.join(name)).expect("the folder");
        names
            .map(|name| name.expect("a name").file_name().into_string().expect("a text"))
            .filter(|name| name.len() != 32)
            .collect::<Vec<_>>()
    };
    assert_eq!((left("temporary"), left("uploads")), (vec!["young".to_owned()], vec!["young".to_owned()]));
    assert_eq!(commit(&mut held, "a").expect("the slow upload was not swept").size, 200_000);
}

/// A host that does blocking work at once, so that a test sees background work done.
struct AtOnce;

impl longshore_plugin_api::HostServices for AtOnce {
    fn log(&self, _: longshore_plugin_api::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        job();
    }
}
