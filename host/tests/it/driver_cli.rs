//! `longshore driver`, `longshore completion` and the help: what people and programs read of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::command;

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    run_with(arguments, &[])
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = command().args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output().expect("it can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn drivers() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_longshore")).parent().expect("a program lies in a folder").to_owned()
}

fn file(name: &str) -> String {
    drivers().join(format!("liblongshore_driver_{name}.so")).display().to_string()
}

/// A folder with the memory driver, a file that is none, and one that shadows nothing.
fn folder_with_a_broken_file() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(file("memory"), folder.path().join("liblongshore_driver_memory.so")).expect("the test may write there");
    fs::write(folder.path().join("liblongshore_driver_broken.so"), "not a driver").expect("the test may write there");
    fs::write(folder.path().join("libother.so"), "not called like one").expect("the test may write there");
    folder
}

#[test]
fn driver_list_shows_a_table() {
    let folder = folder_with_a_broken_file();
    let path = folder.path().display().to_string();
    let (code, out, err) = run(&["driver", "list", "--path", &path]);
    assert_eq!(code, Some(0), "a file that is refused is no fault of the list: {err}");
    let lines: Vec<&str> = out.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["NAME", "VERSION", "ABI", "CONTRACT", "LICENCE", "COMPILER", "SHA256", "CAPABILITIES", "FILE"], "columns");
    assert!(lines[1].starts_with("broken") && lines[1].contains("refused"), "the broken file is shown: {out}");
    assert!(lines[2].starts_with("memory  0.1.0") && lines[2].contains("Apache-2.0") && lines[2].contains("put_if_absent"), "{out}");
    assert!(lines[2].contains(&path), "each file is told: {out}");
    assert!(
        lines.last().is_some_and(|line| line.contains("liblongshore_driver_broken.so") && line.ends_with(']')),
        "why, and the code: {out}"
    );
    assert!(!out.contains("libother"), "a file of another name is none of ours");
}

#[test]
fn driver_list_for_programs_is_json() {
    let folder = folder_with_a_broken_file();
    let (code, out, _) = run(&["driver", "list", "--json", "--path", &folder.path().display().to_string()]);
    assert_eq!(code, Some(0), "it is listed");
    let list: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(list[0]["refused"]["code"], "file-not-elf", "the code is stable: {}", list[0]);
    assert!(list[0]["refused"]["fix"].is_string(), "and says what to do");
    let memory = &list[1];
    assert_eq!((&memory["name"], &memory["contract"], &memory["abi"]["major"]), (&"memory".into(), &1.into(), &1.into()), "{memory}");
    for key in [
        "version",
        "licence",
        "compiler",
        "sha256",
        "capabilities",
        "settings",
        "target",
        "panic",
        "consistency",
        "durability",
        "path",
        "needs",
    ] {
        assert!(!memory[key].is_null(), "{key} is told: {memory}");
    }
}

#[test]
fn driver_list_tells_which_file_is_shadowed() {
    let folder = folder_with_a_broken_file();
    let (first, second) = (folder.path().display().to_string(), drivers().display().to_string());
    let (_, out, _) = run(&["driver", "list", "--path", &first, "--path", &second]);
    let note = format!("{} is not used: {first}/liblongshore_driver_memory.so comes first", file("memory"));
    assert!(out.contains(&note), "{note} is in\n{out}");
    let (code, out, err) = run(&["driver", "list", "--path", "/no/such/folder"]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "there is nothing to list");
    assert!(err.contains("cannot look into /no/such/folder"), "and that is told: {err}");
}

#[test]
fn driver_list_looks_into_the_configured_folders() {
    let folder = folder_with_a_broken_file();
    let config = folder.path().join("registry.toml");
    let text = format!("drivers.path = [{:?}]\n[storage.main]\ndriver = \"memory\"\n", folder.path());
    fs::write(&config, text).expect("the test may write there");
    let (code, out, err) = run(&["driver", "list", "--config", &config.display().to_string()]);
    assert_eq!((code, out.lines().any(|line| line.starts_with("memory"))), (Some(0), true), "{out}{err}");
    assert!(!out.contains("filesystem"), "the program's own folder is not looked into then");
}

#[test]
fn driver_inspected_tells_everything() {
    for name in ["memory", "filesystem"] {
        let (code, out, err) = run(&["driver", "inspect", &file(name)]);
        assert_eq!(code, Some(0), "{err}");
        for key in [
            "name",
            "version",
            "vendor",
            "licence",
            "documentation",
            "abi",
            "extensions",
            "contract",
            "capabilities",
            "consistency",
            "durability",
            "panic",
            "target",
            "compiler",
            "sdk",
            "libraries",
            "glibc",
            "size",
            "sha256",
            "file",
            "settings",
        ] {
            assert!(out.lines().any(|line| line.split("  ").next() == Some(key)), "{key} is told:\n{out}");
        }
        let bytes = fs::read(file(name)).expect("it can be read");
        assert!(out.contains(&crate::support::sha256(&bytes)["sha256:".len()..]), "the sum is that of the file:\n{out}");
        let (_, json, _) = run(&["driver", "inspect", "--json", &file(name)]);
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!((&json["name"], &json["settings"]["type"]), (&name.into(), &"object".into()), "programs read the same, schema included");
    }
}

