//! The arrows that ARCHITECTURE.md draws are the only ones: between the workspace's crates, between the host's modules, and to the few
//! places that may know hyper, call drivers or hold unsafe code. A new arrow is drawn there first, with its reason.
#![forbid(unsafe_code)]

mod crates;
mod drawing;
mod files;
mod modules;
mod tokens;
mod unsafety;

use std::fs;
use std::path::Path;
use std::process::Command;

use drawing::Drawing;
use files::rust_files;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn drawn(heading: &str) -> Drawing {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md can be read");
    Drawing::under(heading, &document).unwrap_or_else(|| panic!("ARCHITECTURE.md has no block with arrows under {heading:?}"))
}

#[track_caller]
fn assert_none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn crates_depend_along_the_drawn_arrows() {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"];
    let output = Command::new(env!("CARGO")).args(arguments).arg(root().join("Cargo.toml")).output().expect("cargo runs");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).expect("cargo metadata answers JSON");
    let members = crates::members(&metadata);
    assert!(members.len() >= 5, "the workspace's crates were found: {members:?}");
    assert_none(
        &crates::faults(&drawn("Between crates"), crates::DEVELOPMENT, &members),
        "a crate depends along an arrow that is not drawn",
    );
}

#[test]
fn modules_of_the_host_depend_along_the_drawn_arrows() {
    let drawing = drawn("Inside the host");
    let files = rust_files(&root().join("host/src"));
    assert!(files.len() > 20, "the host's files were found");
    let faults: Vec<String> = files.iter().flat_map(|file| modules::faults(&drawing, &file.place, &file.tokens)).collect();
    assert_none(&faults, "a module of the host knows what it must not know");
}

#[test]
fn unsafe_code_has_two_homes_and_every_other_crate_forbids_it() {
    let files = rust_files(root());
    let roots = files.iter().filter(|file| unsafety::is_crate_root(&file.place)).count();
    assert!(roots >= 5, "the crate roots were found");
    let faults: Vec<String> = files.iter().flat_map(|file| unsafety::faults(&file.place, &file.tokens)).collect();
    assert_none(&faults, "unsafe code lives in plugin-api/src/abi and plugin-api/loader only");
}
