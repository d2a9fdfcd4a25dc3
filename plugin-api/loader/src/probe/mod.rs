//! Loads a driver's file in a process of its own, asks it what it is, and tells what that did.
//!
//! The process is the same program in a hidden mode, so a program that probes calls [`run_if_child`] before anything else. Two processes are
//! started: one that loads the file (`child.rs`), in a session of its own, with an empty environment, limits, and without a way to more rights;
//! and one that watches it (`watch.rs`), ends it at its deadline or when whoever asked is gone, and leaves none of its children behind. What a
//! file does when it is loaded comes back as findings.

mod ask;
mod child;
mod findings;
mod held;
mod message;
mod output;
mod surroundings;
mod watch;

use std::time::Duration;

use serde_json::Value;

pub use ask::probe;
pub use held::{Held, children};
pub use output::Output;
pub use surroundings::Surroundings;

use crate::findings::Finding;
use crate::inspect::Inspection;
use crate::open::OpenOptions;

/// The first argument of a process that loads a file to see what that does.
const MODE: &str = "--longshore-probe";

/// How long loading and asking may usually take: it is quick on any machine.
pub const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// A driver to be probed.
#[derive(Debug, Clone, Copy)]
pub struct Probed<'a> {
    /// Its file, which was inspected and verified.
    pub inspection: &'a Inspection,
    /// What it is opened with, if it is.
    pub settings: &'a Value,
}

/// How the drivers are opened, after they were loaded.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The instance's name.
    pub instance: String,
    /// How long that may take.
    pub options: OpenOptions,
}

/// How far a driver came in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The dynamic linker has had the file, and the process goes on.
    Probed,
    /// Its symbols are bound, and its first table is one of the driver ABI.
    Loaded,
    /// It says of itself what its note says.
    Handshake,
    /// It opened with its settings.
    Opened,
    /// Its store is well.
    Healthy,
}

/// What became of a file that was loaded.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The last stage that was reached; `None` if loading it ended the process.
    pub reached: Option<Stage>,
    /// What it did that a driver does not do, what matters most first.
    pub findings: Vec<Finding>,
    /// The capabilities that the opened instance has.
    pub capabilities: Vec<String>,
    /// How the process ended, for people: `exit code 0`, `signal 6 (SIGABRT)`.
    pub ended: String,
    /// What was printed to stdout.
    pub stdout: Output,
    /// What was printed to stderr.
    pub stderr: Output,
}

/// Loads what was ordered and ends the process, if this process was started to probe a file; else does nothing. A program that probes calls it
/// first, before it has threads.
pub fn run_if_child() {
    if std::env::args_os().nth(1).is_some_and(|mode| mode == MODE) {
        child::run();
    }
}
