//! `longshore-conformance new`: what it makes, and that a refusal leaves nothing behind. That it compiles and is judged well is the step
//! `examples` of `.ci/run`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn new(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_longshore-conformance"));
    program.arg("new").args(arguments).arg("--in").arg(folder).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository is there")
}

/// The files below a folder, by their place in it, except those below one of `except`.
fn files(folder: &Path, except: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            let place = path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned();
            match () {
                () if except.contains(&place.as_str()) => {}
                () if path.is_dir() => folders.push(path),
                () => {
                    found.insert(place, fs::read_to_string(&path).expect("it is text"));
                }
            }
        }
    }
    found
}

/// The program refuses with exit code 2, says `what`, and changes nothing in `folder`.
#[track_caller]
fn refuses(folder: &Path, arguments: &[&str], what: &str) {
    let names = || fs::read_dir(folder).map(|entries| entries.count()).unwrap_or_default();
    let before = names();
    let output = new(folder, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} said: {said}");
    assert!(said.contains(what), "{arguments:?} did not say {what:?}, but: {said}");
    assert_eq!(names(), before, "{arguments:?} left something behind");
}

#[test]
fn example_is_what_new_makes() {
    let (place, plugin_api) = (folder(), root().join("plugin-api"));
    let output = new(place.path(), &["minimal", "--plugin-api", &plugin_api.to_string_lossy()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut made = files(&place.path().join("minimal"), &[]);
    let manifest = made.get_mut("Cargo.toml").expect("there is a manifest");
    *manifest = manifest.replace(&*plugin_api.to_string_lossy(), "../../plugin-api");
    // The lock is the project's, so that a build of the example is the same everywhere.
    let example = files(&root().join("examples/minimal-driver"), &["Cargo.lock", "target"]);
    assert_eq!(made.keys().collect::<Vec<_>>(), example.keys().collect::<Vec<_>>());
    for (file, text) in &example {
        assert_eq!(&made[file], text, "{file} of the example is not what `new minimal` makes");
    }
}

#[test]
fn name_stands_wherever_the_example_had_its_own() {
    let place = folder();
    let output = new(place.path(), &["my-store"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("run target/release/liblongshore_driver_my_store.so"), "it says what to do next: {said}");
    let made = files(&place.path().join("my-store"), &[]);
    for (file, text) in &made {
        assert!(!text.contains("minimal"), "{file} has the example's name");
    }
    let manifest: toml::Table = made["Cargo.toml"].parse().expect("the manifest is TOML");
    assert_eq!(manifest["package"]["name"].as_str(), Some("longshore-driver-my-store"));
    let dependency = &manifest["dependencies"]["longshore-plugin-api"];
    assert_eq!(dependency["git"].as_str(), Some(env!("CARGO_PKG_REPOSITORY")));
    assert_eq!(dependency["tag"].as_str(), Some(concat!("v", env!("CARGO_PKG_VERSION"))));
    assert!(manifest.contains_key("workspace"), "no workspace around it takes it in");
    assert!(made["src/lib.rs"].contains("name: \"my-store\","));
    assert!(made[".github/workflows/ci.yml"].contains("liblongshore_driver_my_store.so"));
}

#[test]
fn name_that_the_contract_forbids_is_refused() {
    let place = folder();
    for name in ["", "My", "3s", "a_b", "../up", "a-name-of-more-than-thirty-two-bytes"] {
        refuses(place.path(), &[name], "is no name of a driver");
    }
}

#[test]
fn folder_with_something_in_it_is_left_alone_and_an_empty_one_is_taken() {
    let place = folder();
    let taken = place.path().join("mine");
    fs::create_dir(&taken).expect("a folder");
    assert!(new(place.path(), &["mine"]).status.success(), "an empty folder is as good as none");
    refuses(place.path(), &["mine"], "exists and is not empty");
    fs::write(place.path().join("file"), "theirs").expect("a file");
    refuses(place.path(), &["file"], "cannot be made in");
    assert_eq!(fs::read_to_string(place.path().join("file")).ok().as_deref(), Some("theirs"));
}

#[test]
fn place_that_cannot_be_written_is_refused() {
    let place = folder();
    refuses(&place.path().join("nowhere"), &["mine"], "cannot be made in");
    assert!(!place.path().join("nowhere").exists());
    // Not even root makes a folder there.
    refuses(Path::new("/proc/self"), &["mine"], "cannot be made in /proc/self");
}

#[test]
fn plugin_api_that_is_none_is_refused() {
    let place = folder();
    let other = root().join("conformance");
    refuses(place.path(), &["mine", "--plugin-api", "/nonexistent"], "has no Cargo.toml to read");
    refuses(place.path(), &["mine", "--plugin-api", &other.to_string_lossy()], "is not the folder of longshore-plugin-api");
}
