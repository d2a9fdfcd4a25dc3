//! What this host offers to drivers: its log, its counters, its blocking threads.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use longshore_plugin_api::{HostServices, Level};

/// How many counters one instance may have; more are ignored, so that a driver cannot fill the host's memory.
const COUNTERS_MAX: usize = 256;

pub(crate) struct Services {
    origin: Box<str>,
    counters: Mutex<BTreeMap<String, u64>>,
    runtime: tokio::runtime::Handle,
}

impl Services {
    /// Services on the current tokio runtime.
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.into(), counters: Mutex::default(), runtime: tokio::runtime::Handle::current() }
    }
}

impl HostServices for Services {
    fn log(&self, level: Level, message: &str) {
        let driver = &*self.origin;
        match level {
            Level::Error => tracing::error!(target: "longshore::driver", driver, "{message}"),
            Level::Warn => tracing::warn!(target: "longshore::driver", driver, "{message}"),
            Level::Info => tracing::info!(target: "longshore::driver", driver, "{message}"),
            Level::Debug => tracing::debug!(target: "longshore::driver", driver, "{message}"),
            Level::Trace => tracing::trace!(target: "longshore::driver", driver, "{message}"),
        }
    }

    fn count(&self, name: &str, value: u64) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get_mut(name) {
            *counter = counter.saturating_add(value);
        } else if counters.len() < COUNTERS_MAX && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            counters.insert(name.to_owned(), value);
        }
    }

    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        // The pool's size is the runtime's `max_blocking_threads`; its queue is bounded by the calls that wait for an answer.
        self.runtime.spawn_blocking(job);
    }
}
