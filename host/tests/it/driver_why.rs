//! `longshore driver why`: every place looked in, which file decided, and how far a driver came.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::driver_cli::{file, run};

/// A configuration with two folders for drivers, of which the first has the memory driver only.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new(storage: &str) -> Self {
        let setup = Self { folder: tempfile::tempdir().expect("a folder") };
        for (place, drivers) in [("first", &["memory"][..]), ("second", &["memory", "filesystem", "count"])] {
            fs::create_dir(setup.path(place)).expect("the test may write there");
            for driver in drivers {
                let name = format!("liblongshore_driver_{driver}.so");
                fs::copy(file(driver), setup.path(place).join(name)).expect("the test may write there");
            }
        }
        let folders = ["gone", "first", "second"].map(|place| setup.path(place));
        fs::write(setup.path("registry.toml"), format!("drivers.path = {folders:?}\ndrivers.trust = \"any\"\n{storage}"))
            .expect("the test may write there");
        setup
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn why(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let config = self.path("registry.toml").display().to_string();
        run(&[&["driver", "why", "--config", &config], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let (code, out, err) = self.why(&[&["--json"], arguments].concat());
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: it is JSON: {out}{err}")))
    }
}

/// The stages as `found+ inspected+ verified- …`: reached, stopped, or not tried.
fn stages(driver: &Value) -> String {
    let stages = driver["stages"].as_array().expect("a list").iter().map(|stage| {
        let mark = match stage["reached"].as_bool() {
            Some(true) => "+",
            Some(false) => "-",
            None => "?",
        };
        format!("{}{mark}", stage["stage"].as_str().expect("a text"))
    });
    stages.collect::<Vec<_>>().join(" ")
}

const ALL: &str = "found+ inspected+ verified+ probed+ loaded+ handshake+ opened+ healthy+";
const UNOPENED: &str = "found+ inspected+ verified+ probed+ loaded+ handshake+ opened? healthy?";

#[test]
fn every_place_is_told_and_which_file_decided() {
    let setup = Setup::new("[storage.main]\ndriver = \"memory\"\n");
    let (code, out, err) = setup.why(&["main"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let name = "liblongshore_driver_memory.so";
    for (place, found) in [("gone", "no such folder"), ("first", "used"), ("second", "not used, for an earlier folder has one")] {
        let place = setup.path(place).join(name).display().to_string();
        assert!(out.lines().any(|line| line.trim_start().starts_with(&place) && line.ends_with(found)), "{place} is {found}:\n{out}");
    }
    assert!(out.contains(&format!("found      yes  {}\n", setup.path("first").join(name).display())), "{out}");
    assert!(out.contains("opened     -    --open opens the store, and asks for its health\n"), "{out}");
}

#[test]
fn driver_comes_as_far_as_its_store() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path().join("data");
    let setup = Setup::new(&format!(
        "[storage.main]\ndriver = \"filesystem\"\nsettings = {{ root = {root:?} }}\nlayers = [{{ driver = \"count\" }}]\n"
    ));
    let (code, json) = setup.json(&["main"]);
    assert_eq!((code, stages(&json["drivers"][0]), stages(&json["drivers"][1])), (Some(0), UNOPENED.into(), UNOPENED.into()), "{json}");
    assert!(!root.exists(), "without --open no store is touched");
    let (code, json) = setup.json(&["main", "--open"]);
    assert_eq!((code, stages(&json["drivers"][1])), (Some(0), ALL.into()), "{json}");
    assert!(root.exists(), "with it the store was opened, by the child");
    let (code, json) = setup.json(&["filesystem"]);
    assert_eq!((code, stages(&json["drivers"][0])), (Some(0), UNOPENED.into()), "by the driver's name: {json}");
}

#[test]
fn reason_is_told_where_it_stopped() {
    let stopped = |storage: &str, arguments: &[&str], at: &str, reason: &str| {
        let setup = Setup::new(storage);
        let (code, json) = setup.json(arguments);
        let driver = &json["drivers"].as_array().and_then(|all| all.last()).expect("a driver");
        assert_eq!((code, &driver["stopped_at"]), (Some(4), &Value::from(at)), "{json}");
        let stage = driver["stages"].as_array().and_then(|all| all.iter().find(|stage| stage["stage"] == at)).expect("the stage");
        assert!(stage["why"].as_str().is_some_and(|why| why.contains(reason)), "{reason}: {stage}");
        let (_, out, err) = setup.why(arguments);
        assert!(err.contains(&format!(" is not {at}: ")), "{err}");
        assert!(out.contains(&format!("{at:<9}  no  ")), "{out}");
    };
    stopped("[storage.main]\ndriver = \"gone\"\n", &["main"], "found", "[file-not-found]");
    stopped("[storage.main]\npath = \"/etc/passwd\"\n", &["main"], "inspected", "[file-not-elf]");
    let pin = format!("[storage.main]\ndriver = \"memory\"\nsha256 = \"{}\"\n", "0".repeat(64));
    stopped(&pin, &["main"], "verified", "[policy-digest]");
    stopped("[storage.main]\ndriver = \"filesystem\"\n", &["main"], "opened", "root");
    let unusable = "[storage.main]\ndriver = \"filesystem\"\nsettings = { root = \"/proc/none/data\" }\n";
    stopped(unusable, &["main", "--open"], "opened", "[probe-open]");
}

#[test]
fn file_that_ends_its_process_stops_where_it_was_probed() {
    let setup = Setup::new("[storage.main]\ndriver = \"c-files\"\n");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-driver");
    let build = setup.path("build").display().to_string();
    let breach = setup.path("breach.c");
    fs::write(&breach, "#include <stdlib.h>\n__attribute__((constructor)) static void f(void) { abort(); }\n")
        .expect("the test may write there");
    let mut make = std::process::Command::new("make");
    make.arg("-C").arg(source).arg(format!("BUILD={build}")).arg(format!("LDFLAGS={}", breach.display()));
    let made = make.output().expect("make is there");
    assert!(made.status.success(), "make: {}", String::from_utf8_lossy(&made.stderr));
    let name = "liblongshore_driver_c_files.so";
    fs::copy(Path::new(&build).join(name), setup.path("second").join(name)).expect("the test may write there");
    let (code, json) = setup.json(&["main"]);
    let driver = &json["drivers"][0];
    assert_eq!(
        (code, stages(driver)),
        (Some(4), "found+ inspected+ verified+ probed- loaded? handshake? opened? healthy?".into()),
        "{json}"
    );
    assert!(driver["stages"][3]["why"].as_str().is_some_and(|why| why.starts_with("signal 6 (SIGABRT) while it was loaded")), "{driver}");
}

#[test]
fn nearest_name_is_told_of_one_that_is_unknown() {
    let setup = Setup::new("[storage.main]\ndriver = \"memory\"\n");
    for (name, nearest) in [("mian", "main"), ("filesytem", "filesystem")] {
        let (code, _, err) = setup.why(&[name]);
        assert_eq!(code, Some(4), "there is no {name}");
        assert!(err.contains(&format!("{nearest:?}")), "{nearest} is told: {err}");
    }
    let (code, json) = setup.json(&["memory"]);
    assert_eq!((code, &json["drivers"][0]["driver"]), (Some(0), &"memory".into()), "a driver's name is known too: {json}");
}
