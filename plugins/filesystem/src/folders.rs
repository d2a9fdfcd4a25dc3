//! Folders: reading their names, making and pruning those that lead to a key.
//!
//! A folder is no prefix unless an object lies somewhere below it. Writers make the folders they need, removers prune those they empty,
//! and other programs leave empty ones behind; the two races that follow are answered by trying again.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use longshore_plugin_api::{DriverError, Key};
use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom};
use rustix::io::Errno;

use crate::errno::{failed, is_absent, is_not_empty};
use crate::private::FOLDER_MODE;
use crate::root::{FOLDER, Root, child};

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A plain file.
    Object,
    /// A folder.
    Folder,
    /// A link, a pipe, a socket, a device.
    Other,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::Object,
            FileType::Directory => Self::Folder,
            _ => Self::Other,
        }
    }
}

/// The longest key, in bytes (driver contract, section 1).
const KEY_MAX_BYTES: usize = 1024;

/// How many bytes the rest of a key may have below the folder at `path`.
pub(crate) fn room(path: &str) -> usize {
    KEY_MAX_BYTES.saturating_sub(if path.is_empty() { 0 } else { path.len() + 1 })
}

/// How much of a folder is read by one call, in bytes.
const LIST_BYTES: usize = 32 * 1024;
/// The same where the first names are likely enough.
const PROBE_BYTES: usize = 2 * 1024;

/// Calls `see` with each name of a folder, in the filesystem's order, until it answers false. Names that are no text are left out.
pub(crate) fn each_name(folder: &OwnedFd, see: &mut dyn FnMut(&str, Kind) -> bool) -> rustix::io::Result<()> {
    rustix::fs::seek(folder, SeekFrom::Start(0))?;
    let mut buffer: Vec<MaybeUninit<u8>> = vec![MaybeUninit::uninit(); LIST_BYTES];
    let mut names = RawDir::new(folder, &mut buffer);
    while let Some(entry) = unless_removed(names.next())? {
        let Ok(name) = entry.file_name().to_str() else { continue };
        if !matches!(name, "." | "..") && !see(name, kind(folder, name, entry.file_type())?) {
            break;
        }
    }
    Ok(())
}

/// A folder that was removed while it is open answers as one without names.
fn unless_removed<T>(entry: Option<rustix::io::Result<T>>) -> rustix::io::Result<Option<T>> {
    match entry {
        Some(Err(Errno::NOENT)) => Ok(None),
        entry => entry.transpose(),
    }
}

/// The kind that the folder tells; few filesystems do not, and then the file is asked.
fn kind(folder: &OwnedFd, name: &str, told: FileType) -> rustix::io::Result<Kind> {
    if told != FileType::Unknown {
        return Ok(told.into());
    }
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode).into()),
        Err(Errno::NOENT) => Ok(Kind::Other),
        Err(errno) => Err(errno),
    }
}

/// True if `name` could be a component of a key. Everything else in a folder is a stray that no list shows.
pub(crate) fn is_component(name: &str) -> bool {
    Key::parse(name).is_ok()
}

/// True if an object lies somewhere below, as [`find_object`].
pub(crate) fn has_object(folder: &OwnedFd, room: usize) -> rustix::io::Result<bool> {
    Ok(find_object(folder, room)?.is_some())
}

