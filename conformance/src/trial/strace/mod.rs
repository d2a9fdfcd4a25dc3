//! System calls that fail, and processes that die at one: `strace` does it to a peer, whatever language the driver is written in.
//!
//! A plain run tells which calls a question makes on the store ([`sites`]); then each of them is made to fail in a peer of its own
//! ([`with_fault`]). What was injected is read from strace's own log, so that a fault that was never reached is known. A peer makes no call of
//! [`FILE_CALLS`] for itself, so a fault that is counted by thread and name hits the driver.

mod calls;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::Trial;
use super::peer::{Answer, Peer, PeerOptions, Question, Unanswered};
use crate::verdict::Stop;

pub(crate) use calls::{Traced, descriptor, parse};

/// System calls that change or read files; and what tells that an answer was sent, and that files may change without a call.
const FILE_CALLS: &str = "open,openat,openat2,creat,read,pread64,readv,preadv,preadv2,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,\
sync,sync_file_range,syncfs,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,truncate,ftruncate,\
fallocate,copy_file_range,sendfile,splice,close,getdents64,flock,statx,newfstatat,?stat,?lstat,faccessat,faccessat2,sendto,io_uring_enter";

/// Calls that change nothing.
const READING: [&str; 17] = [
    "statx",
    "newfstatat",
    "stat",
    "lstat",
    "faccessat",
    "faccessat2",
    "read",
    "pread64",
    "readv",
    "preadv",
    "preadv2",
    "close",
    "getdents64",
    "flock",
    "sendto",
    "io_uring_enter",
    "sync_file_range",
];

/// How long a faulted scene may take: longer than a driver's limit for a call.
const SCENE_LIMIT: Duration = Duration::from_secs(30);

/// A system call that a question makes on the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Its name, e.g. `pwrite64`.
    pub(crate) call: String,
    /// How many of its name the same thread had made, this one included.
    pub(crate) nth: usize,
    /// The line of the log, for people.
    pub(crate) line: String,
}

/// What is done at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails with an errno, e.g. `ENOSPC`, once.
    Once(&'static str),
    /// The call and all later ones of its name in its thread fail.
    FromThere(&'static str),
    /// The process is killed before the call does anything.
    Kill,
}

/// A running strace; it lets go of the process when it is dropped.
struct Tracing(std::process::Child);

impl Drop for Tracing {
    fn drop(&mut self) {
        // SIGINT makes it detach and write its last lines; a process that is gone ends it by itself.
        let id = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::INT));
        let _ = self.0.wait();
    }
}

/// Attaches strace to a peer, and returns once it has every thread.
async fn attach(peer: &Peer, log: &Path, extra: &[String]) -> Result<Tracing, Stop> {
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-a", "1", "-s", "16", "-e", "signal=none", "-e"]).arg(format!("trace={FILE_CALLS}"));
    command.args(extra).arg("-o").arg(log).arg("-p").arg(peer.id().to_string());
    // An isolated driver's calls are its own process's.
    command.args(super::observe::children(peer.id()).iter().flat_map(|child| ["-p".to_owned(), child.to_string()]));
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Stop::not_testable("the program strace is not installed (Debian: apt-get install strace)"),
        _ => Stop::harness("strace does not start", error),
    })?;
    let Some(stderr) = child.stderr.take() else { return Err(Stop::harness("strace", "it has no stderr")) };
    let tracing = Tracing(child);
    let stderr = tokio::process::ChildStderr::from_std(stderr).map_err(|error| Stop::harness("the output of strace", error))?;
    let mut lines = BufReader::new(stderr).lines();
    let mut said = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains(" attached") {
            // It may say more, which nobody needs; but its pipe must not fill.
            drop(tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }));
            return Ok(tracing);
        }
        said = line;
    }
    Err(Stop::not_testable(format!("strace may not attach to a process here: {said}")))
}

/// Questions that are asked under faults, after others that prepare them.
#[derive(Clone, Default)]
pub(crate) struct Scene<'q> {
    /// Asked before, without faults.
    pub(crate) before: &'q [Question],
    /// Asked under the fault, in order, until one fails.
    pub(crate) asked: &'q [Question],
    /// The settings, if not those of the case's store.
    pub(crate) settings: Option<Value>,
    /// A command that the peer's own is given to.
    pub(crate) wrapper: Vec<String>,
}

impl Scene<'_> {
    /// A peer that has been asked what comes before.
    pub(crate) async fn prepare(&self, trial: &Trial) -> Result<Peer, Stop> {
        let options =
            PeerOptions { settings: self.settings.clone(), wrapper: self.wrapper.clone(), one_thread: true, ..PeerOptions::default() };
        let (peer, opened) = Peer::start_with(trial, options).await?;
        opened?;
        for question in self.before {
            peer.ask(question.clone()).await?;
        }
        Ok(peer)
    }

    /// The first failure, or the last answer.
    pub(crate) async fn ask(&self, peer: &Peer) -> Result<Answer, Unanswered> {
        let mut last = Answer::default();
        for question in self.asked {
            last = peer.ask(question.clone()).await?;
        }
        Ok(last)
    }
}

