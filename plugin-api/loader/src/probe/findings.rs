//! From what a probe's processes said to what is to be said of the file.

use std::time::Duration;

use super::message::{Answer, Ending, Traces};
use super::{Output, Probe, Stage};
use crate::findings::{Finding, FindingCode, FlawCode, Severity};
use crate::refusal::plain;

/// How much of what was printed is told in a finding, in characters from its end.
const TOLD_MAX_CHARS: usize = 120;
const TELL_VENDOR: &str = "ask the driver's vendor for a version that does nothing when it is loaded";

/// What became of the file.
pub(super) fn probe(answers: &[Answer], [stdout, stderr]: [Output; 2], limit: Duration) -> Probe {
    let mut account = Account { doing: "before it was loaded", ..Account::default() };
    for answer in answers {
        account.take(answer);
    }
    let ended = account.end(matches!(answers, [.., Answer::Done, Answer::Ended(_)]), &stderr, limit);
    let Account { reached, mut findings, capabilities, .. } = account;
    findings.extend(printed("stdout", &stdout));
    findings.extend(printed("stderr", &stderr));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    Probe { reached, findings, capabilities, ended, stdout, stderr }
}

/// What is known so far.
#[derive(Default)]
struct Account<'a> {
    reached: Option<Stage>,
    /// When whatever happens next happens.
    doing: &'static str,
    findings: Vec<Finding>,
    capabilities: Vec<String>,
    ending: Option<&'a Ending>,
}

impl<'a> Account<'a> {
    fn take(&mut self, answer: &'a Answer) {
        match answer {
            Answer::Loading { .. } => self.doing = "while it was loaded",
            Answer::Refused { code, why, fix } => {
                self.findings.push(refused(code, why, fix));
                // Whether the linker has had the file or not: the process goes on.
                self.come_to(Stage::Probed, "after it was refused");
            }
            Answer::Loaded(traces) => self.loaded(traces),
            Answer::Described { as_its_note: true } => self.come_to(Stage::Handshake, "after it was asked what it is"),
            Answer::Described { as_its_note: false } => {
                let what = "what it says of itself when it is asked is not what its note says";
                let fix = "build the driver again, and do not change the note of a finished file";
                self.findings.push(Finding::new(FlawCode::ProbeDescribe, what, fix));
            }
            Answer::Opened { capabilities } => {
                self.capabilities.clone_from(capabilities);
                self.come_to(Stage::Opened, "after it was opened");
            }
            Answer::Healthy => self.come_to(Stage::Healthy, "after it was asked for its health"),
            Answer::Failed { what } => {
                self.findings.push(Finding::new(FlawCode::ProbeOpen, plain(what), "mend the storage's settings, or what they lead to"));
            }
            Answer::Done => self.doing = "at the end of the process",
            Answer::Ended(ending) => self.ending = Some(ending),
        }
    }

    fn come_to(&mut self, stage: Stage, doing: &'static str) {
        self.reached = self.reached.max(Some(stage));
        self.doing = doing;
    }

    fn loaded(&mut self, traces: &Traces) {
        self.come_to(Stage::Loaded, "while it was asked what it is");
        self.findings.extend(changes(&traces.changed, FlawCode::ProbeChange, "loading it changed: "));
        self.findings.extend(changes(&traces.left, FlawCode::ProbeLeft, "loading it left "));
        self.findings.extend(traces.processes.then(started_processes));
    }

    /// How the process ended, for people.
    fn end(&mut self, done: bool, stderr: &Output, limit: Duration) -> String {
        let Some(ending) = self.ending else {
            let what = format!("no probe's answer came back {}", self.doing);
            self.findings.push(Finding::new(FlawCode::ProbeGarbled, what, "run the probe again; if it stays so, do not use the file"));
            return "unknown".to_owned();
        };
        self.findings.extend(end(ending, done, self.doing, stderr, limit));
        let is_told = self.findings.iter().any(|finding| finding.code == FindingCode::Flaw(FlawCode::ProbeProcess));
        self.findings.extend((ending.strays > 0 && !is_told).then(started_processes));
        how(ending)
    }
}

impl Probe {
    /// True if nothing that it did would keep a host from loading it.
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity() < Severity::Refused)
    }
}

/// What the child's refusal is, if it is one that there is.
fn refused(code: &str, why: &str, fix: &str) -> Finding {
    match FindingCode::find(code) {
        Some(code @ FindingCode::Refusal(_)) => Finding { code, what: plain(why), fix: plain(fix) },
        _ => Finding::new(FlawCode::ProbeGarbled, format!("it was refused as {:?}, which is no code", plain(code)), TELL_VENDOR),
    }
}

fn changes(items: &[String], code: FlawCode, what: &str) -> Option<Finding> {
    let items: Vec<String> = items.iter().map(|item| plain(item)).collect();
    (!items.is_empty()).then(|| Finding::new(code, format!("{what}{}", items.join(", ")), TELL_VENDOR))
}

fn started_processes() -> Finding {
    Finding::new(FlawCode::ProbeProcess, "it started processes", TELL_VENDOR)
}

fn end(ending: &Ending, done: bool, doing: &str, stderr: &Output, limit: Duration) -> Option<Finding> {
    let said = if stderr.bytes == 0 { String::new() } else { format!("; stderr ends with {:?}", end_of(&stderr.tail)) };
    let (code, what) = match ending {
        Ending { late: true, .. } => (FlawCode::ProbeHang, format!("it did not go on within {} s {doing}{said}", limit.as_secs())),
        Ending { signal: Some(_), .. } => (FlawCode::ProbeKilled, format!("{} {doing}{said}", how(ending))),
        Ending { code: Some(0), .. } if done => return None,
        Ending { .. } => (FlawCode::ProbeExit, format!("it ended the process with {} {doing}{said}", how(ending))),
    };
    Some(Finding::new(code, what, TELL_VENDOR))
}

fn printed(to: &str, output: &Output) -> Option<Finding> {
    (output.bytes > 0).then(|| {
        let what = format!("it printed {} bytes to {to}, which end with {:?}", output.bytes, end_of(&output.tail));
        Finding::new(FlawCode::ProbeOutput, what, TELL_VENDOR)
    })
}

/// The end of a text, fit for a message.
fn end_of(text: &str) -> String {
    let text = text.trim_end();
    let skipped = text.chars().count().saturating_sub(TOLD_MAX_CHARS);
    plain(&text.chars().skip(skipped).collect::<String>())
}

/// How a process ended, for people.
fn how(ending: &Ending) -> String {
    match (ending.signal, ending.code) {
        (Some(signal), _) => format!("signal {signal}{}", signal_name(signal)),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "for an unknown reason".into(),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGALRM => " (SIGALRM)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGSYS => " (SIGSYS)",
        libc::SIGXCPU => " (SIGXCPU, the limit of processor time)",
        libc::SIGXFSZ => " (SIGXFSZ, the limit of a file's size)",
        _ => "",
    }
}
