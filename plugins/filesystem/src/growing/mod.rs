//! An upload as it stands: what was gathered in memory, what the file has, what of it is on disk.

mod writing;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use longshore_plugin_api::{Condition, DriverError, ErrorClass, Key, ObjectInfo, UploadToken};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::errno::failed;
use crate::folders;
use crate::private::{self, Id};
use crate::staging::Staging;
use crate::store::Store;
use crate::token::Claim;
use crate::work;
use crate::write::{publish, stamp, sync_all, sync_data};

/// Files above this size take long enough to remove that a thread of the host does it.
const REMOVE_HERE_MAX_BYTES: u64 = 4 << 20;

/// An upload as it stands.
pub(crate) struct Growing {
    store: Arc<Store>,
    id: Id,
    place: Place,
    /// `None` until there is something to write to it.
    file: Option<OwnedFd>,
    /// How many bytes the file has.
    written: u64,
    /// How many bytes the token has that goes with the file's name.
    named_at: Option<u64>,
    /// What the file is called by the token before, until it is known whether the newest reached the caller.
    older: Option<Older>,
    /// What follows them.
    staging: Staging,
    /// The file once more, opened for writes past the page cache.
    direct: Option<OwnedFd>,
    /// A sync that failed. The kernel reports lost data once and then forgets, so trying again would succeed and be a lie.
    lost: Option<DriverError>,
    /// How many of the file's bytes are on disk, and its own entry in the filesystem with them; `None` if not even that.
    synced: Option<u64>,
}

/// The file's name of the token before the newest, and whether that token has ended.
struct Older {
    id: Id,
    named_at: Option<u64>,
    /// The newest token was answered.
    ended: bool,
}

/// Where the file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Temporary,
    Uploads,
}

impl Growing {
    /// A new upload, without a file yet.
    pub(crate) fn begin(store: &Arc<Store>) -> Result<Self, DriverError> {
        store.private()?;
        Ok(Self::new(store, Id::random()?))
    }

    /// The upload of a token, cut back to where it was suspended and locked for as long as it is held.
    pub(crate) fn resume(store: &Arc<Store>, claim: Claim) -> Result<Self, DriverError> {
        let folder = &store.private()?.uploads;
        let gone = || DriverError::new(ErrorClass::NotFound, "there is no such upload: it was committed, aborted or removed");
        let failed = |errno| match errno {
            Errno::NOENT => gone(),
            errno => failed("resume upload", &claim.id, errno),
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, claim.id.as_str(), flags, Mode::empty()).map_err(failed)?;
        hold(&file).map_err(|errno| match errno {
            Errno::WOULDBLOCK => DriverError::new(ErrorClass::Conflict, "the upload is in use"),
            errno => failed(errno),
        })?;
        // Between opening and locking it may have been committed, and the file be an object now.
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let named = rustix::fs::statat(folder, claim.id.as_str(), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        if (stat.st_dev, stat.st_ino) != (named.st_dev, named.st_ino) || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(gone());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size < claim.offset {
            let message = format!("the upload was suspended with {} bytes, its file has {size}", claim.offset);
            return Err(DriverError::new(ErrorClass::Corrupt, message));
        }
        if stat.st_nlink > 1 {
            end_others(folder, &claim.id, &stat).map_err(failed)?;
            if store.is_durable() {
                // After a power loss the other token would lead to bytes that are no longer those it promised.
                sync_all(folder).map_err(failed)?;
            }
        }
        let mut synced = claim.durable.then_some(claim.offset);
        if size > claim.offset {
            rustix::fs::ftruncate(&file, claim.offset).map_err(failed)?;
            synced = None;
        }
        let mut state = Self::new(store, claim.id);
        (state.place, state.file, state.synced) = (Place::Uploads, Some(file), synced);
        (state.written, state.named_at) = (claim.offset, Some(claim.offset));
        Ok(state)
    }

    fn new(store: &Arc<Store>, id: Id) -> Self {
        Self {
            store: store.clone(),
            id,
            place: Place::Nowhere,
            file: None,
            written: 0,
            named_at: None,
            older: None,
            staging: Staging::new(),
            direct: None,
            synced: None,
            lost: None,
        }
    }

    /// The instance that it belongs to.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Takes a few bytes into memory, if they fit there and follow the first `offset`.
    pub(crate) fn gather(&mut self, bytes: &[u8], offset: u64) -> bool {
        let fits = self.end() == offset && self.staging.fits(bytes.len());
        if fits {
            self.staging.take(bytes);
        }
        fits
    }

    /// How many bytes were accepted.
    pub(crate) fn end(&self) -> u64 {
        self.written + self.staging.len() as u64
    }

    fn failed(&self, errno: Errno) -> DriverError {
        failed("write upload", &self.id, errno)
    }

    /// Forgets what a cancelled call has written beyond `offset`.
    pub(crate) fn take_back(&mut self, offset: u64) -> Result<(), DriverError> {
        if let Some(kept) = offset.checked_sub(self.written) {
            // More than a `usize` cannot have been gathered, so the length is not cut short.
            self.staging.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            return Ok(());
        }
        self.staging.truncate(0);
        self.cut(offset)
    }

    fn cut(&mut self, length: u64) -> Result<(), DriverError> {
        if let Some(file) = &self.file {
            rustix::fs::ftruncate(file, length).map_err(|errno| self.failed(errno))?;
        }
        (self.written, self.synced) = (length, None);
        Ok(())
    }

    /// Makes the file if there is none, and locks it for as long as the upload is held.
    fn ensure_file(&mut self) -> Result<(), DriverError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        if self.file.is_none() {
            let file = private::create(&self.store.private()?.temporary, &self.id).map_err(|errno| self.failed(errno))?;
            self.place = Place::Temporary;
            let locked = private::lock(&file);
            self.file = Some(file);
            locked.map_err(|errno| self.failed(errno))?;
        }
        Ok(())
    }

