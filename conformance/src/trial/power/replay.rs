//! Which changes of files a machine that loses power may forget, told from the log of system calls.
//!
//! A file's bytes are durable after a sync of the file, a name, or that it is gone, after a sync of the folder that holds or held it. Where the file system keeps changes
//! of names in order ([`Order::Journal`]), a sync makes durable whatever happened before the last change of what is synced. Every call counts
//! from where it came back, so a write that overlaps a sync is taken to be covered: a doubt never speaks against a driver.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use crate::trial::strace::{Traced, descriptor};

/// What a file system promises of the order of changes to names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing: each folder's names are durable when that folder was synced.
    Any,
    /// They become durable in the order in which they were made (ext4, XFS, Btrfs).
    Journal,
}

/// A file or a folder, whatever its names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inode {
    pub(crate) is_folder: bool,
    /// The last write that no sync has followed.
    pub(crate) dirty: Option<String>,
    /// A sync that failed, and no write since: the kernel forgets the bytes that it could not write, so that the next sync succeeds.
    pub(crate) forgotten: Option<String>,
    /// Where it was before the first call.
    pub(crate) start: Option<PathBuf>,
    /// The number of the last change of its names, or of those in it.
    changed: usize,
}

/// A change of names that is not durable.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// The folder whose sync makes it durable.
    folder: usize,
    number: usize,
    changes: Vec<(Name, Option<usize>)>,
    /// The call, for people.
    pub(crate) line: String,
}

/// A name in a folder.
type Name = (usize, String);
type Names = BTreeMap<Name, usize>;

/// The files below a folder as calls change them, and how much of it is durable.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    root: PathBuf,
    order: Order,
    pub(crate) inodes: Vec<Inode>,
    names: Names,
    durable: Names,
    pub(crate) pending: Vec<Pending>,
    opened: HashMap<i32, Opened>,
    number: usize,
}

#[derive(Debug, Clone, Copy)]
struct Opened {
    inode: usize,
    /// Writes are durable when they answer.
    synced: bool,
}

const ROOT: usize = 0;

impl Replay {
    /// The files below `root` before any call; all of them are durable. `there` are paths below it, and whether they are folders.
    pub(crate) fn new(root: &Path, order: Order, there: &[(PathBuf, bool)]) -> Self {
        let inodes = vec![Inode { is_folder: true, start: Some(PathBuf::new()), ..Inode::default() }];
        let names = Names::new();
        let mut replay = Self {
            root: root.to_owned(),
            order,
            inodes,
            names,
            durable: Names::new(),
            pending: Vec::new(),
            opened: HashMap::new(),
            number: 0,
        };
        // Outer folders come before what is in them.
        let mut there = there.to_vec();
        there.sort();
        for (path, is_folder) in there {
            let Some(name) = replay.place(&root.join(&path)) else { continue };
            let inode = replay.inode(is_folder);
            replay.inodes[inode].start = Some(path);
            replay.names.insert(name, inode);
        }
        replay.durable = replay.names.clone();
        replay
    }

    /// The same where nobody looked before the calls: every folder that one of them names was there.
    pub(crate) fn of_folders_in(calls: &[Traced], root: &Path) -> Self {
        let mut there = std::collections::BTreeSet::new();
        for call in calls.iter().filter(|call| call.call.ends_with("at") || call.call.ends_with("at2")) {
            for (_, folder) in [0, 2].into_iter().filter_map(|index| call.descriptor(index).or_else(|| descriptor(&call.result))) {
                let below = folder.strip_prefix(root).unwrap_or(Path::new("")).to_owned();
                let is_file = call.descriptor(0).is_none_or(|(_, found)| found != folder)
                    && call.descriptor(2).is_none_or(|(_, found)| found != folder);
                there.extend(
                    below.ancestors().skip(usize::from(is_file)).filter(|path| *path != Path::new("")).map(|path| (path.to_owned(), true)),
                );
            }
        }
        Self::new(root, Order::Journal, &there.into_iter().collect::<Vec<_>>())
    }

    fn inode(&mut self, is_folder: bool) -> usize {
        self.inodes.push(Inode { is_folder, ..Inode::default() });
        self.inodes.len() - 1
    }

    /// The folder and the name of a path below the root.
    fn place(&self, path: &Path) -> Option<Name> {
        let folder = self.find(path.parent()?)?;
        Some((folder, path.file_name()?.to_str()?.to_owned()))
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let mut found = ROOT;
        for component in path.strip_prefix(&self.root).ok()?.components() {
            match component {
                Component::Normal(name) => found = *self.names.get(&(found, name.to_str()?.to_owned()))?,
                Component::CurDir => {}
                _ => return None,
            }
        }
        Some(found)
    }

