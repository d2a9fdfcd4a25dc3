//! Another process that has the driver: what it does is asked for over a socket, and it can be killed.
//!
//! The peer is this very program in a hidden mode. Its standard input is a socket; each line of it is a question or an answer as JSON. Many
//! questions may be under way at once.

mod question;
mod serve;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_loader::api::ErrorClass;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::oneshot;

use super::{Setting, Trial};
use crate::verdict::Stop;

pub(crate) use question::{Answer, Content, Failure, Question, sha256};
pub(crate) use serve::serve;

/// How a peer is started.
#[derive(Debug, Default)]
pub(crate) struct PeerOptions {
    /// The settings, if not those of the case's store.
    pub(crate) settings: Option<Value>,
    /// A command that the peer's own is given to, e.g. `unshare --mount`.
    pub(crate) wrapper: Vec<String>,
    /// Variables of its environment, beside those of this process.
    pub(crate) environment: Vec<(String, String)>,
    /// The folder that it works in.
    pub(crate) folder: Option<std::path::PathBuf>,
    /// True to give the driver one thread for blocking work: then the k-th system call of that thread is the same one each time.
    pub(crate) one_thread: bool,
}

/// A process that has the driver open. It is killed when it is dropped.
pub(crate) struct Peer {
    child: Mutex<Child>,
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    waiting: Arc<Mutex<Waiting>>,
    last: AtomicU64,
}

/// Who waits for which answer; `None` once the peer is gone.
type Waiting = Option<HashMap<u64, oneshot::Sender<Result<Answer, Failure>>>>;

/// How a peer's answer can fail to come.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The driver answered an error.
    Failed(Failure),
    /// The peer is gone, and the answer is not known.
    Gone,
}

impl Unanswered {
    /// The error's class, if there is an error.
    pub(crate) fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Failed(failure) => Some(failure.class()),
            Self::Gone => None,
        }
    }
}

/// A failure where none belongs.
impl From<Unanswered> for Stop {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Failed(failure) => Self::breach(format!("an unexpected error in another process: {failure}")),
            Unanswered::Gone => Self::breach("another process that had the driver ended by itself"),
        }
    }
}

impl Peer {
    /// Starts a process that opens the driver on the case's store. The answer comes once it is open.
    pub(crate) async fn start(trial: &Trial) -> Result<Self, Stop> {
        let (peer, opened) = Self::start_with(trial, PeerOptions::default()).await?;
        match opened {
            Ok(_) => Ok(peer),
            Err(unanswered) => Err(unanswered.into()),
        }
    }

    /// Starts a process and tells how opening the driver went there.
    pub(crate) async fn start_with(trial: &Trial, options: PeerOptions) -> Result<(Self, Result<Answer, Unanswered>), Stop> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|error| Stop::harness("no socket for a peer", error))?;
        let settings = options.settings.unwrap_or_else(|| trial.settings());
        let task = serde_json::json!({ "setting": trial.setting, "settings": settings, "one_thread": options.one_thread });
        let program = std::env::current_exe().map_err(|error| Stop::harness("this program's file is not known", error))?;
        let mut words = options.wrapper.into_iter().map(std::ffi::OsString::from).chain([program.into(), crate::hidden::PEER.into()]);
        // There is at least the program.
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(task.to_string()).stdin(Stdio::from(OwnedFd::from(theirs))).envs(options.environment);
        if let Some(folder) = options.folder {
            command.current_dir(folder);
        }
        let child = command.spawn().map_err(|error| Stop::harness("a peer does not start", error))?;
        // It has the peer's end of the socket: as long as that is open, nobody learns that the peer is gone.
        drop(command);
        let adopt = || {
            ours.set_nonblocking(true)?;
            UnixStream::from_std(ours)
        };
        let socket = adopt().map_err(|error| Stop::harness("the socket of a peer", error))?;
        let (reader, writer) = socket.into_split();
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        // The answer of number 0 is that of opening.
        let opened = wait_for(&waiting, 0);
        tokio::spawn(receive(BufReader::new(reader), waiting.clone()));
        let peer = Self { child: Mutex::new(child), writer: tokio::sync::Mutex::new(writer), waiting, last: AtomicU64::new(0) };
        let answer = answered(opened).await;
        Ok((peer, answer))
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, question: Question) -> Result<Answer, Unanswered> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = wait_for(&self.waiting, number);
        let mut line = serde_json::json!([number, question]).to_string();
        line.push('\n');
        // If it is gone, no answer comes either.
        let _ = self.writer.lock().await.write_all(line.as_bytes()).await;
        answered(answer).await
    }

    /// Kills the process with SIGKILL and waits until it is gone.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // It is gone already, at worst.
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&self) {
        // It may be gone already.
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }

    /// Lets the process close the driver and end; answers how it ended.
    pub(crate) async fn end(self) -> Result<std::process::ExitStatus, Stop> {
        // Its answer may come or not: it closes and ends.
        let _ = self.ask(Question::End).await;
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.wait().map_err(|error| Stop::harness("waiting for a peer", error))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait_for(waiting: &Mutex<Waiting>, number: u64) -> oneshot::Receiver<Result<Answer, Failure>> {
    let (sender, receiver) = oneshot::channel();
    // Without a peer the sender is dropped, and the receiver knows.
    if let Some(waiting) = &mut *waiting.lock().unwrap_or_else(PoisonError::into_inner) {
        waiting.insert(number, sender);
    }
    receiver
}

async fn answered(answer: oneshot::Receiver<Result<Answer, Failure>>) -> Result<Answer, Unanswered> {
    answer.await.map_err(|_| Unanswered::Gone)?.map_err(Unanswered::Failed)
}

/// Hands out the answers until the peer is gone.
async fn receive(reader: BufReader<tokio::net::unix::OwnedReadHalf>, waiting: Arc<Mutex<Waiting>>) {
    let mut lines = reader.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok((number, answer)) = serde_json::from_str::<(u64, Result<Answer, Failure>)>(&line) else { break };
        let sender = waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut().and_then(|waiting| waiting.remove(&number));
        if let Some(sender) = sender {
            // Who asked may have given up.
            let _ = sender.send(answer);
        }
    }
    *waiting.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The task of a peer, from its command line.
#[derive(serde::Deserialize)]
pub(crate) struct Task {
    pub(crate) setting: Setting,
    pub(crate) settings: Value,
    pub(crate) one_thread: bool,
}
