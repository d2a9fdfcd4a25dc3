//! What was checked is what runs, whatever happens to the file in between and afterwards.

mod bad_files;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use bad_files::{DriverFile, Marker, memory_driver, try_load};
use longshore_loader::api::convenience::get_text;
use longshore_loader::api::{Call, Condition, Driver, Key};
use longshore_loader::{Inspection, LoadedDriver, OpenOptions, Policy, RefusalCode, inspect, load, verify};
use serde_json::json;

const OPTIONS: OpenOptions = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(30) };

/// The memory driver under a name of its own in this process, so that its mappings can be counted.
fn driver(mark: &str) -> DriverFile {
    let mut file = DriverFile::memory();
    // Behind the last section header: no part of the library, but of its content.
    file.bytes.extend_from_slice(mark.as_bytes());
    file
}

fn pinned(inspection: &Inspection) -> Policy {
    Policy { sha256: Some(inspection.sha256().expect("it can be read")), ..Policy::of_this_host() }
}

async fn works(driver: &LoadedDriver) {
    let handle = driver.open("main", &json!({ "max_bytes": 1000 }), &OPTIONS).await.expect("it opens");
    let (call, key) = (Call::unbounded(), Key::parse("a").expect("a key"));
    handle.put(&call, key, "x".into(), Condition::Always).await.expect("put works");
    assert_eq!(get_text(&handle, &call, key, 10).await.expect("get works"), "x");
    handle.close(&call).await.expect("close works");
}

/// How many copies of driver files this process has mapped to run them.
fn mapped() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("a process may read its own");
    maps.lines().filter(|line| line.contains(" r-xp ") && line.contains("/memfd:liblongshore_driver_")).count()
}

#[test]
fn file_overwritten_after_inspection_is_refused() {
    let file = driver("overwritten before it was checked");
    let path = file.write();
    let inspection = inspect(&path).expect("it is sound");
    fs::write(&path, Marker::new().build().to_string_lossy().as_bytes()).expect("the file is ours");
    let refusal = load(&inspection).err().expect("the file is another one");
    assert_eq!(refusal.code, RefusalCode::FileChanged);
    assert_eq!(
        refusal.to_string().replace(file.folder().to_str().expect("a path in UTF-8"), "DIR"),
        "cannot load driver \"memory\" from \"DIR/liblongshore_driver_memory.so\": it was changed while it was examined; install drivers by \
         renaming a finished file into place, and try again"
    );
}

/// The other file is sound as well, and would be loaded; but it is not the one that was inspected.
#[test]
fn file_overwritten_with_another_driver_is_not_loaded() {
    let file = driver("one of two");
    let path = file.write();
    let inspection = inspect(&path).expect("it is sound");
    let marker = Marker::new();
    fs::copy(marker.build(), &path).expect("the file is ours");
    assert_eq!(verify(&inspection, &pinned(&inspection)).expect_err("another file").code, RefusalCode::FileChanged);
    assert_eq!(load(&inspection).err().expect("another file").code, RefusalCode::FileChanged);
    assert!(!marker.ran(), "the file that nobody checked has run");
}

#[tokio::test]
async fn file_overwritten_after_verification_runs_as_it_was_verified() {
    let file = driver("overwritten after it was checked");
    let path = file.write();
    let inspection = inspect(&path).expect("it is sound");
    verify(&inspection, &pinned(&inspection)).expect("it is the pinned file");
    let marker = Marker::new();
    fs::copy(marker.build(), &path).expect("the file is ours");
    let driver = load(&inspection).expect("what was verified is loaded");
    assert!(driver.describes_itself(&inspection) && !marker.ran(), "the code is that of the verified file");
    works(&driver).await;
}

#[tokio::test]
async fn file_exchanged_by_rename_runs_as_it_was_inspected() {
    let file = driver("renamed over");
    let path = file.write();
    let inspection = inspect(&path).expect("it is sound");
    let marker = Marker::new();
    fs::rename(marker.build(), &path).expect("the folders are on one file system");
    let driver = load(&inspection).expect("what was inspected is loaded");
    assert!(!marker.ran(), "the file that nobody checked has run");
    works(&driver).await;
}

/// Mapped from the file itself, the first call after this would end the process with SIGBUS.
#[tokio::test]
async fn loaded_file_may_be_overwritten_and_cut() {
    let file = driver("overwritten while it runs");
    let path = file.write();
    let driver = load(&try_load(&path).expect("it is sound")).expect("it is loaded");
    for content in [vec![0xcc; 10_000_000], Vec::new()] {
        fs::write(&path, content).expect("the file is ours");
        works(&driver).await;
    }
}

/// By whatever path they come, the same bytes are one library, and others are another.
#[test]
fn same_content_is_loaded_once() {
    let file = driver("loaded once");
    let (path, folder) = (file.write(), tempfile::tempdir().expect("a temporary folder"));
    let at = |name: &str| folder.path().join(name);
    symlink(&path, at("symbolic.so")).expect("the folder is writable");
    fs::hard_link(&path, at("hard.so")).expect("one file system");
    fs::copy(&path, at("copy.so")).expect("the folder is writable");
    let load_at = |path: &Path| load(&inspect(path).expect("it is sound")).expect("it is loaded");
    load_at(&path);
    let before = mapped();
    for name in ["symbolic.so", "hard.so", "copy.so"] {
        load_at(&at(name));
    }
    assert_eq!(mapped(), before, "the same content is one library");
    let other = driver("another content");
    load_at(&other.write());
    assert_eq!(mapped(), before + 1, "another content is another library");
}

#[test]
fn content_of_a_process_may_be_loaded_by_another() {
    let inspection = inspect(&memory_driver()).expect("it is sound");
    let content = inspection.content().expect("it can be copied");
    let handed = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(content.file()));
    let again = inspect(Path::new(&handed)).expect("it is the same file");
    let copy = again.content().expect("it is its own copy");
    assert_eq!(copy.sha256().expect("it can be read"), content.sha256().expect("it can be read"));
    load(&again).expect("it is loaded");
}
