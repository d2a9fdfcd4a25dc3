//! Each finding about a file has a code of its own: a file with exactly that flaw has that finding beside those of a file without.

mod bad_files;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bad_files::{DriverFile, Marker, memory_driver};
use longshore_loader::{Examination, FindingCode, Policy, RefusalCode, Severity, examine};
use serde_json::json;

/// The flags of a careful build.
const HARDENED: [&str; 4] = ["-fvisibility=hidden", "-Wl,-z,relro,-z,now,-z,noexecstack", "-Wl,--build-id", "-Wl,-s"];

/// The library in C, built carefully, which is what each flaw is added to. Its only flaws are its constructor and its name.
fn sound() -> Marker {
    let marker = HARDENED.iter().fold(Marker::new(), |marker, flag| marker.with_flag(flag));
    marker
        .with_note(|note| {
            note["abi"] = json!({ "kind": "c", "major": 1 });
            note["name"] = json!("marker");
            note["compiler"] = json!("cc");
        })
        .with_entry("longshore_driver_c_v1")
        .with_flag("-DENTRY_IS_SEEN")
        .with_flag("-DQUIET")
}

fn look(path: &Path) -> Examination {
    examine(path, &Policy::of_this_host())
}

fn codes(examined: &Examination) -> Vec<&'static str> {
    examined.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// Asserts that the file has these findings and no others.
#[track_caller]
fn found(path: &Path, expected: &[&str]) -> Examination {
    let examined = look(path);
    assert_eq!(codes(&examined), expected, "{:#?}", examined.findings);
    examined
}

#[test]
fn careful_library_has_no_findings() {
    let marker = sound();
    let examined = found(&marker.build(), &[]);
    assert_eq!(examined.worst(), None);
    assert!(!marker.ran(), "examining a file runs nothing of it");
    let libraries = look(&memory_driver()).libraries;
    let libc = libraries.iter().find(|library| library.name == "libc.so.6").expect("every driver in Rust needs it");
    assert!(libc.needed_by.is_none() && libc.path.as_ref().is_some_and(|path| path.exists()), "{libc:?}");
}

#[test]
fn flaws_of_the_build_are_found() {
    for (flags, code) in [
        (&["-Wl,-z,execstack"][..], "stack-executable"),
        (&["-Wl,-z,norelro"], "relro-missing"),
        (&["-Wl,-z,lazy"], "binding-lazy"),
        (&["-DWRITABLE_CODE"], "code-writable"),
        (&["-DCHANGED_CODE", "-Wl,-z,notext"], "code-relocated"),
        (&["-DTLS"], "static-tls"),
        (&["-DTLS", "-DTLS_BYTES=512"], "static-tls-large"),
        (&["-Wl,-rpath,/usr/lib"], "search-path"),
        (&["-Wl,-rpath,lib"], "search-path-unsafe"),
        (&["-Wl,-rpath,$ORIGIN/../lib"], "search-path"),
        (&["-Wl,--build-id=none"], "file-build-id"),
        (&["-DCONSTRUCTORS"], "constructors"),
        (&["-Wl,-init,begin", "-DBEGIN"], "init-function"),
        (&["-fvisibility=default", "-DOTHER"], "exports"),
    ] {
        let marker = flags.iter().fold(sound(), |marker, flag| marker.with_flag(flag));
        let examined = look(&marker.build());
        assert_eq!(codes(&examined), [code], "{flags:?}: {:#?}", examined.findings);
        assert!(!marker.ran(), "{code}");
    }
}

#[test]
fn library_that_was_not_stripped_is_told() {
    let marker = sound().without_flag("-Wl,-s");
    found(&marker.build(), &["file-symbols"]);
}

#[test]
fn folder_for_libraries_that_all_may_write_to_is_unsafe() {
    let marker = sound().with_flag("-Wl,-rpath,$ORIGIN/open");
    let folder = marker.path().with_file_name("open");
    fs::create_dir(&folder).expect("the temporary folder is writable");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("the folder is ours");
    let examined = found(&marker.build(), &["search-path-unsafe"]);
    assert!(examined.findings[0].what.ends_with("where every user may put one (mode 0777)"), "{:?}", examined.findings);
}

