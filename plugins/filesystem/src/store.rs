//! What an open instance holds: the root, the private folder, and what it promises of a write.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use longshore_plugin_api::{Call, DriverError, ErrorClass, Host, Level};
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use crate::errno::failed;
use crate::held::Held;
use crate::private::{self, Private};
use crate::root::Root;
use crate::seen::Seen;
use crate::settings::{Durability, FilesystemSettings};
use crate::work::{self, Stop};

/// Filesystems whose journal keeps the order of changes to names: a sync of one folder makes every earlier change durable, such as the
/// making of that folder.
const ORDERED: &[u64] = &[0xEF53 /* ext4 */, 0x5846_5342 /* XFS */];

/// An open instance.
pub(crate) struct Store {
    pub(crate) host: Host,
    pub(crate) root: Root,
    path: PathBuf,
    private: Result<Private, DriverError>,
    durability: Durability,
    /// The filesystem is one of [`ORDERED`].
    pub(crate) ordered: bool,
    closed: Arc<AtomicBool>,
    /// Uploads that somebody holds: closing lets go of their files.
    uploads: Mutex<Vec<Weak<Held>>>,
    /// What was seen of its folders lately.
    pub(crate) seen: Seen,
    /// Large uploads are written past the page cache.
    pub(crate) direct: AtomicBool,
}

impl Store {
    /// Opens the root folder and the private one in it, and starts to clean up behind killed processes.
    pub(crate) fn open(settings: &FilesystemSettings, host: Host) -> Result<Arc<Self>, DriverError> {
        let (path, made) = made_root(&settings.root)?;
        let text = path.to_str().ok_or_else(|| config(&settings.root, "is not UTF-8 as a full path"))?;
        let root = Root::open(text).map_err(|errno| match errno {
            Errno::NOTDIR => config(&settings.root, "is not a folder; give a folder's path"),
            Errno::NAMETOOLONG => config(&settings.root, "is longer than the system allows a path or a name to be"),
            Errno::INVAL => config(&settings.root, "holds a NUL byte"),
            errno => failed("open root folder", &settings.root, errno),
        })?;
        let kind = rustix::fs::fstatfs(root.folder()).map_err(|errno| failed("examine root folder", &settings.root, errno))?.f_type;
        // The type is a signed word on some processors; only its low 32 bits are the magic number.
        let ordered = ORDERED.contains(&((kind as u64) & 0xFFFF_FFFF));
        if made && !ordered {
            sync_entry(&path)?;
        }
        let private = match Private::open(&root, ordered) {
            // A store on a read-only medium can be read; every write answers this error.
            Err(error) if error.class() == ErrorClass::ReadOnly => Err(error),
            private => Ok(private?),
        };
        let store = Arc::new(Self {
            host,
            root,
            path,
            private,
            durability: settings.durability,
            ordered,
            closed: Arc::default(),
            uploads: Mutex::default(),
            seen: Seen::default(),
            direct: AtomicBool::new(settings.direct_io),
        });
        match &store.private {
            Ok(_) => store.sweep(settings),
            Err(error) => store.host.log(Level::Warn, format_args!("opened for reading only: {error}")),
        }
        Ok(store)
    }

    fn sweep(self: &Arc<Self>, settings: &FilesystemSettings) {
        let (stale, stop, store) = (settings.upload_stale(), Stop::when(&self.closed), Arc::downgrade(self));
        work::start(&self.host, move || {
            let Some(store) = store.upgrade() else { return };
            if let Ok(private) = store.private() {
                private::sweep(private, stale, &stop);
            }
        });
    }

    /// The private folder.
    ///
    /// # Errors
    /// `read_only` if there is none because the medium cannot be written.
    pub(crate) fn private(&self) -> Result<&Private, DriverError> {
        self.private.as_ref().map_err(Clone::clone)
    }

    /// True if a write is on disk before it is answered.
    pub(crate) fn is_durable(&self) -> bool {
        self.durability == Durability::Disk
    }

    /// Runs `job` on one of the host's threads, as [`work::run`].
    pub(crate) async fn blocking<T, F>(self: &Arc<Self>, call: &Call, job: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(&Self, &Stop) -> Result<T, DriverError> + Send + 'static,
    {
        let store = self.clone();
        work::run(&self.host, call, move |stop| job(&store, stop)).await
    }

    /// The answer for a key that is absent.
    pub(crate) fn not_found(&self, name: impl std::fmt::Display) -> DriverError {
        if self.root.is_gone() { self.missing("was removed") } else { DriverError::not_found(name) }
    }

    fn missing(&self, what: &str) -> DriverError {
        let message = format!("the root folder \"{}\" {what}; restore it and open the driver again", self.path.display());
        DriverError::new(ErrorClass::Missing, message)
    }

    /// Whether the root is still where the operator said, and can be written.
    pub(crate) fn health(&self) -> Result<(), DriverError> {
        let examine = |errno| failed("examine root folder", self.path.display(), errno);
        let now = match rustix::fs::stat(&self.path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(self.missing("is not there")),
            now => now.map_err(examine)?,
        };
        let opened = self.root.stat().map_err(examine)?;
        if (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino) {
            return Err(self.missing("was replaced by another"));
        }
        self.private()?;
        let space = rustix::fs::fstatvfs(self.root.folder()).map_err(examine)?;
        if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(examine(Errno::ROFS));
        }
        if space.f_bavail == 0 {
            return Err(examine(Errno::NOSPC));
        }
        Ok(())
    }

    /// Remembers an upload that somebody holds.
    pub(crate) fn remember(&self, upload: &Arc<Held>) {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if uploads.len() == uploads.capacity() {
            uploads.retain(|upload| upload.strong_count() > 0);
        }
        uploads.push(Arc::downgrade(upload));
    }

    /// Ends the instance's own work and lets go of the files of uploads.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let uploads = std::mem::take(&mut *self.uploads.lock().unwrap_or_else(PoisonError::into_inner));
        uploads.iter().filter_map(Weak::upgrade).for_each(|upload| upload.close());
    }
}

/// The full path of the root, and whether its last component was missing and is made now.
fn made_root(root: &str) -> Result<(PathBuf, bool), DriverError> {
    // Full, because the process may change its working folder later.
    let path = std::path::absolute(root).map_err(|error| config(root, &format!("has no full path: {error}")))?;
    match std::fs::create_dir(&path) {
        Ok(()) => Ok((path, true)),
        // Whatever else is wrong shows when the folder is opened; it may exist in a place where nothing can be made.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let outer = path.parent().unwrap_or(Path::new("/")).display();
            let message = format!("settings.root is \"{root}\", but \"{outer}\" is not there; make that folder");
            Err(DriverError::new(ErrorClass::Missing, message))
        }
        Err(_) => Ok((path, false)),
    }
}

/// Makes a new root's own name durable.
fn sync_entry(path: &Path) -> Result<(), DriverError> {
    let outer = path.parent().unwrap_or(Path::new("/"));
    Ok(std::fs::File::open(outer)?.sync_all()?)
}

fn config(root: &str, fault: &str) -> DriverError {
    DriverError::new(ErrorClass::Config, format!("settings.root is \"{root}\", which {fault}"))
}
