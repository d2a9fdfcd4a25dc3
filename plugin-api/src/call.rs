//! What accompanies each call: its deadline and its trace id.

use std::time::{Duration, SystemTime};

/// The context of one call.
///
/// Source: driver contract, section 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Call {
    deadline_unix_ms: u64,
    trace_id: u128,
}

impl Call {
    /// A call that may take as long as it needs, without a trace.
    pub const fn unbounded() -> Self {
        Self { deadline_unix_ms: 0, trace_id: 0 }
    }

    /// A call with an absolute deadline (milliseconds since 1970-01-01 UTC, 0 for none) and a trace id (0 for none).
    pub const fn new(deadline_unix_ms: u64, trace_id: u128) -> Self {
        Self { deadline_unix_ms, trace_id }
    }

    /// When the host stops waiting, in milliseconds since 1970-01-01 UTC; `None` if it does not.
    pub fn deadline_unix_ms(&self) -> Option<u64> {
        (self.deadline_unix_ms != 0).then_some(self.deadline_unix_ms)
    }

    /// How long the host still waits; zero once it has stopped, `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.deadline_unix_ms().map(|deadline| Duration::from_millis(deadline).saturating_sub(now))
    }

    /// The request's trace id, for logs and for requests to a back-end; 0 if there is none.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }
}
