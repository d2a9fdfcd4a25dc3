//! Facts and bytes of objects.
//!
//! What the kernel has in its caches is answered on the caller's thread: `RESOLVE_CACHED` for the path, `RWF_NOWAIT` for the bytes. Both
//! say so at once when they would have to wait, and only then one of the host's threads is asked. Files are replaced by renaming and
//! never written to under their key, so a reader that holds one is not disturbed.

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use longshore_plugin_api::{ByteRange, Bytes, Call, DriverError, ErrorClass, FileRegion, Key, ObjectInfo, Read, ReadBody};
use rustix::fs::{FileType, Stat};
use rustix::io::{Errno, ReadWriteFlags};

use crate::errno::{failed, is_absent};
use crate::root::{FIND, READ};
use crate::store::Store;
use crate::work::check_deadline;

/// Up to here bytes are cheaper to copy than to send as a file region.
const BYTES_MAX: u64 = 64 * 1024;

/// Facts about an object.
pub(crate) async fn stat(store: &Arc<Store>, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
    check_deadline(call)?;
    if let Some(found) = store.root.at_cached(key.as_str(), FIND) {
        return Ok(info(&object(store, key, found)?.1));
    }
    let key = key.to_owned();
    store.blocking(call, move |store, _| Ok(info(&find(store, &key)?.1))).await
}

/// A part of an object.
pub(crate) async fn read(store: &Arc<Store>, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
    check_deadline(call)?;
    let Some(opened) = store.root.at_cached(key.as_str(), READ) else {
        let key = key.to_owned();
        return store
            .blocking(call, move |store, _| {
                let (file, stat) = object(store, &key, store.root.at(key.as_str(), READ))?;
                let length = range.within(size(&stat))?;
                let body = if length <= BYTES_MAX {
                    ReadBody::Bytes(waited(&file, &key, range.offset, length)?)
                } else {
                    region(file, range, length)
                };
                Ok(Read { info: info(&stat), body })
            })
            .await;
    };
    let (file, stat) = object(store, key, opened)?;
    let length = range.within(size(&stat))?;
    let body = if length > BYTES_MAX {
        region(file, range, length)
    } else if let Some(bytes) = cached(&file, range.offset, length) {
        ReadBody::Bytes(bytes)
    } else {
        let key = key.to_owned();
        ReadBody::Bytes(store.blocking(call, move |_, _| waited(&file, &key, range.offset, length)).await?)
    };
    Ok(Read { info: info(&stat), body })
}

/// The object at `key`, found but not opened for reading.
pub(crate) fn find(store: &Store, key: &Key) -> Result<(OwnedFd, Stat), DriverError> {
    object(store, key, store.root.at(key.as_str(), FIND))
}

/// What was opened for `key`, if it is an object.
pub(crate) fn object(store: &Store, key: &Key, opened: rustix::io::Result<OwnedFd>) -> Result<(OwnedFd, Stat), DriverError> {
    let stated = opened.and_then(|file| rustix::fs::fstat(&file).map(|stat| (file, stat)));
    match stated {
        Ok((file, stat)) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => Ok((file, stat)),
        Ok(_) => Err(DriverError::not_found(key)),
        Err(errno) if is_absent(errno) => Err(store.not_found(key)),
        Err(errno) => Err(failed("read key", key, errno)),
    }
}

/// Facts about a file. The version names the file, its content's time in nanoseconds and its size: the driver's own writes set that time
/// from the clock, so two contents never share it.
pub(crate) fn info(stat: &Stat) -> ObjectInfo {
    let (seconds, nanoseconds) = (stat.st_mtime, stat.st_mtime_nsec);
    let modified = seconds.saturating_mul(1000).saturating_add(nanoseconds as i64 / 1_000_000);
    let version = format!("{:x}-{seconds:x}.{nanoseconds:x}-{:x}", stat.st_ino, stat.st_size);
    ObjectInfo { size: size(stat), modified, version: Some(version.into()) }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn region(file: OwnedFd, range: ByteRange, length: u64) -> ReadBody {
    ReadBody::File(FileRegion { file, offset: range.offset, length })
}

/// The bytes, if the kernel has all of them in its cache.
fn cached(file: &OwnedFd, offset: u64, length: u64) -> Option<Bytes> {
    let mut bytes = zeroed(length);
    if bytes.is_empty() {
        return Some(Bytes::new());
    }
    let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT);
    // Any error is met again by the read that may wait, and reported from there.
    (read == Ok(bytes.len())).then(|| bytes.into())
}

/// The bytes, from the disk if need be.
fn waited(file: &OwnedFd, key: &Key, offset: u64, length: u64) -> Result<Bytes, DriverError> {
    let mut bytes = zeroed(length);
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(file, &mut bytes[done..], offset + done as u64) {
            Ok(0) => {
                return Err(DriverError::new(ErrorClass::Broken, format!("the file of \"{key}\" became shorter while it was read")));
            }
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed("read key", key, errno)),
        }
    }
    Ok(bytes.into())
}

/// A buffer of at most [`BYTES_MAX`] bytes.
fn zeroed(length: u64) -> Vec<u8> {
    vec![0; usize::try_from(length.min(BYTES_MAX)).unwrap_or(0)]
}
