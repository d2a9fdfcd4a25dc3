//! What the documents for drivers' authors say is so: names, numbers, options, examples.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use longshore_conformance::case::{Lane, Profile};
use longshore_conformance::config::DriverConfig;
use longshore_conformance::embedded::Driver;
use longshore_conformance::report::Format;
use longshore_conformance::run::Baseline;
use longshore_conformance::verdict::Verdict;
use longshore_conformance::{Exit, cases};
use longshore_loader::api::Capability;
use longshore_loader::api::schema::Schema;

const CONFORMANCE: &str = include_str!("../../docs/conformance.md");
const GUIDE: &str = include_str!("../../docs/driver-guide.md");

/// The part of a document below a heading, up to the next one of its level. A comment in a block begins with `#`, too.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let (_, below) = document.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("there is no {heading:?}"));
    below.split("\n## ").next().unwrap_or(below)
}

/// The first column of the only table of a section, without its head; `a, b` are two entries.
fn first_column<'a>(section: &'a str) -> Vec<&'a str> {
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let first = |row: &'a str| row.split('|').nth(1).unwrap_or_default();
    rows.flat_map(|row| first(row).split(',')).map(|text| text.trim().trim_matches('`')).collect()
}

/// The first fenced block of a section.
fn block(section: &str) -> &str {
    let (_, below) = section.split_once("\n```").expect("there is a block");
    below.split_once('\n').and_then(|(_, body)| body.split_once("\n```")).expect("the block ends").0
}

#[test]
fn every_exit_code_is_told() {
    let told = first_column(section(CONFORMANCE, "## Exit codes"));
    assert_eq!(told, Exit::ALL.map(|exit| exit.code().to_string()));
}

#[test]
fn every_verdict_is_told() {
    assert_eq!(first_column(section(CONFORMANCE, "## Verdicts")), Verdict::NAMES);
}

#[test]
fn every_profile_and_lane_is_told() {
    let profiles = first_column(section(CONFORMANCE, "## Profiles"));
    let names: Vec<_> = profiles.iter().filter_map(|cell| cell.split('`').next()).collect();
    assert_eq!(names, Profile::ALL.iter().map(|profile| profile.name()).collect::<Vec<_>>());
    let filters = section(CONFORMANCE, "## Filters");
    let missing: Vec<_> = Lane::ALL.iter().filter(|lane| !filters.contains(&format!("`{lane}`"))).collect();
    assert!(missing.is_empty(), "lanes that are not told: {missing:?}");
}

#[test]
fn every_report_format_is_told() {
    let told: BTreeSet<_> = first_column(section(CONFORMANCE, "## Reports")).into_iter().map(|name| name.trim_matches('`')).collect();
    let refused = "nonsense".parse::<Format>().expect_err("there is no such format");
    let known = refused.split("The formats are ").nth(1).expect("the refusal lists them").split(", ").collect();
    assert_eq!(told, known);
}

#[test]
fn every_option_of_run_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_longshore-conformance")).args(["run", "--help"]).output().expect("the program starts");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let words = help.lines().map(str::trim).filter(|line| line.starts_with('-')).flat_map(str::split_whitespace);
    let options: BTreeSet<_> = words.filter(|word| word.starts_with("--")).filter(|option| *option != "--help").collect();
    assert!(options.len() > 10, "the options were found: {options:?}");
    let missing: Vec<_> = options.iter().filter(|option| !CONFORMANCE.contains(**option)).collect();
    assert!(missing.is_empty(), "options that are not told: {missing:?}");
}

#[test]
fn configuration_and_baseline_that_are_shown_are_read() {
    let shown = block(section(CONFORMANCE, "## The configuration"));
    toml::from_str::<DriverConfig>(shown).expect("the configuration is one");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("baseline.toml");
    fs::write(&file, block(section(CONFORMANCE, "## Baseline"))).expect("it is written");
    Baseline::read(&file, "2027-02-28").expect("the baseline is one, until its day");
}

/// The failure that is shown is the one that comes. Times differ, and so may the words of the rule and the calls of the case.
#[test]
fn report_that_is_shown_is_that_of_a_real_run() {
    let shown = block(section(CONFORMANCE, "## Reading a report"));
    let command = shown.lines().next().and_then(|line| line.strip_prefix("$ longshore-conformance ")).expect("it begins with the command");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("flawed.toml"), "[settings]\nroot = \"{folder}/store\"\nflaw = \"discards\"\n").expect("it is written");
    let driver = Driver::of_this_crate("specimen-flawed").file;
    let here = folder.path().join(driver.file_name().expect("a file has a name"));
    fs::copy(&driver, &here).expect("the driver was built");
    let mut program = Command::new(env!("CARGO_BIN_EXE_longshore-conformance"));
    let output = program.args(command.split(' ')).current_dir(folder.path()).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let exact = |line: &&str| {
        ["what came back:", "repeat it:", "passed  failed", "MUST ", "SHOULD ", "MAY "].iter().any(|part| line.contains(part))
    };
    for line in shown.lines().skip(1).filter(exact).filter(|line| !line.starts_with("fail ")) {
        assert!(said.lines().any(|real| real == line), "the report has no line\n{line}\nbut is\n{said}");
    }
    for part in ["the contract says:", "the last calls:", "the driver does not pass; ", "exit code 1"] {
        assert!(said.contains(part) && shown.contains(part), "{part:?} stands in the document and in the report:\n{said}");
    }
}

/// Everything that the catalogue says it leaves out has its row, and no row is about a case that is there.
#[test]
fn every_case_that_is_left_out_is_told() {
    let told: BTreeSet<_> = first_column(section(CONFORMANCE, "## What is left out")).into_iter().collect();
    assert!(told.len() > 10, "the rows were found: {told:?}");
    let there: Vec<_> = told.iter().filter(|id| cases::case(id).is_some()).collect();
    assert!(there.is_empty(), "cases that are tried after all: {there:?}");
    let missing: Vec<_> = cases::left_out().filter(|(id, _)| !told.contains(*id)).collect();
    assert!(missing.is_empty(), "left out, and not told: {missing:?}");
}

#[test]
fn recipes_install_this_version() {
    for document in [CONFORMANCE, GUIDE] {
        let tags: Vec<_> = document.split("--tag ").skip(1).chain(document.split("tag = \"").skip(1)).collect();
        assert!(!tags.is_empty(), "the recipes were found");
        for tag in tags {
            let tag = tag.split([' ', '"']).next().unwrap_or_default();
            assert_eq!(tag, concat!("v", env!("CARGO_PKG_VERSION")));
        }
    }
}

#[test]
fn guide_tells_every_capability_and_shows_a_schema() {
    let missing: Vec<_> = Capability::ALL.into_iter().filter(|capability| !GUIDE.contains(&format!("| `{capability:?}` |"))).collect();
    assert!(missing.is_empty(), "capabilities that are not told: {missing:?}");
    let shown = serde_json::from_str(block(section(GUIDE, "## Settings"))).expect("the schema is JSON");
    Schema::from_json(&shown).expect("the schema is one");
}
