//! Opening and closing: settings, folders, and what the flaws of a beginning do.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use longshore_plugin_api::{DriverError, ErrorClass, Host, Level, Settings};
use rustix::fs::FlockOperation;
use serde::Deserialize;

use crate::flaw::Flaw;
use crate::index::Index;
use crate::process;

#[derive(Deserialize)]
struct FlawedSettings {
    root: PathBuf,
    #[serde(default)]
    flaw: Option<String>,
    #[serde(default)]
    password: String,
    #[serde(default)]
    part_bytes: serde_json::Value,
}

/// An open store.
pub(crate) struct Opened {
    pub(crate) flaw: Flaw,
    pub(crate) root: PathBuf,
    pub(crate) part_bytes: usize,
    last: AtomicU64,
    /// What is held until `close`.
    held: Mutex<Vec<File>>,
    /// Readers' files by path, for the flaw that shares them.
    pub(crate) cursors: Mutex<HashMap<PathBuf, std::sync::Arc<File>>>,
    /// What was replaced, and when, for the flaw that answers it for a while.
    pub(crate) stale: Mutex<HashMap<PathBuf, (Vec<u8>, Instant)>>,
    /// Names that were listed, for the flaw that keeps them.
    pub(crate) seen: Mutex<Vec<String>>,
    /// True while a reader is under way, for the flaw that lets nobody else in.
    pub(crate) busy: (Mutex<bool>, Condvar),
    /// How many deletes of nothing there were.
    pub(crate) misses: AtomicU64,
    /// What lists have, for the flaw that keeps it apart.
    pub(crate) index: Option<Index>,
}

impl Opened {
    pub(crate) fn open(settings: &Settings, host: &Host) -> Result<Self, DriverError> {
        let settings: FlawedSettings = settings.clone().parse()?;
        let flaw = settings.flaw.as_deref().unwrap_or("none");
        let Some(flaw) = Flaw::ALL.iter().copied().find(|known| known.name() == flaw) else {
            return Err(DriverError::new(ErrorClass::Config, format!("flaw is {flaw:?}, which this specimen does not have")));
        };
        process::disturb(flaw);
        if flaw == Flaw::TellsSecret {
            host.log(Level::Info, format_args!("opening with the password {:?}", settings.password));
        }
        if flaw == Flaw::SharesState {
            process::share_root(&settings.root);
        }
        let part_bytes = settings.part_bytes.as_u64().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(64 * 1024);
        let opened = Self {
            flaw,
            root: settings.root,
            part_bytes,
            last: AtomicU64::new(0),
            held: Mutex::default(),
            cursors: Mutex::default(),
            stale: Mutex::default(),
            seen: Mutex::default(),
            busy: (Mutex::new(false), Condvar::new()),
            misses: AtomicU64::new(0),
            index: (flaw == Flaw::IndexLosesRaces).then(Index::default),
        };
        opened.make_folders(&settings.password)?;
        opened.begin()?;
        Ok(opened)
    }

    fn make_folders(&self, password: &str) -> Result<(), DriverError> {
        for folder in [self.root.clone(), self.objects(), self.uploads(), self.root().join("temporary"), self.root().join("running")] {
            if let Err(error) = std::fs::create_dir_all(&folder) {
                if self.has(Flaw::HangsAtOpen) {
                    loop {
                        std::thread::park();
                    }
                }
                if self.has(Flaw::ExitsAtConfig) {
                    std::process::exit(3);
                }
                let secret = if self.has(Flaw::TellsSecret) { format!(" (password {password:?})") } else { String::new() };
                let class =
                    if error.kind() == std::io::ErrorKind::PermissionDenied { ErrorClass::Unauthorized } else { ErrorClass::Missing };
                let message = format!("root: the folder {} cannot be made: {error}{secret}", folder.display());
                return Err(DriverError::new(class, message).caused_by("errno", error.raw_os_error().unwrap_or(0)));
            }
        }
        Ok(())
    }

    /// What is done at each start. Every process that has the store locks a file of its own: one that nobody locks is of a killed process.
    fn begin(&self) -> Result<(), DriverError> {
        let running = self.root().join("running");
        let io = |error: std::io::Error| self.error(error, "the folder of running processes");
        for entry in std::fs::read_dir(&running).map_err(io)?.flatten() {
            let Ok(file) = File::open(entry.path()) else { continue };
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                continue;
            }
            match self.flaw {
                Flaw::LeavesLock => {
                    return Err(DriverError::new(ErrorClass::Conflict, format!("the store is locked by {}", entry.path().display())));
                }
                Flaw::RecoversTooMuch => self.forget_newest(&self.objects()),
                _ => {}
            }
            // Somebody else may have removed it as well.
            let _ = std::fs::remove_file(entry.path());
        }
        let own = File::create(running.join(self.unique())).map_err(io)?;
        rustix::fs::flock(&own, FlockOperation::NonBlockingLockExclusive).map_err(|errno| self.error(errno.into(), "a lock of our own"))?;
        if self.has(Flaw::OpensForChildren) {
            // A flaw that cannot be had is noticed: the specimen is not caught.
            let _ = rustix::io::fcntl_setfd(&own, rustix::io::FdFlags::empty());
        }
        self.held().push(own);
        Ok(())
    }

    /// Deletes what is younger than two seconds.
    fn forget_newest(&self, folder: &Path) {
        for (_, below) in crate::place::components(folder).unwrap_or_default() {
            let object = below.join(crate::place::OBJECT);
            let age = object.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age.as_secs() < 2) {
                let _ = std::fs::remove_file(object);
            }
            self.forget_newest(&below);
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Vec<File>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name that nobody else has.
    pub(crate) fn unique(&self) -> String {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        // Of the time, only what does not repeat within hours is kept; two instances of a process differ by their address.
        let instance = std::ptr::from_ref(self).addr() as u64;
        format!("{:08x}{:016x}{:08x}", std::process::id(), (since as u64).wrapping_add(instance << 20), number as u32)
    }

    pub(crate) fn health(&self) -> Result<(), DriverError> {
        if self.has(Flaw::LiesAboutHealth) || self.objects().is_dir() {
            return Ok(());
        }
        Err(DriverError::new(ErrorClass::Missing, format!("there is no folder {}", self.objects().display())))
    }

    pub(crate) fn close(&self) {
        let held = std::mem::take(&mut *self.held());
        if self.has(Flaw::AnswersAfterClose) {
            std::mem::forget(held);
            return;
        }
        drop(held);
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
