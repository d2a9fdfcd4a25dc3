//! A table of specimens and of the cases that catch them, and the runs that prove it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use longshore_conformance::case::Profile;
use longshore_conformance::config::DriverConfig;
use longshore_conformance::embedded::Driver;
use longshore_conformance::record::Record;
use longshore_conformance::run::{Baseline, Filter, Options, Plan, Quiet, Session};
use longshore_loader::inspect;

/// What every run follows from, so that a specimen is caught or not by what the case does, and not by luck.
const SEED: u64 = 20_261_126;

/// The specimen that has no flaw.
const SOUND: &str = "none";

/// A flaw of a driver.
#[derive(Clone, Copy)]
pub(crate) struct Specimen {
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) what: &'static str,
}

/// The flaws of a driver, and how it is opened with one.
pub(crate) struct Collection {
    /// The driver's name.
    pub(crate) driver: &'static str,
    pub(crate) specimens: Vec<Specimen>,
    /// Cases by specimen: `M01 drops-last-byte-of-pages: SIZ-02 BYT-09 + STR-02`. Those after `+` fail too, for the same reason, and are
    /// not tried here.
    pub(crate) table: &'static str,
    /// Cases beyond the profile core that the specimen without a flaw must pass.
    pub(crate) beyond_core: &'static [&'static str],
    /// The configuration, with FLAW for the specimen's name.
    pub(crate) config: String,
}

impl Collection {
    /// The main function of a test binary: each specimen is a test.
    pub(crate) fn test_main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        if let Some(profile) = std::env::var("LONGSHORE_WRITE_CAUGHT").ok().and_then(|profile| profile.parse().ok()) {
            return self.write_table(profile);
        }
        let collection = Arc::new(self);
        let mut tests = vec![Trial::test("table::names_every_specimen", {
            let collection = collection.clone();
            move || collection.every_specimen_is_named()
        })];
        for specimen in collection.specimens.clone() {
            let collection = collection.clone();
            tests.push(Trial::test(format!("specimen::{}", specimen.name), move || collection.is_caught(specimen)));
        }
        libtest_mimic::run(&arguments, tests).exit_code()
    }

    fn cases(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let lines = self.table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let entries = lines.filter_map(|line| {
            let (name, ids) = line.split_once(':')?;
            let ids = ids.split('+').next()?.split_whitespace().collect();
            Some((name.split_whitespace().nth(1)?, ids))
        });
        entries.collect()
    }

    fn every_specimen_is_named(&self) -> Result<(), Failed> {
        let (table, names) = (self.cases(), self.specimens.iter().map(|specimen| specimen.name));
        let missing: Vec<_> = names.clone().filter(|name| !table.contains_key(name)).collect();
        let free: Vec<_> = table.iter().filter(|(name, ids)| ids.is_empty() && **name != SOUND).map(|(name, _)| *name).collect();
        let unknown: Vec<_> = table.keys().filter(|name| !names.clone().any(|known| known == **name)).collect();
        if missing.is_empty() && free.is_empty() && unknown.is_empty() {
            return Ok(());
        }
        Err(format!("not in the table: {missing:?}; in it without a case that catches it: {free:?}; unknown: {unknown:?}").into())
    }

    fn session(&self, specimen: Specimen) -> Result<Session, String> {
        let driver = Driver::of_this_crate(self.driver);
        let inspection = inspect(&driver.file).map_err(|refusal| format!("{refusal}; run `cargo build --workspace` first"))?;
        let config: DriverConfig = toml::from_str(&self.config.replace("FLAW", specimen.name)).map_err(|error| error.to_string())?;
        Ok(Session { inspection, config })
    }

    fn run(&self, specimen: Specimen, profile: Profile, filters: Vec<Filter>) -> Result<Record, String> {
        let session = self.session(specimen)?;
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

    /// Each of its cases fails on a specimen; the one without a flaw passes all of core, and more.
    fn is_caught(&self, specimen: Specimen) -> Result<(), Failed> {
        if specimen.name == SOUND {
            let core = self.run(specimen, Profile::Core, Vec::new())?;
            let more =
                if self.beyond_core.is_empty() { Vec::new() } else { self.run(specimen, Profile::Core, filters(self.beyond_core)?)?.cases };
            let failed = core.cases.into_iter().chain(more).filter(|case| case.verdict.is_breach());
            return judged(specimen, failed.map(|case| format!("{} {}: {}", case.id, case.verdict.name(), case.verdict.sentence())));
        }
        let cases = self.cases();
        let record = self.run(specimen, Profile::Core, filters(cases.get(specimen.name).map_or(&[], Vec::as_slice))?)?;
        let passed = record.cases.into_iter().filter(|case| !case.verdict.is_breach());
        judged(specimen, passed.map(|case| format!("{} {}: {}", case.id, case.verdict.name(), case.verdict.sentence())))
    }

    /// Runs all cases of a profile on all specimens and writes what fails to `target/caught.txt`, in the table's form.
    fn write_table(&self, profile: Profile) -> ExitCode {
        let mut text = String::new();
        for specimen in &self.specimens {
            let line = match self.run(*specimen, profile, Vec::new()) {
                Ok(record) => {
                    let failed: Vec<_> = record.cases.iter().filter(|case| case.verdict.is_breach()).map(|case| case.id.as_str()).collect();
                    format!("{} {}: {}\n", specimen.number, specimen.name, failed.join(" "))
                }
                Err(error) => format!("{} {}: error {error}\n", specimen.number, specimen.name),
            };
            announce(&line);
            text.push_str(&line);
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/caught.txt");
        if std::fs::write(&path, text).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn filters(ids: &[&str]) -> Result<Vec<Filter>, String> {
    ids.iter().map(|id| id.parse()).collect()
}

fn judged(specimen: Specimen, wrong: impl Iterator<Item = String>) -> Result<(), Failed> {
    let wrong = wrong.fold(String::new(), |mut all, line| {
        // A string takes every write.
        let _ = writeln!(all, "{line}");
        all
    });
    if wrong.is_empty() { Ok(()) } else { Err(format!("the specimen that {}:\n{wrong}", specimen.what).into()) }
}

#[expect(clippy::print_stdout, reason = "it is a long run, and somebody watches")]
fn announce(line: &str) {
    print!("{line}");
}
