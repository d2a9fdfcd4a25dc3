//! What a probe and its processes tell each other: the order as one JSON text, the answers as one JSON text a line.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest order, in bytes: some drivers with their settings.
pub(super) const ORDER_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// The most that is read of the answers, in bytes.
pub(super) const ANSWERS_MAX_BYTES: u64 = 1024 * 1024;

/// What to load, and what to do with it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The outermost layer first.
    pub(super) drivers: Vec<OrderedDriver>,
    pub(super) open: Option<OrderedOpening>,
    /// How long all of it may take.
    pub(super) limit_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderedDriver {
    pub(super) path: PathBuf,
    /// The content that was inspected.
    pub(super) sha256: String,
    pub(super) settings: Value,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderedOpening {
    pub(super) instance: String,
    pub(super) open_ms: u64,
    pub(super) call_ms: u64,
}

/// One line of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub(super) enum Answer {
    /// The next thing that happens is that the dynamic linker gets the file of this number.
    Loading { driver: usize },
    /// It was refused; `code` is a refusal's.
    Refused { code: String, why: String, fix: String },
    /// Its constructors have run, and its table is one of the driver ABI.
    Loaded(Traces),
    /// Whether it says of itself what its note says.
    Described { as_its_note: bool },
    /// All drivers opened.
    Opened { capabilities: Vec<String> },
    /// What the store answered.
    Healthy,
    /// Neither opened nor healthy.
    Failed { what: String },
    /// Everything that was ordered was done.
    Done,
    /// The process that loaded it has ended.
    Ended(Ending),
}

/// What loading left in the process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Traces {
    /// What the whole process shares and is not as it was.
    pub(super) changed: Vec<String>,
    /// Threads and descriptors that were not there before.
    pub(super) left: Vec<String>,
    /// True if processes were started.
    pub(super) processes: bool,
}

/// How the process ended.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) signal: Option<i32>,
    pub(super) code: Option<i32>,
    /// True if it was killed at the limit.
    pub(super) late: bool,
    /// How many other processes had to be ended or had ended.
    pub(super) strays: usize,
}
