//! The server under load, as the system sees it.

use std::fs;
use std::time::Duration;

/// What a clock tick of `/proc` is: `USER_HZ` is 100 on every Linux that we build for.
const TICK: Duration = Duration::from_millis(10);

pub(crate) struct Server {
    /// HOST:PORT
    pub(crate) address: String,
    pub(crate) process: Option<Process>,
}

impl Server {
    /// Processor time so far, its own and the kernel's on its behalf; zero if the process is unknown.
    pub(crate) fn cpu(&self) -> Duration {
        self.process.as_ref().map_or(Duration::ZERO, Process::cpu)
    }

    /// Peak memory in MiB; zero if the process is unknown.
    pub(crate) fn peak_mib(&self) -> f64 {
        self.process.as_ref().map_or(0.0, |process| process.peak_kib() as f64 / 1024.0)
    }
}

/// A process by its id, together with its children that live.
pub(crate) struct Process(pub(crate) u32);

impl Process {
    fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        // The name in parentheses may hold anything, so fields are counted from its end: utime and stime are the 12th and 13th after it.
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u32 = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
        TICK * ticks + self.children().map(|child| child.cpu()).sum::<Duration>()
    }

    /// The most memory that was resident at once since the process started (`VmHWM`). With children it is the sum of each one's most, which may
    /// be more than there ever was at one moment.
    fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let own: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        own + self.children().map(|child| child.peak_kib()).sum::<u64>()
    }

    fn children(&self) -> impl Iterator<Item = Self> {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0)).unwrap_or_default();
        let ids: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        ids.into_iter().map(Self)
    }
}
