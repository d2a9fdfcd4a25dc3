//! `run`: puts a driver to the cases.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_loader::{inspect, verify};

use super::complain;
use super::report::Opened;
use crate::case::{Case, Profile};
use crate::config::{DriverConfig, Isolation};
use crate::exit::Exit;
use crate::record::{CaseRecord, Header, Summary};
use crate::report::{Failure, Format, Human, JsonLines, Target};
use crate::run::{Baseline, Filter, Options, Plan, Progress, Session, probe};
use crate::trial::policy;
use crate::verdict::Verdict;

#[derive(Debug, clap::Args)]
#[command(after_help = CONFIG_HELP)]
pub(super) struct RunArguments {
    /// The driver's file.
    file: PathBuf,
    /// How to open the driver, if its required settings are more than a folder (see below).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the driver runs, if the file for --config does not say: in the process of each case, or in one of its own.
    #[arg(long, value_name = "WHERE")]
    isolation: Option<Isolation>,
    /// How much is tried: core (within a minute), full (within ten), soak.
    #[arg(long, default_value = "core")]
    profile: Profile,
    /// Only cases that meet all of these, separated by commas: RNG-*, group=ranges, level=must, lane=K. Repeat it for more.
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// Leave out the cases of a filter; needs --reason.
    #[arg(long, value_name = "FILTER", requires = "reason")]
    skip: Vec<Filter>,
    /// Why they are left out; it stands in every report.
    #[arg(long, value_name = "TEXT", requires = "skip")]
    reason: Option<String>,
    /// Failures that are accepted for a while, each with reason and day of expiry.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// What all random choices follow from; a report tells it.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many cases run at a time; as many as there are processors, at most 4.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Run each case so often, each time with another seed; one failure counts.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// How long the driver may take to be loaded and opened for the first time, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    open_limit: u16,
    /// Stop at the first failure.
    #[arg(long)]
    fail_fast: bool,
    /// Write a report beside the one for people: FORMAT=FILE, where FORMAT is json, junit, tap, github, markdown, html, badge or badge-svg,
    /// and `-` is stdout (people are then told on stderr). Repeat it for more. JSON lines are written as the cases end.
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<Target>,
    /// The folder in which the cases' folders are made; by default the system's folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// Keep the cases' folders, and say where they are.
    #[arg(long)]
    keep: bool,
    /// Show the cases that passed or were skipped, too.
    #[arg(long, short)]
    verbose: bool,
}

const CONFIG_HELP: &str = "\
The file for --config:

  [settings]                  # as in registry.toml; {folder} is a new folder for each case
  root = \"{folder}/store\"

  [store]                     # all of it is optional
  kind = \"files\"              # \"memory\", \"files\" or \"service\"
  shared = true               # a second instance with the same settings has the same store
  address = \"127.0.0.1:9000\"  # of a service; {proxy} in the settings is where the harness stands in front of it

{unique} is a text that no other case has: a prefix or a bucket's name.";

/// Why a run did not begin.
pub(super) struct Refused(pub(super) Exit, pub(super) String);

/// Everybody who is told.
struct Everyone(Vec<Box<dyn Progress>>);

impl Progress for Everyone {
    fn begins(&mut self, header: &Header) {
        self.0.iter_mut().for_each(|one| one.begins(header));
    }
    fn case_begins(&mut self, case: &Case, running: &[&str]) {
        self.0.iter_mut().for_each(|one| one.case_begins(case, running));
    }
    fn case_ends(&mut self, case: &CaseRecord, running: &[&str]) {
        self.0.iter_mut().for_each(|one| one.case_ends(case, running));
    }
    fn ends(&mut self, summary: &Summary) {
        self.0.iter_mut().for_each(|one| one.ends(summary));
    }
}

/// Runs the command.
pub(super) fn run(arguments: &RunArguments) -> Exit {
    match begin(arguments) {
        Ok(exit) => exit,
        Err(Refused(exit, text)) => {
            complain(text);
            exit
        }
    }
}

