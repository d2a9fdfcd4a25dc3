//! Uploads: a growing file in the private folder that gets its key by renaming.
//!
//! Small uploads never touch the disk before their commit: bytes gather in memory, and commit does everything in one go on one of the
//! host's threads. Larger ones are written while they arrive, so that the sync at the end finds little left to do. The file moves from `temporary` to `uploads` when the first token for it is made.

use std::collections::HashSet;
use std::sync::Arc;

use longshore_plugin_api::{Bytes, Call, DriverError, Host, Key, ObjectInfo, Upload, UploadToken};
use rustix::fs::FileType;

use crate::errno::failed;
use crate::folders;
use crate::growing::Growing;
use crate::held::Held;
use crate::private::{self, Id};
use crate::root::{READ, child};
use crate::store::Store;
use crate::token::Claim;
use crate::work::{self, check_deadline};

/// An upload.
pub struct FilesystemUpload {
    host: Host,
    held: Arc<Held>,
    /// What the caller knows to be accepted. A call that was cancelled may have written more, which the next one takes back.
    offset: u64,
}

/// Starts an upload; nothing is written yet.
pub(crate) fn begin(store: &Arc<Store>) -> Result<FilesystemUpload, DriverError> {
    Ok(FilesystemUpload::new(store, Growing::begin(store)?))
}

/// Continues the upload of a token.
pub(crate) async fn resume(store: &Arc<Store>, call: &Call, token: &UploadToken) -> Result<FilesystemUpload, DriverError> {
    let claim = Claim::open(token)?;
    let holder = store.clone();
    let growing = store.blocking(call, move |_, _| Growing::resume(&holder, claim)).await?;
    Ok(FilesystemUpload::new(store, growing))
}

/// Tokens of uploads that nobody has written to for `older_than_ms`, and nobody holds.
pub(crate) fn abandoned(store: &Store, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
    let folder = &store.private()?.uploads;
    let failed = |errno| failed("list", "uploads", errno);
    let mut ids = Vec::new();
    let own = private::reopened(folder).map_err(failed)?;
    folders::each_name(&own, &mut |name, _| {
        ids.extend(Id::parse(name));
        true
    })
    .map_err(failed)?;
    let (mut tokens, mut linked) = (Vec::new(), HashSet::new());
    for id in ids {
        let Ok(file) = child(folder, id.as_str(), READ) else { continue };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let old = private::age(&stat).as_millis() >= u128::from(older_than_ms);
        // A process that was killed may have left an upload two names; either of their tokens ends the other.
        let listed = stat.st_nlink > 1 && !linked.insert((stat.st_dev, stat.st_ino));
        if old && !listed && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && private::lock(&file).is_ok() {
            tokens.push(Claim { id, offset: u64::try_from(stat.st_size).unwrap_or(0), durable: false }.seal()?);
        }
    }
    Ok(tokens)
}

impl Upload for FilesystemUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        check_deadline(call)?;
        let length = bytes.len() as u64;
        if !self.held.gather(&bytes, self.offset)? {
            self.run(call, None, move |growing| growing.write(&bytes)).await?;
        }
        self.offset += length;
        Ok(())
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        let token = self.run(call, None, Growing::suspend).await?;
        // Here and not in the job, whose answer may come to nobody: the token before is good until then.
        self.held.answered();
        Ok(token)
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        let destination = destination.to_owned();
        self.run(call, Some("committed"), move |growing| growing.commit(&destination, size)).await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        self.run(call, Some("aborted"), Growing::remove).await
    }
}

impl FilesystemUpload {
    fn new(store: &Store, growing: Growing) -> Self {
        let offset = growing.end();
        Self { host: store.host.clone(), held: Held::new(growing), offset }
    }

    /// Runs `step` on one of the host's threads, as [`Held::step`].
    async fn run<T, F>(&self, call: &Call, ends: Option<&'static str>, step: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Growing) -> Result<T, DriverError> + Send + 'static,
    {
        let (held, offset) = (self.held.clone(), self.offset);
        work::run(&self.host, call, move |stop| held.step(stop, offset, ends, step)).await
    }
}
