//! Uploads: a folder of their own each, with a file that grows. The folder's name is the token.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore_plugin_api::blocking::BlockingUpload;
use longshore_plugin_api::{Bytes, Condition, DriverError, ErrorClass, Key, KeyBuf, ObjectInfo, UploadToken};
use rustix::fs::FlockOperation;

use crate::flaw::Flaw;
use crate::open::Opened;
use crate::read::info;

/// An upload.
pub struct FlawedUpload {
    opened: Arc<Opened>,
    folder: PathBuf,
    file: File,
    /// How many bytes were accepted.
    offset: u64,
    /// Bytes that a flaw has not written yet.
    pending: Vec<u8>,
    destination: Option<KeyBuf>,
    ended: bool,
    /// True once a sync failed: what it should have kept may be lost, whatever a later sync answers.
    lost: bool,
    /// True once a token was given: then the upload outlives its drop.
    promised: bool,
}

impl FlawedUpload {
    pub(crate) fn begin(opened: &Arc<Opened>, destination: Option<&Key>) -> Result<Self, DriverError> {
        opened.wait_for_readers();
        let name = match destination {
            Some(key) if opened.has(Flaw::UploadsInterleave) => key.as_str().replace('/', "%"),
            _ => opened.unique(),
        };
        let folder = opened.uploads().join(name);
        let make = || {
            std::fs::create_dir_all(&folder)?;
            let file = OpenOptions::new().append(true).create(true).open(folder.join("data"))?;
            opened.sync_folder(&folder)?;
            opened.sync_folder(&opened.uploads())?;
            Ok(file)
        };
        let file = make().map_err(|error| opened.error(error, "the folder of an upload"))?;
        let upload = Self {
            opened: opened.clone(),
            folder,
            file,
            offset: 0,
            pending: Vec::new(),
            destination: destination.map(ToOwned::to_owned),
            ended: false,
            lost: false,
            promised: false,
        };
        upload.lock()?;
        Ok(upload)
    }

    pub(crate) fn resume(opened: &Arc<Opened>, token: &UploadToken) -> Result<Self, DriverError> {
        if opened.has(Flaw::NothingSupported) {
            return Err(DriverError::unsupported("upload_resume"));
        }
        let foreign = || DriverError::new(ErrorClass::InvalidArgument, "this is no token of this driver");
        let (name, counted) = parse(token).ok_or_else(foreign)?;
        let folder = opened.uploads().join(name);
        let missing = |error| opened.error(error, "upload of this token");
        let file = OpenOptions::new().append(true).open(folder.join("data")).map_err(missing)?;
        let mut upload = Self {
            opened: opened.clone(),
            folder,
            file,
            offset: 0,
            pending: Vec::new(),
            destination: None,
            ended: false,
            lost: false,
            promised: true,
        };
        upload.lock()?;
        match opened.flaw {
            Flaw::ResumesAtZero => upload.file.set_len(0).map_err(missing)?,
            Flaw::CountsUnwritten => upload.file.set_len(counted).map_err(missing)?,
            _ => {}
        }
        upload.offset = upload.file.metadata().map_err(missing)?.len();
        Ok(upload)
    }

    fn lock(&self) -> Result<(), DriverError> {
        if self.opened.has(Flaw::UploadsInterleave) {
            return Ok(());
        }
        let locked = rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive);
        locked.map_err(|_| DriverError::new(ErrorClass::Conflict, "the upload is in use"))
    }

    /// Writes what the flaws that wait have kept.
    fn flush(&mut self) -> Result<(), DriverError> {
        let pending = std::mem::take(&mut self.pending);
        self.file.write_all(&pending).map_err(|error| self.opened.error(error, "an upload"))
    }

    /// Gives back the space now, whenever the handle is dropped. By its name: what a commit has placed has another one.
    fn give_back(&self) -> std::io::Result<()> {
        match OpenOptions::new().write(true).truncate(true).open(self.folder.join("data")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => self.opened.sync_folder(&self.opened.uploads()),
        }
    }

    fn publish(&mut self, destination: &Key) -> std::io::Result<()> {
        let (opened, data, object) = (self.opened.clone(), self.folder.join("data"), self.opened.object(destination));
        if self.lost {
            return Err(std::io::Error::other("the upload's bytes could not be kept; it has to begin anew"));
        }
        opened.sync_file(&self.file).inspect_err(|_| self.lost = true)?;
        opened.keep_stale(&object);
        match opened.flaw {
            Flaw::CommitKeepsUpload => {
                let copy = opened.root().join("temporary").join(opened.unique());
                std::fs::copy(&data, &copy)?;
                File::open(&copy)?.sync_all()?;
                return opened.place(&copy, &object, Condition::Always);
            }
            Flaw::CommitDeletesFirst => {
                let _ = std::fs::remove_file(&object);
                std::thread::sleep(Duration::from_millis(20));
            }
            Flaw::CommitAnswersEarly => {
                let folder = self.folder.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(50));
                    let _ = opened.place(&data, &object, Condition::Always);
                    let _ = std::fs::remove_dir_all(folder);
                });
                return Ok(());
            }
            _ => {}
        }
        opened.place(&data, &object, Condition::Always)?;
        if opened.has(Flaw::CachesForProcess) {
            crate::write::remembered().remove(&object);
        }
        // The object is there: what is left of the upload, now or after a loss of power, is no reason to say otherwise.
        let _ = std::fs::remove_dir_all(&self.folder);
        Ok(())
    }

    /// What flaws of content do to the whole object.
    fn distort(&mut self) -> std::io::Result<()> {
        let distorts = matches!(self.opened.flaw, Flaw::DropsLastByteOfPages | Flaw::AddsNewline | Flaw::StopsAtNul);
        if distorts && self.offset <= 16 << 20 {
            let whole = std::fs::read(self.folder.join("data"))?;
            let other = self.opened.distorted(&self.folder, &whole);
            std::fs::write(self.folder.join("data"), other)?;
        }
        Ok(())
    }
}

