//! Every specimen is caught by the cases that are there to catch it: `specimens/caught.txt` names them, and each must fail on its specimen.
//!
//! The table is written from the results of all cases on all specimens, which takes long, and is reviewed:
//!
//! ```sh
//! cargo build --workspace
//! LONGSHORE_WRITE_CAUGHT=full cargo test -p longshore-conformance --test specimens
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use longshore_conformance::case::Profile;
use longshore_conformance::config::DriverConfig;
use longshore_conformance::embedded::Driver;
use longshore_conformance::record::Record;
use longshore_conformance::run::{Baseline, Filter, Options, Plan, Quiet, Session};
use longshore_driver_specimen_flawed::Flaw;
use longshore_loader::inspect;

const TABLE: &str = include_str!("../specimens/caught.txt");

/// What every run follows from, so that a specimen is caught or not by what the case does, and not by luck.
const SEED: u64 = 20_261_126;

fn main() -> ExitCode {
    if let Some(code) = longshore_conformance::hidden::entered() {
        return code;
    }
    let arguments = Arguments::from_args();
    if let Some(profile) = std::env::var("LONGSHORE_WRITE_CAUGHT").ok().and_then(|profile| profile.parse().ok()) {
        return write_table(profile);
    }
    let table = Arc::new(table());
    let mut tests = vec![Trial::test("table::names_every_specimen", {
        let table = table.clone();
        move || every_specimen_is_named(&table)
    })];
    for flaw in Flaw::ALL {
        let ids = table.get(flaw.name()).cloned().unwrap_or_default();
        tests.push(Trial::test(format!("specimen::{}", flaw.name()), move || is_caught(*flaw, &ids)));
    }
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// The cases that catch each specimen, as the table has them: `M01 drops-last-byte-of-pages: SIZ-02 BYT-09 + STR-02`. Those after `+` fail
/// too, for the same reason, and are not tried here.
fn table() -> BTreeMap<&'static str, Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let entries = lines.filter_map(|line| {
        let (name, ids) = line.split_once(':')?;
        let ids = ids.split('+').next()?.split_whitespace().collect();
        Some((name.split_whitespace().nth(1)?, ids))
    });
    entries.collect()
}

fn every_specimen_is_named(table: &BTreeMap<&str, Vec<&str>>) -> Result<(), Failed> {
    let missing: Vec<_> = Flaw::ALL.iter().filter(|flaw| !table.contains_key(flaw.name())).map(|flaw| flaw.name()).collect();
    let free: Vec<_> = table.iter().filter(|(name, ids)| ids.is_empty() && **name != Flaw::None.name()).map(|(name, _)| *name).collect();
    let unknown: Vec<_> = table.keys().filter(|name| Flaw::ALL.iter().all(|flaw| flaw.name() != **name)).collect();
    if missing.is_empty() && free.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(format!("not in the table: {missing:?}; in it without a case that catches it: {free:?}; unknown: {unknown:?}").into())
}

fn session(flaw: Flaw) -> Result<Session, String> {
    let driver = Driver::of_this_crate("specimen-flawed");
    let inspection = inspect(&driver.file).map_err(|refusal| format!("{refusal}; run `cargo build --workspace` first"))?;
    let text = format!("[settings]\nroot = \"{{folder}}/store\"\nflaw = \"{}\"\npassword = \"correct-horse\"\n", flaw.name());
    let config: DriverConfig = toml::from_str(&text).map_err(|error| error.to_string())?;
    Ok(Session { inspection, config })
}

fn run(flaw: Flaw, profile: Profile, filters: Vec<Filter>) -> Result<Record, String> {
    let session = session(flaw)?;
    let work = tempfile::Builder::new().prefix("longshore-specimen-").tempdir().map_err(|error| format!("no folder: {error}"))?;
    let options = Options {
        plan: Plan { profile, filters, skipped: Vec::new() },
        baseline: Baseline::default(),
        seed: SEED,
        jobs: 2,
        repeat: 1,
        fail_fast: false,
        work: work.path().to_owned(),
        keep: false,
        command: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| format!("no runtime: {error}"))?;
    Ok(runtime.block_on(session.run(&options, &mut Quiet)))
}

/// Each of the cases fails on the specimen; the one without a flaw passes all of core.
fn is_caught(flaw: Flaw, ids: &[&str]) -> Result<(), Failed> {
    let filters = ids.iter().map(|id| id.parse()).collect::<Result<Vec<Filter>, _>>()?;
    let record = run(flaw, Profile::Core, filters)?;
    let mut wrong = String::new();
    for case in &record.cases {
        let is_sound = flaw == Flaw::None && !case.verdict.is_breach();
        if !is_sound && (flaw == Flaw::None || !case.verdict.is_breach()) {
            // A string takes every write.
            let _ = writeln!(wrong, "{} {}: {}", case.id, case.verdict.name(), case.verdict.sentence());
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("the specimen that {}:\n{wrong}", flaw.what()).into()) }
}

/// Runs all cases of a profile on all specimens and writes what fails to `target/caught.txt`, in the table's form.
fn write_table(profile: Profile) -> ExitCode {
    let text = Mutex::new(String::new());
    for flaw in Flaw::ALL {
        let line = match run(*flaw, profile, Vec::new()) {
            Ok(record) => {
                let failed: Vec<_> = record.cases.iter().filter(|case| case.verdict.is_breach()).map(|case| case.id.as_str()).collect();
                format!("{} {}: {}\n", flaw.number(), flaw.name(), failed.join(" "))
            }
            Err(error) => format!("{} {}: error {error}\n", flaw.number(), flaw.name()),
        };
        announce(&line);
        text.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(&line);
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/caught.txt");
    let written = std::fs::write(&path, text.into_inner().unwrap_or_default());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "it is a long run, and somebody watches")]
fn announce(line: &str) {
    print!("{line}");
}
