//! What accompanies each call: its deadline and its trace id.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::abi::AbiCall;

/// The context of one call.
///
/// Source: driver contract, section 8.
// In the form in which it crosses the boundary: put together anew for each call, it would cost as much as the crossing.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Call(AbiCall);

impl Call {
    /// A call that may take as long as it needs, without a trace.
    pub const fn unbounded() -> Self {
        Self::new(0, 0)
    }

    /// A call with an absolute deadline (milliseconds since 1970-01-01 UTC, 0 for none) and a trace id (0 for none).
    pub const fn new(deadline_unix_ms: u64, trace_id: u128) -> Self {
        Self(AbiCall { deadline_unix_ms, trace_high: (trace_id >> 64) as u64, trace_low: trace_id as u64, reserved: [0; 2] })
    }

    /// When the host stops waiting, in milliseconds since 1970-01-01 UTC; `None` if it does not.
    pub fn deadline_unix_ms(&self) -> Option<u64> {
        (self.0.deadline_unix_ms != 0).then_some(self.0.deadline_unix_ms)
    }

    /// How long the host still waits; zero once it has stopped, `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.deadline_unix_ms().map(|deadline| Duration::from_millis(deadline).saturating_sub(now))
    }

    /// The request's trace id, for logs and for requests to a back-end; 0 if there is none.
    pub fn trace_id(&self) -> u128 {
        u128::from(self.0.trace_high) << 64 | u128::from(self.0.trace_low)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("deadline_unix_ms", &self.0.deadline_unix_ms).field("trace_id", &self.trace_id()).finish()
    }
}

impl From<&Call> for AbiCall {
    fn from(call: &Call) -> Self {
        call.0
    }
}

impl From<AbiCall> for Call {
    fn from(call: AbiCall) -> Self {
        Self(call)
    }
}
