//! What this process holds, as the kernel tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long after `close` something may still be there (driver contract, section 3, `close`).
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// What a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Open descriptors by number, with what they lead to.
    pub(crate) descriptors: BTreeMap<u32, PathBuf>,
    /// Threads by id, with their names.
    pub(crate) threads: BTreeMap<u32, String>,
    /// Child processes that have not been waited for.
    pub(crate) children: Vec<u32>,
}

impl Held {
    /// What this process holds now.
    pub(crate) fn now() -> Self {
        let descriptors = numbers("/proc/self/fd").filter_map(|fd| {
            let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
            // The folder that is being read is open too.
            (!target.starts_with("/proc")).then_some((fd, target))
        });
        let threads = numbers("/proc/self/task").map(|id| {
            let name = std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
            (id, name.trim().to_owned())
        });
        let children = numbers("/proc/self/task").flat_map(|id| {
            let text = std::fs::read_to_string(format!("/proc/self/task/{id}/children")).unwrap_or_default();
            text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
        });
        Self { descriptors: descriptors.collect(), threads: threads.collect(), children: children.collect() }
    }

    /// What is there that was not there before, one item each.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let descriptors = self.descriptors.iter().filter(|(fd, target)| before.descriptors.get(fd) != Some(target));
        let threads = self.threads.iter().filter(|(id, _)| !before.threads.contains_key(id));
        let children = self.children.iter().filter(|id| !before.children.contains(id));
        let descriptors = descriptors.map(|(fd, target)| format!("descriptor {fd} of {}", target.display()));
        let threads = threads.map(|(id, name)| format!("thread {id} {name:?}"));
        descriptors.chain(threads).chain(children.map(|id| format!("child process {id}"))).collect()
    }
}

/// Waits until nothing is held that was not held before, at most [`GRACE`]; answers what is left then.
pub(crate) fn settle(before: &Held) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let left = Held::now().since(before);
        if left.is_empty() || begin.elapsed() > GRACE {
            return left;
        }
        // Nothing tells when a thread is gone; asking again is all there is.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn numbers(folder: &str) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The resident memory that is not backed by files, in bytes, of a process (`self` or its id).
pub(crate) fn memory_bytes(process: &str) -> u64 {
    status(process, "RssAnon").map_or(0, |kib| kib * 1024)
}

/// The most memory that a process ever had, in bytes.
pub(crate) fn peak_memory_bytes(process: &str) -> u64 {
    status(process, "VmHWM").map_or(0, |kib| kib * 1024)
}

fn status(process: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
