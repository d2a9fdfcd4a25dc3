//! Secrets never appear: canaries in every place where a secret may stand, under a driver that tells its secrets in its log, its errors and its
//! panics. Everything that the program writes is looked through: log, answers, metrics, commands.
//!
//! A core file is another matter: an isolated driver's process leaves none.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::{Client, Registry, Start, command};

/// Each canary has this in it, and nothing else that is written has.
const CANARY: &str = "canary";
/// Storages that get their secret from a variable, from a file, from a variable that stands above the file, and by a name that is deprecated.
/// Each has another one in the URL of a proxy, which is no secret setting.
const STORAGES: &str = r#"
[storage.main]
driver = "specimen-tells"
settings = { token = { env = "BIRD" }, proxy = "http://user:canary-in-a-url@127.0.0.1:3128" }
required = false
[storage.file]
driver = "specimen-tells"
settings = { token = { file = "bird" }, password = { env = "BIRD" } }
[storage.above]
driver = "specimen-tells"
settings = { proxy = { env = "PROXY" }, password = { env = "BIRD" } }
[[route]]
repository = "file/**"
storage = "file"
[[route]]
repository = "above/**"
storage = "above"
"#;
const KEYS: &str = "registry.upload_signing_keys = [{ env = \"KEY\" }, { file = \"key\" }]\n";

