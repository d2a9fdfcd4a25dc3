//! `longshore config` and the reports of `longshore serve`: every fault at its place, secrets hidden, origins told.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Registry, Start, command};

const GOOD: &str = "[storage.main]\ndriver = \"memory\"\n";

/// What a command left behind.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A folder with this `registry.toml`.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
    folder
}

fn run_in(folder: &TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = command();
    command.args(arguments).envs(variables.iter().copied()).current_dir(folder.path()).stdin(Stdio::null());
    let output = command.output().expect("it can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn run(text: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    run_in(&folder(text), arguments, variables)
}

#[test]
fn config_that_is_good_is_said_to_be() {
    let said = run(GOOD, &["config", "check"], &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "registry.toml is good: 1 storage (main)\n"), "{}", said.err);
    let two = format!("{GOOD}[storage.other]\ndriver = \"filesystem\"\nsettings = {{ root = \"data\" }}\n");
    let folder = folder(&two);
    let said = run_in(&folder, &["config", "check", "--config", "registry.toml"], &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "registry.toml is good: 2 storages (main, other)\n"), "{}", said.err);
    assert!(!folder.path().join("data").exists(), "a check starts nothing");
}

#[test]
fn config_of_the_repository_is_good() {
    let said = run(include_str!("../../../registry.toml"), &["config", "check"], &[]);
    assert_eq!(said.code, Some(0), "the file that comes with the program works as it stands: {}", said.err);
}

/// Whoever finds the fault, the reader of the file or a driver's schema: one run shows them all.
#[test]
fn config_with_many_faults_reports_all_of_them_at_their_places() {
    let text = r#"[server]
listn = "127.0.0.1:5000"
drain_secs = "5 parsecs"
connections_max = "many"

[registry]
delete = 1
catalog_page_max = 0

[cahce]
ttl_secs = 5

[storage.main]
driver = "filesystem"
settings = { rot = "data", durability = "fast", upload_stale_secs = "1s" }

[storage.other]
driver = "memroy"

[storage.third]
path = "/no/such/file.so"

[[route]]
repository = "Team/**"
storage = "mian"
"#;
    let expected = r#"registry.toml:2:1: unknown key "listn" in [server]
  listn = "127.0.0.1:5000"
  ^^^^^ did you mean "listen"?
registry.toml:3:14: drain_secs is "5 parsecs", must be a whole number of seconds, or a text like "30s" or "5m"
  drain_secs = "5 parsecs"
               ^^^^^^^^^^^
registry.toml:4:19: connections_max is "many", must be a whole number
  connections_max = "many"
                    ^^^^^^
registry.toml:7:10: delete is 1, must be true or false
  delete = 1
           ^
registry.toml:8:20: catalog_page_max is 0, must be 1 to 10000
  catalog_page_max = 0
                     ^
registry.toml:10:2: unknown key "cahce" at the top
  [cahce]
   ^^^^^ did you mean "cache"?
registry.toml:15:12: root is missing: folder that holds the store; its last component is made if it is missing
  settings = { rot = (hidden), durability = "fast", upload_stale_secs = "1s" }
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
registry.toml:15:14: rot is not a setting
  settings = { rot = (hidden), durability = "fast", upload_stale_secs = "1s" }
               ^^^ did you mean "root"?
registry.toml:15:41: durability is "fast", must be "disk" or "process"
  settings = { rot = (hidden), durability = "fast", upload_stale_secs = "1s" }
                                            ^^^^^^
registry.toml:15:69: upload_stale_secs is "1s", must be 1h to 36500d
  settings = { rot = (hidden), durability = "fast", upload_stale_secs = "1s" }
                                                                        ^^^^
registry.toml:18:10: cannot load driver "memroy" from "liblongshore_driver_memroy.so": there is no such file in DRIVERS; use driver "memory", which is there, or add the folder of "memroy" to drivers.path [file-not-found]
  driver = "memroy"
           ^^^^^^^^
registry.toml:21:8: cannot load driver from "/no/such/file.so": there is no such file, and no folder "/no/such"; give the path of an existing driver file [file-not-found]
  path = "/no/such/file.so"
         ^^^^^^^^^^^^^^^^^^
registry.toml:24:14: repository is "Team/**", can match nothing: no repository has "Team" in its name, which is a-z and 0-9 with . _ - between them
  repository = "Team/**"
               ^^^^^^^^^
registry.toml:25:11: storage is "mian", must be the name of a storage: main, other, third
  storage = "mian"
            ^^^^^^ did you mean "main"?
"#;
    for command in [["config", "check"].as_slice(), &["serve"]] {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_longshore")).parent().expect("a program lies in a folder");
        let drivers = format!("{program:?}");
        let said = run(text, command, &[("LONGSHORE_DRIVERS__PATH", &format!("[{drivers}]"))]);
        assert_eq!(said.err.replace(&drivers, "DRIVERS"), expected, "every fault of the file, in its order, with line, column and caret");
        assert_eq!((said.code, said.out.as_str()), (Some(3), ""), "faults in the configuration end with 3");
    }
}

#[test]
fn config_that_is_no_toml_is_reported_with_the_place() {
    let said = run("a = tru\nlisten = \n", &["config", "check"], &[]);
    assert_eq!(said.code, Some(3), "it cannot be read");
    assert!(said.err.starts_with("registry.toml:1:") && said.err.contains("cannot be read as TOML"), "{}", said.err);
    assert!(said.err.contains("registry.toml:2:"), "the second broken line is told too: {}", said.err);
}

