//! The process that tries one case, and leaves what it found in a file.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::PoisonError;
use std::time::Duration;

use longshore_loader::api::{Driver, ErrorClass};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Run};
use crate::cases::case;
use crate::config::Isolation;
use crate::trial::observe::{Held, may_be_made_once, settle, settle_until};
use crate::trial::{CALL, Setting, Subject, Trial};
use crate::verdict::{Stop, Verdict};

/// The id of what is tried before any case: that the file loads, opens and closes.
pub(crate) const PROBE: &str = "PROBE";

/// How long a thread for blocking work waits for more: soon gone, it is not taken for one of the driver's that is left.
const KEEP_ALIVE: Duration = Duration::from_millis(100);

/// How many descriptors may stay that a library makes once for its process: a pair for each of the two copies that a case may load.
const MADE_ONCE_MAX: usize = 4;

/// What a process is to try.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) setting: Setting,
    /// Where to leave what was found.
    pub(crate) found: PathBuf,
    /// Where to leave what the driver logs.
    pub(crate) log: PathBuf,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) verdict: Verdict,
    /// The last calls.
    pub(crate) trace: Vec<String>,
    /// Measured values, name and text.
    pub(crate) notes: Vec<(String, String)>,
}

/// Tries the case of `task`, which is JSON.
pub(crate) fn attempt(task: &str) -> ExitCode {
    crate::hidden::die_with_the_parent();
    let Ok(task) = serde_json::from_str::<Task>(task) else { return ExitCode::from(2) };
    log_to(&task);
    let found = find(&task);
    // The parent must never read half of it.
    let half = task.found.with_extension("half");
    let written = serde_json::to_vec(&found).map_err(std::io::Error::from).and_then(|json| {
        std::fs::write(&half, json)?;
        std::fs::rename(&half, &task.found)
    });
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn log_to(task: &Task) {
    if let Ok(file) = File::create(&task.log) {
        // There is none yet: this process has just begun.
        let _ = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE).with_writer(file).try_init();
    }
}

fn find(task: &Task) -> Found {
    let trial = match Trial::new(task.setting.clone()) {
        Ok(trial) => trial,
        Err(stop) => return Found { verdict: stop.verdict(), trace: Vec::new(), notes: Vec::new() },
    };
    let trace = trial.trace.clone();
    // A case moves its trial; what it measured comes back with the verdict.
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&task.id, trial)));
    let (verdict, notes) = outcome.unwrap_or_else(|_| {
        // The panic's text is in the output of this process.
        (Verdict::HarnessError { reason: "the case's own code panicked; its output tells where".into() }, Vec::new())
    });
    Found { verdict, trace: trace.lines(), notes }
}

fn run(id: &str, trial: Trial) -> (Verdict, Vec<(String, String)>) {
    let Some(kind) = (if id == PROBE { Some(&Run::File(|trial| Box::pin(open_and_close(trial)))) } else { case(id).map(run_of) }) else {
        return (Verdict::HarnessError { reason: format!("there is no case {id}") }, Vec::new());
    };
    // A library that is loaded stays, and what it is made of is no leak. A file that must not be loaded is not.
    let is_static = case(id).is_some_and(|case| case.lane == crate::case::Lane::Static);
    if !is_static
        && matches!(kind, Run::Instance(_))
        && let Err(stop) = trial.load()
    {
        return (stop.verdict(), Vec::new());
    }
    if trial.setting.config.isolation == Isolation::Process {
        // A thread that stays for all isolated drivers; without it, opening one tells so.
        let _ = longshore_loader::prepare_isolation();
    }
    // The first runtime of a process makes a few things that stay for all: they are not the driver's.
    drop(runtime());
    let before = Held::now();
    let (outcome, trial) = match in_runtime(kind, trial) {
        Ok(ended) => ended,
        Err(stop) => return (stop.verdict(), Vec::new()),
    };
    let notes = std::mem::take(&mut *trial.notes.lock().unwrap_or_else(PoisonError::into_inner));
    let setting = trial.setting.clone();
    drop(trial);
    let verdict = match outcome {
        Ok(()) => match settle_until(&before, |left| may_be_made_once(left, MADE_ONCE_MAX)) {
            left if left.is_empty() || made_once(&left, &setting) => Verdict::Pass,
            left => Verdict::Leak { left },
        },
        Err(stop) => stop.verdict(),
    };
    (verdict, notes)
}

/// Whether what was left belongs to the library and not to the instance: one more instance makes no other (driver contract, section 3,
/// `close`).
fn made_once(left: &[String], setting: &Setting) -> bool {
    if !may_be_made_once(left, MADE_ONCE_MAX) {
        return false;
    }
    // The first may make what the file by its own path has once, where a case had it by another.
    let mut left_again = true;
    for _ in 0..2 {
        let before = Held::now();
        let Ok(trial) = Trial::new(setting.clone()) else { return false };
        let again = in_runtime(&Run::File(|trial| Box::pin(open_and_close(trial))), trial);
        let opened = matches!(&again, Ok((Ok(()), _)));
        drop(again);
        left_again = !opened || !settle(&before).is_empty();
    }
    !left_again
}

fn run_of(case: &'static Case) -> &'static Run {
    &case.run
}

/// Runs a case on a runtime of its own, which is gone with all its threads afterwards.
fn in_runtime(run: &Run, trial: Trial) -> Result<(Result<(), Stop>, Trial), Stop> {
    let runtime = runtime().map_err(|error| Stop::harness("no runtime", error))?;
    let ended = runtime.block_on(async {
        match run {
            Run::File(run) => {
                let outcome = run(&trial).await;
                Ok((outcome, trial))
            }
            Run::Instance(run) => {
                let subject = Subject::open(trial).await?;
                let outcome = run(&subject).await;
                let closed = subject.driver.close(&CALL).await.map_err(|error| Stop::breach(format!("close answers: {error}")));
                let trial = subject.into_trial();
                let cleaned = clean(&trial).await;
                Ok((outcome.and(closed).and(cleaned), trial))
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    ended
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .max_blocking_threads(64)
        .thread_keep_alive(KEEP_ALIVE)
        .enable_all()
        .build()
}

/// Removes from a service what this case wrote there, and nothing else. A folder is removed by whoever made it.
async fn clean(trial: &Trial) -> Result<(), Stop> {
    let written = trial.trace.written();
    if written.is_empty() || !trial.is_service() {
        return Ok(());
    }
    let driver = trial.open().await?;
    for key in written {
        match driver.delete(&CALL, &key).await {
            // What was deleted, or is no key of this store.
            Err(error) if [ErrorClass::NotFound, ErrorClass::InvalidKey].contains(&error.class()) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
    }
    driver.close(&CALL).await?;
    Ok(())
}

async fn open_and_close(trial: &Trial) -> Result<(), Stop> {
    let driver = trial.open().await?;
    driver.close(&CALL).await?;
    Ok(())
}