/// The example, built as its own Makefile says. Its note, written by hand, tells less than a macro's.
#[test]
fn driver_in_c_is_inspected_and_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-driver");
    let build = format!("BUILD={}", folder.path().display());
    let Ok(made) = Command::new("make").arg("-C").arg(source).arg(build).output() else {
        return eprintln!("skipped: there is no make to build the driver in C with");
    };
    assert!(made.status.success(), "make: {}", String::from_utf8_lossy(&made.stderr));
    let path = folder.path().join("liblongshore_driver_c_files.so").display().to_string();
    let (code, out, err) = run(&["driver", "inspect", &path]);
    assert_eq!(code, Some(0), "{err}");
    let value = |key: &str| out.lines().find_map(|line| Some(line.strip_prefix(key)?.trim())).unwrap_or("nothing");
    assert_eq!((value("name "), value("abi "), value("panic "), value("sdk ")), ("c-files", "c 1", "-", "-"), "{out}");
    let (_, out, _) = run(&["driver", "list", "--path", &folder.path().display().to_string()]);
    assert!(out.lines().any(|line| line.starts_with("c-files  0.1.0    c 1")), "{out}");
}

#[test]
fn driver_inspected_that_is_none_is_refused_with_a_code() {
    let folder = folder_with_a_broken_file();
    let broken = folder.path().join("liblongshore_driver_broken.so").display().to_string();
    for (path, code) in [(broken.as_str(), "file-not-elf"), ("/no/such/file.so", "file-not-found"), (env!("CARGO_BIN_EXE_longshore"), "")] {
        let (exit, out, err) = run(&["driver", "inspect", path]);
        assert_eq!((exit, out.as_str()), (Some(4), ""), "a refused file ends with 4");
        assert!(err.starts_with("cannot load driver") && err.contains(code) && err.trim_end().ends_with(']'), "{err}");
        let (exit, out, _) = run(&["driver", "inspect", "--json", path]);
        let json: Value = serde_json::from_str(&out).expect("it is JSON");
        assert_eq!((exit, json["refused"]["code"].is_string()), (Some(4), true), "programs get the code: {json}");
    }
}

/// The dynamic linker itself tells which files it loads.
#[test]
fn driver_file_is_not_loaded_to_be_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("registry.toml");
    fs::write(&config, "server.listen = \"256.0.0.1:0\"\n[storage.main]\ndriver = \"memory\"\n").expect("the test may write there");
    let good = folder.path().join("good.toml");
    fs::write(&good, "server.listen = \"192.0.2.1:1\"\n[storage.main]\ndriver = \"memory\"\n").expect("the test may write there");
    let (config, good, drivers, memory) =
        (config.display().to_string(), good.display().to_string(), drivers().display().to_string(), file("memory"));
    // The file itself, or its copy in memory.
    let is_driver = |line: &str| line.contains("[0];") && (line.contains("liblongshore_driver_memory.so") || line.contains("/fd/"));
    let loads = |arguments: &[&str]| run_with(arguments, &[("LD_DEBUG", "files")]).2.lines().any(is_driver);
    for arguments in [
        ["driver", "list", "--path", &drivers].as_slice(),
        &["driver", "inspect", &memory],
        &["config", "check", "--config", &good],
        &["config", "show", "--config", &good],
        &["serve", "--config", &config],
    ] {
        assert!(!loads(arguments), "{arguments:?} loads no driver");
    }
    assert!(loads(&["serve", "--config", &good]), "while serve does, so this test would see it");
}

#[test]
fn completion_is_printed_for_every_shell() {
    for (shell, word) in [("bash", "_longshore"), ("zsh", "#compdef longshore"), ("fish", "complete -c longshore")] {
        let (code, out, err) = run(&["completion", shell]);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains(word), "{shell} knows this word: {out}");
        for command in ["serve", "plan", "config", "driver", "completion"] {
            assert!(out.contains(command), "{shell} completes {command}");
        }
    }
    let (code, _, err) = run(&["completion", "tcsh"]);
    assert_eq!(code, Some(2), "another shell is a wrong command line: {err}");
}

#[test]
fn help_tells_commands_and_exit_codes() {
    for flag in ["--help", "-h", "help"] {
        let (code, out, err) = run(&[flag]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "help is no error");
        for word in
            ["serve", "plan", "config", "driver", "completion", "Exit codes", "3  the configuration has faults", "6  requests were cut off"]
        {
            assert!(out.contains(word), "{word} is in\n{out}");
        }
    }
    let (code, out, _) = run(&["serve", "--help"]);
    assert!(code == Some(0) && out.contains("--config") && out.contains("[default: registry.toml]") && out.contains("Example"), "{out}");
}

#[test]
fn command_line_that_is_wrong_ends_with_2() {
    for arguments in [[].as_slice(), &["srve"], &["serve", "--port", "5"], &["config"], &["driver", "inspect"], &["config", "check", "x"]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains("Usage") || err.contains("usage"), "{arguments:?}: the right way is told: {err}");
    }
    let (_, _, err) = run(&["srve"]);
    assert!(err.contains("serve"), "the nearest command is told: {err}");
    let (code, out, _) = run(&["--version"]);
    assert_eq!((code, out.as_str()), (Some(0), "longshore 0.1.0\n"), "the version is told");
}
