//! The cases as the tests of a driver's own crate: `cargo test` and nextest run and list them as they do others.
//!
//! ```toml
//! [[test]]                 # in the driver's Cargo.toml
//! name = "contract"
//! harness = false
//! ```
//!
//! ```no_run
//! // tests/contract.rs
//! use longshore_conformance::embedded::{Driver, test_main};
//!
//! fn main() -> std::process::ExitCode {
//!     test_main(&[Driver::of_this_crate("mine")])
//! }
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use longshore_loader::inspect;

use crate::case::{Case, Profile};
use crate::config::DriverConfig;
use crate::record::Standing;
use crate::report::explain;
use crate::run::{Baseline, Options, Plan, Quiet, Session};

/// A driver that is put to the cases.
#[derive(Debug, Clone)]
pub struct Driver {
    /// The driver's name, with which the names of its tests begin.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// How to open it; guessed if there is none.
    pub config: Option<DriverConfig>,
    /// How much is tried.
    pub profile: Profile,
}

impl Driver {
    /// The driver of that name, of the crate whose test this is or of its workspace, with the profile `core`.
    pub fn of_this_crate(name: &str) -> Self {
        let file = format!("liblongshore_driver_{}.so", name.replace('-', "_"));
        let test = std::env::current_exe().unwrap_or_default();
        // Cargo puts what a test's own crate makes beside the test, and what `cargo build` makes one folder up.
        let beside = test.ancestors().skip(1).take(2).map(|folder| folder.join(&file));
        // The newest: the other may be left from another build.
        let newest = beside.filter(|file| file.exists()).max_by_key(|file| file.metadata().and_then(|metadata| metadata.modified()).ok());
        Self { name: name.to_owned(), file: newest.unwrap_or_else(|| file.into()), config: None, profile: Profile::Core }
    }
}

/// The main function of a test binary: each case on each driver is a test.
pub fn test_main(drivers: &[Driver]) -> ExitCode {
    if let Some(code) = crate::hidden::entered() {
        return code;
    }
    let arguments = Arguments::from_args();
    let mut tests = Vec::new();
    for driver in drivers {
        match prepare(driver) {
            Ok(session) => tests.extend(trials(driver, &Arc::new(session))),
            // One test that fails, and says why.
            Err(error) => tests.push(Trial::test(format!("{}::loads", driver.name), || Err(Failed::from(error)))),
        }
    }
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn prepare(driver: &Driver) -> Result<Session, String> {
    let inspection = inspect(&driver.file).map_err(|refusal| format!("{refusal}; run `cargo build --workspace` first"))?;
    let config = match &driver.config {
        Some(config) => config.clone(),
        None => DriverConfig::guess(inspection.info()).map_err(|error| error.to_string())?,
    };
    config.check(inspection.info()).map_err(|error| error.to_string())?;
    Ok(Session { inspection, config })
}

fn trials(driver: &Driver, session: &Arc<Session>) -> Vec<Trial> {
    let plan = Plan { profile: driver.profile, filters: Vec::new(), skipped: Vec::new() };
    let planned = plan.for_driver(session.inspection.info(), &session.config);
    let trials = planned.into_iter().map(|planned| {
        let (case, session) = (planned.case, session.clone());
        let trial = Trial::test(format!("{}::{}::{}", driver.name, case.group, case.id), move || attempt(case, &session));
        trial.with_ignored_flag(planned.skip.is_some())
    });
    trials.collect()
}

/// Runs one case, as a run of its own.
fn attempt(case: &'static Case, session: &Session) -> Result<(), Failed> {
    let work = tempfile::Builder::new().prefix("longshore-conformance-").tempdir().map_err(|error| format!("no folder: {error}"))?;
    let options = Options {
        // Its id is a filter.
        plan: Plan { profile: case.profile, filters: case.id.parse().into_iter().collect(), skipped: Vec::new() },
        baseline: Baseline::default(),
        seed: crate::seed(),
        jobs: 1,
        repeat: 1,
        fail_fast: false,
        work: work.path().to_owned(),
        keep: false,
        command: format!("longshore-conformance run {}", session.inspection.path().display()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| format!("no runtime: {error}"))?;
    let record = runtime.block_on(session.run(&options, &mut Quiet));
    match record.cases.first() {
        Some(case) if matches!(case.standing(), Standing::Passed | Standing::Skipped | Standing::Untested) => Ok(()),
        Some(case) => Err(Failed::from(explain(case))),
        None => Err(Failed::from("the case was not run")),
    }
}
