//! What this host offers to drivers: its log, its counters, its blocking threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use longshore_plugin_api::{HostServices, Level};

use crate::isolate::ToHost;

/// How many counters one instance may have; more are ignored, so that a driver cannot fill the host's memory.
const COUNTERS_MAX: usize = 256;
/// The longest name of a counter, in bytes; those with a longer one are ignored too.
const COUNTER_NAME_MAX_BYTES: usize = 64;

/// What an instance counts itself.
#[derive(Default)]
pub(crate) struct Counters(Mutex<BTreeMap<String, u64>>);

impl Counters {
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counters.iter().map(|(name, value)| (name.clone(), *value)).collect()
    }

    fn add(&self, name: &str, value: u64) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.get_mut(name) {
            *counter = counter.saturating_add(value);
        } else if counters.len() < COUNTERS_MAX && is_name(name) {
            counters.insert(name.to_owned(), value);
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=COUNTER_NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

pub(crate) struct Services {
    sink: Sink,
    runtime: tokio::runtime::Handle,
}

/// Where log and counters are.
enum Sink {
    Here {
        origin: Box<str>,
        counters: Arc<Counters>,
    },
    /// In the host of which this process is a child.
    Host(Arc<ToHost>),
}

impl Services {
    /// Services on the current tokio runtime.
    pub(crate) fn new(origin: &str) -> Self {
        Self { sink: Sink::Here { origin: origin.into(), counters: Arc::default() }, runtime: tokio::runtime::Handle::current() }
    }

    /// Those of a child: its blocking threads are its own.
    pub(crate) fn of_child(host: Arc<ToHost>) -> Self {
        Self { sink: Sink::Host(host), runtime: tokio::runtime::Handle::current() }
    }

    /// What the instance counts, for whoever reports it. A child counts nothing itself.
    pub(crate) fn counters(&self) -> Arc<Counters> {
        match &self.sink {
            Sink::Here { counters, .. } => counters.clone(),
            Sink::Host(_) => Arc::default(),
        }
    }
}

impl HostServices for Services {
    fn log(&self, level: Level, message: &str) {
        match &self.sink {
            Sink::Here { origin, .. } => log(origin, level, message),
            Sink::Host(host) => host.log(level, message),
        }
    }

    fn count(&self, name: &str, value: u64) {
        match &self.sink {
            Sink::Here { counters, .. } => counters.add(name, value),
            Sink::Host(host) => host.count(name, value),
        }
    }

    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        // The pool's size is the runtime's `max_blocking_threads`; its queue is bounded by the calls that wait for an answer.
        self.runtime.spawn_blocking(job);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_an_instance_have_names_and_a_limit() {
        let counters = Counters::default();
        for (name, value) in [("swept", 2), ("swept", 3), ("", 1), ("Swept", 1), ("a-b", 1), ("full", u64::MAX), ("full", 1)] {
            counters.add(name, value);
        }
        counters.add(&"a".repeat(65), 1);
        assert_eq!(counters.all(), [("full".to_owned(), u64::MAX), ("swept".to_owned(), 5)], "a name is a-z and _, 64 at most");
        for number in 0..1_000_u32 {
            let name: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
            counters.add(&name, 1);
        }
        counters.add("swept", 1);
        assert_eq!(counters.all().len(), COUNTERS_MAX, "a driver cannot fill the host's memory");
        assert!(counters.all().contains(&("swept".to_owned(), 6)), "those that are there go on counting");
    }
}
