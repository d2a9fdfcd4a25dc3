//! What a run found, in the form that is kept: JSON lines of a version, one event each.
//!
//! The first line is a `run`, then comes one `case` for each case as it ends, then the `summary`. A run that was cut off has no summary, and
//! everything up to there. Fields may be added within a version; none changes its meaning.

use std::io;

use serde::{Deserialize, Serialize};

use crate::case::{Case, Level};
use crate::verdict::Verdict;

/// The version of the form.
pub const RECORD_VERSION: u32 = 1;

/// The name of the note on a case that passed before it failed.
pub(crate) const FLAKY: &str = "flaky";

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// What is about to be run.
    Run(Header),
    /// A case has ended.
    Case(Box<CaseRecord>),
    /// All have.
    Summary(Summary),
}

/// What is about to be run, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The harness's version.
    pub harness: String,
    /// When it began, in UTC, RFC 3339.
    pub began: String,
    /// The driver's file as it was given.
    pub file: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Its build id, hexadecimal, if it has one.
    pub build_id: Option<String>,
    /// The driver's name.
    pub driver: String,
    /// The driver's version.
    pub driver_version: String,
    /// `rust` or `c`, and the ABI's major.
    pub abi: String,
    /// The compiler, as the driver names it.
    pub compiler: String,
    /// The declared capabilities.
    pub capabilities: Vec<String>,
    /// The kernel's release.
    pub kernel: String,
    /// The type of the file system that the cases' folders are on.
    pub file_system: String,
    /// The profile.
    pub profile: String,
    /// What all random choices follow from.
    pub seed: u64,
    /// How many cases there are.
    pub cases: usize,
}

/// A case that has ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The id.
    pub id: String,
    /// The group.
    pub group: String,
    /// The rule.
    pub rule: String,
    /// Where it stands.
    pub source: String,
    /// `must`, `should` or `may`.
    pub level: String,
    /// The lane's letter.
    pub lane: String,
    /// What was found.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why a failure is accepted, if it is (`xfail`), or was and is none (`xpass`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The command that repeats it.
    pub repeat: String,
    /// What the case measured, name and text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<(String, String)>,
    /// The last calls, unless it passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// The end of what the driver printed, unless it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// The end of what the driver logged, unless it passed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

/// How a case counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// The rule was kept.
    Passed,
    /// The rule is not about this driver, or the user left it out.
    Skipped,
    /// It failed as the baseline says.
    ExpectedFailure,
    /// The baseline says that it fails, and it passed: the baseline is out of date.
    UnexpectedPass,
    /// It was not tried, and its level is not `must`.
    Untested,
    /// It failed, and its level is `should` or `may`.
    Warned,
    /// It failed, or a `must` could not be tried.
    Failed,
    /// The harness failed.
    Unknown,
}

impl CaseRecord {
    /// True if the rule is one that every driver must keep.
    pub fn is_must(&self) -> bool {
        self.level == Level::Must.name()
    }

    /// True if the case passed before it failed.
    pub fn is_flaky(&self) -> bool {
        self.notes.iter().any(|(name, _)| name == FLAKY)
    }

    /// How the case counts. A `must` that could not be tried counts as failed; so does the harness's own failure, by another name.
    pub fn standing(&self) -> Standing {
        match (&self.verdict, &self.expected) {
            (Verdict::Pass, None) => Standing::Passed,
            (Verdict::Pass, Some(_)) => Standing::UnexpectedPass,
            (Verdict::Skip { .. }, _) => Standing::Skipped,
            (_, Some(_)) => Standing::ExpectedFailure,
            (Verdict::HarnessError { .. }, None) => Standing::Unknown,
            (Verdict::NotTestable { .. }, None) if !self.is_must() => Standing::Untested,
            (_, None) if !self.is_must() && !matches!(self.verdict, Verdict::Crash { .. } | Verdict::Timeout { .. }) => Standing::Warned,
            (_, None) => Standing::Failed,
        }
    }

