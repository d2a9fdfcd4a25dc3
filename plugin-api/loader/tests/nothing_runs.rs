//! Nothing of a refused file runs: a library whose constructor leaves a mark is refused in each way, and leaves none.

mod bad_files;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use bad_files::{Marker, try_load};
use longshore_loader::{Policy, RefusalCode, inspect};
use serde_json::json;

/// Semantics: nothing of a refused file runs. The library's constructor would leave a mark.
#[test]
fn nothing_of_a_refused_file_runs() {
    for (code, marker) in [
        ("note-missing", Marker::new().with_notes(0)),
        ("note-duplicate", Marker::new().with_notes(2)),
        ("note-unknown-version", Marker::new().with_note(|note| note["schema"] = json!(99))),
        ("note-malformed", Marker::new().with_note(|note| note["name"] = json!(7))),
        ("abi-kind", Marker::new().with_note(|note| note["abi"]["kind"] = json!("lua"))),
        ("abi-major", Marker::new().with_note(|note| note["abi"]["major"] = json!(9))),
        ("abi-major", Marker::new().with_note(|note| note["abi"] = json!({ "kind": "c", "major": 9 }))),
        ("entry-missing", Marker::new().with_note(|note| note["abi"] = json!({ "kind": "c", "major": 1 }))),
        ("abi-layout", Marker::new().with_note(|note| note["abi"]["layout"] = json!("other"))),
        ("abi-extension", Marker::new().with_note(|note| note["abi"]["requires"] = json!(["time-travel/1"]))),
        ("contract-version", Marker::new().with_note(|note| note["contract"] = json!(7))),
        ("panic-abort", Marker::new().with_note(|note| note["panic"] = json!("abort"))),
        ("entry-missing", Marker::new().with_entry("something_else")),
        ("symbol-unresolved", Marker::new().with_undefined_symbol()),
        ("platform-libc", Marker::new().with_missing_library("libc.musl-x86_64.so.1")),
        ("dependency-missing", Marker::new().with_missing_library("libgone.so")),
    ] {
        let refusal = try_load(&marker.build()).expect_err("the library has a defect");
        assert_eq!(refusal.code.as_str(), code, "{refusal}");
        assert!(!marker.ran(), "the library refused with {code} has run");
    }

    let marker = Marker::new();
    let path = marker.build();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("the file is ours");
    assert_eq!(try_load(&path).expect_err("anyone may write it").code, RefusalCode::PolicyWritableFile);
    assert!(!marker.ran(), "a file writable by all has run");
}

#[test]
fn inspection_runs_nothing() {
    let marker = Marker::new();
    let inspection = inspect(&marker.build()).expect("the library has no defect");
    assert_eq!(inspection.info().name, "memory");
    longshore_loader::verify(&inspection, &Policy::of_this_host()).expect("the library has no defect");
    assert!(!marker.ran(), "inspecting a file has run it");
}

/// The other side of the two tests above: the mark does appear when the library is loaded.
#[test]
fn mark_appears_when_the_library_runs() {
    let marker = Marker::new();
    let status = Command::new("/bin/true").env("LD_PRELOAD", marker.build()).status().expect("/bin/true runs");
    assert!(status.success() && marker.ran(), "the constructor leaves its mark");
}
