//! A table of specimens and of the cases that catch them, and the runs that prove it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use longshore_conformance::case::Profile;
use longshore_conformance::cases::{case, groups};
use longshore_conformance::config::DriverConfig;
use longshore_conformance::embedded::Driver;
use longshore_conformance::record::{CaseRecord, Record};
use longshore_conformance::run::{Baseline, Options, Plan, Quiet, Session};
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
    /// Cases by specimen: `M01 drops-last-byte-of-pages: SIZ-02 BYT-09 + STR-02`. Those after `+` fail too, for the same reason.
    pub(crate) table: &'static str,
    /// Cases beyond the profile core that the specimen without a flaw must pass.
    pub(crate) beyond_core: &'static [&'static str],
    /// The configuration, with FLAW for the specimen's name.
    pub(crate) config: String,
}

/// The cases that fail on a specimen, by their ids.
struct Cases {
    /// Those that are there to catch it.
    catching: Vec<&'static str>,
    /// Those that were seen to fail too, for the same flaw.
    besides: Vec<&'static str>,
}

impl Collection {
    /// The main function of a test binary: each specimen with each case that is there to catch it is a test, `ranges::RNG-09::its-name`; so is
    /// the one without a flaw with each group. Cases that fail too are tests that are ignored unless they are asked for.
    pub(crate) fn test_main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        if let Some(profile) = std::env::var("LONGSHORE_WRITE_CAUGHT").ok().and_then(|profile| profile.parse().ok()) {
            return self.write_table(profile, arguments.filter.as_deref().unwrap_or_default());
        }
        let collection = Arc::new(self);
        let mut tests = vec![Trial::test("table::names_every_specimen", {
            let collection = collection.clone();
            move || collection.every_specimen_is_named()
        })];
        let table = collection.cases();
        for specimen in collection.specimens.iter().copied() {
            if specimen.name == SOUND {
                tests.extend(collection.sound(specimen));
            }
            let Some(Cases { catching, besides }) = table.get(specimen.name) else { continue };
            tests.extend(catching.iter().map(|id| collection.caught(specimen, id)));
            tests.extend(besides.iter().map(|id| collection.caught(specimen, id).with_ignored_flag(true)));
        }
        libtest_mimic::run(&arguments, tests).exit_code()
    }

    /// What the specimen without a flaw must pass: core, by groups, and what is asked of it beyond. Other cases that catch a specimen, which take
    /// longer, are ignored unless they are asked for.
    fn sound(self: &Arc<Self>, specimen: Specimen) -> Vec<Trial> {
        let by_id = |id: &'static str| (case(id).map_or("unknown", |case| case.group), id.to_owned());
        let core = groups().into_iter().map(|group| (group, format!("group={group}")));
        let asked: Vec<_> = core.chain(self.beyond_core.iter().copied().map(by_id)).collect();
        let catching = self.cases().into_values().flat_map(|cases| cases.catching);
        let longer: BTreeSet<_> = catching.filter(|id| !self.beyond_core.contains(id)).collect();
        let longer = longer.into_iter().filter(|id| case(id).is_some_and(|case| case.profile != Profile::Core)).map(by_id);
        let test = |(group, filter): (&str, String), ignored| {
            let collection = self.clone();
            let name = format!("{group}::{}::{filter}", specimen.name);
            Trial::test(name, move || collection.passes(specimen, &filter)).with_ignored_flag(ignored)
        };
        asked.into_iter().map(|asked| test(asked, false)).chain(longer.map(|asked| test(asked, true))).collect()
    }

    /// A specimen with a case that fails on it.
    fn caught(self: &Arc<Self>, specimen: Specimen, id: &'static str) -> Trial {
        let (collection, group) = (self.clone(), case(id).map_or("unknown", |case| case.group));
        Trial::test(format!("{group}::{id}::{}", specimen.name), move || collection.is_caught(specimen, id))
    }

    /// The table, by the names of the specimens.
    fn cases(&self) -> BTreeMap<&'static str, Cases> {
        let lines = self.table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let entries = lines.filter_map(|line| {
            let (name, ids) = line.split_once(':')?;
            let (catching, besides) = ids.split_once('+').unwrap_or((ids, ""));
            let [catching, besides] = [catching, besides].map(|ids| ids.split_whitespace().collect());
            Some((name.split_whitespace().nth(1)?, Cases { catching, besides }))
        });
        entries.collect()
    }

    fn every_specimen_is_named(&self) -> Result<(), Failed> {
        let (table, names) = (self.cases(), self.specimens.iter().map(|specimen| specimen.name));
        let missing: Vec<_> = names.clone().filter(|name| !table.contains_key(name)).collect();
        let free: Vec<_> =
            table.iter().filter(|(name, cases)| cases.catching.is_empty() && **name != SOUND).map(|(name, _)| *name).collect();
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

    fn run(&self, specimen: Specimen, profile: Profile, filter: Option<&str>) -> Result<Record, String> {
        let session = self.session(specimen)?;
        let filters = filter.map(str::parse).transpose()?.into_iter().collect();
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

    fn is_caught(&self, specimen: Specimen, id: &str) -> Result<(), Failed> {
        let record = self.run(specimen, Profile::Core, Some(id))?;
        if record.cases.is_empty() {
            return Err(format!("no case has the id {id}").into());
        }
        judged(specimen, record.cases.iter().filter(|case| !case.verdict.is_breach()))
    }

    fn passes(&self, specimen: Specimen, filter: &str) -> Result<(), Failed> {
        let record = self.run(specimen, Profile::Core, Some(filter))?;
        judged(specimen, record.cases.iter().filter(|case| case.verdict.is_breach()))
    }

    /// Runs all cases of a profile on the specimens whose name has `part` and writes what fails to `target/caught.txt`, in the table's form.
    fn write_table(&self, profile: Profile, part: &str) -> ExitCode {
        let cases = self.cases();
        let mut text = String::new();
        for specimen in self.specimens.iter().filter(|specimen| specimen.name.contains(part)) {
            let catching = cases.get(specimen.name).map_or(&[][..], |cases| &cases.catching);
            let line = match self.run(*specimen, profile, None) {
                Ok(record) => line(*specimen, catching, &record),
                Err(error) => format!("{} {}: error {error}\n", specimen.number, specimen.name),
            };
            announce(&line);
            text.push_str(&line);
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/caught.txt");
        if std::fs::write(&path, text).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The table's line of a specimen: the cases that are there to catch it, whether or not they were run, and after `+` what failed besides.
fn line(specimen: Specimen, catching: &[&str], record: &Record) -> String {
    let failed = record.cases.iter().filter(|case| case.verdict.is_breach()).map(|case| case.id.as_str());
    let mut besides: Vec<_> = failed.filter(|id| !catching.contains(id)).collect();
    besides.sort_unstable();
    let mut ids = catching.to_vec();
    if !besides.is_empty() {
        ids.push("+");
        ids.extend(besides);
    }
    format!("{} {}: {}\n", specimen.number, specimen.name, ids.join(" "))
}

/// An error with the cases that went otherwise than they must.
fn judged<'a>(specimen: Specimen, wrong: impl Iterator<Item = &'a CaseRecord>) -> Result<(), Failed> {
    let wrong: Vec<_> = wrong.map(|case| format!("{} {}: {}", case.id, case.verdict.name(), case.verdict.sentence())).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("the specimen that {}:\n{}", specimen.what, wrong.join("\n")).into()) }
}

#[expect(clippy::print_stdout, reason = "it is a long run, and somebody watches")]
fn announce(line: &str) {
    print!("{line}");
}
