//! What a process holds, as the kernel tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::trust::content_descriptors;

/// What a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Open descriptors by number, with what they lead to; not those of the copies that the loader makes of driver files.
    pub descriptors: BTreeMap<u32, PathBuf>,
    /// Threads by id, with their names.
    pub threads: BTreeMap<u32, String>,
    /// Child processes that have not been waited for.
    pub children: Vec<u32>,
}

impl Held {
    /// What this process holds now.
    pub fn now() -> Self {
        let copies: Vec<_> = content_descriptors().into_iter().filter_map(|fd| u32::try_from(fd).ok()).collect();
        let descriptors = numbers("/proc/self/fd").filter(|fd| !copies.contains(fd)).filter_map(|fd| {
            let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
            // The folder that is being read is open too.
            (!target.starts_with("/proc")).then_some((fd, target))
        });
        let threads = numbers("/proc/self/task").map(|id| {
            let name = std::fs::read_to_string(format!("/proc/self/task/{id}/comm")).unwrap_or_default();
            (id, name.trim().to_owned())
        });
        let children = children(std::process::id());
        Self { descriptors: descriptors.collect(), threads: threads.collect(), children }
    }

    /// What is there that was not there before, one item each.
    pub fn since(&self, before: &Self) -> Vec<String> {
        let descriptors = self.descriptors.iter().filter(|(fd, target)| before.descriptors.get(fd) != Some(target));
        let threads = self.threads.iter().filter(|(id, _)| !before.threads.contains_key(id));
        let children = self.children.iter().filter(|id| !before.children.contains(id));
        let descriptors = descriptors.map(|(fd, target)| format!("descriptor {fd} of {}", target.display()));
        let threads = threads.map(|(id, name)| format!("thread {id} {name:?}"));
        descriptors.chain(threads).chain(children.map(|id| format!("child process {id}"))).collect()
    }
}

/// The processes that `process` has started and not waited for.
pub fn children(process: u32) -> Vec<u32> {
    let of_thread = |id: u32| {
        let text = std::fs::read_to_string(format!("/proc/{process}/task/{id}/children")).unwrap_or_default();
        text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    };
    numbers(&format!("/proc/{process}/task")).flat_map(of_thread).collect()
}

fn numbers(folder: &str) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
