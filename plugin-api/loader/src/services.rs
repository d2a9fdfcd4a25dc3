//! What this host offers to drivers: its log, its counters, its blocking threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use longshore_plugin_api::{HostServices, Level};

use crate::crash::{self, Running};
use crate::isolate::ToHost;

/// How many counters one instance may have; more are ignored, so that a driver cannot fill the host's memory.
const COUNTERS_MAX: usize = 256;

pub(crate) struct Services {
    /// Driver and instance.
    origin: Arc<str>,
    sink: Sink,
    runtime: tokio::runtime::Handle,
}

/// Where log and counters are.
enum Sink {
    Here(Mutex<BTreeMap<String, u64>>),
    /// In the host of which this process is a child.
    Host(Arc<ToHost>),
}

impl Services {
    /// Services on the current tokio runtime.
    pub(crate) fn new(origin: &str) -> Self {
        Self { origin: origin.into(), sink: Sink::Here(Mutex::default()), runtime: tokio::runtime::Handle::current() }
    }

    /// Those of a child: its blocking threads are its own.
    pub(crate) fn of_child(origin: &str, host: Arc<ToHost>) -> Self {
        Self { origin: origin.into(), sink: Sink::Host(host), runtime: tokio::runtime::Handle::current() }
    }
}

impl HostServices for Services {
    fn log(&self, level: Level, message: &str) {
        match &self.sink {
            Sink::Here(_) => log(&self.origin, level, message),
            Sink::Host(host) => host.log(level, message),
        }
    }

    fn count(&self, name: &str, value: u64) {
        match &self.sink {
            Sink::Here(counters) => count(&mut counters.lock().unwrap_or_else(PoisonError::into_inner), name, value),
            Sink::Host(host) => host.count(name, value),
        }
    }

    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        let running = crash::now_running();
        let origin = self.origin.clone();
        // The pool's size is the runtime's `max_blocking_threads`; its queue is bounded by the calls that wait for an answer.
        self.runtime.spawn_blocking(move || {
            let (call, subject) = running.as_ref().map_or(("work of its own", ""), |(call, subject)| (*call, &**subject));
            crash::during(&Running { origin: &origin, call, subject }, job);
        });
    }
}

fn log(driver: &str, level: Level, message: &str) {
    match level {
        Level::Error => tracing::error!(target: "longshore::driver", driver, "{message}"),
        Level::Warn => tracing::warn!(target: "longshore::driver", driver, "{message}"),
        Level::Info => tracing::info!(target: "longshore::driver", driver, "{message}"),
        Level::Debug => tracing::debug!(target: "longshore::driver", driver, "{message}"),
        Level::Trace => tracing::trace!(target: "longshore::driver", driver, "{message}"),
    }
}

fn count(counters: &mut BTreeMap<String, u64>, name: &str, value: u64) {
    if let Some(counter) = counters.get_mut(name) {
        *counter = counter.saturating_add(value);
    } else if counters.len() < COUNTERS_MAX && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        counters.insert(name.to_owned(), value);
    }
}
