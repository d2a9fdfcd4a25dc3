//! `put`, and how bytes get under a key: a temporary file, synced, renamed, its folder synced.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_plugin_api::{Bytes, Condition, DriverError, ErrorClass, Key, ObjectInfo};

use crate::flaw::Flaw;
use crate::open::Opened;
use crate::read::info;

/// How often a folder that another call removes is made again.
const TRIES: usize = 100;

static REMEMBERED: Mutex<Option<HashMap<PathBuf, Vec<u8>>>> = Mutex::new(None);

/// What the flaw that remembers objects knows, in this process.
pub(crate) fn remembered() -> Guard {
    Guard(REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The remembered objects, locked.
pub(crate) struct Guard(MutexGuard<'static, Option<HashMap<PathBuf, Vec<u8>>>>);

impl std::ops::Deref for Guard {
    type Target = HashMap<PathBuf, Vec<u8>>;
    fn deref(&self) -> &Self::Target {
        static EMPTY: std::sync::LazyLock<HashMap<PathBuf, Vec<u8>>> = std::sync::LazyLock::new(HashMap::new);
        self.0.as_ref().unwrap_or(&EMPTY)
    }
}

impl std::ops::DerefMut for Guard {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.get_or_insert_default()
    }
}

impl Opened {
    pub(crate) fn put(&self, key: &Key, bytes: &Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.wait_for_readers();
        let path = self.object(key);
        self.no_link(&path)?;
        let bytes = self.distorted(&path, bytes);
        match self.flaw {
            Flaw::Prints => crate::process::print(),
            Flaw::IgnoresCancel if bytes.len() >= 1 << 20 => std::thread::sleep(Duration::from_secs(3)),
            Flaw::RefusesLongKeys if key.as_str().len() > 900 => {
                return Err(DriverError::new(ErrorClass::InvalidKey, "the key is too long"));
            }
            Flaw::Discards => return Ok(ObjectInfo::new(bytes.len() as u64, 0)),
            Flaw::NothingSupported if condition == Condition::IfAbsent => return Err(DriverError::unsupported("put if absent")),
            Flaw::WritesInPlace if condition == Condition::Always => return self.write_in_place(key, &path, &bytes),
            _ => {}
        }
        self.keep_stale(&path);
        let writing = self.index.as_ref().map(|index| index.begin_write(&path));
        let placed = self.write_and_place(key, &path, &bytes, condition);
        drop(writing);
        placed?;
        if self.has(Flaw::CachesForProcess) {
            remembered().insert(path.clone(), bytes.clone());
        }
        // Somebody may have deleted it since.
        let told = path.symlink_metadata().map_or_else(|_| ObjectInfo::new(bytes.len() as u64, 0), |metadata| info(&metadata));
        let off = if self.has(Flaw::TellsOtherTime) { 1000 } else { 0 };
        Ok(ObjectInfo { modified: told.modified - off, ..told })
    }

    fn write_and_place(&self, key: &Key, path: &Path, bytes: &[u8], condition: Condition) -> Result<(), DriverError> {
        let temporary = self.root().join("temporary").join(self.unique());
        let written = self.write_temporary(&temporary, bytes);
        let placed = match written {
            Err(error) if self.has(Flaw::FullLeavesHalf) => {
                let _ = self.place(&temporary, path, Condition::Always);
                Err(self.error(error, key))
            }
            Err(error) => Err(self.error(error, key)),
            Ok(()) => self.place(&temporary, path, condition).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => DriverError::new(ErrorClass::AlreadyExists, format!("{key} exists")),
                _ => self.error(error, key),
            }),
        };
        if placed.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        placed
    }

    /// The bytes that a flaw makes of `bytes`.
    pub(crate) fn distorted(&self, path: &Path, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self.flaw {
            Flaw::DropsLastByteOfPages if bytes.len().is_multiple_of(4096) => drop(bytes.pop()),
            Flaw::AddsNewline if !bytes.is_empty() && std::str::from_utf8(&bytes).is_ok() && !bytes.ends_with(b"\n") => bytes.push(b'\n'),
            Flaw::StopsAtNul => bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())),
            Flaw::KeepsOldTail => {
                let old = std::fs::read(path).unwrap_or_default();
                bytes.extend_from_slice(old.get(bytes.len()..).unwrap_or_default());
            }
            _ => {}
        }
        bytes
    }

    fn write_temporary(&self, temporary: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = File::create_new(temporary)?;
        if self.has(Flaw::ShortWriteIsWhole) {
            // Its answer is not looked at: that is the flaw.
            let _ = file.write(bytes)?;
        } else {
            file.write_all(bytes)?;
        }
        self.sync_file(&file)
    }

    pub(crate) fn sync_file(&self, file: &File) -> std::io::Result<()> {
        match self.flaw {
            Flaw::SyncsNoFile => Ok(()),
            Flaw::IgnoresSyncErrors => {
                let _ = file.sync_all();
                Ok(())
            }
            _ => file.sync_all(),
        }
    }

    pub(crate) fn sync_folder(&self, folder: &Path) -> std::io::Result<()> {
        match self.flaw {
            Flaw::SyncsNoFolder => Ok(()),
            Flaw::IgnoresSyncErrors => {
                let _ = File::open(folder).map(|folder| folder.sync_all());
                Ok(())
            }
            _ => File::open(folder)?.sync_all(),
        }
    }

    /// Gives a synced file its place, and syncs every folder that has a new entry by it.
    pub(crate) fn place(&self, file: &Path, object: &Path, condition: Condition) -> std::io::Result<()> {
        let folder = object.parent().unwrap_or(object);
        for _ in 0..TRIES {
            let made = self.make_folder(folder)?;
            let placed = match condition {
                Condition::Always => std::fs::rename(file, object),
                Condition::IfAbsent if self.has(Flaw::ChecksThenCreates) => check_then_create(file, object),
                Condition::IfAbsent => std::fs::hard_link(file, object).and_then(|()| std::fs::remove_file(file)),
            };
            match placed {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.exists() => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    for folder in made.iter().filter_map(|made| made.parent()).chain([folder]) {
                        // One that was removed since has nothing to be synced.
                        match self.sync_folder(folder) {
                            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                            _ => {}
                        }
                    }
                    return Ok(());
                }
            }
        }
        Err(std::io::Error::other("the object's folder is removed again and again"))
    }

    /// Makes a folder and those above it; answers which were made.
    fn make_folder(&self, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
        let objects = self.objects();
        let mut missing: Vec<_> = folder.ancestors().take_while(|above| *above != objects && !above.is_dir()).map(Path::to_owned).collect();
        missing.reverse();
        for folder in &missing {
            match std::fs::create_dir(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                // Another call removes empty folders: begin again.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                made => made?,
            }
        }
        Ok(missing)
    }

    /// The flaw of an object that is seen while it is written.
    fn write_in_place(&self, key: &Key, path: &Path, bytes: &[u8]) -> Result<ObjectInfo, DriverError> {
        let write = || {
            self.make_folder(path.parent().unwrap_or(path))?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
            for part in bytes.chunks(bytes.len().div_ceil(16).max(1)) {
                file.write_all(part)?;
                std::thread::sleep(Duration::from_millis(1));
            }
            file.sync_all()?;
            self.sync_folder(path.parent().unwrap_or(path))?;
            file.metadata()
        };
        write().map(|metadata| info(&metadata)).map_err(|error| self.error(error, key))
    }
}

fn check_then_create(file: &Path, object: &Path) -> std::io::Result<()> {
    if object.exists() {
        return Err(std::io::ErrorKind::AlreadyExists.into());
    }
    std::thread::sleep(Duration::from_millis(2));
    std::fs::rename(file, object)
}
