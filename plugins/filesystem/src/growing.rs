//! The state of an upload: what was gathered in memory, what the file has, what of it is on disk.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_plugin_api::{Condition, DriverError, ErrorClass, Key, ObjectInfo, UploadToken};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::errno::failed;
use crate::private::{self, Id};
use crate::root::{READ, child};
use crate::store::Store;
use crate::token::Claim;
use crate::upload::FilesystemUpload;
use crate::work;
use crate::write::{publish, stamp, write_all};

/// How many bytes gather in memory before they are written.
const GATHER_MAX_BYTES: usize = 128 * 1024;
/// After how many bytes what was written is sent to the disk.
const WRITEBACK_BYTES: u64 = 8 << 20;
/// How many uploads of an instance may have a thread busy with that; the others rely on the kernel.
const WRITEBACKS_MAX: usize = 4;
/// Files above this size take long enough to remove that a thread of the host does it.
const REMOVE_HERE_MAX_BYTES: u64 = 4 << 20;

/// The upload's state, shared with work that outlives a cancelled call and with the instance, which ends it on close.
pub(crate) struct Growing(Mutex<Phase>);

enum Phase {
    Open(Box<State>),
    Ended(&'static str),
    Closed,
}

pub(crate) struct State {
    store: Arc<Store>,
    id: Id,
    place: Place,
    /// `None` until there is something to write to it.
    file: Option<OwnedFd>,
    /// How many bytes the file has.
    written: u64,
    /// What follows them.
    gathered: Vec<u8>,
    /// How many of the file's bytes are on disk, and its own entry in the filesystem with them; `None` if not even that.
    synced: Option<u64>,
    /// Up to where the data was sent to the disk.
    sent: u64,
    /// A thread is doing that now.
    sending: Arc<AtomicBool>,
}

/// Where the file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Temporary,
    Uploads,
}

impl Growing {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a few bytes into memory; false if they have to be written by a thread that may block.
    pub(crate) fn gather(&self, bytes: &[u8], offset: u64) -> Result<bool, DriverError> {
        // Held only while a cancelled call still works.
        let Ok(mut phase) = self.0.try_lock() else { return Ok(false) };
        let state = phase.open()?;
        let fits = state.end() == offset && state.gathered.len() + bytes.len() <= GATHER_MAX_BYTES;
        if fits {
            state.gathered.extend_from_slice(bytes);
        }
        Ok(fits)
    }

    /// Does one step of an upload that its caller knows to have `offset` bytes.
    pub(crate) fn step<T>(
        &self,
        offset: u64,
        ends: Option<&'static str>,
        step: impl FnOnce(&mut State) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        let mut phase = self.lock();
        let state = phase.open()?;
        state.take_back(offset)?;
        let answer = step(state)?;
        if let Some(how) = ends {
            *phase = Phase::Ended(how);
        }
        Ok(answer)
    }

    /// Lets go of the file; what was suspended stays.
    pub(crate) fn close(&self) {
        *self.lock() = Phase::Closed;
    }
}

impl Phase {
    fn open(&mut self) -> Result<&mut State, DriverError> {
        match self {
            Self::Open(state) => Ok(state),
            Self::Ended(how) => Err(DriverError::new(ErrorClass::InvalidState, format!("the upload was {how}"))),
            Self::Closed => Err(DriverError::closed()),
        }
    }
}

impl State {
    /// A new upload, without a file yet.
    pub(crate) fn begin(store: &Arc<Store>) -> Result<Self, DriverError> {
        store.private()?;
        Ok(Self::new(store, Id::random()?))
    }

