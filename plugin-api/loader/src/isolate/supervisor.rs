//! Keeps an instance's child running: starts it, notices its end, reports that, and starts the next one as long as the budget lasts.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longshore_plugin_api::{DriverError, ErrorClass};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::link::{Ended, Link, Reply};
use super::message::Answer;
use super::orders::Orders;
use super::process::{Process, Start, fate};
use super::report::Crash;
use super::said::Said;
use super::slots::Slots;
use super::socket::watched;
use super::{Budget, DriverState};

/// How long a child that closed its end, or was told to, may take to end.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How long what a child printed may take to arrive after its end.
const WORDS_LIMIT: Duration = Duration::from_secs(1);
/// The wait before the first restart; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// What children are started with, again and again.
pub(super) struct Recipe {
    pub(super) orders: Orders,
    pub(super) driver: OwnedFd,
    pub(super) environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
    pub(super) program: Option<std::path::PathBuf>,
    pub(super) open_limit: Duration,
}

/// An instance's child, whichever it is at the time.
pub(crate) struct Supervisor {
    origin: Arc<str>,
    recipe: Recipe,
    budget: Budget,
    said: Arc<Said>,
    status: watch::Sender<Status>,
    closing: Notify,
    is_closing: AtomicBool,
    restarts: AtomicU64,
    recent: Mutex<VecDeque<Instant>>,
}

enum Status {
    /// Served by this child, whose number this is.
    Serving(Arc<Link>, u32),
    Restarting(String),
    Degraded(String),
    Closed,
}

/// A child that serves.
struct Running {
    process: Process,
    link: Arc<Link>,
    traffic: Traffic,
    words: [JoinHandle<()>; 2],
}

