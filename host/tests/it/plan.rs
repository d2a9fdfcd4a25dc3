//! `longshore plan`: the table of the code, for this configuration, and the line that a start logs.

use std::fs;
use std::process::Stdio;

use longshore::store::plan::{Operation, Push, summary};
use longshore_loader::api::{Capabilities, Capability};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Registry, command};

const TWO: &str = r#"cache.ttl_secs = 5
[storage.main]
driver = "filesystem"
settings = { root = "data" }
layers = [{ driver = "count" }]
[storage.scratch]
driver = "memory"
required = false
[[route]]
repository = "ci/**"
storage = "scratch"
"#;

fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command().args(arguments).current_dir(folder.path()).stdin(Stdio::null()).output().expect("it can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn memory() -> Capabilities {
    Capabilities::of(&[
        Capability::PutIfAbsent,
        Capability::DeletePrefix,
        Capability::Copy,
        Capability::UploadList,
        Capability::NestedObjects,
    ])
}

#[test]
fn plan_tells_drivers_and_costs_of_each_storage() {
    let folder = folder(TWO);
    let (code, out, err) = run(&folder, &["plan"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(!folder.path().join("data").exists(), "a plan starts nothing");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = out.lines().map(words).collect();
    for line in [
        "cache.ttl_secs 5",
        "storage main",
        "drivers count 0.1.0 > filesystem 0.1.0",
        "repositories all that no route takes",
        "storage scratch",
        "drivers memory 0.1.0",
        "repositories ci/**",
        "required no: the registry starts without it",
        "durability memory",
        "done without file_region, presign",
        "without file_region: blobs pass through the host's memory",
        "GET of a blob 2 1 2 read 1 read",
        "HEAD or GET of a manifest by tag 3 1 2 read, 1 list 1 read",
        "A push of n new layers costs at most 4n + 8 round trips where a driver can put_if_absent.",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line} is a line of\n{out}");
    }
    assert!(out.is_ascii(), "no colours and no signs that a terminal may not have");
}

#[test]
fn plan_for_programs_is_the_table() {
    let (code, out, err) = run(&folder(TWO), &["plan", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let plan: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(plan["limits"]["cache.ttl_secs"], 5);
    let [main, scratch] = plan["storages"].as_array().expect("a list").as_slice() else { panic!("two storages: {plan}") };
    assert_eq!((&main["name"], &main["durability"], &main["consistency"]), (&json!("main"), &json!("disk"), &json!("strong")));
    assert_eq!((&main["drivers"][0]["layer"], &main["drivers"][1]["layer"]), (&json!(true), &json!(false)));
    assert_eq!((&scratch["required"], &scratch["repositories"]), (&json!(false), &json!(["ci/**"])));
    let told = scratch["operations"].as_array().expect("a list");
    assert_eq!(told.len(), Operation::ALL.len() + Push::ALL.len(), "each has a row");
    for operation in Operation::ALL {
        let row = told.iter().find(|row| row["operation"] == operation.name()).expect("each operation has a row");
        for (key, cost) in [("cold", operation.cold(memory())), ("warm", operation.warm(memory()))] {
            assert_eq!(row[key]["calls"], cost.to_string(), "{} {key}", operation.name());
            assert_eq!(row[key]["kinds"].as_array().map(Vec::len), Some(cost.terms().len()), "{} {key}", operation.name());
        }
    }
    let push = told.iter().find(|row| row["operation"] == Push::Stream.name()).expect("a push has a row");
    assert_eq!((&push["cold"]["calls"], &push["cold"]["round_trips"]), (&json!("6n + 10"), &json!("4n + 8")));
}

#[test]
fn plan_of_a_faulty_configuration_reports_its_faults() {
    let (code, out, err) = run(&folder("[storage.main]\ndriver = \"memroy\"\n"), &["plan"]);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
    assert!(err.starts_with("registry.toml:2:10: cannot load driver \"memroy\""), "{err}");
}

#[test]
fn plan_of_each_storage_is_logged_by_a_start() {
    let registry = Registry::memory();
    let line = registry.logged("a start logs its plan", |line| line["message"] == "plan");
    assert_eq!((&line["storage"], &line["calls"]), (&json!("main"), &json!(summary(memory()))), "one line for the storage");
    assert!(line["calls"].as_str().is_some_and(|calls| calls.contains("push of n new layers: 4n + 8 by PATCH")), "{line}");
}
