//! System calls that fail, and processes that die at one: `strace` does it to a peer, whatever language the driver is written in.
//!
//! A plain run tells which calls a question makes on the store ([`sites`]); then each of them is made to fail in a peer of its own
//! ([`with_fault`]). What was injected is read from strace's own log, so that a fault that was never reached is known.

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};

use super::Trial;
use super::peer::{Answer, Peer, Question, Unanswered};
use crate::verdict::Stop;

/// System calls that change or read files.
const FILE_CALLS: &str = "open,openat,openat2,creat,read,pread64,readv,preadv,preadv2,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,\
sync_file_range,syncfs,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate,fallocate,copy_file_range,close,\
getdents64,flock";

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
    command.args(["-f", "-y", "-s", "16", "-e", "signal=none", "-e"]).arg(format!("trace={FILE_CALLS}"));
    command.args(extra).arg("-o").arg(log).arg("-p").arg(peer.id().to_string());
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
            // It may say more, which nobody reads: the pipe has room for it.
            drop(tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }));
            return Ok(tracing);
        }
        said = line;
    }
    Err(Stop::not_testable(format!("strace may not attach to a process here: {said}")))
}

/// Every call on files below `store` in a log, and whether it was injected.
fn calls(log: &str, store: &Path) -> Vec<(Site, bool)> {
    let store = store.to_string_lossy();
    let mut counts = std::collections::HashMap::<(String, String), usize>::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        // Ends of calls that another thread's line interrupted, exits and signals are no calls.
        let Some((call, _)) =
            rest.split_once('(').filter(|(call, _)| call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        else {
            continue;
        };
        let nth = counts.entry((thread.to_owned(), call.to_owned())).or_default();
        *nth += 1;
        if rest.contains(&*store) {
            let site = Site { call: call.to_owned(), nth: *nth, line: rest.chars().take(160).collect() };
            found.push((site, rest.contains("(INJECTED)")));
        }
    }
    found
}

/// A question that is asked under faults, after others that prepare it.
pub(crate) struct Scene<'q> {
    /// Asked before, without faults.
    pub(crate) before: &'q [Question],
    /// Asked under the fault, in order, until one fails.
    pub(crate) asked: &'q [Question],
}

impl Scene<'_> {
    async fn prepare(&self, trial: &Trial) -> Result<Peer, Stop> {
        let peer = Peer::start(trial).await?;
        for question in self.before {
            peer.ask(question.clone()).await?;
        }
        Ok(peer)
    }

    async fn ask(&self, peer: &Peer) -> Result<Answer, Unanswered> {
        let mut last = Answer::default();
        for question in self.asked {
            last = peer.ask(question.clone()).await?;
        }
        Ok(last)
    }
}

fn log_of(trial: &Trial) -> Result<(std::path::PathBuf, impl Fn() -> Result<String, Stop> + use<>), Stop> {
    let file = tempfile::Builder::new().prefix("strace-").tempfile_in(trial.folder().parent().unwrap_or(trial.folder()));
    let file = file.map_err(|error| Stop::harness("no file for strace", error))?;
    let path = file.path().to_owned();
    let read = move || std::fs::read_to_string(file.path()).map_err(|error| Stop::harness("the log of strace", error));
    Ok((path, read))
}

/// The calls that the scene's questions make on files of the store.
///
/// Only those that change something, where `changes` is true.
pub(crate) async fn sites(trial: &Trial, scene: &Scene<'_>, changes: bool) -> Result<Vec<Site>, Stop> {
    const READING: [&str; 8] = ["read", "pread64", "readv", "preadv", "preadv2", "close", "getdents64", "flock"];
    let peer = scene.prepare(trial).await?;
    let (path, log) = log_of(trial)?;
    let tracing = attach(&peer, &path, &[]).await?;
    scene.ask(&peer).await?;
    drop(tracing);
    peer.end().await?;
    let all = calls(&log()?, trial.folder()).into_iter().map(|(site, _)| site);
    let writes = |site: &Site| !READING.contains(&site.call.as_str()) && !(site.call.starts_with("open") && site.line.contains("O_RDONLY"));
    Ok(all.filter(|site| !changes || writes(site)).collect())
}

/// The log of all calls that the scene's questions make, line by line as strace writes them.
pub(crate) async fn log(trial: &Trial, scene: &Scene<'_>) -> Result<String, Stop> {
    let peer = scene.prepare(trial).await?;
    let (path, log) = log_of(trial)?;
    let tracing = attach(&peer, &path, &[]).await?;
    scene.ask(&peer).await?;
    drop(tracing);
    peer.end().await?;
    log()
}

/// What came of a scene under a fault.
pub(crate) struct Faulted {
    /// The first failure, or the last answer.
    pub(crate) answer: Result<Answer, Unanswered>,
    /// True if the fault hit a call on the store.
    pub(crate) reached: bool,
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
        Fault::Kill => ("signal=KILL".to_owned(), site.nth.to_string()),
    };
    let tracing = attach(&peer, &path, &["-e".into(), format!("inject={}:{what}:when={when}", site.call)]).await?;
    let answer = scene.ask(&peer).await;
    if fault == Fault::Kill && matches!(answer, Err(Unanswered::Gone)) {
        peer.kill();
    }
    drop(tracing);
    let calls = calls(&log()?, trial.folder());
    // A killed process never comes back from the call: its line has no end, and nothing of its kind follows.
    let reached = match fault {
        Fault::Kill => matches!(answer, Err(Unanswered::Gone)),
        _ => calls.iter().any(|(_, injected)| *injected),
    };
    Ok(Faulted { answer, reached, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_thread_and_name_and_only_those_of_the_store_are_kept() {
        let log = "\
10 write(5<anon_inode:[eventfd]>, \"\\1\", 8) = 8\n\
11 openat(AT_FDCWD</x>, \"/s/place/a\", O_WRONLY|O_CREAT) = 7</s/place/a>\n\
11 write(7</s/place/a>, \"abc\", 3) = -1 ENOSPC (No space left on device) (INJECTED)\n\
10 write(7</s/place/a>, \"abc\", 3) = 3\n\
11 <... futex resumed>) = 0\n\
11 +++ exited with 0 +++\n";
        let found = calls(log, Path::new("/s/place"));
        let short: Vec<_> = found.iter().map(|(site, injected)| (site.call.as_str(), site.nth, *injected)).collect();
        assert_eq!(short, [("openat", 1, false), ("write", 1, true), ("write", 2, false)]);
    }
}