/// The task that owns the socket; dropping this closes it.
struct Traffic(JoinHandle<Ended>);

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Supervisor {
    /// Starts the first child and watches it from then on.
    ///
    /// # Errors
    /// What the driver answers to `open`; `internal` if its process ended instead.
    pub(super) async fn open(origin: &str, recipe: Recipe, budget: Budget, said: Said) -> Result<Arc<Self>, DriverError> {
        let this = Arc::new(Self {
            origin: origin.into(),
            recipe,
            budget,
            said: Arc::new(said),
            status: watch::channel(Status::Restarting("it is starting".into())).0,
            closing: Notify::new(),
            is_closing: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            recent: Mutex::default(),
        });
        let running = this.start().await?;
        this.serving(&running);
        tokio::spawn(this.clone().run(running));
        Ok(this)
    }

    pub(super) fn origin(&self) -> &Arc<str> {
        &self.origin
    }

    pub(crate) fn state(&self) -> DriverState {
        match &*self.status.borrow() {
            Status::Serving(..) | Status::Closed => DriverState::Serving,
            Status::Restarting(reason) => DriverState::Restarting { reason: reason.clone() },
            Status::Degraded(reason) => DriverState::Degraded { reason: reason.clone() },
        }
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(crate) fn process_id(&self) -> Option<u32> {
        match &*self.status.borrow() {
            Status::Serving(_, id) => Some(*id),
            _ => None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    pub(super) fn link_if_serving(&self) -> Option<Arc<Link>> {
        match &*self.status.borrow() {
            Status::Serving(link, _) if !link.is_over() => Some(link.clone()),
            _ => None,
        }
    }

    /// The traffic with the child that serves; waits while one is started.
    ///
    /// # Errors
    /// `unreachable` once the budget is used up, `closed` after `close`.
    pub(super) async fn link(&self) -> Result<Arc<Link>, DriverError> {
        if let Some(link) = self.link_if_serving() {
            return Ok(link);
        }
        let mut changes = self.status.subscribe();
        loop {
            match &*changes.borrow_and_update() {
                Status::Serving(link, _) if !link.is_over() => return Ok(link.clone()),
                Status::Serving(..) | Status::Restarting(_) => {}
                Status::Degraded(reason) => {
                    let message = format!("the driver's process is not started any more: {reason}");
                    return Err(DriverError::new(ErrorClass::Unreachable, message));
                }
                Status::Closed => return Err(DriverError::closed()),
            }
            if changes.changed().await.is_err() {
                return Err(DriverError::closed());
            }
        }
    }

    /// Ends the child, soon.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.closing.notify_one();
    }

    /// Waits until no child is left.
    pub(super) async fn ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.status.subscribe().wait_for(|status| matches!(status, Status::Closed)).await;
    }

    fn serving(&self, running: &Running) {
        self.status.send_replace(Status::Serving(running.link.clone(), running.process.id()));
    }

    /// Starts a child and waits until the driver in it is open.
    async fn start(&self) -> Result<Running, DriverError> {
        let running = self.launch().await.map_err(|error| {
            let message = format!("cannot start a process for the driver: {error}");
            DriverError::new(ErrorClass::Throttled, message)
        })?;
        let orders = serde_json::to_vec(&self.recipe.orders).map_err(|error| DriverError::new(ErrorClass::Internal, error.to_string()))?;
        let driver = self.recipe.driver.try_clone();
        let driver =
            driver.map_err(|error| DriverError::new(ErrorClass::Throttled, format!("cannot hand over the driver's file: {error}")))?;
        let opening = running.link.open(&orders, driver);
        match tokio::time::timeout(self.recipe.open_limit, opening).await {
            Ok(Ok(Reply { answer: Answer::Error(error), .. })) => {
                self.end(running).await;
                Err(error)
            }
            Ok(Ok(_)) => Ok(running),
            Ok(Err(_)) => {
                let crash = self.bury(running).await;
                Err(DriverError::new(ErrorClass::Internal, format!("the driver's process ended before it was open, by {crash}")))
            }
            Err(_) => {
                let limit = self.recipe.open_limit.as_secs();
                Err(DriverError::new(ErrorClass::Timeout, format!("open did not answer within {limit} s (drivers.open_secs)")))
            }
        }
    }

    async fn launch(&self) -> std::io::Result<Running> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let link = Arc::new(Link::new(Slots::create()?, Slots::create()?));
        let title = format!("longshore: driver {}", self.origin);
        let start = Start { title, environment: self.recipe.environment.clone(), program: self.recipe.program.clone(), socket: theirs };
        let (process, output, errors) = Process::start(start).await?;
        let listen = |pipe: OwnedFd| -> std::io::Result<JoinHandle<()>> {
            let (pipe, said) = (pipe::Receiver::from_owned_fd(pipe)?, self.said.clone());
            Ok(tokio::spawn(async move { said.listen(pipe).await }))
        };
        let words = [listen(output.into())?, listen(errors.into())?];
        let (socket, owner, said) = (watched(ours)?, link.clone(), self.said.clone());
        let traffic = Traffic(tokio::spawn(async move { owner.run(&socket, &said).await }));
        Ok(Running { process, link, traffic, words })
    }

    async fn run(self: Arc<Self>, mut running: Running) {
        loop {
            let ended = tokio::select! {
                ended = &mut running.traffic.0 => ended.unwrap_or(Ended::Gone),
                () = self.closing.notified() => break self.end(running).await,
            };
            let crash = self.report(running, ended).await;
            match self.next(&crash).await {
                Some(next) => running = next,
                None => break self.closing.notified().await,
            }
        }
        self.status.send_replace(Status::Closed);
    }

    /// Restarts until it succeeds, the budget is used up or the instance is closed.
    async fn next(&self, crash: &Crash) -> Option<Running> {
        let mut reason = crash.to_string();
        loop {
            let Some(wait) = self.spend() else {
                let (max, window) = (self.budget.restarts_max, self.budget.window.as_secs());
                let why = format!("it ended by {reason}, after {max} restarts within {window} s (restarts_max, restart_window_secs)");
                tracing::error!(target: "longshore::driver", driver = &*self.origin, "degraded: {why}");
                self.status.send_replace(Status::Degraded(why));
                return None;
            };
            tracing::warn!(target: "longshore::driver", driver = &*self.origin, "starting the driver's process again in {} ms", wait.as_millis());
            self.status.send_replace(Status::Restarting(format!("it ended by {reason}")));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.closing.notified() => {
                    self.closing.notify_one();
                    return None;
                }
            }
            self.restarts.fetch_add(1, Ordering::Relaxed);
            match self.start().await {
                Ok(running) => {
                    tracing::info!(target: "longshore::driver", driver = &*self.origin, process = running.process.id(), "the driver's process serves again");
                    self.serving(&running);
                    return Some(running);
                }
                Err(error) => {
                    tracing::error!(target: "longshore::driver", driver = &*self.origin, "the driver's process could not be started again: {error}");
                    reason = format!("an open that failed: {error}");
                }
            }
        }
    }

    /// Takes one restart out of the budget: how long to wait before it.
    fn spend(&self) -> Option<Duration> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while recent.front().is_some_and(|first| now.duration_since(*first) > self.budget.window) {
            recent.pop_front();
        }
        if recent.len() >= self.budget.restarts_max as usize {
            return None;
        }
        let wait = BACKOFF.saturating_mul(1 << recent.len().min(16)).min(BACKOFF_MAX);
        recent.push_back(now);
        Some(wait)
    }

    /// Ends a child that nobody needs any more.
    async fn end(&self, running: Running) {
        let Running { process, link, mut traffic, words } = running;
        // The child ends when its socket does.
        traffic.0.abort();
        let _ = (&mut traffic.0).await;
        link.close();
        let _ = process.end(END_LIMIT).await;
        for words in words {
            let _ = tokio::time::timeout(WORDS_LIMIT, words).await;
        }
    }

    async fn bury(&self, mut running: Running) -> Crash {
        let ended = (&mut running.traffic.0).await.unwrap_or(Ended::Gone);
        self.report(running, ended).await
    }

    /// Sees a child off: its calls are lost, and the log has what became of it.
    async fn report(&self, running: Running, ended: Ended) -> Crash {
        let calls = running.link.lost();
        let limit = if matches!(ended, Ended::Gone) { END_LIMIT } else { Duration::ZERO };
        let status = running.process.end(limit).await;
        for words in running.words {
            // What it started may still hold the pipe.
            let _ = tokio::time::timeout(WORDS_LIMIT, words).await;
        }
        let crash = Crash { fate: fate(&status, limit.is_zero()), ended, calls, last_words: self.said.last_words() };
        tracing::error!(target: "longshore::driver", driver = &*self.origin, "the driver's process ended by {crash}");
        crash
    }
}