/// The folder's name and the counted bytes in a token.
fn parse(token: &UploadToken) -> Option<(&str, u64)> {
    let (name, counted) = std::str::from_utf8(token.as_bytes()).ok()?.split_once(':')?;
    let is_ours = name.len() <= 255 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_%.".contains(&byte));
    (is_ours && !name.starts_with('.')).then_some(())?;
    Some((name, counted.parse().ok()?))
}

impl BlockingUpload for FlawedUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn write(&mut self, bytes: Bytes) -> Result<(), DriverError> {
        self.opened.wait_for_readers();
        let waits = matches!(self.opened.flaw, Flaw::LosesTail | Flaw::CountsUnwritten | Flaw::BuffersWhole);
        if waits {
            self.pending.extend_from_slice(&bytes);
            let part = self.opened.part_bytes.max(1);
            if self.pending.len() >= part && !self.opened.has(Flaw::BuffersWhole) {
                let whole = self.pending.len() - self.pending.len() % part;
                let parts: Vec<u8> = self.pending.drain(..whole).collect();
                self.file.write_all(&parts).map_err(|error| self.opened.error(error, "an upload"))?;
            }
        } else if self.opened.has(Flaw::ShortWriteIsWhole) {
            let _ = self.file.write(&bytes).map_err(|error| self.opened.error(error, "an upload"))?;
        } else if let Err(error) = self.file.write_all(&bytes) {
            // What was accepted before stays as it was.
            let _ = self.file.set_len(self.offset);
            return Err(self.opened.error(error, "an upload"));
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn suspend(&mut self) -> Result<UploadToken, DriverError> {
        match self.opened.flaw {
            Flaw::LosesTail | Flaw::CountsUnwritten => {}
            _ => self.flush()?,
        }
        self.opened.sync_file(&self.file).map_err(|error| self.opened.error(error, "an upload"))?;
        self.promised = true;
        let name = self.folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        UploadToken::new(format!("{name}:{}", self.offset))
    }

    fn commit(&mut self, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        self.opened.wait_for_readers();
        self.opened.no_link(&self.opened.object(destination))?;
        self.flush()?;
        let published = if self.opened.has(Flaw::Discards) { Ok(()) } else { self.distort().and_then(|()| self.publish(destination)) };
        published.map_err(|error| self.opened.error(error, destination))?;
        self.ended = true;
        let metadata = self.opened.object(destination).symlink_metadata();
        // It may be gone again, or, by a flaw, not there yet.
        Ok(metadata.map_or_else(|_| ObjectInfo::new(size, 0), |metadata| info(&metadata)))
    }

    fn abort(&mut self) -> Result<(), DriverError> {
        self.ended = true;
        if self.opened.has(Flaw::AbortKeepsUpload) {
            return Ok(());
        }
        self.give_back().and_then(|()| self.remove()).map_err(|error| self.opened.error(error, "an upload"))
    }
}

impl Drop for FlawedUpload {
    fn drop(&mut self) {
        if let Some(destination) = self.destination.take().filter(|_| !self.ended && self.opened.has(Flaw::DropPublishes)) {
            let _ = self.publish(&destination);
        } else if !self.ended && !self.promised {
            // A failure leaves what the next start would have to find; nobody is there to be told.
            let _ = self.remove();
        }
    }
}

impl Opened {
    pub(crate) fn upload_list(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let mut tokens = Vec::new();
        for entry in std::fs::read_dir(self.uploads()).map_err(|error| self.error(error, "the folder of uploads"))?.flatten() {
            let Ok(metadata) = entry.path().join("data").metadata() else { continue };
            let age = metadata.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
            if age >= Duration::from_millis(older_than_ms) {
                tokens.push(UploadToken::new(format!("{}:{}", entry.file_name().to_string_lossy(), metadata.len()))?);
            }
        }
        Ok(tokens)
    }
}
