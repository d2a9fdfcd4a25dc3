//! The root folder: every path of a key is resolved here, and none leads outside.
//!
//! `openat2` does it in one call (`RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`); where a kernel or a sandbox lacks it, the path is walked
//! component by component with `O_NOFOLLOW`. Paths are those of checked keys, so they hold neither `..` nor an empty component.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

/// What every file and folder is opened with: a pipe that somebody planted must not block, nor a terminal become ours.
const ALWAYS: OFlags = OFlags::CLOEXEC.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// Opens a folder so that it can be listed and synced.
pub(crate) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);
/// Opens an object to read it.
pub(crate) const READ: OFlags = OFlags::RDONLY;
/// Finds an object without opening it.
pub(crate) const FIND: OFlags = OFlags::PATH;

/// An open root folder.
pub(crate) struct Root {
    folder: OwnedFd,
    openat2: bool,
}

impl Root {
    /// Opens the folder at `path`, which may lead over links: it is the operator's.
    pub(crate) fn open(path: &str) -> rustix::io::Result<Self> {
        let folder = rustix::fs::open(path, FOLDER | OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let root = Self { folder, openat2: true };
        // Sandboxes older than the call refuse it with PERM instead of NOSYS.
        match root.resolve("", FIND, ResolveFlags::empty()) {
            Err(Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP) => Ok(root.without_openat2()),
            Err(errno) => Err(errno),
            Ok(_) => Ok(root),
        }
    }

    /// The same root on a kernel without `openat2`.
    fn without_openat2(self) -> Self {
        Self { openat2: false, ..self }
    }

    /// Opens what lies at `path` ("" for the root itself). May wait for the disk.
    pub(crate) fn at(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if self.openat2 {
            return self.resolve(path, flags, ResolveFlags::empty());
        }
        let Some((folders, name)) = path.rsplit_once('/') else {
            return child(&self.folder, or_dot(path), flags);
        };
        let mut folder: Option<OwnedFd> = None;
        for component in folders.split('/') {
            let outer = folder.as_ref().map_or(self.folder.as_fd(), AsFd::as_fd);
            folder = Some(child(outer, component, FIND | OFlags::DIRECTORY)?);
        }
        child(folder.as_ref().map_or(self.folder.as_fd(), AsFd::as_fd), name, flags)
    }

    /// As [`Self::at`], but only if the kernel can tell without waiting for the disk; `None` if it cannot.
    pub(crate) fn at_cached(&self, path: &str, flags: OFlags) -> Option<rustix::io::Result<OwnedFd>> {
        if !self.openat2 {
            return None;
        }
        match self.resolve(path, flags, ResolveFlags::CACHED) {
            // Kernels before 5.12 know `openat2` but not this flag.
            Err(Errno::AGAIN | Errno::INVAL) => None,
            answer => Some(answer),
        }
    }

    fn resolve(&self, path: &str, flags: OFlags, more: ResolveFlags) -> rustix::io::Result<OwnedFd> {
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        retry_on_intr(|| rustix::fs::openat2(&self.folder, or_dot(path), fitting(flags), Mode::empty(), beneath | more))
    }

    /// Facts about the folder that was opened, wherever it is now.
    pub(crate) fn stat(&self) -> rustix::io::Result<Stat> {
        rustix::fs::fstat(&self.folder)
    }

    /// The descriptor, for calls that look at the filesystem and not at a path.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// True if the root was removed while it was open: every key is absent then, and that must not pass for `not_found`.
    pub(crate) fn is_gone(&self) -> bool {
        self.stat().is_ok_and(|stat| stat.st_nlink == 0)
    }
}

/// Opens one name inside a folder; a link is refused with LOOP (or NOTDIR, where a folder is wanted).
pub(crate) fn child(folder: impl AsFd, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let folder = folder.as_fd();
    let found = retry_on_intr(|| rustix::fs::openat(folder, name, fitting(flags) | OFlags::NOFOLLOW, Mode::empty()))?;
    // With O_PATH the link itself is opened.
    if flags.contains(OFlags::PATH) && rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode).is_symlink() {
        return Err(Errno::LOOP);
    }
    Ok(found)
}

/// `openat2` refuses flags that mean nothing beside O_PATH.
fn fitting(flags: OFlags) -> OFlags {
    if flags.contains(OFlags::PATH) { flags | OFlags::CLOEXEC } else { flags | ALWAYS }
}

fn or_dot(path: &str) -> &str {
    if path.is_empty() { "." } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Semantics: "Never outside its root even with planted symlinks", with and without `openat2`.
    #[test]
    fn planted_links_are_refused_by_both_ways_of_resolving() {
        let outside = tempfile::tempdir().expect("a folder");
        std::fs::write(outside.path().join("secret"), "s").expect("a file");
        let inside = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(inside.path().join("a/b")).expect("folders");
        std::fs::write(inside.path().join("a/b/c"), "c").expect("a file");
        std::os::unix::fs::symlink(outside.path(), inside.path().join("a/out")).expect("a link");
        std::os::unix::fs::symlink(outside.path().join("secret"), inside.path().join("secret")).expect("a link");
        std::os::unix::fs::symlink("b", inside.path().join("a/within")).expect("a link");
        let open = || Root::open(inside.path().to_str().expect("the path is text")).expect("the folder is there");
        for root in [open(), open().without_openat2()] {
            for flags in [READ, FIND] {
                assert!(root.at("a/b/c", flags).is_ok(), "an object is found");
                assert!(root.at("", flags | OFlags::DIRECTORY).is_ok(), "the root is found");
                assert_eq!(root.at("a/x", flags).err(), Some(Errno::NOENT));
                assert_eq!(root.at("secret", flags).err(), Some(Errno::LOOP));
                for path in ["a/out/secret", "a/within/c"] {
                    let errno = root.at(path, flags).expect_err("a link on the way is not followed");
                    assert!(matches!(errno, Errno::LOOP | Errno::NOTDIR), "{path}: {errno:?}");
                }
            }
        }
    }
}
