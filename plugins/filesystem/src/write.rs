//! Writes, whole or not at all: bytes go to a file in the private folder, are synced, and get their key by renaming.
//!
//! Order is what makes it hold through a power cut: first the data, then the name, then the folder that holds the name.
//!
//! On ext4 a put costs two commits of the journal (data, name), which the filesystem itself shares among writers that come at the same
//! time. There is no combiner of our own for syncs of one folder: nearly every object of a registry has a folder to itself.

use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use longshore_plugin_api::{Condition, DriverError, ErrorClass, Key, ObjectInfo};
use rustix::fs::{AtFlags, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::{Errno, retry_on_intr};

use crate::errno::{failed, is_not_empty};
use crate::folders;
use crate::private::{Id, Temporary};
use crate::read;
use crate::root::{FOLDER, READ, child};
use crate::store::Store;
use crate::work::Stop;

/// How often a write tries again because others made or removed folders in its way. Each time somebody else got on, so this is not reached
/// in practice.
const ATTEMPTS: usize = 1000;
/// How many bytes are copied between two looks at whether somebody still waits.
const COPY_STEP_BYTES: usize = 64 << 20;

/// Writes a small object.
pub(crate) fn put(store: &Store, key: &Key, bytes: &[u8], condition: Condition) -> Result<ObjectInfo, DriverError> {
    look_first(store, key, condition)?;
    let mut temporary = Temporary::create(store.private()?)?;
    write_all(&temporary.file, &[bytes], 0).map_err(|errno| failed("write key", key, errno))?;
    finish(store, &mut temporary, key, condition)
}

/// Copies an object; the filesystem shares or copies the bytes itself where it can.
pub(crate) fn copy(store: &Store, from: &Key, to: &Key, stop: &Stop) -> Result<ObjectInfo, DriverError> {
    let (source, stat) = read::object(store, from, store.root.at(from.as_str(), READ))?;
    look_first(store, to, Condition::Always)?;
    let mut temporary = Temporary::create(store.private()?)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    copy_bytes(&source, &temporary.file, size, stop, to)?;
    finish(store, &mut temporary, to, Condition::Always)
}

fn finish(store: &Store, temporary: &mut Temporary<'_>, key: &Key, condition: Condition) -> Result<ObjectInfo, DriverError> {
    let info = stamp(&temporary.file).map_err(|errno| failed("write key", key, errno))?;
    if store.is_durable() {
        sync_data(&temporary.file).map_err(|errno| failed("sync key", key, errno))?;
    }
    publish(store, &store.private()?.temporary, &temporary.id, key, condition)?;
    temporary.published = true;
    Ok(info)
}

/// Finds a conflict or a lost condition before anything is written; whoever comes in between is met by [`publish`].
fn look_first(store: &Store, key: &Key, condition: Condition) -> Result<(), DriverError> {
    let folder = folders::parent(&store.root, key)?;
    match folder {
        Some(folder) if condition == Condition::IfAbsent => match child(&folder, key.name(), crate::root::FIND) {
            Ok(file) if !is_folder(&file) => Err(lost(key)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn lost(key: &Key) -> DriverError {
    DriverError::new(ErrorClass::AlreadyExists, format!("{key} exists already"))
}

fn is_folder(file: &OwnedFd) -> bool {
    rustix::fs::fstat(file).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// Writes all of `parts`, one after the other, from `offset` on.
pub(crate) fn write_all(file: &OwnedFd, parts: &[&[u8]], offset: u64) -> rustix::io::Result<()> {
    let mut parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut parts = parts.as_mut_slice();
    let mut offset = offset;
    // Takes away the empty ones, so that an empty write is no call.
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match rustix::io::pwritev(file, parts, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                offset += written as u64;
                IoSlice::advance_slices(&mut parts, written);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Makes a file's bytes durable, and what is needed to find them.
pub(crate) fn sync_data(file: &OwnedFd) -> rustix::io::Result<()> {
    retry_on_intr(|| rustix::fs::fdatasync(file))
}

/// Makes all of a file durable, or the names in a folder.
pub(crate) fn sync_all(file: &OwnedFd) -> rustix::io::Result<()> {
    retry_on_intr(|| rustix::fs::fsync(file))
}

/// Sets the time of the content to now, to the nanosecond: the kernel's own stamps are only as fine as its tick, and a file replaced twice
/// within one would keep its version.
pub(crate) fn stamp(file: &OwnedFd) -> rustix::io::Result<ObjectInfo> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let written = Timespec { tv_sec: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(now.subsec_nanos()) };
    let untouched = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    rustix::fs::futimens(file, &Timestamps { last_access: untouched, last_modification: written })?;
    Ok(read::info(&rustix::fs::fstat(file)?))
}

/// Gives the finished file `from` in a private folder its key, and makes the name durable.
///
/// # Errors
/// `conflict` if the key clashes with objects below or above it, `already_exists` if the condition is lost; the file is untouched then.
pub(crate) fn publish(store: &Store, private: &OwnedFd, from: &Id, key: &Key, condition: Condition) -> Result<(), DriverError> {
    let mut changed = Vec::new();
    let named = name(store, private, from, key, condition, &mut changed);
    match named {
        Ok(folder) => sync_names(store, key, &folder, &changed),
        Err(error) => {
            // Folders that were made in vain go again.
            folders::prune(&store.root, key.parent().as_str());
            Err(error)
        }
    }
}

/// Renames `from` to its key. Answers the folder of the key, and adds those that got a new folder to `changed`.
fn name(
    store: &Store,
    private: &OwnedFd,
    from: &Id,
    key: &Key,
    condition: Condition,
    changed: &mut Vec<OwnedFd>,
) -> Result<OwnedFd, DriverError> {
    for _ in 0..ATTEMPTS {
        let Some(folder) = folders::make_parent(&store.root, key, changed)? else {
            continue;
        };
        match rename(private, from, &folder, key.name(), condition) {
            Ok(()) => return Ok(folder),
            // The folder was pruned after it was opened.
            Err(Errno::NOENT) => {}
            Err(errno) if is_not_empty(errno) || errno == Errno::ISDIR => clear_way(&folder, key, condition)?,
            Err(errno) => return Err(failed("write key", key, errno)),
        }
    }
    Err(DriverError::new(ErrorClass::Throttled, format!("the folders of \"{key}\" changed {ATTEMPTS} times while it was written")))
}

fn rename(private: &OwnedFd, from: &Id, folder: &OwnedFd, name: &str, condition: Condition) -> rustix::io::Result<()> {
    if condition == Condition::Always {
        return rustix::fs::renameat(private, from.as_str(), folder, name);
    }
    match rustix::fs::renameat_with(private, from.as_str(), folder, name, RenameFlags::NOREPLACE) {
        // Network filesystems know no such renaming, but a link is made only once anywhere.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(private, from.as_str(), folder, name, AtFlags::empty())?;
            rustix::fs::unlinkat(private, from.as_str(), AtFlags::empty())
        }
        answer => answer,
    }
}

/// Something stands where the object should: an empty folder that was left behind is removed, everything else is an error.
fn clear_way(folder: &OwnedFd, key: &Key, condition: Condition) -> Result<(), DriverError> {
    let clash = || DriverError::new(ErrorClass::Conflict, format!("\"{key}\" cannot be an object: \"{key}/\" is not empty"));
    match child(folder, key.name(), FOLDER) {
        Ok(inner) => {
            let room = folders::room(key.as_str());
            let write = |errno| failed("write key", key, errno);
            if folders::has_object(&inner, room).map_err(write)? {
                return Err(clash());
            }
            match folders::remove_hollow(folder, key.name(), room) {
                Err(errno) if is_not_empty(errno) => Err(clash()),
                answer => answer.map_err(write),
            }
        }
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) if condition == Condition::IfAbsent => match child(folder, key.name(), READ) {
            Ok(_) => Err(lost(key)),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed("write key", key, errno)),
        },
        // An object took the folder's place meanwhile, and can be replaced.
        Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(errno) => Err(failed("write key", key, errno)),
    }
}

/// Makes a new name durable, and those of the folders that were made for it.
fn sync_names(store: &Store, key: &Key, folder: &OwnedFd, changed: &[OwnedFd]) -> Result<(), DriverError> {
    if !store.is_durable() {
        return Ok(());
    }
    // Where the journal keeps the order, the entries of new folders are durable once a name in the innermost is.
    let changed = if store.ordered { &[] } else { changed };
    changed.iter().chain([folder]).try_for_each(sync_all).map_err(|errno| failed("sync the folder of key", key, errno))
}

fn copy_bytes(source: &OwnedFd, target: &OwnedFd, size: u64, stop: &Stop, to: &Key) -> Result<(), DriverError> {
    let mut offset = 0;
    while offset < size {
        stop.check()?;
        let step = usize::try_from(size - offset).unwrap_or(usize::MAX).min(COPY_STEP_BYTES);
        let (mut from, mut into) = (offset, offset);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut into), step) {
            Ok(0) => {
                return Err(DriverError::new(ErrorClass::Broken, format!("the source of \"{to}\" became shorter while it was copied")));
            }
            Ok(copied) => offset += copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => offset += copy_step(source, target, offset, to)?,
            Err(errno) => return Err(failed("write key", to, errno)),
        }
    }
    Ok(())
}

/// Copies some bytes through a buffer, where the filesystem cannot do it.
fn copy_step(source: &OwnedFd, target: &OwnedFd, offset: u64, to: &Key) -> Result<u64, DriverError> {
    let mut buffer = vec![0; 256 * 1024];
    let copied = retry_on_intr(|| rustix::io::pread(source, buffer.as_mut_slice(), offset))
        .map_err(|errno| failed("read the source of key", to, errno))?;
    if copied == 0 {
        return Err(DriverError::new(ErrorClass::Broken, format!("the source of \"{to}\" became shorter while it was copied")));
    }
    write_all(target, &[&buffer[..copied]], offset).map_err(|errno| failed("write key", to, errno))?;
    Ok(copied as u64)
}