    fn file(&self) -> Result<&OwnedFd, DriverError> {
        self.file.as_ref().ok_or_else(|| DriverError::new(ErrorClass::Internal, "the upload has no file"))
    }

    fn folder(&self) -> Result<&OwnedFd, DriverError> {
        let private = self.store.private()?;
        let suspended = self.place == Place::Uploads;
        Ok(if suspended { &private.uploads } else { &private.temporary })
    }

    pub(crate) fn suspend(&mut self) -> Result<UploadToken, DriverError> {
        self.flush()?;
        if self.place == Place::Temporary || self.named_at != Some(self.written) {
            self.rename()?;
        }
        // An upload without a byte has nothing to lose: if it is gone after a power cut, the client begins again.
        let durable = self.store.is_durable() && self.written > 0;
        if durable && self.synced != Some(self.written) {
            if !self.store.ordered {
                sync_all(&self.store.private()?.uploads).map_err(|errno| self.failed(errno))?;
            }
            // Not only the data: where the journal keeps the order, the file's new name goes with it.
            self.sync(sync_all)?;
        }
        Claim { id: self.id.clone(), offset: self.written, durable }.seal()
    }

    /// A new name for each new length: the tokens of the old name end with it. Two tokens of one file would let a caller go back to the
    /// shorter one, write other bytes, and commit them as those that the longer one had promised.
    ///
    /// The old name stays until [`Self::settle`]: a process that is killed before the new token is answered leaves one that somebody has.
    fn rename(&mut self) -> Result<(), DriverError> {
        let (id, folder, uploads) = (Id::random()?, self.folder()?, &self.store.private()?.uploads);
        let linked = match self.place {
            Place::Uploads => rustix::fs::linkat(folder, self.id.as_str(), uploads, id.as_str(), AtFlags::empty()).map(|()| true),
            _ => Err(Errno::OPNOTSUPP),
        };
        let linked = match linked {
            // No token to keep, or a filesystem without links.
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::NOSYS | Errno::MLINK) => {
                rustix::fs::renameat(folder, self.id.as_str(), uploads, id.as_str()).map(|()| false)
            }
            linked => linked,
        };
        let linked = linked.map_err(|errno| self.failed(errno))?;
        let older = Older { id: std::mem::replace(&mut self.id, id), named_at: self.named_at, ended: false };
        self.older = linked.then_some(older);
        (self.place, self.named_at, self.synced) = (Place::Uploads, Some(self.written), None);
        Ok(())
    }

    /// The newest token has reached the caller.
    pub(crate) fn answered(&mut self) {
        if let Some(older) = &mut self.older {
            older.ended = true;
        }
    }

    /// Leaves the file one name: the newest if its token was answered, else the one before, whose token is all that the caller has.
    pub(crate) fn settle(&mut self) -> Result<(), DriverError> {
        let Some(older) = &self.older else { return Ok(()) };
        let gone = if older.ended { &older.id } else { &self.id };
        match rustix::fs::unlinkat(&self.store.private()?.uploads, gone.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.failed(errno)),
        }
        if let Some(older) = self.older.take().filter(|older| !older.ended) {
            (self.id, self.named_at, self.synced) = (older.id, older.named_at, None);
        }
        Ok(())
    }

    pub(crate) fn commit(&mut self, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        if size != self.end() {
            let message = format!("the upload has {} bytes, the commit expects {size}", self.end());
            return Err(DriverError::new(ErrorClass::Corrupt, message));
        }
        self.flush()?;
        let file = self.file()?;
        let failed = |errno| failed("write key", destination, errno);
        let info = stamp(file).map_err(failed)?;
        if self.store.is_durable() && self.synced != Some(self.written) {
            self.sync(sync_data)?;
        }
        publish(&self.store, self.folder()?, &self.id, destination, Condition::Always)?;
        self.place = Place::Nowhere;
        Ok(info)
    }

    pub(crate) fn remove(&mut self) -> Result<(), DriverError> {
        if self.place != Place::Nowhere {
            match rustix::fs::unlinkat(self.folder()?, self.id.as_str(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => self.place = Place::Nowhere,
                Err(errno) => return Err(failed("abort upload", &self.id, errno)),
            }
        }
        Ok(())
    }
}