fn begin(arguments: &RunArguments) -> Result<Exit, Refused> {
    let usage = |text: String| Refused(Exit::Usage, text);
    let session = session(&arguments.file, arguments.config.as_deref(), arguments.isolation)?;
    let today = jiff::Timestamp::now().to_string();
    // The day, of `2026-11-26T12:00:00Z`.
    let today = today.split('T').next().unwrap_or_default();
    let baseline = arguments.baseline.as_deref().map(|path| Baseline::read(path, today)).transpose();
    let baseline = baseline.map_err(|error| usage(error.to_string()))?.unwrap_or_default();
    let work =
        tempfile::Builder::new().prefix("longshore-conformance-").tempdir_in(arguments.work.clone().unwrap_or_else(std::env::temp_dir));
    let mut work = work.map_err(|error| usage(format!("no folder for the cases can be made (--work): {error}")))?;
    let (lines, at_the_end): (Vec<_>, Vec<_>) = arguments.reports.iter().cloned().partition(|target| target.format == Format::Json);
    let at_the_end = Opened::open(&at_the_end).map_err(usage)?;
    let (mut everyone, failures) = everyone(arguments, &lines).map_err(usage)?;
    if arguments.keep {
        work.disable_cleanup(true);
        complain(format_args!("the cases' folders are kept in {}", work.path().display()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refused(Exit::HarnessError, format!("no runtime: {error}")))?;
    let options = options(arguments, baseline, work.path().to_owned());
    runtime.block_on(async {
        let probed = probe(&session, work.path(), Duration::from_secs(arguments.open_limit.into())).await;
        if probed.verdict.is_breach() && !matches!(probed.verdict, Verdict::Leak { .. }) {
            let printed =
                if probed.output.trim().is_empty() { String::new() } else { format!("\nit printed:\n{}", probed.output.trim_end()) };
            let text = format!("the driver cannot be loaded and opened: {}{printed}", probed.verdict.sentence());
            return Err(Refused(Exit::NotLoaded, text));
        }
        let record = session.run(&options, &mut everyone).await;
        // A report that is lost is told, and does not hide what the cases found.
        let written = at_the_end.write(&record);
        let lost = failures.iter().filter_map(|failure| failure.get());
        let written = lost.fold(written, |_, error| {
            complain(format_args!(
                "the json report could not be written to its end: {error}; its last line may be cut, and what stands before is good"
            ));
            Exit::HarnessError
        });
        let found = crate::exit::of_cases(&record.cases);
        Ok(if found == Exit::Conformant { written } else { found })
    })
}

/// The driver's file and how it is opened, both checked.
pub(super) fn session(file: &Path, config: Option<&Path>, isolation: Option<Isolation>) -> Result<Session, Refused> {
    let not_loaded = |refusal: longshore_loader::Refusal| Refused(Exit::NotLoaded, refusal.to_string());
    let inspection = inspect(file).map_err(not_loaded)?;
    let config = match config {
        Some(path) => DriverConfig::read(path),
        None => DriverConfig::guess(inspection.info()),
    };
    let mut config = config.map_err(|error| Refused(Exit::Usage, error.to_string()))?;
    config.isolation = isolation.unwrap_or(config.isolation);
    verify(&inspection, &policy(&config)).map_err(not_loaded)?;
    config.check(inspection.info()).map_err(|error| Refused(Exit::Usage, error.to_string()))?;
    Ok(Session { config, inspection })
}

/// The report for people, and JSON lines; and where it is told that lines were lost.
fn everyone(arguments: &RunArguments, lines: &[Target]) -> Result<(Everyone, Vec<Failure>), String> {
    let stdout_is_taken = arguments.reports.iter().any(|target| target.path.is_none());
    let human: Box<dyn Progress> = if stdout_is_taken {
        Box::new(Human::new(std::io::stderr(), std::io::stderr().is_terminal(), arguments.verbose))
    } else {
        Box::new(Human::new(std::io::stdout(), std::io::stdout().is_terminal(), arguments.verbose))
    };
    let (mut everyone, mut failures) = (vec![human], Vec::new());
    for target in lines {
        let writer: Box<dyn Write> = match &target.path {
            None => Box::new(std::io::stdout()),
            Some(path) => {
                let file = File::create(path);
                Box::new(file.map_err(|error| format!("the json report cannot be written to {}: {error}", path.display()))?)
            }
        };
        let lines = JsonLines::new(writer);
        failures.push(lines.failure());
        everyone.push(Box::new(lines));
    }
    Ok((Everyone(everyone), failures))
}

fn options(arguments: &RunArguments, baseline: Baseline, work: PathBuf) -> Options {
    let reason = arguments.reason.clone().unwrap_or_default();
    let plan = Plan {
        profile: arguments.profile,
        filters: arguments.filter.clone(),
        skipped: arguments.skip.iter().map(|filter| (filter.clone(), reason.clone())).collect(),
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let config = arguments.config.as_ref().map(|path| format!(" --config {}", path.display())).unwrap_or_default();
    let isolation = if arguments.isolation == Some(Isolation::Process) { " --isolation process" } else { "" };
    Options {
        plan,
        baseline,
        seed: arguments.seed.unwrap_or_else(crate::seed),
        jobs: arguments.jobs.map_or(processors.min(4), usize::from),
        repeat: arguments.repeat.into(),
        fail_fast: arguments.fail_fast,
        work,
        keep: arguments.keep,
        command: format!("longshore-conformance run {}{config}{isolation}", arguments.file.display()),
    }
}