fn log_of(trial: &Trial) -> Result<(PathBuf, impl Fn() -> Result<String, Stop> + use<>), Stop> {
    let file = tempfile::Builder::new().prefix("strace-").tempfile_in(trial.folder().parent().unwrap_or(trial.folder()));
    let file = file.map_err(|error| Stop::harness("no file for strace", error))?;
    let path = file.path().to_owned();
    let read = move || {
        let bytes = std::fs::read(file.path()).map_err(|error| Stop::harness("the log of strace", error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok((path, read))
}

/// The calls that the scene's questions make on files of the store.
///
/// Only those that change something, where `changes` is true.
pub(crate) async fn sites(trial: &Trial, scene: &Scene<'_>, changes: bool) -> Result<Vec<Site>, Stop> {
    let peer = scene.prepare(trial).await?;
    let (answer, log) = log(trial, scene, &peer).await?;
    answer?;
    peer.end().await?;
    let sites = below(&log, trial.folder(), changes);
    if sites.is_empty() {
        return Err(Stop::not_testable(
            "strace sees no system call of the driver on its files; it may do them by io_uring or in another process",
        ));
    }
    Ok(sites)
}

/// The calls of a log on files below a folder.
fn below(log: &str, folder: &Path, changes: bool) -> Vec<Site> {
    let calls = parse(log).into_iter().filter(|call| call.is_below(folder) && (!changes || writes(call)));
    calls.map(|call| Site { line: call.line(), nth: call.nth, call: call.call }).collect()
}

fn writes(call: &Traced) -> bool {
    let has = |flag: &str| call.arguments.iter().any(|argument| argument.contains(flag));
    let opens = call.call.starts_with("open");
    let opens_to_write = ["O_CREAT", "O_WRONLY", "O_RDWR", "O_TMPFILE"].into_iter().any(has);
    if opens { opens_to_write } else { !READING.contains(&call.call.as_str()) }
}

/// Asks the scene's questions of a peer; what came of it, and the log of all calls, line by line as strace writes them.
pub(crate) async fn log(trial: &Trial, scene: &Scene<'_>, peer: &Peer) -> Result<(Result<Answer, Unanswered>, String), Stop> {
    let (path, log) = log_of(trial)?;
    let tracing = attach(peer, &path, &[]).await?;
    let answer = scene.ask(peer).await;
    drop(tracing);
    Ok((answer, log()?))
}

/// Opens the driver in a peer of its own under strace, which kills it at `kill` if there is one. Answers whether it opened, and the calls on
/// the store.
pub(crate) async fn opened_under(trial: &Trial, scene: &Scene<'_>, kill: Option<&Site>) -> Result<(bool, Vec<Site>), Stop> {
    let (path, log) = log_of(trial)?;
    let trace = format!("trace={FILE_CALLS}");
    let mut wrapper: Vec<String> =
        ["strace", "-f", "-y", "-a", "1", "-s", "16", "-e", "signal=none", "-e", &trace, "-o"].map(str::to_owned).into();
    wrapper.push(path.to_string_lossy().into_owned());
    if let Some(site) = kill {
        wrapper.extend(["-e".to_owned(), format!("inject={}:signal=SIGKILL:when={}", site.call, site.nth)]);
    }
    let options = PeerOptions { settings: scene.settings.clone(), wrapper, one_thread: true, ..PeerOptions::default() };
    let (peer, opened) = Peer::start_with(trial, options).await?;
    // Work that opening has begun goes on until the end.
    let ended = opened.is_ok() && peer.ask(Question::End).await.is_ok();
    peer.wait();
    Ok((ended, below(&log()?, trial.folder(), false)))
}

/// What came of a scene under a fault.
pub(crate) struct Faulted {
    /// The first failure, or the last answer.
    pub(crate) answer: Result<Answer, Unanswered>,
    /// True if the fault hit a call on the store.
    pub(crate) reached: bool,
    /// All calls.
    pub(crate) calls: Vec<Traced>,
    /// The peer, which may be gone.
    pub(crate) peer: Peer,
}

/// Asks the scene's questions of a new peer while `fault` is done at `site`. The fault is over when this returns.
pub(crate) async fn with_fault(trial: &Trial, scene: &Scene<'_>, site: &Site, fault: Fault) -> Result<Faulted, Stop> {
    let peer = scene.prepare(trial).await?;
    let (path, log) = log_of(trial)?;
    let (what, when) = match fault {
        Fault::Once(errno) => (format!("error={errno}"), site.nth.to_string()),
        Fault::FromThere(errno) => (format!("error={errno}"), format!("{}+", site.nth)),
        Fault::Kill => ("signal=SIGKILL".to_owned(), site.nth.to_string()),
    };
    let inject = ["-e".to_owned(), format!("inject={}:{what}:when={when}", site.call)];
    let tracing = attach(&peer, &path, &inject).await?;
    let answer = tokio::time::timeout(SCENE_LIMIT, scene.ask(&peer)).await;
    if fault == Fault::Kill && matches!(answer, Ok(Err(Unanswered::Gone))) {
        peer.kill();
    }
    drop(tracing);
    let Ok(answer) = answer else {
        return Err(Stop::breach(format!("no answer came within {} s after {what} at {}", SCENE_LIMIT.as_secs(), site.line)));
    };
    let calls = parse(&log()?);
    let reached = match fault {
        Fault::Kill => matches!(answer, Err(Unanswered::Gone)),
        _ => calls.iter().any(|call| call.injected && call.is_below(trial.folder())),
    };
    Ok(Faulted { answer, reached, calls, peer })
}
