//! What the program writes of its own configuration: explanations, reference pages, examples, a schema for editors, completion scripts.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::command;

/// Drivers that come with the registry. The last three bring their store's client and are built by themselves.
const DRIVERS: [&str; 6] = ["filesystem", "memory", "count", "s3", "azure", "gcs"];
const BUILT_ALONE: [&str; 3] = ["s3", "azure", "gcs"];

/// The folder of the program, where the drivers are that this workspace has built.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_longshore")).parent().expect("it is in a folder").to_owned()
}

/// The drivers that are there; those that are missing are named.
fn drivers() -> impl Iterator<Item = &'static str> {
    DRIVERS.into_iter().filter(|driver| {
        let there = built().join(format!("liblongshore_driver_{driver}.so")).exists();
        assert!(there || BUILT_ALONE.contains(driver), "{driver} is missing: run `cargo build --workspace` first");
        if !there {
            eprintln!("skipped: the driver {driver} is not built");
        }
        there
    })
}

/// A command in a folder with this `registry.toml`; its code and what it wrote.
fn run(text: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
    let mut command = command();
    let output = command.args(arguments).envs(variables.iter().copied()).current_dir(folder.path()).stdin(Stdio::null()).output();
    let output = output.expect("it can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const GOOD: &str = "[storage.main]\ndriver = \"filesystem\"\nsettings = { root = \"data\" }\n";

#[track_caller]
fn written(arguments: &[&str]) -> String {
    let (code, out, err) = run(GOOD, arguments, &[]);
    assert_eq!(code, Some(0), "{err}");
    out
}

#[test]
fn explain_tells_a_setting_from_the_drivers_file() {
    let variables = [("LONGSHORE_STORAGE__MAIN__SETTINGS__ROOT", "/srv/blobs")];
    let (code, out, _) = run(GOOD, &["config", "explain", "storage.main.settings.root"], &variables);
    assert_eq!(code, Some(0));
    for line in [
        "storage.main.settings.root  (setting of the driver filesystem)\n",
        "  in effect   \"/srv/blobs\" (from environment LONGSHORE_STORAGE__MAIN__SETTINGS__ROOT)\n",
        "  default     none: it has to be written\n",
        "  a change    takes effect with a reload\n",
    ] {
        assert!(out.contains(line), "{line} is in\n{out}");
    }
    let (code, out, err) = run(GOOD, &["config", "explain", "storage.main.settings.rot"], &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "no key is called \"storage.main.settings.rot\"; did you mean \"storage.main.settings.root\"?\n");
}

#[test]
fn explain_works_before_there_is_a_file_and_with_one_that_is_wrong() {
    let (code, out, err) = run(GOOD, &["config", "explain", "cache.ttl_secs", "--config", "none.toml", "--json"], &[]);
    let explained: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!((code, &explained[0]["default"], &explained[0]["values"][0]["value"]), (Some(0), &json!(60), &json!(60)), "{err}");
    assert!(err.contains("none.toml: there is no such file\n"), "{err}");
    let (code, out, err) = run("[cache]\nttl_secs = \"soon\"\n[storage.main]\ndriver = \"memory\"\n", &["config", "explain", "cache"], &[]);
    assert_eq!((code, out.lines().count()), (Some(0), 3), "{out}");
    assert_eq!(err, "registry.toml has faults: 1; see `longshore config check`\n");
}

/// `LONGSHORE_WRITE_REFERENCE=1` writes the pages instead.
#[test]
fn pages_of_the_repository_are_what_the_program_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    let pages = [("keys", written(&["config", "reference"]))].into_iter();
    for (name, page) in pages.chain(drivers().map(|driver| (driver, written(&["config", "reference", driver])))) {
        let file = folder.join(format!("{name}.md"));
        if std::env::var_os("LONGSHORE_WRITE_REFERENCE").is_some() {
            fs::write(&file, &page).expect("the page can be written");
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(committed, page, "docs/reference/{name}.md is old: run this test with LONGSHORE_WRITE_REFERENCE=1");
    }
}

#[test]
fn example_of_a_driver_is_a_configuration_and_so_is_its_whole_with_all_defaults() {
    let is_key = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    for driver in drivers().filter(|driver| !BUILT_ALONE.contains(driver)) {
        let example = written(&["config", "example", driver]);
        let uncommented: Vec<&str> = example
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| rest.split_once(" = ").is_some_and(|(key, _)| is_key(key))).unwrap_or(line))
            .collect();
        assert!(example.lines().count() > uncommented.iter().filter(|line| line.starts_with('#')).count(), "{example}");
        for text in [example.clone(), uncommented.join("\n")] {
            let (code, _, err) = run(&text, &["config", "check"], &[]);
            assert_eq!(code, Some(0), "{driver}: {err}\n{text}");
        }
    }
}

