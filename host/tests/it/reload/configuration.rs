//! SIGHUP and `longshore reload`: another configuration, all of it or nothing.

use serde_json::{Value, json};

use crate::support::{Exchanged, Request, Start};

#[test]
fn storage_that_does_not_open_or_is_not_healthy_is_not_exchanged() {
    let it = Exchanged::start("");
    it.registry.push_image("a", "v1", b"layer");
    std::fs::write(it.registry.folder.path().join("file"), "no folder").expect("the folder is ours");
    it.registry.rewrite(|text| text.replace("root = \"data\"", "root = \"file/data\""));
    let said = it.ask(&["reload"]).ends(4, "the root cannot be made").text();
    assert!(said.contains("cannot open storage \"main\"") && said.contains("file/data"), "storage and reason: {said}");
    it.registry.get("/v2/a/manifests/v1").is(200, "the old storage serves");
    it.registry.rewrite(|text| {
        let storage = text.find("path = ").expect("the driver is given by its file");
        format!("{}driver = \"specimen-panics\"\nsettings = {{ at = \"health\" }}\n", &text[..storage])
    });
    let said = it.ask(&["reload"]).ends(4, "it says that it is not well").text();
    assert!(said.contains("storage \"main\" opens, and is not healthy: ") && said.contains("panic"), "storage and reason: {said}");
    it.registry.get("/v2/a/manifests/v1").is(200, "the old storage serves");
    let said = it.ask(&["driver", "reload", "main"]).ends(0, "the configuration that takes effect is still the old one").text();
    assert!(said.contains("storage main: filesystem"), "{said}");
}

#[test]
fn configuration_that_is_read_again_takes_effect_and_is_told_key_by_key() {
    let it = Exchanged::start("registry.delete = true");
    it.registry.push_image("a", "v1", b"layer");
    it.registry.push_image("a", "v2", b"layer");
    let mut kept = it.registry.connect();
    kept.send(&Request::new("GET", "/v2/")).is(200, "a connection that is kept alive");
    it.registry.rewrite(|text| {
        let text = text.replace("registry.delete = true", "registry.delete = false\nregistry.tags_page_max = 1\nlog.level = \"debug\"");
        format!("{text}\n[storage.new]\ndriver = \"memory\"\n[[route]]\nrepository = \"new/**\"\nstorage = \"new\"\n")
    });
    let said = it.ask(&["reload"]).ends(0, "all of it can change").text();
    for line in [
        "registry.delete: true → false\n",
        "registry.tags_page_max: 1000 → 1\n",
        "log.level: \"info\" → \"debug\"\n",
        "storage.new.driver: (none) → \"memory\"\n",
        "route.0.repository: (none) → \"new/**\"\n",
        "storage new: (none) → memory ",
    ] {
        assert!(said.contains(line), "{line:?} is in\n{said}");
    }
    assert!(!said.contains("storage main:"), "what has not changed is not opened again: {said}");
    let changed = it.registry.logged("the log says it too", |line| line["message"] == "changed" && line["key"] == "registry.delete");
    assert_eq!((&changed["from"], &changed["to"]), (&json!("true"), &json!("false")));
    kept.send(&Request::new("DELETE", "/v2/a/manifests/v1")).is(405, "also on a connection that was there before");
    assert_eq!(it.registry.get("/v2/a/tags/list").json()["tags"], json!(["v1"]), "pages are shorter");
    it.registry.logged("each request is logged now", |line| line["message"] == "answered" && line["path"] == "/v2/a/tags/list");
    it.registry.push_image("new/a", "v1", b"layer");
    assert!(!it.registry.files().iter().any(|file| file.contains("repositories/new")), "it lies in the new storage");

    it.registry.rewrite(|text| text.split("\n[storage.new]").next().unwrap_or_default().to_owned());
    let said = it.ask(&["reload", "--json"]).ends(0, "a storage goes").json();
    assert_eq!(said["storages"][0]["storage"], "new");
    assert_eq!(said["storages"][0]["to"], Value::Null, "{said}");
    it.registry.get("/v2/new/a/manifests/v1").is(404, "its repositories lie in the other one now");
    let said = it.ask(&["reload"]).ends(0, "once more").text();
    assert_eq!(said, "nothing has changed\n");
}

#[test]
fn settings_that_change_open_the_driver_again() {
    let it = Exchanged::start("");
    it.registry.push_image("a", "v1", b"layer");
    it.registry.rewrite(|text| text.replace("root = \"data\"", "root = \"other\""));
    it.registry.hang_up();
    it.registry.logged("it is reloaded", |line| line["message"] == "reloaded");
    it.registry.get("/v2/a/manifests/v1").is(404, "the other folder is empty, and nothing of the first is remembered");
    it.registry.push_image("a", "v1", b"layer");
    assert!(it.registry.folder.path().join("other/docker").is_dir());
}

