//! The program's command line: what it answers to bad input, and that every report is one.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use longshore_conformance::embedded::Driver;
use longshore_loader::inspect;
use serde_json::Value;

/// Runs the program.
fn judge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longshore-conformance")).args(arguments).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The program's exit code is `code`, and its stderr says `what`.
#[track_caller]
fn refuses(arguments: &[&str], code: i32, what: &str) {
    let output = judge(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?} said: {said}");
    assert!(said.contains(what), "{arguments:?} did not say {what:?}, but: {said}");
}

fn driver(name: &str) -> String {
    Driver::of_this_crate(name).file.to_string_lossy().into_owned()
}

#[test]
fn file_that_is_no_driver_is_refused_by_name() {
    refuses(&["run", "/nonexistent/driver.so"], 3, "there is no such file");
    refuses(&["run", "/"], 3, "it is a folder");
    refuses(&["run", file!().trim_start_matches("conformance/")], 3, "it is a text file");
}

#[test]
fn mistakes_of_the_command_line_are_told_before_anything_runs() {
    let memory = driver("memory");
    let run = |more: &[&str], what: &str| {
        let mut arguments = vec!["run", &memory];
        arguments.extend_from_slice(more);
        refuses(&arguments, 2, what);
    };
    run(&["--filter", "BAS-98"], "no case has the id \"BAS-98\"; did you mean BAS-");
    run(&["--filter", "group=basic"], "did you mean basics?");
    run(&["--filter", "level=maybe"], "is none of must, should, may");
    run(&["--filter", "size=3"], "is none of group, level, lane");
    run(&["--report", "junit"], "is not FORMAT=FILE");
    run(&["--report", "junti=x"], "did you mean junit?");
    run(&["--report", "html=/nonexistent/page.html"], "cannot be written to /nonexistent/page.html");
    run(&["--report", "json=/nonexistent/lines"], "cannot be written to /nonexistent/lines");
    run(&["--config", "/nonexistent/theirs.toml"], "cannot read /nonexistent/theirs.toml");
    run(&["--baseline", "/nonexistent/known.toml"], "cannot read /nonexistent/known.toml");
    run(&["--work", "/nonexistent"], "no folder for the cases can be made");
    run(&["--skip", "BAS-05"], "--reason");
    run(&["--profile", "cor"], "is none of core, full, soak");
    run(&["--jobs", "0"], "--jobs");
    run(&["--repeat", "0"], "--repeat");
    refuses(&["explain", "XYZ-01"], 2, "no case has the id");
    refuses(&["report", "/nonexistent.jsonl"], 2, "cannot read the record");
}

#[test]
fn configuration_is_checked_whole_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("theirs.toml");
    let filesystem = driver("filesystem");
    let config = |text: &str, what: &[&str]| {
        fs::write(&file, text).expect("it is written");
        for what in what {
            refuses(&["run", &filesystem, "--config", &file.to_string_lossy()], 2, what);
        }
    };
    config("[settings]\nroot = 3\nrot = \"{folder}\"\n", &["root is 3", "rot"]);
    config("[settings]\nroot = \"{foldr}/x\"\n", &["{foldr}", "did you mean {folder}?"]);
    // Somebody's store, and one for all cases.
    config("[settings]\nroot = \"/var/lib/longshore\"\n", &["name one store for all cases", "{folder}"]);
    config("[sttings]\n", &["unknown field `sttings`"]);
    config("[settings]\nroot = \n", &["theirs.toml"]);
}

#[test]
fn run_of_nothing_is_a_failure() {
    // The memory driver's store ends with its instance: the case is not about it.
    let output = judge(&["run", &driver("memory"), "--filter", "BAS-06"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stdout));
}