/// The path of some object below `folder`. `room` is how many bytes a key may still have there, which bounds the depth.
///
/// It looks at a few names, then into the folders among them, then at the next few: an object is found after little reading wherever there
/// is one, whatever the folder's size.
pub(crate) fn find_object(folder: &OwnedFd, room: usize) -> rustix::io::Result<Option<String>> {
    rustix::fs::seek(folder, SeekFrom::Start(0))?;
    let mut buffer: Vec<MaybeUninit<u8>> = vec![MaybeUninit::uninit(); PROBE_BYTES];
    let mut names = RawDir::new(folder, &mut buffer);
    let mut inner: Vec<String> = Vec::new();
    while let Some(entry) = unless_removed(names.next())? {
        let name = entry.file_name().to_str().unwrap_or("");
        if name.len() <= room && is_component(name) {
            match kind(folder, name, entry.file_type())? {
                Kind::Object => return Ok(Some(name.to_owned())),
                Kind::Folder => inner.push(name.to_owned()),
                Kind::Other => {}
            }
        }
        if names.is_buffer_empty() {
            for name in inner.drain(..) {
                let found = match child(folder, &name, FOLDER) {
                    Ok(folder) => find_object(&folder, room.saturating_sub(name.len() + 1))?,
                    Err(errno) if is_absent(errno) => None,
                    Err(errno) => return Err(errno),
                };
                if let Some(found) = found {
                    return Ok(Some(format!("{name}/{found}")));
                }
            }
        }
    }
    Ok(None)
}

/// The folder that holds `key`, or `None` if it is not there yet.
///
/// # Errors
/// `conflict` if an object or a link stands on the way.
pub(crate) fn parent(root: &Root, key: &Key) -> Result<Option<OwnedFd>, DriverError> {
    match root.at(key.parent().as_str(), FOLDER) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(failed("write key", key, errno)),
    }
}

/// The folder that holds `key`, made if need be; each folder that got a new entry is added to `changed`. `None` if a folder was pruned
/// just now: try again.
pub(crate) fn make_parent(root: &Root, key: &Key, changed: &mut Vec<OwnedFd>) -> Result<Option<OwnedFd>, DriverError> {
    let failed = |errno| failed("make the folders of key", key, errno);
    let path = key.parent().as_str();
    let mut there = path;
    let mut folder = loop {
        match root.at(there, FOLDER) {
            Ok(folder) => break folder,
            Err(Errno::NOENT) if !there.is_empty() => there = there.rsplit_once('/').map_or("", |(outer, _)| outer),
            Err(errno) => return Err(failed(errno)),
        }
    };
    for name in path[there.len()..].split('/').filter(|name| !name.is_empty()) {
        let made = match rustix::fs::mkdirat(&folder, name, FOLDER_MODE) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let inner = match child(&folder, name, FOLDER) {
            Ok(inner) => inner,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let outer = std::mem::replace(&mut folder, inner);
        if made {
            changed.push(outer);
        }
    }
    Ok(Some(folder))
}

/// Removes the folder at `path` and those above it as long as they are empty, never the root. Answers the innermost folder that is left, if
/// any was removed.
pub(crate) fn prune(root: &Root, path: &str) -> Option<OwnedFd> {
    let mut left = None;
    let mut path = path;
    while !path.is_empty() {
        let (outer, name) = path.rsplit_once('/').unwrap_or(("", path));
        match root.at(outer, FOLDER) {
            Ok(folder) => match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                Ok(()) => left = Some(folder),
                Err(Errno::NOENT) => {}
                // Not empty, or not to be removed: an empty folder that stays is no prefix either.
                Err(_) => break,
            },
            Err(Errno::NOENT) => {}
            Err(_) => break,
        }
        path = outer;
    }
    left
}

/// Removes a folder below which there are only folders. Fails with NOTEMPTY if anything else is there, or a path too long for a key (`room`
/// as for [`has_object`]).
pub(crate) fn remove_hollow(outer: impl AsFd, name: &str, room: usize) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(&outer, name, AtFlags::REMOVEDIR) {
        Err(errno) if is_not_empty(errno) => {}
        Err(Errno::NOENT) => return Ok(()),
        answer => return answer,
    }
    let folder = child(&outer, name, FOLDER)?;
    let mut inner = Vec::new();
    let mut hollow = true;
    each_name(&folder, &mut |name, kind| {
        hollow = kind == Kind::Folder && name.len() <= room;
        inner.push(name.to_owned());
        hollow
    })?;
    if !hollow {
        return Err(Errno::NOTEMPTY);
    }
    inner.iter().try_for_each(|name| remove_hollow(&folder, name, room.saturating_sub(name.len() + 1)))?;
    rustix::fs::unlinkat(&outer, name, AtFlags::REMOVEDIR)
}
