//! Each reason not to load what is a driver file has a code and a sentence of its own: its note, its ABI, who may have written it.

mod bad_files;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use bad_files::{DriverFile, NAMED, UNNAMED, refused, refused_with, try_load, try_load_with};
use longshore_loader::{Policy, RefusalCode, Sha256};
use serde_json::json;

#[test]
fn library_without_note_is_refused() {
    let file = DriverFile::memory().replace(b"longshore\0\0\0{", b"longsh0re\0\0\0{");
    let fix = "give a driver's file, or add `export_driver!` to the driver's crate (in C: LONGSHORE_DRIVER_NOTE)";
    refused(&file.write(), "note-missing", &format!("{UNNAMED}: it is a shared library without a driver note; {fix}"));
}

#[test]
fn notes_of_unknown_versions_are_refused() {
    let fix = "upgrade the host, or build the driver with a longshore-plugin-api of the host's time";
    let file = DriverFile::memory().note(|note| note["schema"] = json!(99));
    refused(&file.write(), "note-unknown-version", &format!("{UNNAMED}: its driver note has schema 99, this host reads 1; {fix}"));

    let (one, two) = (1_u32.to_ne_bytes(), 2_u32.to_ne_bytes());
    let from = [&one[..], b"longshore\0\0\0{"].concat();
    let to = [&two[..], b"longshore\0\0\0{"].concat();
    let file = DriverFile::memory().replace(&from, &to);
    refused(&file.write(), "note-unknown-version", &format!("{UNNAMED}: its driver note is of type 2, this host reads type 1; {fix}"));
}

#[test]
fn malformed_note_is_refused() {
    let file = DriverFile::memory().replace(b"longshore\0\0\0{", b"longshore\0\0\0[");
    let refusal = try_load(&file.write()).expect_err("the note is not JSON");
    assert_eq!(refusal.code, RefusalCode::NoteMalformed);
    assert!(refusal.why.starts_with("its driver note is not JSON: "), "{refusal}");

    let file = DriverFile::memory().note(|note| note["name"] = json!("Memory"));
    let sentence = format!(
        "{UNNAMED}: its driver note names the driver \"Memory\", a name is [a-z][a-z0-9-]{{0,31}}; build the driver with the \
         `export_driver!` of longshore-plugin-api, which writes the note; in C, mend the text in LONGSHORE_DRIVER_NOTE"
    );
    refused(&file.write(), "note-malformed", &sentence);
}

#[test]
fn other_abi_is_refused() {
    let major = Policy::of_this_host().host_abi_major;
    let layout = Policy::of_this_host().host_layout;

    let file = DriverFile::memory().note(|note| note["abi"]["kind"] = json!("lua"));
    let fix = "build the driver with longshore-plugin-api or longshore_driver.h, or use a host that speaks the driver's kind";
    let sentence = format!("{NAMED}: it is called through tables of the kind \"lua\", this host calls \"rust\" and \"c\"; {fix}");
    refused(&file.write(), "abi-kind", &sentence);

    let file = DriverFile::memory().note(|note| note["abi"]["major"] = json!(9));
    let fix = format!("build the driver with a longshore-plugin-api of ABI major {major}, or use a host that speaks the driver's");
    refused(&file.write(), "abi-major", &format!("{NAMED}: built for ABI major 9, this host speaks {major}; {fix}"));

    let file = DriverFile::memory().note(|note| note["abi"]["layout"] = json!("other"));
    let fix = "build the driver with a released longshore-plugin-api of this host's time";
    let sentence =
        format!("{NAMED}: its tables of ABI major {major} are \"other\", this host's are {layout:?}: one of them was changed; {fix}");
    refused(&file.write(), "abi-layout", &sentence);

    let file = DriverFile::memory().note(|note| note["abi"]["requires"] = json!(["t/9"]));
    let fix = "upgrade the host, or use a version of the driver that asks for less";
    let sentence = format!("{NAMED}: it cannot do without the host's \"t/9\", which this host lacks; {fix}");
    refused(&file.write(), "abi-extension", &sentence);
}