    /// What a descriptor leads to: by its path, or, for a file without a name, by where it was opened.
    fn held(&self, call: &Traced, index: usize) -> Option<(usize, bool)> {
        let (number, path) = call.descriptor(index)?;
        let opened = self.opened.get(&number);
        match self.find(&path) {
            Some(inode) => Some((inode, opened.is_some_and(|opened| opened.inode == inode && opened.synced))),
            None => opened.filter(|_| path.starts_with(&self.root)).map(|opened| (opened.inode, opened.synced)),
        }
    }

    /// Takes up one call.
    pub(crate) fn apply(&mut self, call: &Traced) {
        if !call.succeeded() {
            if matches!(call.call.as_str(), "fsync" | "fdatasync") && !call.result.contains("EINTR") {
                self.forget(call);
            }
            return;
        }
        let text = |index: usize| call.argument(index);
        match call.call.as_str() {
            "open" | "creat" => self.open(call, call.path(None, 0)),
            "openat" | "openat2" => self.open(call, call.path(Some(0), 1)),
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "ftruncate" | "fallocate" | "sendfile" => self.write(call, 0),
            "copy_file_range" | "splice" => self.write(call, 2),
            "truncate" => {
                if let Some(inode) = call.path(None, 0).and_then(|path| self.find(&path)) {
                    self.inodes[inode].dirty = Some(call.line());
                }
            }
            "fsync" | "fdatasync" => self.sync(call),
            "sync" => self.sync_all(),
            "syncfs" if self.held(call, 0).is_some() => self.sync_all(),
            "rename" => self.rename(call, call.path(None, 0), call.path(None, 1)),
            "renameat" | "renameat2" => self.rename(call, call.path(Some(0), 1), call.path(Some(2), 3)),
            "link" => self.link(call, call.path(None, 0).and_then(|path| self.find(&path)), call.path(None, 1)),
            "linkat" => {
                let of_process = text(1).strip_prefix("\"/proc/self/fd/").and_then(|rest| rest.strip_suffix('"')?.parse::<i32>().ok());
                let from = match of_process {
                    Some(number) => self.opened.get(&number).map(|opened| opened.inode),
                    None if text(1) == "\"\"" => self.held(call, 0).map(|(inode, _)| inode),
                    None => call.path(Some(0), 1).and_then(|path| self.find(&path)),
                };
                self.link(call, from, call.path(Some(2), 3));
            }
            "mkdir" => self.create(call, call.path(None, 0), true),
            "mkdirat" => self.create(call, call.path(Some(0), 1), true),
            "unlink" | "rmdir" => self.unlink(call, call.path(None, 0)),
            "unlinkat" => self.unlink(call, call.path(Some(0), 1)),
            _ => {}
        }
    }

    /// True if the file that a call names has bytes that no sync has followed.
    pub(crate) fn is_dirty(&self, call: &Traced) -> bool {
        self.held(call, 0).is_some_and(|(inode, _)| self.inodes[inode].dirty.is_some())
    }

    fn open(&mut self, call: &Traced, path: Option<PathBuf>) {
        let has = |flag: &str| {
            call.arguments.iter().any(|argument| argument.split(|c: char| !c.is_ascii_alphabetic() && c != '_').any(|word| word == flag))
        };
        let Some((number, opened)) = descriptor(&call.result) else { return };
        let path = path.filter(|path| path.is_absolute()).unwrap_or_else(|| opened.clone());
        let path = if path.starts_with(&self.root) { path } else { opened };
        if !path.starts_with(&self.root) {
            self.opened.remove(&number);
            return;
        }
        let is_there = self.find(&path).is_some();
        if (has("O_CREAT") || call.call == "creat") && !is_there {
            self.create(call, Some(path.clone()), false);
        }
        let inode = match self.find(&path) {
            _ if has("O_TMPFILE") => self.inode(false),
            Some(inode) => inode,
            None => return,
        };
        if is_there && (has("O_TRUNC") || call.call == "creat") {
            self.inodes[inode].dirty = Some(call.line());
        }
        self.opened.insert(number, Opened { inode, synced: has("O_SYNC") || has("O_DSYNC") });
    }

    fn write(&mut self, call: &Traced, index: usize) {
        let Some((inode, synced)) = self.held(call, index) else { return };
        if !synced && !call.arguments.iter().any(|argument| argument.contains("RWF_DSYNC") || argument.contains("RWF_SYNC")) {
            self.inodes[inode].dirty = Some(call.line());
        }
        self.inodes[inode].forgotten = None;
    }

