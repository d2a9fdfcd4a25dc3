//! What this process worked, as the kernel counts it: a measure that other load on the machine does not change much.

use std::time::Duration;

/// What a process has worked so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    processor: Duration,
    /// What it asked the kernel to read, from files and pipes, in bytes. What comes by `recv` is not counted.
    read_bytes: u64,
}

impl Effort {
    /// What this process has worked so far, with threads that are gone.
    pub(crate) fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let read = text.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok());
        Self { processor: Duration::try_from(time).unwrap_or_default(), read_bytes: read.unwrap_or(0) }
    }

    /// The processor time since an earlier moment.
    pub(crate) fn processor_since(&self, before: &Self) -> Duration {
        self.processor.saturating_sub(before.processor)
    }

    /// The bytes read since an earlier moment.
    pub(crate) fn read_since(&self, before: &Self) -> u64 {
        self.read_bytes.saturating_sub(before.read_bytes)
    }
}