fn variables() -> Vec<(&'static str, String)> {
    [
        ("BIRD", "canary \"that\\is quoted"),
        ("LONGSHORE_STORAGE__ABOVE__SETTINGS__TOKEN", "canary-above-the-file"),
        ("PROXY", "https://canary-without-a-user@proxy.test/"),
        ("KEY", "canary-key-of-uploads"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// A folder with the files that hold secrets.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bird"), "canary-in-the-first-line\ncanary-in-the-second-line\n").expect("the test may write there");
    fs::write(folder.path().join("key"), "canary-key-of-yesterday").expect("the test may write there");
    folder
}

#[track_caller]
fn has_no_canary(what: &str, text: &str) {
    let line = text.lines().find(|line| line.contains(CANARY));
    assert_eq!(line, None, "{what} tells a secret");
}

/// What a command writes, to both of its outputs; the code it ends with is another test's matter.
fn written(folder: &Path, arguments: &[&str]) -> String {
    let mut command = command();
    command.args(arguments).envs(variables()).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("it can be run");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn secret_is_in_no_log_line_no_answer_and_no_metric() {
    let keys = format!("log.level = \"trace\"\nserver.admin = \"127.0.0.1:0\"\n{KEYS}").leak();
    let (main, others) =
        STORAGES.split_once("[storage.main]\n").map_or(("", ""), |(_, rest)| rest.split_once("[storage.file]").expect("it is there"));
    let tables = format!("[storage.file]{others}").leak();
    let start = Start {
        keys,
        tables,
        variables: variables(),
        folder: Some(Arc::new(folder())),
        storage: Some(main.to_owned()),
        ..Start::default()
    };
    let registry = Registry::start_with(start);
    let line = registry.logged("the address is logged", |line| line["message"] == "serving /healthz and /metrics");
    let admin = Client { address: line["address"].as_str().expect("it is a text").parse().expect("it is an address") };
    for repository in ["a", "file/a", "above/a"] {
        let digest = crate::support::sha256(b"layer");
        for target in ["manifests/latest", "tags/list", &format!("blobs/{digest}"), &format!("referrers/{digest}")] {
            let answer = registry.get(format!("/v2/{repository}/{target}"));
            assert!(answer.status >= 400, "the driver fails: {target}");
            has_no_canary(target, &format!("{answer:?}{}", answer.text()));
        }
        let answer = registry.send(
            &crate::support::Request::new("POST", format!("/v2/{repository}/blobs/uploads/?digest={digest}")).body(b"layer".as_slice()),
        );
        has_no_canary("a push", &format!("{answer:?}{}", answer.text()));
        let location = registry.begin(repository);
        has_no_canary("the URL of an upload", &location);
    }
    has_no_canary("the catalog", &registry.get("/v2/_catalog").text());
    for (client, page) in [(&*registry, "/healthz"), (&admin, "/healthz"), (&admin, "/metrics")] {
        has_no_canary(page, &client.get(page).text());
    }
    let log = registry.stop().log.iter().map(|line| format!("{line}\n")).collect::<String>();
    for told in ["the driver panicked at", "cannot log in with", "(hidden)", "unauthorized"] {
        assert!(log.contains(told), "the driver has told it: {told}");
    }
    has_no_canary("the log", &log);
    let deprecated: Vec<&str> = log.lines().filter(|line| line.contains("password is deprecated, use token")).collect();
    assert_eq!(deprecated.len(), 1, "two storages use the old name, and one line says so: {deprecated:?}");
    assert_eq!(deprecated[0].matches("is deprecated").count(), 1, "once: {}", deprecated[0]);
}

#[test]
fn secret_is_in_no_output_of_a_command() {
    let folder = folder();
    fs::write(folder.path().join("registry.toml"), format!("{KEYS}{STORAGES}")).expect("the test may write there");
    let driver = Path::new(env!("CARGO_BIN_EXE_longshore")).with_file_name("liblongshore_driver_specimen_tells.so");
    let driver = driver.to_str().expect("it is text");
    let commands: &[&[&str]] = &[
        &["config", "check"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "explain"],
        &["config", "explain", "--json"],
        &["config", "explain", "storage.*.settings.token"],
        &["config", "explain", "storage.main.settings.proxy"],
        &["config", "explain", "registry.upload_signing_keys", "--json"],
        &["config", "schema"],
        &["config", "reference", "specimen-tells"],
        &["config", "example", "specimen-tells"],
        &["plan"],
        &["plan", "--json"],
        &["driver", "list"],
        &["driver", "list", "--json"],
        &["driver", "inspect", driver],
        &["driver", "inspect", driver, "--json"],
    ];
    for arguments in commands {
        let text = written(folder.path(), arguments);
        assert!(!text.is_empty(), "{arguments:?} says something");
        has_no_canary(&format!("{arguments:?}"), &text);
    }
    let shown = written(folder.path(), &["config", "show"]);
    assert!(shown.contains(r#"proxy = "http://(hidden)@127.0.0.1:3128""#), "the rest of a URL may be seen: {shown}");
}

#[test]
fn secret_is_in_no_report_of_a_start_that_fails() {
    let folder = folder();
    let run = |text: &str, arguments: &[&str]| {
        fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
        written(folder.path(), arguments)
    };
    let closed = format!("log = {{ level = \"trace\", format = \"human\" }}\n{KEYS}{STORAGES}")
        .replace("settings = { ", "settings = { opens = false, ");
    let told = run(&closed, &["serve"]);
    assert!(told.contains("cannot log in with"), "the driver has told why: {told}");
    has_no_canary("a start that fails", &told);

    // What is wrong stands in one line with a secret, or is one.
    let faulty = [
        "settings = { token = 'canary-in-the-file', proxy = 'http://u:canary@x' }",
        "settings = { token = { env = 'BIRD' }, proxy = 'http://u:canary@x', opens = 'perhaps', colour = 'canary' }",
        "settings = { token = { env = 'BIRD', file = 'canary' } }",
        "settings = { tokn = 'canary' }",
        "settings = { opens = 'http://u:canary@x' }",
        "setings = { token = 'canary' }",
        "settings = 'canary'",
        "settings = { token = 'canary",
    ];
    for settings in faulty {
        let text = format!("{KEYS}[storage.main]\ndriver = 'specimen-tells'\n{settings}\n");
        for arguments in [&["config", "check"][..], &["config", "show"], &["config", "explain"], &["plan"], &["serve"]] {
            let told = run(&text, arguments);
            assert!(!told.is_empty(), "{settings} is wrong");
            has_no_canary(&format!("{arguments:?} of {settings}"), &told);
        }
    }
}