    fn forget(&mut self, call: &Traced) {
        if let Some((inode, _)) = self.held(call, 0).filter(|(inode, _)| self.inodes[*inode].dirty.is_some()) {
            self.inodes[inode].forgotten = Some(call.line());
        }
    }

    fn sync(&mut self, call: &Traced) {
        let Some((inode, _)) = self.held(call, 0) else { return };
        if self.inodes[inode].forgotten.is_none() {
            self.inodes[inode].dirty = None;
        }
        let Inode { is_folder, changed, .. } = self.inodes[inode];
        let in_order = self.order == Order::Journal && (is_folder || call.call == "fsync");
        for mut pending in std::mem::take(&mut self.pending) {
            if (is_folder && pending.folder == inode) || (in_order && pending.number <= changed) {
                change(&mut self.durable, &pending.changes);
                continue;
            }
            // Of a file that moved to another folder, the one that it left is rid of it.
            let (left, moved): (Vec<_>, Vec<_>) = pending.changes.into_iter().partition(|((folder, _), _)| is_folder && *folder == inode);
            change(&mut self.durable, &left);
            pending.changes = moved;
            self.pending.push(pending);
        }
    }

    fn sync_all(&mut self) {
        self.inodes.iter_mut().for_each(|inode| inode.dirty = None);
        for pending in std::mem::take(&mut self.pending) {
            change(&mut self.durable, &pending.changes);
        }
    }

    /// Makes a change of names, which is not durable yet.
    fn pend(&mut self, call: &Traced, folder: usize, changes: Vec<(Name, Option<usize>)>) {
        self.number += 1;
        change(&mut self.names, &changes);
        for ((folder, _), inode) in &changes {
            self.inodes[*folder].changed = self.number;
            if let Some(inode) = inode {
                self.inodes[*inode].changed = self.number;
            }
        }
        self.pending.push(Pending { folder, number: self.number, changes, line: call.line() });
    }

    fn create(&mut self, call: &Traced, path: Option<PathBuf>, is_folder: bool) {
        if let Some(name) = path.and_then(|path| self.place(&path)) {
            let inode = self.inode(is_folder);
            self.pend(call, name.0, vec![(name, Some(inode))]);
        }
    }

    fn link(&mut self, call: &Traced, from: Option<usize>, to: Option<PathBuf>) {
        if let (Some(inode), Some(name)) = (from, to.and_then(|path| self.place(&path))) {
            self.pend(call, name.0, vec![(name, Some(inode))]);
        }
    }

    fn unlink(&mut self, call: &Traced, path: Option<PathBuf>) {
        if let Some(name) = path.and_then(|path| self.place(&path)) {
            self.pend(call, name.0, vec![(name, None)]);
        }
    }

    fn rename(&mut self, call: &Traced, from: Option<PathBuf>, to: Option<PathBuf>) {
        let (Some(from), Some(to)) = (from, to) else { return };
        let (Some(inode), Some(source), Some(target)) = (self.find(&from), self.place(&from), self.place(&to)) else { return };
        let swapped = self.find(&to).filter(|_| call.argument(4).contains("RENAME_EXCHANGE"));
        self.pend(call, target.0, vec![(source, swapped), (target, Some(inode))]);
    }

    /// The names that are left if the machine loses power now and of the changes that are not durable those are kept that `keep` wants.
    pub(crate) fn left(&self, keep: &mut dyn FnMut(&Pending) -> bool) -> BTreeMap<PathBuf, usize> {
        let mut names = self.durable.clone();
        for pending in &self.pending {
            if keep(pending) {
                change(&mut names, &pending.changes);
            }
        }
        paths(&names)
    }

    /// True if changes of names become durable in their order.
    pub(crate) fn is_in_order(&self) -> bool {
        self.order == Order::Journal
    }

    /// All names, durable or not.
    pub(crate) fn all(&self) -> BTreeMap<PathBuf, usize> {
        paths(&self.names)
    }
}

fn change(names: &mut Names, changes: &[(Name, Option<usize>)]) {
    for (name, inode) in changes {
        match inode {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

/// The paths of names, outer folders first; what no path leads to is lost.
fn paths(names: &Names) -> BTreeMap<PathBuf, usize> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(PathBuf::new(), ROOT)];
    let mut seen = std::collections::HashSet::new();
    while let Some((path, folder)) = folders.pop() {
        // A kept half of a renaming could lead around in a circle.
        if !seen.insert(folder) {
            continue;
        }
        for ((_, name), inode) in names.range((folder, String::new())..(folder + 1, String::new())) {
            found.insert(path.join(name), *inode);
            folders.push((path.join(name), *inode));
        }
    }
    found
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