/// Removes the names that the file of `id` has beside this one. A process was killed before the newest token was known to be answered:
/// whichever is used first ends the other.
fn end_others(uploads: &OwnedFd, id: &Id, file: &Stat) -> rustix::io::Result<()> {
    let mut others = Vec::new();
    folders::each_name(&private::reopened(uploads)?, &mut |name, _| {
        others.extend(Id::parse(name).filter(|other| other != id));
        true
    })?;
    for other in others {
        match rustix::fs::statat(uploads, other.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if (stat.st_dev, stat.st_ino) == (file.st_dev, file.st_ino) => {
                rustix::fs::unlinkat(uploads, other.as_str(), AtFlags::empty())?;
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Locks an upload's file. Whoever only looks whether it is held, or finishes a cancelled call, lets go of it within moments.
fn hold(file: &OwnedFd) -> rustix::io::Result<()> {
    for _ in 0..10 {
        match private::lock(file) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(1)),
            answer => return answer,
        }
    }
    private::lock(file)
}

impl Drop for Growing {
    /// Without a token nobody can go on with the upload: its file is removed. With one it stays as it was suspended.
    fn drop(&mut self) {
        // If it fails, whoever resumes the upload settles it.
        let _ = self.settle();
        if self.place != Place::Temporary {
            return;
        }
        let (store, id, file) = (self.store.clone(), self.id.clone(), self.file.take());
        let remove = move || {
            if let Ok(private) = store.private() {
                // Left behind it is removed by a sweep.
                let _ = rustix::fs::unlinkat(&private.temporary, id.as_str(), AtFlags::empty());
            }
            drop(file);
        };
        if self.written > REMOVE_HERE_MAX_BYTES {
            work::start(&self.store.host, remove);
        } else {
            remove();
        }
    }
}
