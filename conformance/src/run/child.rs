//! Starts the process of a case, ends it at its deadline, and tells what became of it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Session;
use super::attempt::{Found, PROBE, Task};
use crate::config::{DriverConfig, Place};
use crate::trial::Setting;
use crate::verdict::Verdict;

/// How much of what a driver printed or logged is kept, in bytes from its end.
const OUTPUT_MAX_BYTES: u64 = 16 * 1024;

/// How long a process may take to end after it has told what it found.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What became of a process.
#[derive(Debug)]
pub struct Ended {
    /// What is known of the case.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// The last calls.
    pub trace: Vec<String>,
    /// Measured values, name and text.
    pub notes: Vec<(String, String)>,
    /// The end of what was printed to stdout and stderr.
    pub output: String,
    /// The end of what the driver logged.
    pub log: String,
}

/// A case to be tried in a process of its own.
#[derive(Debug)]
pub(super) struct Trying<'a> {
    pub(super) id: &'a str,
    pub(super) file: &'a Path,
    pub(super) config: &'a DriverConfig,
    pub(super) seed: u64,
    pub(super) limit: Duration,
    /// A new folder, which is the case's own.
    pub(super) folder: &'a Path,
}

impl Trying<'_> {
    /// Runs the process to its end.
    pub(super) async fn run(&self) -> Ended {
        let begin = Instant::now();
        match self.attempt().await {
            Ok(ended) => ended,
            Err(reason) => Ended {
                verdict: Verdict::HarnessError { reason },
                took: begin.elapsed(),
                trace: Vec::new(),
                notes: Vec::new(),
                output: String::new(),
                log: String::new(),
            },
        }
    }

    async fn attempt(&self) -> Result<Ended, String> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("{what}: {error}")
        };
        let folder = self.folder.join("place");
        std::fs::create_dir_all(&folder).map_err(failed("the case's folder cannot be made"))?;
        let (found, log, output) = (self.folder.join("found.json"), self.folder.join("log"), self.folder.join("output"));
        let place = Place { folder, unique: format!("{:016x}", unique()), proxy: None };
        let setting = Setting { file: self.file.to_owned(), config: self.config.clone(), place, seed: self.seed };
        let task = Task { id: self.id.to_owned(), setting, found: found.clone(), log: log.clone() };
        let task = serde_json::to_string(&task).map_err(|error| format!("the task has no JSON: {error}"))?;
        let printed = File::create(&output).map_err(failed("no file for the output"))?;
        let program = std::env::current_exe().map_err(failed("this program's file is not known"))?;
        let begin = Instant::now();
        let mut child = tokio::process::Command::new(program)
            .arg(crate::hidden::CASE)
            .arg(task)
            .stdin(Stdio::null())
            .stdout(printed.try_clone().map_err(failed("no file for the output"))?)
            .stderr(printed)
            .env("RUST_BACKTRACE", "0")
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed("the case's process does not start"))?;
        // It has an id: nobody has waited for it.
        let id = child.id().unwrap_or_default();
        let status = tokio::time::timeout(self.limit, child.wait()).await;
        let took = begin.elapsed();
        let survivors = survivors(id);
        if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw).filter(|_| status.is_err() || !survivors.is_empty()) {
            // Gone already, at worst.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let late = status.is_err();
        if late {
            let _ = tokio::time::timeout(END_LIMIT, child.wait()).await;
        }
        let found = std::fs::read(&found).ok().and_then(|json| serde_json::from_slice::<Found>(&json).ok());
        let (trace, notes) = found.as_ref().map_or_else(Default::default, |found| (found.trace.clone(), found.notes.clone()));
        let verdict = self.verdict(found, status.ok(), &survivors)?;
        Ok(Ended { verdict, took, trace, notes, output: tail(&output), log: tail(&log) })
    }

    fn verdict(&self, found: Option<Found>, status: Option<std::io::Result<ExitStatus>>, survivors: &[u32]) -> Result<Verdict, String> {
        let Some(status) = status else {
            return Ok(match found {
                Some(found) if found.verdict == Verdict::Pass => Verdict::Leak { left: vec!["a process that does not end".into()] },
                Some(found) => found.verdict,
                None => Verdict::Timeout { limit_secs: self.limit.as_secs() },
            });
        };
        let status = status.map_err(|error| format!("waiting for the case's process: {error}"))?;
        let verdict = match found {
            Some(found) if status.success() => found.verdict,
            // It told what it found and then did not end well: something of the driver ran at the end of the process.
            Some(found) if found.verdict != Verdict::Pass => found.verdict,
            _ => Verdict::Crash { how: how(status) },
        };
        if verdict == Verdict::Pass && !survivors.is_empty() {
            return Ok(Verdict::Leak { left: survivors.iter().map(|id| format!("process {id}")).collect() });
        }
        Ok(verdict)
    }
}

/// Loads and opens the driver in a process of its own, before any case is tried; within `limit`.
pub async fn probe(session: &Session, folder: &Path, limit: Duration) -> Ended {
    let folder = folder.join(PROBE);
    Trying { id: PROBE, file: session.inspection.path(), config: &session.config, seed: 0, limit, folder: &folder }.run().await
}

fn unique() -> u64 {
    getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()))
}

/// How a process ended, for people.
fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = match signal {
                4 => " (SIGILL)",
                6 => " (SIGABRT)",
                7 => " (SIGBUS)",
                8 => " (SIGFPE)",
                9 => " (SIGKILL)",
                11 => " (SIGSEGV)",
                13 => " (SIGPIPE)",
                15 => " (SIGTERM)",
                _ => "",
            };
            format!("signal {signal}{name}")
        }
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "for an unknown reason".into(),
    }
}

/// The processes of a group whose leader has ended.
fn survivors(group: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id != group && process_group(*id) == Some(group)).collect()
}

/// The group of a process that runs (a zombie does not).
fn process_group(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may have blanks: "id (name) state parent group …".
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    fields.nth(1)?.parse().ok().filter(|_| state != "Z")
}

/// The end of a file's text.
fn tail(path: &PathBuf) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(OUTPUT_MAX_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(OUTPUT_MAX_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}
