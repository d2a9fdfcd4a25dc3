//! The driver's own folder inside the root: files on their way to a key, suspended uploads, removed trees.
//!
//! Its name holds a `#`, which no key can (driver contract, section 1), so no key reaches it and no list shows it. Files are published
//! from here by renaming, so they are never seen half-written.

use std::fmt;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use longshore_plugin_api::{DriverError, ErrorClass};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, retry_on_intr};

use crate::errno::failed;
use crate::folders::{self, Kind};
use crate::remove;
use crate::root::{FOLDER, READ, Root, child};
use crate::work::Stop;
use crate::write::sync_all;

/// The folder's name.
pub(crate) const PRIVATE: &str = ".longshore#";
const TEMPORARY: &str = "temporary";
const UPLOADS: &str = "uploads";
/// A temporary file that nobody has written to for so long belongs to a process that was killed.
const TEMPORARY_STALE: Duration = Duration::from_secs(3600);
/// How many names one sweep looks at, in each folder.
const SWEEP_MAX: usize = 100_000;
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
pub(crate) const FOLDER_MODE: Mode = Mode::from_raw_mode(0o777);

/// The private folder, open.
pub(crate) struct Private {
    /// Files and trees that mean nothing to anybody after a crash.
    pub(crate) temporary: OwnedFd,
    /// Uploads that a token exists for.
    pub(crate) uploads: OwnedFd,
}

impl Private {
    /// Opens the folder, making what is missing. `ordered` says that the filesystem's journal keeps the order of changes to names.
    pub(crate) fn open(root: &Root, ordered: bool) -> Result<Self, DriverError> {
        let at_root = root.at("", FOLDER).map_err(|errno| failed("open", "the root folder", errno))?;
        let (private, made) = folder(&at_root, PRIVATE)?;
        let (temporary, made_temporary) = folder(&private, TEMPORARY)?;
        let (uploads, made_uploads) = folder(&private, UPLOADS)?;
        // Nothing is promised yet. Where the journal keeps the order, the first sync of a file in here takes these names along.
        if !ordered {
            let outer = [(made, &at_root), (made_temporary || made_uploads, &private)];
            let synced = outer.into_iter().filter(|(made, _)| *made).try_for_each(|(_, outer)| sync_all(outer));
            synced.map_err(|errno| failed("sync the driver's folder", PRIVATE, errno))?;
        }
        Ok(Self { temporary, uploads })
    }
}

/// Opens a folder, or makes it; true if it was made.
fn folder(outer: &OwnedFd, name: &str) -> Result<(OwnedFd, bool), DriverError> {
    let opened = match child(outer, name, FOLDER) {
        Err(Errno::NOENT) => match rustix::fs::mkdirat(outer, name, FOLDER_MODE) {
            Ok(()) => child(outer, name, FOLDER).map(|made| (made, true)),
            Err(Errno::EXIST) => child(outer, name, FOLDER).map(|found| (found, false)),
            Err(errno) => Err(errno),
        },
        opened => opened.map(|found| (found, false)),
    };
    opened.map_err(|errno| failed("open the driver's folder", name, errno))
}

/// A name in the private folder that no other process chooses: 128 random bits in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Id(String);

impl Id {
    const DIGITS: usize = 32;

    /// A new one.
    pub(crate) fn random() -> Result<Self, DriverError> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)
            .map_err(|error| DriverError::new(ErrorClass::Internal, format!("no random number can be had: {error}")))?;
        Ok(Self(format!("{:032x}", u128::from_le_bytes(bits))))
    }

    /// Checks a text from outside: exactly what [`Self::random`] makes, so never a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let legal = text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        legal.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes a new file of that name, open for reading and writing.
pub(crate) fn create(folder: &OwnedFd, id: &Id) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::openat(folder, id.as_str(), flags, FILE_MODE))
}

/// A new file in `temporary`, removed when this is dropped before it was published.
pub(crate) struct Temporary<'p> {
    private: &'p Private,
    pub(crate) id: Id,
    pub(crate) file: OwnedFd,
    pub(crate) published: bool,
}

impl<'p> Temporary<'p> {
    pub(crate) fn create(private: &'p Private) -> Result<Self, DriverError> {
        let id = Id::random()?;
        let file = create(&private.temporary, &id).map_err(|errno| failed("make a file in", PRIVATE, errno))?;
        Ok(Self { private, id, file, published: false })
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.published {
            // Left behind it costs space until the next sweep, nothing else.
            let _ = rustix::fs::unlinkat(&self.private.temporary, self.id.as_str(), AtFlags::empty());
        }
    }
}

/// Takes a file for this process alone, until the descriptor is closed.
pub(crate) fn lock(file: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)
}

/// Removes what killed processes left: temporary files, half-removed trees, uploads older than `upload_stale`. Nobody waits for it, and
/// whatever cannot be removed stays for the next time.
pub(crate) fn sweep(private: &Private, upload_stale: Duration, stop: &Stop) {
    for (folder, stale) in [(&private.temporary, TEMPORARY_STALE), (&private.uploads, upload_stale)] {
        let mut old = Vec::new();
        let read = reopened(folder).and_then(|folder| {
            folders::each_name(&folder, &mut |name, kind| {
                old.push((name.to_owned(), kind));
                old.len() < SWEEP_MAX && stop.check().is_ok()
            })
        });
        if read.is_err() {
            return;
        }
        for (name, kind) in old {
            if stop.check().is_err() {
                return;
            }
            match kind {
                // A tree is here only to be removed; if its remover lives, the two share the work.
                Kind::Folder => drop(remove::tree(private, folder, &name, stop)),
                _ => drop(remove_stale(folder, &name, stale)),
            }
        }
    }
}

/// Folders are read by a descriptor of their own: the position in them belongs to the descriptor.
pub(crate) fn reopened(folder: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(folder, ".", FOLDER | OFlags::CLOEXEC, Mode::empty())
}

fn remove_stale(folder: &OwnedFd, name: &str, stale: Duration) -> rustix::io::Result<()> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if age(&stat) < stale {
        return Ok(());
    }
    // Whoever still writes to the file holds its lock. It is kept until the name is gone, so nobody can resume the upload meanwhile.
    let _held = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let file = child(folder, name, READ)?;
            lock(&file)?;
            Some(file)
        }
        _ => None,
    };
    rustix::fs::unlinkat(folder, name, AtFlags::empty())
}

/// How long ago a file was last written to; zero if that is in the future.
pub(crate) fn age(stat: &rustix::fs::Stat) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let written = Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
    now.saturating_sub(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_plugin_api::Key;

    #[test]
    fn no_key_reaches_the_private_folder() {
        assert!(Key::parse(PRIVATE).is_err());
    }

    #[test]
    fn ids_are_never_paths() {
        let id = Id::random().expect("random numbers can be had");
        assert!(Id::parse(id.as_str()) == Some(id));
        for text in ["", "..", "../../../../../../../../etc/passwd", "0123456789abcdef0123456789abcde/", "0123456789ABCDEF0123456789ABCDEF"]
        {
            assert!(Id::parse(text).is_none(), "{text:?}");
        }
    }
}