/// Files, and which place of each is wrong.
const CHECKED: &[(&str, &str)] = &[
    ("server.listn = 'x'", "$.server"),
    ("server.drain_secs = 'soon'", "$.server.drain_secs"),
    ("server.drain_secs = 4000", "$.server.drain_secs"),
    ("log.level = 'inof'", "$.log.level"),
    ("registry.upload_signing_keys = ['inline']", "$.registry.upload_signing_keys[0]"),
    ("[storage.main]\ndriver = 'filesystem'\nsettings = { rot = 'data' }", "$.storage.main.settings"),
    ("[storage.main]\ndriver = 'memory'\nsettings = { max_bytes = '1KB' }", "$.storage.main.settings.max_bytes"),
    ("[storage.main]\ndriver = 'memory'\nredirect = { min_byte = 1 }", "$.storage.main.redirect"),
    ("[storage.main]\ndriver = 'memory'\nlayers = [{ driver = 'count', settings = { each = true } }]", "$.storage.main.layers[0].settings"),
    ("[[route]]\nrepository = 'a'\nstorge = 'main'", "$.route[0]"),
    ("server.drain_secs = '5m'\nregistry.upload_signing_keys = [{ env = 'A' }, { file = 'b' }]", ""),
    ("[storage.main]\npath = '/opt/libfoo.so'\nsettings = { any = 1 }\nredirect = true", ""),
    ("[storage.main]\ndriver = 'not-here'\nsettings = { any = 1 }\n[storage.main.redirect]\nmin_bytes = '1MiB'", ""),
    ("[storage.main]\ndriver = 'filesystem'\nsettings = { root = { env = 'ROOT' }, upload_stale_secs = '7d' }", ""),
];

/// Reads the schema and TOML texts from standard input, and answers the place of the first fault of each.
const VALIDATE: &str = "
import json, sys, tomllib
from jsonschema import Draft202012Validator as Validator
schema, texts = json.load(sys.stdin)
Validator.check_schema(schema)
first = lambda text: next((error.json_path for error in Validator(schema).iter_errors(tomllib.loads(text))), '')
print(json.dumps([first(text) for text in texts]))
";

#[test]
fn schema_for_editors_takes_what_the_registry_takes_and_refuses_typing_errors() {
    let has_it = |python: &&&str| {
        let tried = Command::new(python).args(["-c", "import jsonschema, tomllib"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].iter().find(has_it) else {
        eprintln!("skipped: no python3 here has the modules jsonschema and tomllib");
        return;
    };
    let schema: Value = serde_json::from_str(&written(&["config", "schema"])).expect("it is JSON");
    let mut texts =
        vec![include_str!("../../../registry.toml").to_owned(), include_str!("../../../examples/deployments/registry.toml").to_owned()];
    texts.extend(drivers().map(|driver| written(&["config", "example", driver])));
    let mut expected = vec![""; texts.len()];
    for (text, place) in CHECKED {
        texts.push((*text).to_owned());
        expected.push(place);
    }
    let mut child =
        Command::new(python).args(["-c", VALIDATE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python can be run");
    let input = json!([schema, texts]).to_string();
    child.stdin.take().expect("it is a pipe").write_all(input.as_bytes()).expect("python reads");
    let output = child.wait_with_output().expect("python ends");
    let places: Vec<String> = serde_json::from_slice(&output.stdout).expect("it answers the places");
    for ((text, place), expected) in texts.iter().zip(&places).zip(expected) {
        assert_eq!(place, expected, "{text}");
    }
}

/// Whether the registry's own reader thinks the same of these files.
#[test]
fn schema_for_editors_refuses_what_the_registry_refuses() {
    for (text, place) in CHECKED {
        let storage = if text.contains("[storage.main]") { "" } else { "\n[storage.main]\ndriver = 'memory'" };
        let (code, _, err) = run(&format!("{text}{storage}"), &["config", "show"], &[("A", "0123456789abcdef"), ("ROOT", "/")]);
        let refused = code != Some(0);
        // What needs a driver or a file that is not here is another matter.
        let elsewhere = err.contains("not-here") || err.contains("libfoo") || err.contains("secret file");
        assert!(elsewhere || refused != place.is_empty(), "{text}: {code:?} {err}");
    }
}

#[test]
fn completion_scripts_are_accepted_by_their_shells() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = written(&["completion", shell]);
        assert!(script.contains("explain") && script.contains("longshore"), "{shell} completes the commands");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(script.as_bytes()).expect("the test may write there");
        match Command::new(shell).arg(check).arg(file.path()).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => eprintln!("skipped: {shell} is not installed"),
        }
    }
}
