//! What joins an answer and its log lines.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// The id of a request: 128 bits, written as 32 hexadecimal digits. The first half is drawn once a process, the second counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u128);

impl RequestId {
    /// The next id of this process.
    pub fn next() -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let process = *PROCESS.get_or_init(|| {
            let mut random = [0; 8];
            // Without random bytes the clock must do: ids only need to differ.
            if getrandom::fill(&mut random).is_err() {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                return now.as_nanos() as u64;
            }
            u64::from_le_bytes(random)
        });
        Self(u128::from(process) << 64 | u128::from(COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// As drivers get it.
    pub fn as_trace_id(self) -> u128 {
        self.0
    }

    /// As the answer carries it.
    pub fn header(self) -> HeaderValue {
        // Hexadecimal digits are a header value.
        HeaderValue::try_from(self.to_string()).unwrap_or(HeaderValue::from_static("0"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