#[test]
fn other_contract_is_refused() {
    let file = DriverFile::memory().note(|note| note["contract"] = json!(7));
    let fix = "use a version of the driver for contract 1, or a host for contract 7";
    refused(&file.write(), "contract-version", &format!("{NAMED}: it keeps driver contract 7, this host relies on 1; {fix}"));
}

#[test]
fn aborting_driver_is_refused() {
    let file = DriverFile::memory().note(|note| note["panic"] = json!("abort"));
    let sentence = format!(
        "{NAMED}: it was built with panic = \"abort\": its first panic would end the host; build the driver with panic = \"unwind\" in \
         its profile, or give it a process of its own: isolation = \"process\""
    );
    refused(&file.write(), "panic-abort", &sentence);
}

#[test]
fn other_driver_than_the_one_asked_for_is_refused() {
    let policy = Policy { expected_name: Some("s3".into()), ..Policy::of_this_host() };
    let sentence = format!(
        "{NAMED}: driver \"s3\" was asked for, the file says that it is \"memory\"; ask for \"memory\", or install the file of \"s3\" \
         under its own name"
    );
    refused_with(&DriverFile::memory().write(), &policy, "name-mismatch", &sentence);
}

#[test]
fn sha256_is_that_of_the_file() {
    let file = DriverFile::memory();
    let path = file.write();
    let mut policy = Policy::of_this_host();
    let answer = Command::new("sha256sum").arg(&path).output().expect("coreutils are installed");
    let digest: Sha256 = String::from_utf8_lossy(&answer.stdout)[..64].parse().expect("sha256sum prints hex digits");
    policy.sha256 = Some(digest);
    try_load_with(&path, &policy).expect("the pin is the file's digest");

    let other: Sha256 = "0".repeat(64).parse().expect("64 hex digits");
    policy.sha256 = Some(other);
    let sentence = format!(
        "{NAMED}: its sha256 is {digest}, pinned is {other}; if you installed this file yourself, pin its sha256; if not, find out who changed it"
    );
    refused_with(&path, &policy, "policy-digest", &sentence);
}

#[test]
fn file_writable_by_all_is_refused() {
    let file = DriverFile::memory();
    let path = file.write();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("the file is ours");
    let sentence = format!(
        "{NAMED}: every user of this machine may write to it (mode 0666); make sure that it is still the file you installed, then run \
         chmod o-w \"DIR/liblongshore_driver_memory.so\""
    );
    refused(&path, "policy-writable-file", &sentence);

    let policy = Policy { allow_writable: true, ..Policy::of_this_host() };
    try_load_with(&path, &policy).expect("the operator may allow it");
}

#[test]
fn folder_writable_by_all_is_refused() {
    let file = DriverFile::memory();
    let path = file.write();
    fs::set_permissions(file.folder(), Permissions::from_mode(0o1777)).expect("the folder is ours");
    let sentence = format!(
        "{NAMED}: every user of this machine may exchange the files in its folder \"DIR\" (mode 1777); move it to a folder of its own, or \
         run chmod o-w \"DIR\""
    );
    refused(&path, "policy-writable-folder", &sentence);

    // A link from a safe folder does not make it safer, nor does a safe target help a link that anyone may turn elsewhere.
    let safe = DriverFile::memory();
    symlink(&path, safe.folder().join("link.so")).expect("the temporary folder is writable");
    symlink(safe.write(), file.folder().join("link.so")).expect("the temporary folder is writable");
    for link in [safe.folder().join("link.so"), file.folder().join("link.so")] {
        let refusal = try_load(&link).expect_err("one of the two folders is unsafe");
        assert_eq!(refusal.code, RefusalCode::PolicyWritableFolder, "{refusal}");
        assert!(refusal.why.contains(&format!("{:?}", file.folder())), "{refusal}");
    }
}