    /// The record of a case that was not run.
    pub(crate) fn of(case: &Case, verdict: Verdict) -> Self {
        Self {
            id: case.id.into(),
            group: case.group.into(),
            rule: case.rule.into(),
            source: case.source.into(),
            level: case.level.name().into(),
            lane: case.lane.name().into(),
            verdict,
            expected: None,
            seconds: 0.0,
            repeat: String::new(),
            notes: Vec::new(),
            trace: Vec::new(),
            output: String::new(),
            log: String::new(),
        }
    }
}

/// How many cases of a level there are, by what they ended with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Cases that were kept.
    pub passed: usize,
    /// Cases that were broken and are not expected to be, crashes, timeouts and leaks included.
    pub failed: usize,
    /// Cases that are not about this driver.
    pub skipped: usize,
    /// Cases that could not be tried.
    pub not_testable: usize,
    /// Cases that failed as the baseline says.
    pub expected: usize,
    /// Cases in which the harness failed.
    pub harness_errors: usize,
}

impl Tally {
    /// How many cases there are.
    pub fn all(&self) -> usize {
        self.passed + self.failed + self.skipped + self.not_testable + self.expected + self.harness_errors
    }

    fn add(&mut self, case: &CaseRecord) {
        let field = match (&case.verdict, &case.expected) {
            (Verdict::Pass, _) => &mut self.passed,
            (Verdict::Skip { .. }, _) => &mut self.skipped,
            (_, Some(_)) => &mut self.expected,
            (Verdict::NotTestable { .. }, None) => &mut self.not_testable,
            (Verdict::HarnessError { .. }, None) => &mut self.harness_errors,
            (_, None) => &mut self.failed,
        };
        *field += 1;
    }
}

/// What it all comes to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// True if the driver keeps the contract as far as it was tried.
    pub conformant: bool,
    /// The rules that every driver must keep.
    pub must: Tally,
    /// The rules that a good driver keeps.
    pub should: Tally,
    /// The rules that are only reported.
    pub may: Tally,
    /// The ids of the `must` cases that could not be tried.
    pub untested_must: Vec<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The exit code of the run.
    pub exit_code: u8,
}

/// A whole run.
#[derive(Debug, Clone)]
pub struct Record {
    /// What was run.
    pub header: Header,
    /// The cases in the order in which they ended.
    pub cases: Vec<CaseRecord>,
    /// What it came to; made from the cases if the run was cut off.
    pub summary: Summary,
}

impl Summary {
    /// What `cases` come to.
    pub fn of(cases: &[CaseRecord], seconds: f64) -> Self {
        let (mut must, mut should, mut may) = (Tally::default(), Tally::default(), Tally::default());
        for case in cases {
            match case.level.as_str() {
                "must" => must.add(case),
                "should" => should.add(case),
                _ => may.add(case),
            }
        }
        let untested = |case: &&CaseRecord| {
            case.is_must() && case.standing() == Standing::Failed && matches!(case.verdict, Verdict::NotTestable { .. })
        };
        let exit_code = crate::exit::of_cases(cases);
        Self {
            conformant: exit_code == crate::exit::Exit::Conformant,
            untested_must: cases.iter().filter(untested).map(|case| case.id.clone()).collect(),
            must,
            should,
            may,
            seconds,
            exit_code: exit_code.code(),
        }
    }
}

impl Record {
    /// Reads the JSON lines of a run, whole or cut off: a last line without its end is left out.
    ///
    /// # Errors
    /// `InvalidData` with the number of the first line that is no event, or that there is no `run` line.
    pub fn read(text: &str) -> io::Result<Self> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let (mut header, mut cases, mut summary) = (None, Vec::new(), None);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (number, line) in lines {
            match serde_json::from_str(line).map_err(|error| invalid(format!("line {}: {error}", number + 1)))? {
                Event::Run(run) if run.version != RECORD_VERSION => {
                    return Err(invalid(format!("it has version {}, this harness reads version {RECORD_VERSION}", run.version)));
                }
                Event::Run(run) => header = Some(run),
                Event::Case(case) => cases.push(*case),
                Event::Summary(ended) => summary = Some(ended),
            }
        }
        let header = header.ok_or_else(|| invalid("it has no line of a run".into()))?;
        let seconds = cases.iter().map(|case| case.seconds).sum();
        let summary = summary.unwrap_or_else(|| Summary::of(&cases, seconds));
        Ok(Self { header, cases, summary })
    }
}
