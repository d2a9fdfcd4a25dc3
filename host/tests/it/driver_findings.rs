//! `longshore driver inspect` and `explain`: everything that is to be said of a file, for people and for programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::driver_cli::{file, run};

/// A copy of the memory driver with two flaws and two reasons to refuse it.
fn flawed() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("liblongshore_driver_memory.so");
    let mut bytes = fs::read(file("memory")).expect("it can be read");
    // Equally long, so that the file stays whole.
    for (from, to) in
        [("\"vendor\":\"Longshore\"", "\"vendor\":\"         \""), ("\"contract\":1", "\"contract\":7"), ("\0libc.so.6\0", "\0libq.so.6\0")]
    {
        let places: Vec<_> =
            bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from.as_bytes()).map(|(at, _)| at).collect();
        assert!(!places.is_empty(), "{from:?} is in the driver");
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    fs::write(&path, bytes).expect("the test may write there");
    (folder, path.display().to_string())
}

#[test]
fn every_finding_of_a_file_is_told_with_what_why_and_how_to_fix() {
    let (_folder, path) = flawed();
    let (code, out, err) = run(&["driver", "inspect", &path]);
    assert_eq!(code, Some(4), "the host would refuse it: {err}");
    assert!(err.starts_with("cannot load driver \"memory\" from \"/") && err.trim_end().ends_with(']'), "the first reason: {err}");
    assert!(out.contains("findings  2 refused, 1 warning, 1 notice\n"), "{out}");
    for block in [
        "refused  dependency-missing  (platform)\n  what  the library \"libq.so.6\", which it needs, is in none of the places where the dynamic \
         linker looks\n  why   A library that the driver needs is not installed.\n  fix   install the package that has \"libq.so.6\", or",
        "refused  contract-version  (abi)\n  what  it keeps driver contract 7, this host relies on 1\n",
        "warning  note-field  (abi)\n  what  the note's field vendor is empty\n",
        "notice  file-symbols  (file)\n",
    ] {
        assert!(out.contains(block), "{block}\nis in\n{out}");
    }
    assert!(out.contains("libq.so.6: missing\n"), "each library with its place: {out}");
    assert!(out.contains("libgcc_s.so.1: /"), "each library with its place: {out}");
    assert!(!out.contains('\x1b'), "no colours where no terminal is");

    let (code, out, _) = run(&["driver", "inspect", "--json", &path]);
    let json: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!((code, &json["refused"]["code"], &json["name"]), (Some(4), &"dependency-missing".into(), &"memory".into()), "{json}");
    let findings = json["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 4, "{json}");
    for finding in findings {
        for key in ["code", "group", "severity", "what", "why", "fix"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{key} is told: {finding}");
        }
    }
    let missing = json["needs"]["found"].as_array().expect("a list").iter().find(|library| library["name"] == "libq.so.6");
    assert!(missing.is_some_and(|library| library["path"].is_null()), "{json}");
}

#[test]
fn file_without_a_note_is_looked_at_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("liblongshore_driver_none.so").display().to_string();
    let source = folder.path().join("none.c");
    fs::write(&source, "void f(void) {}\n").expect("the test may write there");
    let made = std::process::Command::new("cc").args(["-shared", "-fPIC", "-Wl,-z,execstack", "-o", &path]).arg(&source).status();
    assert!(made.expect("a C compiler is installed as `cc`").success());
    let (code, out, err) = run(&["driver", "inspect", &path]);
    assert_eq!(code, Some(4), "it is no driver");
    assert!(err.contains("[note-missing]"), "{err}");
    assert!(out.contains("refused  note-missing") && out.contains("warning  stack-executable"), "both are told: {out}");
}

#[test]
fn driver_is_inspected_by_its_name_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("registry.toml");
    fs::write(&config, "[storage.main]\ndriver = \"memory\"\n").expect("the test may write there");
    let config = config.display().to_string();
    let (code, out, err) = run(&["driver", "inspect", "memory", "--config", &config]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(&file("memory")), "{out}");
    let (code, out, err) = run(&["driver", "inspect", "memroy", "--config", &config, "--json"]);
    assert_eq!(code, Some(4), "there is none of that name");
    assert!(err.contains("use driver \"memory\", which is there"), "the nearest name is told: {err}");
    let json: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(json["findings"][0]["code"], "file-not-found", "{json}");
}

#[test]
fn worst_finding_of_each_file_is_listed() {
    let (folder, path) = flawed();
    let open = folder.path().join("liblongshore_driver_open.so");
    fs::copy(file("memory"), &open).expect("the test may write there");
    fs::set_permissions(&open, Permissions::from_mode(0o666)).expect("the file is ours");
    let (_, out, _) = run(&["driver", "list", "--path", &folder.path().display().to_string()]);
    let worst = |path: &str| out.lines().find(|line| line.ends_with(path)).and_then(|line| line.split_whitespace().rev().nth(1));
    assert_eq!((worst(&path), worst(&open.display().to_string())), (Some("refused"), Some("refused")), "{out}");
    assert!(out.contains("[dependency-missing]") && out.contains("[policy-writable-file]"), "and why: {out}");
}

#[test]
fn drivers_are_listed_by_name_and_the_nearest_is_told_of_one_that_is_not_there() {
    let folder = file("memory").trim_end_matches("/liblongshore_driver_memory.so").to_owned();
    let (code, out, err) = run(&["driver", "list", "--path", &folder, "memory"]);
    assert_eq!((code, out.lines().count(), err.as_str()), (Some(0), 2, ""), "a head and one driver: {out}");
    let (code, out, err) = run(&["driver", "list", "--path", &folder, "memroy"]);
    assert_eq!((code, out.as_str()), (Some(4), ""));
    assert!(err.contains("use driver \"memory\", which is there") && err.trim_end().ends_with("[file-not-found]"), "{err}");
}

#[test]
fn codes_are_explained() {
    let (code, out, _) = run(&["driver", "explain", "static-tls-large"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("static-tls-large (platform, warning)\n  The file wants so much"), "{out}");
    let (code, out, err) = run(&["driver", "explain", "static-tls-larg"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "there is no code \"static-tls-larg\"; did you mean \"static-tls-large\"?\n");
    let (_, out, _) = run(&["driver", "explain", "--json"]);
    let all: Value = serde_json::from_str(&out).expect("it is JSON");
    assert!(all.as_array().is_some_and(|all| all.len() > 50), "without a code, all are told: {out}");
}