#[test]
fn suspicious_imports_are_notices() {
    for (name, code) in [
        ("execve", "imports-process"),
        ("fork", "imports-process"),
        ("system", "imports-process"),
        ("setuid", "imports-privilege"),
        ("ptrace", "imports-privilege"),
        ("dlopen", "imports-code"),
        ("sigaction", "imports-signal"),
        ("signal", "imports-signal"),
        ("setenv", "imports-environment"),
        ("chdir", "imports-environment"),
        ("umask", "imports-environment"),
        ("_exit", "imports-exit"),
        ("puts", "imports-output"),
    ] {
        let marker = sound().with_flag(&format!("-DCALL={name}"));
        let examined = found(&marker.build(), &[code]);
        assert_eq!(examined.findings[0].what, format!("it can call {name}"));
        assert_eq!(examined.worst(), Some(Severity::Notice), "a program may have its reasons");
    }
}

#[test]
fn drivers_of_ours_have_nothing_but_their_symbols() {
    for name in ["memory", "filesystem", "count"] {
        let file = memory_driver().with_file_name(format!("liblongshore_driver_{name}.so"));
        found(&file, &["file-symbols"]);
    }
}

#[test]
fn flaws_of_the_note_are_found() {
    let with = |change: fn(&mut serde_json::Value)| {
        let file = DriverFile::memory().note(change);
        codes(&look(&file.write())).join(" ")
    };
    assert_eq!(with(|note| note["vendor"] = json!("")), "note-field file-symbols");
    assert_eq!(with(|note| note["documentation"] = json!("none")), "note-field file-symbols");
    assert_eq!(with(|note| note["compiler"] = json!("")), "note-field file-symbols");
    assert_eq!(with(|note| note["capabilities"] = json!(["copy", "fly"])), "note-capability file-symbols");
    assert_eq!(with(|note| note["capabilities"] = json!(["copy", "copy"])), "note-capability file-symbols");
    assert_eq!(with(|note| note["target"] = json!("riscv64gc-unknown-linux-gnu")), "note-target file-symbols");
    assert_eq!(with(|note| note["target"] = json!(format!("{}-unknown-linux-musl", std::env::consts::ARCH))), "note-target file-symbols");
    assert_eq!(with(|note| note["name"] = json!("other")), "file-name file-symbols");
    let file = DriverFile::memory().replace(b"\0_Unwind_RaiseException\0", b"\0_Unwind_RaiseNothing__\0");
    assert_eq!(codes(&look(&file.write())), ["panic-unclear", "file-symbols"]);
}

#[test]
fn every_finding_is_told_not_the_first_only() {
    let marker = Marker::new()
        .with_note(|note| {
            note["abi"] = json!({ "kind": "c", "major": 9 });
            note["contract"] = json!(7);
            note["vendor"] = json!("");
        })
        .with_flag("-Wl,-z,execstack")
        .with_flag("-Wl,-rpath,lib")
        .with_missing_library("libgone.so");
    let path = marker.build();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("the file is ours");
    let examined = look(&path);
    let codes = codes(&examined);
    for code in [
        "policy-writable-file",
        "abi-major",
        "contract-version",
        "entry-missing",
        "dependency-missing",
        "note-field",
        "stack-executable",
        "search-path-unsafe",
    ] {
        assert!(codes.contains(&code), "{code} is among {codes:?}");
    }
    let severities: Vec<_> = examined.findings.iter().map(longshore_loader::Finding::severity).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "what matters most comes first: {severities:?}");
    assert!(!marker.ran(), "examining a file runs nothing of it");
}

#[test]
fn library_without_a_readable_note_is_looked_at_all_the_same() {
    let marker = sound().with_notes(0).with_flag("-Wl,-z,execstack");
    let examined = found(&marker.build(), &["note-missing", "stack-executable"]);
    assert_eq!(examined.inspection.expect_err("it has no note").code, RefusalCode::NoteMissing);
    let file = DriverFile::of("no library");
    found(&file.write(), &["file-not-elf"]);
}

/// A library of `name` that needs `needs`, beside the driver.
fn library(folder: &Path, name: &str, needs: &[&str], flags: &[&str]) {
    let source = folder.join("library.c");
    let function = name.trim_start_matches("lib").trim_end_matches(".so");
    fs::write(&source, format!("void {function}(void) {{}}\n")).expect("the folder is writable");
    let mut link = Command::new("cc");
    link.args(["-shared", "-fPIC", "-Wl,--no-as-needed", "-o"]).arg(folder.join(name)).arg(&source).args(flags);
    link.arg(format!("-Wl,-soname={name}")).args(needs.iter().map(|need| folder.join(need)));
    let output = link.output().expect("a C compiler is installed as `cc`");
    assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
}

