//! The settings that every object store has.

use std::time::Duration;

use longshore_plugin_api::{DriverError, ErrorClass};
use serde::Deserialize;

use crate::Options;

/// What an operator writes for any store, with the schema's defaults filled in. A driver's own settings have it flattened
/// into them, beside which serde refuses no unknown keys; the schema has done that (driver contract, section 6).
#[derive(Debug, Clone, Deserialize)]
pub struct StoreSettings {
    /// What the names of all objects begin with, as it was written; [`root`](Self::root) is how names begin.
    #[serde(default)]
    root: String,
    /// A file of PEM certificates that are trusted besides the system's.
    pub ca_file: Option<String>,
    /// The URL of an HTTP proxy.
    pub proxy: Option<String>,
    part_bytes: usize,
    sending_max_bytes: usize,
    attempts: u32,
    requests_max: usize,
    parallel_reads: usize,
    connect_timeout_ms: u64,
    answer_timeout_ms: u64,
    idle_timeout_ms: u64,
}

impl StoreSettings {
    /// Checks what a schema cannot: that no component of the root would be taken for another folder.
    pub fn check(&self, faults: &mut Faults) {
        let odd = self.root.split('/').any(|component| matches!(component, "." | ".."));
        faults.add_if(odd, "root: must not contain . or .. as a component");
    }

    /// The root as it was written.
    pub fn written_root(&self) -> &str {
        &self.root
    }

    /// The root as names begin with it: empty, or ending in a slash. distribution takes it with and without slashes around it.
    pub fn root(&self) -> String {
        match self.root.trim_matches('/') {
            "" => String::new(),
            root => format!("{root}/"),
        }
    }

    /// How a store is used that has no rules of its own.
    pub fn options(&self) -> Options {
        Options {
            root: self.root(),
            part_bytes: self.part_bytes,
            sending_max_bytes: self.sending_max_bytes,
            attempts: self.attempts,
            requests_max: self.requests_max,
            parallel_reads: self.parallel_reads,
            idle: Duration::from_millis(self.idle_timeout_ms),
            ..Options::default()
        }
    }

    /// How long connecting may take, once.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long the store may take to begin its answer, once.
    pub fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_timeout_ms)
    }
}

/// What is wrong with an instance's settings, told all at once (driver contract, section 6).
#[derive(Debug, Default)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Notes a fault, a sentence that begins with its key, if something is wrong.
    pub fn add_if(&mut self, wrong: bool, fault: impl Into<String>) {
        if wrong {
            self.0.push(fault.into());
        }
    }

    /// Notes what an error says, if it is one.
    pub fn take<T>(&mut self, result: Result<T, DriverError>) -> Option<T> {
        result.map_err(|error| self.0.push(error.message().to_owned())).ok()
    }

    /// # Errors
    /// `config` with every fault.
    pub fn into_result(self) -> Result<(), DriverError> {
        if self.0.is_empty() { Ok(()) } else { Err(DriverError::new(ErrorClass::Config, self.0.join("; "))) }
    }
}

/// Whether a text begins as the URLs do that requests can be made of.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