#[test]
fn signal_with_a_broken_configuration_changes_nothing_and_reports_every_fault() {
    let it = Exchanged::start("");
    it.registry.push_image("a", "v1", b"layer");
    it.registry.rewrite(|text| {
        let text = text.replace("root = \"data\"", "rot = \"data\"");
        format!("log.level = \"debug\"\nregistry.delete = \"hunter2\"\nregistry.colour = 1\n{text}")
    });
    it.registry.hang_up();
    let line = it.registry.logged("nothing is reloaded", |line| line["level"] == "ERROR");
    let text = line["message"].as_str().expect("a text");
    assert!(text.starts_with("nothing was reloaded, what served before goes on: "), "{text}");
    for part in [":2:19: delete is", ":3:", "unknown key \"colour\"", "rot is not a setting"] {
        assert!(text.contains(part), "{part} is in\n{text}");
    }
    it.registry.delete("/v2/a/manifests/v1").is(202, "the old configuration takes effect");
    std::fs::write(&it.registry.file, "[server\n").expect("the folder is ours");
    it.ask(&["reload"]).ends(3, "without the configuration it is not known where the socket is");
    std::fs::remove_file(&it.registry.file).expect("the folder is ours");
    it.registry.hang_up();
    it.registry
        .logged("no file is a fault too", |line| line["message"].as_str().is_some_and(|text| text.contains("there is no such file")));
    it.registry.push_image("a", "v2", b"layer");
}

#[test]
fn configuration_that_needs_a_restart_is_refused_whole() {
    let it = Exchanged::start("");
    it.registry.rewrite(|text| {
        let text = text.replace("127.0.0.1:0", "127.0.0.2:0");
        format!("drivers.blocking_threads = 3\nregistry.delete = false\n{text}")
    });
    let said = it.ask(&["reload"]).ends(3, "two keys cannot change").text();
    assert!(said.contains("a change of server.listen, drivers.blocking_threads need a restart"), "{said}");
    it.registry.push_image("a", "v1", b"layer");
    it.registry.delete("/v2/a/manifests/v1").is(202, "nor has what could have changed");
}

#[test]
fn secret_that_changes_is_told_and_not_shown() {
    let folder = std::sync::Arc::new(tempfile::tempdir().expect("a folder can be made"));
    let key = folder.path().join("key");
    std::fs::write(&key, "correct horse battery staple").expect("the folder is ours");
    let keys = "registry.upload_signing_keys = [{ file = \"key\" }]";
    let it = Exchanged::start_with(Start { keys, folder: Some(folder), ..Start::default() });
    let location = it.registry.begin("a");
    std::fs::write(&key, "wrong horse battery staple").expect("the folder is ours");
    let said = it.ask(&["reload"]).ends(0, "a secret may change").text();
    assert_eq!(said, "registry.upload_signing_keys: [\"(hidden)\"] → [\"(hidden)\"]\n", "that it did is told");
    it.registry.patch(&location, b"x").expect_error(404, "BLOB_UPLOAD_INVALID", "what the old key sealed is unknown now");
    let ended = it.registry.stop();
    assert!(!format!("{:?}", ended.log).contains("horse"), "it is nowhere in the log");
}

#[test]
fn clients_that_are_connected_are_not_cut_off_by_a_smaller_limit() {
    let it = Exchanged::start("server.connections_max = 3");
    let mut kept: Vec<_> = (0..3).map(|_| it.registry.connect()).collect();
    for connection in &mut kept {
        connection.send(&Request::new("GET", "/v2/")).is(200, "it is connected");
    }
    it.registry.rewrite(|text| text.replace("connections_max = 3", "connections_max = 1"));
    it.ask(&["reload"]).ends(0, "the limit may change");
    for connection in &mut kept {
        connection.send(&Request::new("GET", "/v2/")).is(200, "it goes on");
    }
    let mut waiting = it.registry.connect();
    waiting.write(Request::new("GET", "/v2/").encode());
    drop(kept);
    waiting.read(false).is(200, "one at a time from now on");
    it.registry.rewrite(|text| text.replace("connections_max = 1", "connections_max = 2"));
    it.ask(&["reload"]).ends(0, "and up again");
    it.registry.get("/v2/").is(200, "a second one");
}

#[test]
fn signals_that_come_together_are_all_obeyed() {
    let it = Exchanged::start("");
    for round in 0..30 {
        it.registry.rewrite(|text| format!("{}\n# round {round}\n", text.replace("log.level", "#log.level")));
        it.registry.hang_up();
    }
    it.registry.rewrite(|text| format!("registry.delete = false\n{text}"));
    it.registry.hang_up();
    it.registry.logged("the last one finds the last text", |line| line["message"] == "changed" && line["key"] == "registry.delete");
    it.registry.push_image("a", "v1", b"layer");
    it.registry.delete("/v2/a/manifests/v1").is(405, "which takes effect");
}
