//! What was seen of folders lately, so that a page of a listing asks the kernel little: an object below each folder, and when its names were
//! read.
//!
//! Nothing is believed without a look. A folder is a prefix if an object lies below it, and to find one is a descent of four calls a level;
//! to see that the one found last time is still there is a call or two. Names are always read; that they were read a moment ago only
//! says that the kernel has them in memory, so that reading them again keeps nobody waiting.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FileType;

use crate::root::{FIND, Root};

/// How many folders are remembered. Beyond it all are forgotten, and seen anew when they are needed: 300 bytes each, roughly.
const SEEN_MAX: usize = 20_000;
/// For how long the kernel is trusted to keep the names of a folder in memory.
const WARM: Duration = Duration::from_secs(10);

/// What was seen of the folders of a store.
#[derive(Default)]
pub(crate) struct Seen(Mutex<HashMap<String, Folder>>);

#[derive(Default)]
struct Folder {
    /// The key of an object below it.
    object: Option<String>,
    /// When its names were read.
    read: Option<Instant>,
}

impl Seen {
    fn folders(&self) -> MutexGuard<'_, HashMap<String, Folder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, folder: &str, learn: impl FnOnce(&mut Folder)) {
        let mut folders = self.folders();
        if folders.len() >= SEEN_MAX && !folders.contains_key(folder) {
            folders.clear();
        }
        learn(folders.entry(folder.to_owned()).or_default());
    }

    /// Remembers an object below a folder.
    pub(crate) fn object(&self, folder: &str, key: String) {
        self.learn(folder, |seen| seen.object = Some(key));
    }

    /// Remembers that the names of a folder were read just now.
    pub(crate) fn read(&self, folder: &str) {
        self.learn(folder, |seen| seen.read = Some(Instant::now()));
    }

    /// True if the kernel should have the names of a folder in memory.
    pub(crate) fn is_warm(&self, folder: &str) -> bool {
        self.folders().get(folder).and_then(|seen| seen.read).is_some_and(|read| read.elapsed() < WARM)
    }

    /// True if the object that was seen below a folder is there now. With `cached` only if the kernel can tell without waiting.
    pub(crate) fn still_has_object(&self, root: &Root, folder: &str, cached: bool) -> bool {
        let Some(key) = self.folders().get(folder).and_then(|seen| seen.object.clone()) else { return false };
        let found = if cached { root.at_cached(&key, FIND) } else { Some(root.at(&key, FIND)) };
        let Some(Ok(file)) = found else { return false };
        rustix::fs::fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }
}
