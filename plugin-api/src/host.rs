//! What the host offers to an open driver: its log, its counters, its pool of blocking threads.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_channel::oneshot;

use crate::abi::panic_text;
use crate::{DriverError, ErrorClass};

/// How urgent a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Somebody must act.
    Error = 1,
    /// Somebody should look.
    Warn = 2,
    /// Worth knowing.
    Info = 3,
    /// For the driver's author.
    Debug = 4,
    /// Each step.
    Trace = 5,
}

/// The services behind a [`Host`]; implemented by the loader, and by tests that run a driver without one.
pub trait HostServices: Send + Sync + 'static {
    /// Writes a line to the host's log.
    fn log(&self, level: Level, message: &str);
    /// Adds `value` to the counter `name`.
    fn count(&self, name: &str, value: u64);
    /// Runs `job` on a thread that may block. If no thread can be had, the job is dropped.
    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>);
}

/// The host as a driver sees it; cheap to clone.
#[derive(Clone)]
pub struct Host {
    services: Arc<dyn HostServices>,
    instance: Arc<str>,
}

impl Host {
    /// A host made of `services`, for the instance of that name.
    pub fn new(services: Arc<dyn HostServices>, instance: &str) -> Self {
        Self { services, instance: instance.into() }
    }

    /// A host for tests of a driver without a loader: one new thread for each blocking job, no log, no counters.
    pub fn detached() -> Self {
        Self::new(Arc::new(Detached), "detached")
    }

    /// The name that the operator gave this instance.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Writes one line to the host's log. Never log a secret.
    pub fn log(&self, level: Level, message: impl fmt::Display) {
        self.services.log(level, &message.to_string());
    }

    /// Adds `value` to a counter of the host's metrics; `name` is `[a-z_]+` and is prefixed by the host.
    pub fn count(&self, name: &str, value: u64) {
        self.services.count(name, value);
    }

    /// Runs `work` on one of the host's threads for blocking work, and waits for it.
    ///
    /// Dropping the future abandons the answer; the work itself runs to its end.
    ///
    /// # Errors
    /// What `work` answers; `internal` if it panics; `cancelled` if the host is shutting down.
    pub async fn blocking<T, F>(&self, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, DriverError> + Send + 'static,
    {
        self.start(work).await
    }

    /// As [`Self::blocking`], but `work` is handed over now and not at the first poll.
    pub(crate) fn start<T, F>(&self, work: F) -> impl Future<Output = Result<T, DriverError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, DriverError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.services.run_blocking(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|panic| Err(DriverError::panicked("blocking work", &panic_text(panic))));
            let _ = answer.send(result);
        }));
        async { answered.await.unwrap_or_else(|_| Err(DriverError::new(ErrorClass::Cancelled, "the host runs no more blocking work"))) }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({:?})", self.instance)
    }
}

struct Detached;

impl HostServices for Detached {
    fn log(&self, _: Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        std::thread::spawn(job);
    }
}