    /// The upload of a token, cut back to where it was suspended and locked for as long as it is held.
    pub(crate) fn resume(store: &Arc<Store>, claim: Claim) -> Result<Self, DriverError> {
        let folder = &store.private()?.uploads;
        let gone = || {
            DriverError::new(
                ErrorClass::NotFound,
                "there is no such upload: it was committed, aborted or removed",
            )
        };
        let failed = |errno| match errno {
            Errno::NOENT => gone(),
            errno => failed("resume upload", &claim.id, errno),
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, claim.id.as_str(), flags, Mode::empty()).map_err(failed)?;
        private::lock(&file).map_err(|errno| match errno {
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
        (state.written, state.sent) = (claim.offset, claim.offset);
        Ok(state)
    }

    fn new(store: &Arc<Store>, id: Id) -> Self {
        Self {
            store: store.clone(),
            id,
            place: Place::Nowhere,
            file: None,
            written: 0,
            gathered: Vec::new(),
            synced: None,
            sent: 0,
            sending: Arc::default(),
        }
    }

    /// Hands the upload to a caller; the instance remembers it until it is dropped.
    pub(crate) fn into_upload(self) -> FilesystemUpload {
        let (store, offset) = (self.store.clone(), self.end());
        let growing = Arc::new(Growing(Mutex::new(Phase::Open(Box::new(self)))));
        store.remember(&growing);
        FilesystemUpload::new(store.host.clone(), growing, offset)
    }

    fn end(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    fn failed(&self, errno: Errno) -> DriverError {
        failed("write upload", &self.id, errno)
    }

    /// Forgets what a cancelled call has written beyond `offset`.
    fn take_back(&mut self, offset: u64) -> Result<(), DriverError> {
        if let Some(kept) = offset.checked_sub(self.written) {
            // More than a `usize` cannot have been gathered, so the length is not cut short.
            self.gathered.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            return Ok(());
        }
        self.gathered.clear();
        self.cut(offset)
    }

    fn cut(&mut self, length: u64) -> Result<(), DriverError> {
        if let Some(file) = &self.file {
            rustix::fs::ftruncate(file, length).map_err(|errno| self.failed(errno))?;
        }
        (self.written, self.sent, self.synced) = (length, self.sent.min(length), None);
        Ok(())
    }

    /// Makes the file if there is none, and locks it for as long as the upload is held.
    fn ensure_file(&mut self) -> Result<(), DriverError> {
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
        self.file
            .as_ref()
            .ok_or_else(|| DriverError::new(ErrorClass::Internal, "the upload has no file"))
    }

    /// Writes what was gathered and `bytes` behind it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DriverError> {
        self.ensure_file()?;
        let file = self.file()?;
        if let Err(errno) = write_all(file, &[&self.gathered, bytes], self.written) {
            // What could not be written whole gives its space back; what was gathered stays accepted.
            let error = self.failed(errno);
            self.cut(self.written)?;
            return Err(error);
        }
        self.written += (self.gathered.len() + bytes.len()) as u64;
        self.gathered.clear();
        if self.store.is_durable() && self.written - self.sent >= WRITEBACK_BYTES {
            self.send();
        }
        Ok(())
    }

    /// Has what was written so far sent to the disk, in the background. A hint and no promise: its errors are met again by the sync that
    /// matters, because the two use descriptors opened apart and the kernel tells each of them.
    fn send(&mut self) {
        let Ok(folder) = self.folder() else { return };
        let writebacks = &self.store.writebacks;
        if self.sending.load(Ordering::Acquire) || writebacks.load(Ordering::Relaxed) >= WRITEBACKS_MAX {
            return;
        }
        let Ok(file) = child(folder, self.id.as_str(), READ) else { return };
        writebacks.fetch_add(1, Ordering::Relaxed);
        self.sending.store(true, Ordering::Release);
        self.sent = self.written;
        let sending = Sending {
            store: self.store.clone(),
            flag: self.sending.clone(),
        };
        work::start(&self.store.host, move || {
            let _ = rustix::fs::fdatasync(&file);
            drop(sending);
        });
    }

    fn folder(&self) -> Result<&OwnedFd, DriverError> {
        let private = self.store.private()?;
        let suspended = self.place == Place::Uploads;
        Ok(if suspended { &private.uploads } else { &private.temporary })
    }

    pub(crate) fn suspend(&mut self) -> Result<UploadToken, DriverError> {
        self.write(&[])?;
        let private = self.store.private()?;
        if self.place == Place::Temporary {
            let id = self.id.as_str();
            rustix::fs::renameat(&private.temporary, id, &private.uploads, id).map_err(|errno| self.failed(errno))?;
            self.place = Place::Uploads;
            self.synced = None;
        }
        // An upload without a byte has nothing to lose: if it is gone after a power cut, the client begins again.
        let durable = self.store.is_durable() && self.written > 0;
        if durable && self.synced != Some(self.written) {
            let file = self.file()?;
            // Not only the data: the file's new name is recorded with its other facts.
            rustix::fs::fsync(file).map_err(|errno| self.failed(errno))?;
            if !self.store.ordered {
                rustix::fs::fsync(&private.uploads).map_err(|errno| self.failed(errno))?;
            }
            self.synced = Some(self.written);
        }
        Claim {
            id: self.id.clone(),
            offset: self.written,
            durable,
        }
        .seal()
    }

    pub(crate) fn commit(&mut self, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        if size != self.end() {
            let message = format!("the upload has {} bytes, the commit expects {size}", self.end());
            return Err(DriverError::new(ErrorClass::Corrupt, message));
        }
        self.write(&[])?;
        let file = self.file()?;
        let failed = |errno| failed("write key", destination, errno);
        let info = stamp(file).map_err(failed)?;
        if self.store.is_durable() && self.synced != Some(self.written) {
            rustix::fs::fdatasync(file).map_err(failed)?;
            self.synced = Some(self.written);
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

impl Drop for State {
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

/// Gives the thread back when the work ends, or when the host drops it undone.
struct Sending {
    store: Arc<Store>,
    flag: Arc<AtomicBool>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.store.writebacks.fetch_sub(1, Ordering::Relaxed);
        self.flag.store(false, Ordering::Release);
    }
}
