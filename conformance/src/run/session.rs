//! A run: every case of a plan, several at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use longshore_loader::Inspection;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::child::Trying;
use super::{Baseline, Plan};
use crate::case::Case;
use crate::config::DriverConfig;
use crate::record::{CaseRecord, FLAKY, Header, RECORD_VERSION, Record, Summary};
use crate::verdict::Verdict;

/// How cases are run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which.
    pub plan: Plan,
    /// Which failures are accepted.
    pub baseline: Baseline,
    /// What all random choices follow from.
    pub seed: u64,
    /// How many cases run at a time.
    pub jobs: usize,
    /// How often each is run; the worst counts.
    pub repeat: usize,
    /// True to stop at the first failure.
    pub fail_fast: bool,
    /// The folder in which the cases' folders are made.
    pub work: PathBuf,
    /// True to keep them.
    pub keep: bool,
    /// How the command that repeats a case begins, up to the id.
    pub command: String,
}

/// Who is told how a run goes on.
pub trait Progress {
    /// A run begins.
    fn begins(&mut self, header: &Header);
    /// A case begins; `running` are the ids of all that are under way.
    fn case_begins(&mut self, case: &Case, running: &[&str]);
    /// A case has ended.
    fn case_ends(&mut self, case: &CaseRecord, running: &[&str]);
    /// All have.
    fn ends(&mut self, summary: &Summary);
}

/// Tells nobody.
#[derive(Debug)]
pub struct Quiet;

impl Progress for Quiet {
    fn begins(&mut self, _: &Header) {}
    fn case_begins(&mut self, _: &Case, _: &[&str]) {}
    fn case_ends(&mut self, _: &CaseRecord, _: &[&str]) {}
    fn ends(&mut self, _: &Summary) {}
}

/// A driver's file and how it is opened.
pub struct Session {
    /// The file.
    pub inspection: Inspection,
    /// How to open it.
    pub config: DriverConfig,
}

impl Session {
    /// What is about to be run.
    fn header(&self, options: &Options, cases: usize) -> Header {
        let info = self.inspection.info();
        let uname = rustix::system::uname();
        Header {
            version: RECORD_VERSION,
            harness: env!("CARGO_PKG_VERSION").into(),
            began: jiff::Timestamp::now().to_string(),
            file: self.inspection.path().display().to_string(),
            sha256: self.inspection.sha256().map(|digest| digest.to_string()).unwrap_or_default(),
            build_id: self.inspection.build_id().map(str::to_owned),
            driver: info.name.clone(),
            driver_version: info.version.clone(),
            abi: format!("{} {}", info.abi.kind, info.abi.major),
            compiler: info.compiler.clone(),
            capabilities: info.capabilities.clone(),
            kernel: uname.release().to_string_lossy().into_owned(),
            file_system: file_system(&options.work),
            profile: options.plan.profile.name().into(),
            seed: options.seed,
            cases,
        }
    }

    /// Runs every case of the plan, and tells how it goes on.
    pub async fn run(&self, options: &Options, progress: &mut dyn Progress) -> Record {
        let begin = Instant::now();
        let planned = options.plan.for_driver(self.inspection.info(), &self.config);
        let header = self.header(options, planned.len());
        progress.begins(&header);
        let mut run = Running { cases: Vec::new(), running: Vec::new(), progress };
        let mut tasks = JoinSet::new();
        let places = Arc::new(Semaphore::new(options.jobs.max(1)));
        let shared = Arc::new((self.inspection.path().to_owned(), self.config.clone(), options.clone()));
        for planned in planned {
            if let Some(reason) = planned.skip {
                run.ended(CaseRecord::of(planned.case, Verdict::Skip { reason }));
                continue;
            }
            // A place is free when a case has ended; its record is taken before the next begins.
            let place = loop {
                tokio::select! {
                    biased;
                    Some(ended) = tasks.join_next() => run.joined(ended),
                    place = places.clone().acquire_owned() => break place,
                }
            };
            if options.fail_fast && run.has_failed() {
                break;
            }
            run.begun(planned.case);
            let shared = shared.clone();
            tasks.spawn(async move {
                let (file, config, options) = &*shared;
                let record = attempt(planned.case, file, config, options).await;
                drop(place);
                record
            });
        }
        while let Some(ended) = tasks.join_next().await {
            run.joined(ended);
        }
        let cases = run.cases;
        let summary = Summary::of(&cases, begin.elapsed().as_secs_f64());
        progress.ends(&summary);
        Record { header, cases, summary }
    }
}

struct Running<'p> {
    cases: Vec<CaseRecord>,
    running: Vec<&'static str>,
    progress: &'p mut dyn Progress,
}

impl Running<'_> {
    fn begun(&mut self, case: &'static Case) {
        self.running.push(case.id);
        self.progress.case_begins(case, &self.running);
    }

    fn joined(&mut self, ended: Result<CaseRecord, tokio::task::JoinError>) {
        match ended {
            Ok(record) => self.ended(record),
            // A panic of the harness: it was printed, and the case has no record.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    fn ended(&mut self, record: CaseRecord) {
        self.running.retain(|id| *id != record.id);
        self.progress.case_ends(&record, &self.running);
        self.cases.push(record);
    }

    fn has_failed(&self) -> bool {
        self.cases.iter().any(|case| case.expected.is_none() && case.verdict.is_breach())
    }
}

/// Runs a case as often as is asked for; the first that does not pass counts.
async fn attempt(case: &'static Case, file: &Path, config: &DriverConfig, options: &Options) -> CaseRecord {
    let mut record = CaseRecord::of(case, Verdict::Pass);
    let mut passed = 0;
    for round in 0..options.repeat.max(1) {
        // Each round chooses anew, and its own number repeats it.
        let seed = options.seed.wrapping_add(round as u64);
        let folder = options.work.join(if round == 0 { case.id.to_owned() } else { format!("{}.{round}", case.id) });
        let trying = Trying { id: case.id, file, config, seed, limit: case.limit(), folder: &folder };
        let ended = trying.run().await;
        record.seconds += ended.took.as_secs_f64();
        if !options.keep {
            // A driver may have left files that nobody may remove; they are in a folder that says whose it is.
            let _ = std::fs::remove_dir_all(&folder);
        }
        if ended.verdict == Verdict::Pass {
            passed += 1;
            record.notes = ended.notes;
            continue;
        }
        record.repeat = format!("{} --filter {} --seed {seed}", options.command, case.id);
        (record.verdict, record.notes, record.trace, record.output, record.log) =
            (ended.verdict, ended.notes, ended.trace, ended.output, ended.log);
        break;
    }
    if passed > 0 && record.verdict != Verdict::Pass {
        record.notes.push((FLAKY.into(), format!("it passed {passed} times before")));
    }
    let fails = record.verdict != Verdict::Pass && !matches!(record.verdict, Verdict::Skip { .. });
    record.expected = options.baseline.reason(case.id).filter(|_| fails || record.verdict == Verdict::Pass).map(str::to_owned);
    record
}

/// The type of the file system that a folder is on, e.g. `ext4`.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let nearest = mounts.filter(|(mount, _)| folder.starts_with(mount)).max_by_key(|(mount, _)| mount.len());
    nearest.map_or_else(String::new, |(_, kind)| kind.to_owned())
}