/// A shared library that says of itself what the memory driver says, and does something else while it is loaded.
fn bad_at_load(folder: &Path, name: &str, body: &str) -> PathBuf {
    let note = inspect(Path::new(&driver("memory"))).expect("the memory driver is there").raw_note().to_owned();
    let mut bytes = String::new();
    for byte in note.bytes() {
        // A string takes every write.
        let _ = write!(bytes, "{byte},");
    }
    let source = format!(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n\
         struct note {{ unsigned n, d, t; char name[12]; unsigned char json[{size}]; }};\n\
         __attribute__((section(\".note.longshore.driver\"), used, aligned(4))) static const struct note note =\n\
         {{ 10, {length}, 1, \"longshore\", {{ {bytes} }} }};\n\
         const char _1as_0lib_1header_0root_bmodule_bloader[64] = {{ 1 }};\n\
         __attribute__((constructor)) static void at_load(void) {{ {body} }}\n",
        size = note.len().next_multiple_of(4),
        length = note.len()
    );
    let (c, so) = (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    fs::write(&c, source).expect("it is written");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&so).arg(&c).output().expect("a C compiler is there");
    assert!(built.status.success(), "{}", text(&built.stderr));
    so
}

#[test]
fn driver_that_misbehaves_while_it_is_loaded_is_told_with_its_signal_and_words() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, body, what) in [
        ("aborts", "fputs(\"goodbye\\n\", stderr); abort();", ["signal 6 (SIGABRT)", "goodbye"]),
        ("exits", "_exit(7);", ["exit code 7", "cannot be loaded"]),
        ("crashes", "*(volatile int *)0 = 1;", ["signal 11 (SIGSEGV)", "cannot be loaded"]),
        ("forks", "if (fork() == 0) for (;;) pause();", ["cannot be loaded", "table of the driver ABI"]),
    ] {
        let so = bad_at_load(folder.path(), name, body);
        for what in what {
            refuses(&["run", &so.to_string_lossy()], 3, what);
        }
    }
}

#[test]
fn driver_that_hangs_while_it_is_loaded_is_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let so = bad_at_load(folder.path(), "hangs", "for (;;) pause();");
    refuses(&["run", &so.to_string_lossy(), "--open-limit", "1"], 3, "it did not end within 1 s");
}

/// One run, every format; then the same from the record.
#[test]
fn every_report_is_what_its_readers_expect() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let formats = ["json", "junit", "tap", "github", "markdown", "html", "badge", "badge-svg"];
    let reports: Vec<_> = formats.iter().map(|format| format!("{format}={}", path(format))).collect();
    let flawed = folder.path().join("flawed.toml");
    fs::write(&flawed, "[settings]\nroot = \"{folder}/store\"\nflaw = \"stops-at-nul\"\n").expect("it is written");
    let (file, flawed) = (driver("specimen-flawed"), flawed.to_string_lossy().into_owned());
    let mut arguments = vec!["run", &file, "--config", &flawed, "--filter", "BAS-05", "--filter", "BYT-*", "--seed", "7"];
    reports.iter().for_each(|report| arguments.extend(["--report", report]));
    let output = judge(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    let human = text(&output.stdout);
    assert!(human.contains("the contract says:") && human.contains("first difference:") && human.contains("--seed 7"), "{human}");
    assert!(!human.contains('\u{1b}'), "colours are for terminals");

    let read = |name: &str| fs::read_to_string(path(name)).expect("the report is there");
    let lines: Vec<Value> = read("json").lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["version"]), (&"run".into(), &1.into()));
    assert_eq!(lines.last().expect("there are lines")["exit_code"], 1);
    let junit = quick_junit::Report::deserialize_from_str(&read("junit")).expect("JUnit is XML of its schema");
    assert_eq!(junit.tests, lines.len() - 2);
    assert!(junit.failures > 0 && junit.errors == 0);
    let tap = read("tap");
    assert!(tap.starts_with("TAP version 14\n1..") && tap.contains("\nnot ok ") && tap.contains("\n  ---\n"), "{tap}");
    let github = read("github");
    assert!(github.lines().all(|line| line.starts_with("::")) && github.lines().count() <= 10, "{github}");
    assert!(read("markdown").contains("### What did not pass"));
    let html = read("html");
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>") && !html.contains("<script"));
    let badge: Value = serde_json::from_str(&read("badge")).expect("the badge is JSON");
    assert_eq!((&badge["schemaVersion"], &badge["color"]), (&1.into(), &"red".into()));
    assert!(read("badge-svg").starts_with("<svg"));

    // The record makes the same reports again; cut off, it still has all cases that had ended.
    let record = path("json");
    let again = judge(&["report", &record, "--to", "junit=-"]);
    assert_eq!(text(&again.stdout), read("junit"));
    let cut: String = read("json").lines().take(2).fold(String::new(), |text, line| text + line + "\n");
    // A disk that is full, or a kill, cuts a line.
    fs::write(path("cut"), cut + "{\"event\":\"case\",\"id\":\"BYT-0").expect("it is written");
    let of_cut = judge(&["report", &path("cut"), "--to", "tap=-"]);
    assert!(text(&of_cut.stdout).contains("1..1\n"), "{}", text(&of_cut.stdout));
}