/// What the dynamic linker itself says to the same file.
fn linker_loads(path: &Path) -> bool {
    let output = Command::new("/bin/true").env("LD_PRELOAD", path).output().expect("/bin/true runs");
    output.status.success() && output.stderr.is_empty()
}

#[test]
fn libraries_are_found_where_the_dynamic_linker_finds_them() {
    // Each line: flags of the driver, flags of the library `liba.so` that it needs, which needs `libb.so`; whether both are found.
    for (own, of_library, both) in [
        (&["-Wl,--enable-new-dtags,-rpath,$ORIGIN/libraries"][..], &["-Wl,--enable-new-dtags,-rpath,$ORIGIN"][..], true),
        // DT_RUNPATH is not handed down, DT_RPATH is, unless the other file has a DT_RUNPATH of its own.
        (&["-Wl,--enable-new-dtags,-rpath,$ORIGIN/libraries"], &[], false),
        (&["-Wl,--disable-new-dtags,-rpath,$ORIGIN/libraries"], &[], true),
        (&["-Wl,--disable-new-dtags,-rpath,$ORIGIN/libraries"], &["-Wl,--enable-new-dtags,-rpath,/opt/none"], false),
    ] {
        let marker = own.iter().fold(sound(), |marker, flag| marker.with_flag(flag)).with_flag("-Wl,--no-as-needed");
        let folder = marker.path().with_file_name("libraries");
        fs::create_dir(&folder).expect("the temporary folder is writable");
        library(&folder, "libb.so", &[], &[]);
        library(&folder, "liba.so", &["libb.so"], of_library);
        let link = format!("-Wl,-rpath-link,{}", folder.display());
        let marker = marker.with_flag(&link).with_flag(&folder.join("liba.so").display().to_string());
        let path = marker.build();
        let examined = look(&path);
        let place = |name: &str| examined.libraries.iter().find(|library| library.name == name).expect("it is listed").path.clone();
        assert_eq!(place("liba.so").as_deref().and_then(Path::file_name), Some("liba.so".as_ref()), "{own:?}");
        assert_eq!(place("libb.so").is_some(), both, "{own:?} {of_library:?}: {:#?}", examined.libraries);
        let missing = examined.findings.iter().find(|finding| finding.code == FindingCode::Refusal(RefusalCode::DependencyMissing));
        assert_eq!(missing.is_none(), both, "{:#?}", examined.findings);
        assert!(missing.is_none_or(|finding| finding.what.contains("its library \"liba.so\" needs")), "{missing:?}");
        assert_eq!(linker_loads(&path), both, "the dynamic linker says the same");
    }
}

#[test]
fn library_that_is_too_old_is_found() {
    let marker = sound();
    let folder = marker.path().parent().expect("it has a folder").to_owned();
    let script = folder.join("versions.map");
    let make = |version: &str| {
        fs::write(&script, format!("{version} {{ a; }};\n")).expect("the folder is writable");
        library(&folder, "liba.so", &[], &[&format!("-Wl,--version-script={}", script.display())]);
    };
    make("A_2");
    let needs = folder.join("liba.so").display().to_string();
    let marker = marker.with_flag(&format!("-Wl,-rpath,{}", folder.display())).with_flag("-DCALL=a").with_flag(&needs);
    let path = marker.build();
    found(&path, &["search-path"]);
    make("A_1");
    let examined = found(&path, &["dependency-version", "search-path"]);
    assert!(examined.findings[0].what.starts_with("it needs A_2, which the installed "), "{:?}", examined.findings);
}

#[test]
fn circle_of_libraries_ends() {
    let marker = sound().with_flag("-Wl,--no-as-needed").with_flag("-Wl,-rpath,$ORIGIN");
    let folder = marker.path().parent().expect("it has a folder").to_owned();
    library(&folder, "libb.so", &[], &[]);
    library(&folder, "liba.so", &["libb.so"], &["-Wl,-rpath,$ORIGIN"]);
    library(&folder, "libb.so", &["liba.so"], &["-Wl,-rpath,$ORIGIN"]);
    let marker = marker.with_flag(&folder.join("liba.so").display().to_string());
    let names: Vec<_> = look(&marker.build()).libraries.into_iter().map(|library| library.name).filter(|name| name.len() == 7).collect();
    assert_eq!(names, ["liba.so", "libb.so"]);
}
