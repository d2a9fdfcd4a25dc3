//! Layers: drivers between the registry and the one that keeps the bytes. Stacked by `registry.toml`, checked like any other driver.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::{COUNTED, Registry, Request, Start, bytes, command, sha256};

const TWO: &str = "[[storage.main.layers]]\ndriver = \"count\"\nsettings = { label = \"outer\", each_call = true }\n\
                   [[storage.main.layers]]\ndriver = \"count\"\nsettings = { label = \"inner\", each_call = true }\n";
const LARGE: usize = 2_000_000;

fn over(driver: &'static str, tables: &'static str) -> Registry {
    let settings = if driver == "filesystem" { "durability = \"process\"" } else { "" };
    Registry::start_with(Start { driver, settings, tables, ..Start::default() })
}

/// Runs a command over this configuration.
fn run(text: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
    let Output { status, stdout, stderr } =
        command().args(arguments).current_dir(folder.path()).stdin(Stdio::null()).output().expect("it can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (status.code(), text(stdout), text(stderr))
}

fn plan(text: &str) -> Value {
    let (code, out, err) = run(text, &["plan", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).expect("it is JSON")
}

#[test]
fn layers_are_gone_through_from_the_first_to_the_last() {
    let registry = over("memory", TWO);
    registry.push_blob("a", b"layer");
    let log = registry.stop().log;
    let messages: Vec<&str> =
        log.iter().filter(|line| line["driver"] == "count/main").filter_map(|line| line["message"].as_str()).collect();
    let labels: Vec<&str> = messages.iter().filter(|line| line.contains(", request ")).filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(labels, ["inner", "outer", "inner", "outer"], "the inner one has its answer first: {messages:?}");
    let sums: Vec<&str> =
        messages.iter().filter(|line| line.contains("since the start")).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(sums, ["outer", "inner"], "the outer one is closed first: {messages:?}");
    let opened = log.iter().find(|line| line["message"] == "opened").expect("it is told");
    assert_eq!((&opened["driver"], &opened["layers"]), (&json!("memory"), &json!("count, count")), "{opened}");
}

#[test]
fn layers_change_nothing_of_what_clients_see() {
    for driver in ["memory", "filesystem"] {
        let registry = over(driver, TWO);
        let content = bytes(1, LARGE);
        let digest = sha256(&content);
        let begun = registry.patch(&registry.begin("a"), &content[..LARGE / 2]).is(202, "a chunk is appended").location();
        let pushed = registry.finish(&begun, &digest, &content[LARGE / 2..]).is(201, "the rest of it");
        assert_eq!(registry.get(pushed.location()).body, content, "no byte is missing or doubled over {driver}");
        let part = Request::new("GET", format!("/v2/a/blobs/{digest}")).header("range", "bytes=1000000-1000009");
        assert_eq!(registry.send(&part).is(206, "a part").body, content[1_000_000..1_000_010], "the part is the right one");
        let manifest = registry.push_image("a", "v1", b"layer");
        assert_eq!(registry.get("/v2/a/manifests/v1").body, manifest, "a manifest is served");
        let cancelled = registry.patch(&registry.begin("a"), &content).is(202, "a chunk is appended").location();
        registry.delete(&cancelled).is(204, "an upload is cancelled");
        registry.delete("/v2/a/manifests/v1").is(202, "a tag is deleted");
        registry.get("/v2/a/manifests/v1").expect_error(404, "MANIFEST_UNKNOWN", "it is gone");
    }
}

#[test]
fn layers_hand_on_only_what_the_driver_below_has() {
    let capabilities = |storage: &str| {
        let plan = plan(&format!("[storage.main]\n{storage}\nlayers = [{{ driver = \"count\" }}]\n"));
        plan["storages"][0]["capabilities"].clone()
    };
    let memory = capabilities("driver = \"memory\"");
    assert_eq!(memory["absent"], json!(["file_region", "presign"]), "memory keeps no files, whatever a layer above could hand on");
    assert_eq!(memory["unused"], json!(["copy", "nested_objects"]), "{memory}");
    let filesystem = capabilities("driver = \"filesystem\"\nsettings = { root = \"data\" }");
    assert_eq!(filesystem["used"], json!(["put_if_absent", "delete_prefix", "file_region", "upload_list"]), "{filesystem}");
}

/// A copy of the layer whose note does not declare what it could hand on.
fn plain_layer(folder: &Path) -> String {
    let place = Path::new(env!("CARGO_BIN_EXE_longshore")).with_file_name("liblongshore_driver_count.so");
    let mut file = fs::read(place).expect("it can be read");
    for (declared, unknown) in [(&b"\"put_if_absent\""[..], &b"\"put_if_unsaid\""[..]), (b"\"delete_prefix\"", b"\"delete_unsaid\"")] {
        let places: Vec<usize> = (0..file.len() - declared.len()).filter(|at| file[*at..].starts_with(declared)).collect();
        assert!(!places.is_empty(), "its note declares it");
        for at in places {
            file[at..at + unknown.len()].copy_from_slice(unknown);
        }
    }
    let path = folder.join("liblongshore_driver_plain.so");
    fs::write(&path, file).expect("the test may write there");
    path.display().to_string()
}

/// What a layer does not declare is not there, and the registry does without it.
#[test]
fn layers_that_declare_less_take_it_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = plain_layer(folder.path());
    let layer = format!("[[storage.main.layers]]\npath = {path:?}\nsettings = {{ each_call = true }}\n");
    let mut account = crate::support::Account::start(Start {
        driver: "memory",
        keys: "drivers.trust = \"any\"",
        tables: layer.leak(),
        ..Start::default()
    });
    let manifest = account.registry.push_image("a", "v1", b"layer");
    account.registry.push_blob("a", b"another layer");
    let other = crate::support::image(b"{}", b"another layer").to_string();
    let pushed = account.registry.put_manifest("a", "v2", crate::support::OCI_MANIFEST, other.as_bytes()).is(201, "a manifest is pushed");
    let deleted = account.registry.delete("/v2/a/manifests/v2").is(202, "a tag is deleted");
    assert_eq!(account.registry.get("/v2/a/manifests/v1").body, manifest, "the other one stays");
    use longshore::store::plan::Operation::{ManifestPut, TagDelete};
    let without = longshore_loader::api::Capabilities::default();
    account.costs("without put_if_absent", &ManifestPut.warm(without), 2, [&pushed]);
    account.costs("without delete_prefix", &TagDelete.warm(without), 1, [&deleted]);
    account.close();
}

#[test]
fn layers_that_do_not_fit_are_reported_together() {
    let text = r#"[storage.main]
driver = "memory"
settings = { max_byte = 1 }
layers = [
    { driver = "filesystem", settings = { root = "data" } },
    { driver = "count", settings = { each_call = 1 } },
    { driver = "cuont" },
    { driver = "count", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" },
    { settings = { a = 1 } },
    { driver = "count", requird = true },
]

[storage.other]
driver = "count"

[storage.third]
driver = "memory"
layers = "count"
"#;
    for command in [["config", "check"].as_slice(), &["plan"], &["serve"]] {
        let (code, out, err) = run(text, command);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
        for fault in [
            "registry.toml:3:14: max_byte is not a setting",
            "registry.toml:5:16: the driver \"filesystem\" is no layer: it would never call the driver below it",
            "registry.toml:6:50: each_call is 1, must be a boolean",
            "registry.toml:7:16: cannot load driver \"cuont\"",
            "registry.toml:8:16: cannot load driver \"count\"",
            "registry.toml:9:5: layers.4 of storage \"main\" has no driver, must have driver = \"NAME\" or path = \"FILE\"",
            "registry.toml:10:25: unknown key \"requird\" in [storage.main.layers.5]",
            "registry.toml:14:10: the driver \"count\" is a layer and keeps nothing itself",
            "registry.toml:18:10: layers must be a list such as [{ driver = \"count\" }]",
        ] {
            assert!(err.contains(fault), "{fault} is in\n{err}");
        }
    }
}

#[test]
fn layers_stand_in_a_variable_too() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("registry.toml"), "[storage.main]\ndriver = \"memory\"\n").expect("the test may write there");
    let mut command = command();
    command.args(["config", "show"]).current_dir(folder.path()).stdin(Stdio::null());
    let said = command.env("LONGSHORE_STORAGE__MAIN__LAYERS", "[{ driver = 'count' }]").output().expect("it can be run");
    let out = String::from_utf8(said.stdout).expect("it is text");
    let layer = "[[storage.main.layers]]\ndriver = \"count\"  # from environment LONGSHORE_STORAGE__MAIN__LAYERS\nsettings.each_call = false  # default\n";
    assert!(out.contains(layer), "{out}");
}

#[test]
fn layers_over_a_driver_that_does_not_open_are_not_opened() {
    let text = format!("[storage.main]\ndriver = \"filesystem\"\nsettings = {{ root = \"no/such/folder\" }}\n{COUNTED}");
    let (code, _, err) = run(&text, &["serve"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("cannot open storage \"main\"") && err.contains("filesystem/main"), "the driver that failed is named: {err}");
    assert!(!err.contains("count/main"), "and no other: {err}");
}

#[test]
fn layers_leave_an_error_the_name_of_the_driver_whose_it_is() {
    let registry = over("filesystem", TWO);
    fs::remove_dir_all(registry.data()).expect("the test may write there");
    registry.get("/v2/a/manifests/v1").is(500, "the folder of the store is gone");
    let line = registry.logged("the error is logged", |line| line["level"] == "ERROR");
    let message = line["message"].as_str().expect("a line has a message");
    assert!(message.starts_with("cannot read a tag: driver filesystem/main: the root folder"), "{message}");
    let log = registry.stop().log;
    let ended =
        log.iter().filter_map(|line| line["message"].as_str()).filter(|line| line.contains(": read ") && line.contains(": missing, "));
    assert_eq!(ended.count(), 2, "each layer saw how the call ended: {log:?}");
}