#[test]
fn baseline_accepts_a_failure_until_its_day_and_notices_a_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("it is written");
        path.to_string_lossy().into_owned()
    };
    let flawed = write("flawed.toml", "[settings]\nroot = \"{folder}/store\"\nflaw = \"discards\"\n");
    let sound = write("sound.toml", "[settings]\nroot = \"{folder}/store\"\n");
    let known = write("known.toml", "[BAS-05]\nreason = \"it is a specimen\"\nexpires = 2999-01-01\n");
    let old = write("old.toml", "[BAS-05]\nreason = \"it is a specimen\"\nexpires = 2020-01-01\n");
    let file = driver("specimen-flawed");
    let run = |config: &str, baseline: &str| judge(&["run", &file, "--filter", "BAS-05", "--config", config, "--baseline", baseline]);
    let accepted = run(&flawed, &known);
    assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted.stdout));
    assert!(text(&accepted.stdout).contains("xfail"));
    let passed = run(&sound, &known);
    assert_eq!(passed.status.code(), Some(1), "{}", text(&passed.stdout));
    assert!(text(&passed.stdout).contains("xpass"));
    let expired = run(&flawed, &old);
    assert_eq!(expired.status.code(), Some(2));
    assert!(text(&expired.stderr).contains("expired on 2020-01-01"), "{}", text(&expired.stderr));
}

#[test]
fn catalogue_is_listed_and_explained() {
    let output = judge(&["list", "--json", "--profile", "core", "--filter", "level=must"]);
    let cases: Vec<Value> = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(cases.iter().all(|case| case["level"] == "must" && case["profile"] == "core") && cases.len() > 2);
    let output = judge(&["explain", "bas-05"]);
    assert!(text(&output.stdout).contains("driver contract, section 3"), "{}", text(&output.stdout));
}

/// A cache that answers old versions has no order that explains it, and the page shows which call has no place.
#[test]
fn page_shows_a_history_that_no_order_explains() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(path("flawed.toml"), "[settings]\nroot = \"{folder}/store\"\nflaw = \"reads-stale\"\n").expect("it is written");
    let (config, html) = (path("flawed.toml"), format!("html={}", path("page.html")));
    let output = judge(&["run", &driver("specimen-flawed"), "--config", &config, "--filter", "CON-01", "--report", &html]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("<- has no place in any order"), "{}", text(&output.stdout));
    let page = fs::read_to_string(path("page.html")).expect("the page is there");
    assert!(page.contains("class=\"timeline\"") && page.contains("client 1") && page.contains("#c62828"));
}

/// `/dev/full` takes nothing, like a disk without space. The cases are told to people all the same.
#[test]
fn report_that_is_lost_is_told_and_is_no_success() {
    for format in ["json", "junit", "html"] {
        let report = format!("{format}=/dev/full");
        let output = judge(&["run", &driver("memory"), "--filter", "BAS-05", "--report", &report]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{format}: {said}");
        assert!(said.contains(&format!("the {format} report could not be written")) && said.contains("No space left"), "{said}");
        assert!(text(&output.stdout).contains("keeps the contract, as far as it was tried"));
    }
}

/// A driver beside itself is as quick as itself, more or less; the figures are there, and an earlier run can be compared with.
#[test]
fn bench_measures_beside_another_driver_and_an_earlier_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (memory, json, html) = (driver("memory"), path("measured.json"), path("page.html"));
    let small = ["--sizes", "1KiB", "--clients", "2", "--calls", "put,read", "--rounds", "2", "--sample", "10"];
    let mut arguments = vec!["bench", &memory, "--against", &memory, "--json", &json, "--html", &html];
    arguments.extend(small);
    let output = judge(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("x the other (95 %)") && table.contains("put") && table.contains("1 KiB"), "{table}");
    let measured: Value = serde_json::from_str(&fs::read_to_string(&json).expect("it is there")).expect("it is JSON");
    assert_eq!((measured["version"].as_u64(), measured["rounds"].as_array().map(Vec::len)), (Some(1), Some(2)));
    assert!(fs::read_to_string(&html).expect("the page is there").contains("<polyline"));
    let mut arguments = vec!["bench", &memory, "--baseline", &json];
    arguments.extend(small);
    let output = judge(&arguments);
    assert!(text(&output.stdout).contains("an earlier run"), "{}", text(&output.stderr));
    refuses(&["bench", &memory, "--baseline", "/nonexistent.json"], 2, "cannot be read");
    refuses(&["bench", &memory, "--calls", "sing"], 2, "none of stat, list, put, upload, read");
}