#[test]
fn config_that_is_missing_says_how_to_make_one() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in [["serve"].as_slice(), &["config", "check"], &["config", "show"], &["driver", "list"]] {
        let said = run_in(&folder, command, &[]);
        assert_eq!(said.code, Some(3), "there is no configuration: {}", said.err);
        assert!(said.err.starts_with("registry.toml: there is no such file\n  make one with [storage.main]"), "{}", said.err);
    }
    let said = run_in(&folder, &["config", "check", "--config", "other.toml"], &[]);
    assert!(said.err.starts_with("other.toml: there is no such file"), "the file is named as it was given: {}", said.err);
}

#[test]
fn config_variable_stands_above_the_file() {
    let variables =
        vec![("LONGSHORE_REGISTRY__DELETE", "false".to_owned()), ("LONGSHORE_STORAGE__MAIN__SETTINGS__MAX_BYTES", "1MiB".to_owned())];
    let start = Start { driver: "memory", keys: "registry.delete = true", settings: "max_bytes = 5", variables, ..Start::default() };
    let registry = Registry::start_with(start);
    let digest = registry.push_blob("a", b"larger than five bytes");
    registry.delete(format!("/v2/a/blobs/{digest}")).expect_error(405, "UNSUPPORTED", "the variable says that nothing is deleted");
}

#[test]
fn config_variable_that_names_no_key_is_a_fault() {
    let variables =
        [("LONGSHORE_SERVER__LISTN", "x"), ("LONGSHORE_SERVER__DRAIN_SECS", "soon"), ("LONGSHORE_STORAGE__MAIN__SETTINGS__MAX_BYTE", "1")];
    for command in [["config", "check"].as_slice(), &["serve"]] {
        let said = run(GOOD, command, &variables);
        assert_eq!(said.code, Some(3), "variables are checked as the file is");
        for line in [
            "LONGSHORE_SERVER__LISTN: names no key of the configuration\n  did you mean \"LONGSHORE_SERVER__LISTEN\"?\n",
            "LONGSHORE_SERVER__DRAIN_SECS: drain_secs is \"soon\", must be a whole number of seconds",
            "LONGSHORE_STORAGE__MAIN__SETTINGS__MAX_BYTE: max_byte is not a setting\n  did you mean \"max_bytes\"?\n",
        ] {
            assert!(said.err.contains(line), "{line} is in\n{}", said.err);
        }
    }
    let kubernetes = [("LONGSHORE_PORT", "tcp://10.0.0.1:5000"), ("LONGSHORE_SERVICE_HOST", "10.0.0.1")];
    assert_eq!(run(GOOD, &["config", "check"], &kubernetes).code, Some(0), "what Kubernetes sets for a service of our name is no fault");
}

#[test]
fn config_shown_tells_values_and_origins_and_no_secret() {
    let text = "registry.upload_signing_keys = [{ env = \"KEY\" }]\nserver.drain_secs = \"1m\"\n[storage.main]\ndriver = \"memory\"\n";
    let variables = [
        ("KEY", "correct horse battery staple"),
        ("LONGSHORE_LOG__LEVEL", "debug"),
        ("LONGSHORE_STORAGE__MAIN__SETTINGS__MAX_BYTES", "4MiB"),
    ];
    let said = run(text, &["config", "show"], &variables);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for line in [
        "drain_secs = 60  # 1m, from line 2\n",
        "upload_signing_keys = [\"(hidden)\"]  # from line 1\n",
        "level = \"debug\"  # from environment LONGSHORE_LOG__LEVEL\n",
        "connections_max = 10000  # default\n",
        "driver = \"memory\"  # from line 4\n",
        "[storage.main.settings]\nmax_bytes = 4194304  # 4MiB, from environment LONGSHORE_STORAGE__MAIN__SETTINGS__MAX_BYTES\n",
    ] {
        assert!(said.out.contains(line), "{line} is in\n{}", said.out);
    }
    let json_said = run(text, &["config", "show", "--json"], &variables);
    let shown: Value = serde_json::from_str(&json_said.out).expect("it is JSON");
    let level = json!({ "key": ["log", "level"], "value": "debug", "origin": "environment", "variable": "LONGSHORE_LOG__LEVEL" });
    assert!(shown.as_array().is_some_and(|list| list.contains(&level)), "programs read the same: {shown}");
    for said in [said, json_said] {
        assert!(!said.out.contains("horse") && !said.err.contains("horse"), "a secret is never printed");
    }
}

#[test]
fn config_shown_is_a_config_of_the_same_meaning() {
    let shown = run(include_str!("../../../registry.toml"), &["config", "show"], &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let again = run(&shown.out, &["config", "show"], &[]);
    let values = |text: &str| text.lines().map(|line| line.split("  # ").next().unwrap_or("").to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&again.out), values(&shown.out), "what is shown can be used: {}", again.err);
}

#[test]
fn config_secret_in_the_file_is_refused_and_not_repeated() {
    let text = "registry.upload_signing_keys = [\"hunter2hunter2hunter2\"]\n[storage.main]\ndriver = \"memory\"\n";
    for command in [["config", "check"].as_slice(), &["config", "show"], &["serve"]] {
        let said = run(text, command, &[]);
        assert_eq!(said.code, Some(3), "a secret does not stand in the file");
        assert!(said.err.contains("must name where the secret is") && !said.err.contains("hunter2"), "{}", said.err);
    }
}

#[test]
fn config_faults_are_found_before_any_driver_runs() {
    let folder = folder("[storage.main]\ndriver = \"filesystem\"\nsettings = { root = \"data\" }\n[storage.other]\ndriver = \"nowhere\"\n");
    let said = run_in(&folder, &["serve"], &[]);
    assert_eq!(said.code, Some(3), "one storage's driver is missing: {}", said.err);
    assert!(!folder.path().join("data").exists(), "the other's was not opened");
}
