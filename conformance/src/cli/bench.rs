//! `bench`: measures a driver, beside another one or an earlier run.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complain;
use super::run::{Refused, session};
use crate::bench::{BENCH_VERSION, Call, Cell, Measured, Plan, Size, measure, page, rows, table};
use crate::exit::Exit;
use crate::run::Session;

#[derive(Debug, clap::Args)]
pub(super) struct BenchArguments {
    /// The driver's file.
    file: PathBuf,
    /// How to open it, as for `run`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Another driver, whose rounds take turns with the first one's.
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    against: Option<PathBuf>,
    /// How to open the other one.
    #[arg(long, value_name = "FILE", requires = "against")]
    against_config: Option<PathBuf>,
    /// An earlier measurement of --json, to compare with. Rounds of another time are compared as they are: another run of the same driver tells how much that is worth.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// What is measured.
    #[arg(long, value_delimiter = ',', default_value = "stat,list,put,upload,read")]
    calls: Vec<Call>,
    /// The objects' sizes.
    #[arg(long, value_delimiter = ',', default_value = "1KiB,64KiB,1MiB,64MiB")]
    sizes: Vec<Size>,
    /// How many clients call at once.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16", value_parser = clap::value_parser!(u16).range(1..))]
    clients: Vec<u16>,
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long one sample takes, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// The folder for the stores; by default the system's folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// Keep the measurement as JSON, for --baseline.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn bench(arguments: &BenchArguments) -> Exit {
    match begin(arguments) {
        Ok(()) => Exit::Conformant,
        Err(Refused(exit, text)) => {
            complain(text);
            exit
        }
    }
}

fn begin(arguments: &BenchArguments) -> Result<(), Refused> {
    let ours = session(&arguments.file, arguments.config.as_deref(), None)?;
    let theirs = arguments.against.as_deref().map(|file| session(file, arguments.against_config.as_deref(), None)).transpose()?;
    let earlier = arguments.baseline.as_deref().map(read).transpose()?;
    let work = tempfile::Builder::new().prefix("longshore-bench-").tempdir_in(arguments.work.clone().unwrap_or_else(std::env::temp_dir));
    let work = work.map_err(|error| Refused(Exit::Usage, format!("no folder for the stores can be made (--work): {error}")))?;
    let clients: Vec<_> = arguments.clients.iter().map(|clients| usize::from(*clients)).collect();
    let plan = Plan {
        cells: Cell::all(&arguments.calls, &arguments.sizes, &clients),
        rounds: arguments.rounds.into(),
        sample: Duration::from_millis(arguments.sample.into()),
    };
    if plan.cells.is_empty() {
        return Err(Refused(Exit::NothingRan, "nothing is left to measure: a put has at most 4 MiB".into()));
    }
    let sessions: Vec<&Session> = std::iter::once(&ours).chain(&theirs).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refused(Exit::HarnessError, format!("no runtime: {error}")))?;
    let mut progress = |round: usize, driver: &str| {
        if std::io::stderr().is_terminal() {
            // Nobody is left to be told if the terminal is gone.
            let _ = write!(std::io::stderr(), "\r\x1b[Kround {} of {}: {driver}", round + 1, plan.rounds);
        }
    };
    let measured = runtime.block_on(measure(&sessions, &plan, work.path(), &mut progress));
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let measured = measured.map_err(|error| Refused(Exit::NotConformant, error))?;
    // One for each session, and there is at least one.
    let (first, second) = (&measured[0], measured.get(1).or(earlier.as_ref()));
    tell(arguments, first, second, theirs.is_some())
}

fn tell(arguments: &BenchArguments, first: &Measured, second: Option<&Measured>, paired: bool) -> Result<(), Refused> {
    let ours = rows(first, second, paired);
    let mut text = format!("{}, {} rounds\n{}", first.driver, first.rounds.len(), table(&ours));
    let theirs = second.map(|second| (second.driver.as_str(), rows(second, None, paired)));
    if let Some((name, theirs)) = &theirs {
        let kind = if paired { "in turns" } else { "an earlier run" };
        text += &format!("\nthe other: {name}, {kind}\n{}", table(theirs));
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string(first).map_err(|error| Refused(Exit::HarnessError, error.to_string()))?;
        write(path, &json)?;
    }
    if let Some(path) = &arguments.html {
        write(path, &page(first, &ours, theirs.as_ref().map(|(name, rows)| (*name, rows.as_slice()))))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Refused> {
    std::fs::write(path, text).map_err(|error| Refused(Exit::HarnessError, format!("{} cannot be written: {error}", path.display())))
}

fn read(path: &Path) -> Result<Measured, Refused> {
    let refuse = |error: String| Refused(Exit::Usage, format!("the measurement {} cannot be read: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let measured: Measured = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    if measured.version != BENCH_VERSION {
        return Err(refuse(format!("it has version {}, this harness reads version {BENCH_VERSION}", measured.version)));
    }
    Ok(measured)
}
