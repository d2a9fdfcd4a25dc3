//! An upload as it stands: what was gathered in memory, what the file has, what of it is on disk.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longshore_plugin_api::{Condition, DriverError, ErrorClass, Key, ObjectInfo, UploadToken};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::errno::failed;
use crate::private::{self, Id};
use crate::root::child;
use crate::staging::{BLOCK_BYTES, Staging, write_direct};
use crate::store::Store;
use crate::token::Claim;
use crate::work;
use crate::write::{publish, stamp, sync_all, sync_data, write_all};

/// From how many bytes on an upload is written past the page cache.
const DIRECT_FROM_BYTES: u64 = 1 << 20;
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
    /// What follows them.
    staging: Staging,
    /// The file once more, opened for writes past the page cache.
    direct: Option<OwnedFd>,
    /// A sync that failed. The kernel reports lost data once and then forgets, so trying again would succeed and be a lie.
    lost: Option<DriverError>,
    /// How many of the file's bytes are on disk, and its own entry in the filesystem with them; `None` if not even that.
    synced: Option<u64>,
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

    /// Accepts `bytes`, writing what no longer fits into memory.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DriverError> {
        self.ensure_file()?;
        if self.end() + bytes.len() as u64 >= DIRECT_FROM_BYTES && self.goes_direct() {
            return self.stage(bytes);
        }
        let staged = self.staging.len();
        self.put(|file, state| write_all(file, &[state.staging.data(), bytes], state.written))?;
        self.written += (staged + bytes.len()) as u64;
        self.staging.truncate(0);
        Ok(())
    }

    /// Runs a write; if it fails, what it wrote gives its space back, and what was accepted before stays accepted.
    fn put(&mut self, write: impl FnOnce(&OwnedFd, &Self) -> rustix::io::Result<()>) -> Result<(), DriverError> {
        if let Err(errno) = write(self.file()?, self) {
            let error = self.failed(errno);
            self.cut(self.written)?;
            return Err(error);
        }
        self.synced = None;
        Ok(())
    }

    /// True if the file is, or can be, opened for writes past the page cache. A filesystem that knows no such writes is asked once.
    fn goes_direct(&mut self) -> bool {
        if self.direct.is_none() && self.store.is_durable() && self.store.direct.load(Ordering::Relaxed) {
            let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            self.direct = self.folder().ok().and_then(|folder| child(folder, self.id.as_str(), flags).ok());
            match self.direct {
                Some(_) => self.staging.align(),
                None => self.store.direct.store(false, Ordering::Relaxed),
            }
        }
        self.direct.is_some()
    }

    /// Stages `bytes`; each full stage goes to the disk.
    fn stage(&mut self, bytes: &[u8]) -> Result<(), DriverError> {
        let mut left = bytes;
        loop {
            left = &left[self.staging.take(left)..];
            if !self.staging.is_full() {
                return Ok(());
            }
            self.flush_blocks()?;
        }
    }

    /// Writes as much of the stage as fills whole blocks of the file, past the page cache.
    fn flush_blocks(&mut self) -> Result<(), DriverError> {
        let astray = usize::try_from(self.written % BLOCK_BYTES as u64).unwrap_or(0);
        if astray > 0 {
            // The last token was made in the middle of a block: its rest is written like any other file's.
            self.flush_some(self.staging.len().min(BLOCK_BYTES - astray))?;
        }
        let blocks = self.staging.whole_blocks();
        if blocks == 0 {
            return Ok(());
        }
        let written = match &self.direct {
            Some(direct) => write_direct(direct, &self.staging.data()[..blocks], self.written),
            None => Err(Errno::INVAL),
        };
        match written {
            Ok(()) => {
                self.advance(blocks);
                Ok(())
            }
            // Stricter about alignment than any disk we know: from now on through the page cache.
            Err(Errno::INVAL) => {
                self.store.direct.store(false, Ordering::Relaxed);
                self.direct = None;
                self.flush_some(self.staging.len())
            }
            Err(errno) => {
                let error = self.failed(errno);
                self.cut(self.written)?;
                Err(error)
            }
        }
    }

    /// Writes the first `count` bytes of the stage through the page cache.
    fn flush_some(&mut self, count: usize) -> Result<(), DriverError> {
        self.put(|file, state| write_all(file, &[&state.staging.data()[..count]], state.written))?;
        self.advance(count);
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        self.written += count as u64;
        self.staging.consume(count);
        self.synced = None;
    }

    /// Writes all that was accepted.
    fn flush(&mut self) -> Result<(), DriverError> {
        self.ensure_file()?;
        if self.direct.is_some() {
            self.flush_blocks()?;
        }
        if self.staging.len() > 0 {
            self.flush_some(self.staging.len())?;
        }
        Ok(())
    }

    /// Makes what was written durable.
    fn sync(&mut self, sync: fn(&OwnedFd) -> rustix::io::Result<()>) -> Result<(), DriverError> {
        if let Err(errno) = sync(self.file()?) {
            let error = failed("sync upload", &self.id, errno);
            self.lost = Some(error.clone());
            return Err(error);
        }
        self.synced = Some(self.written);
        Ok(())
    }

    fn folder(&self) -> Result<&OwnedFd, DriverError> {
        let private = self.store.private()?;
        let suspended = self.place == Place::Uploads;
        Ok(if suspended { &private.uploads } else { &private.temporary })
    }

    pub(crate) fn suspend(&mut self) -> Result<UploadToken, DriverError> {
        self.flush()?;
        let private = self.store.private()?;
        if self.place == Place::Temporary || self.named_at != Some(self.written) {
            // A new name for each new length: the tokens of the old name end here. Two tokens of one file would let a caller go back to the
            // shorter one, write other bytes, and commit them as those that the longer one had promised.
            let id = Id::random()?;
            rustix::fs::renameat(self.folder()?, self.id.as_str(), &private.uploads, id.as_str()).map_err(|errno| self.failed(errno))?;
            (self.id, self.place, self.named_at, self.synced) = (id, Place::Uploads, Some(self.written), None);
        }
        // An upload without a byte has nothing to lose: if it is gone after a power cut, the client begins again.
        let durable = self.store.is_durable() && self.written > 0;
        if durable && self.synced != Some(self.written) {
            if !self.store.ordered {
                sync_all(&private.uploads).map_err(|errno| self.failed(errno))?;
            }
            // Not only the data: where the journal keeps the order, the file's new name goes with it.
            self.sync(sync_all)?;
        }
        Claim { id: self.id.clone(), offset: self.written, durable }.seal()
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
