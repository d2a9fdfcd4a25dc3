//! From memory to the file: through the page cache, or past it where blocks are whole.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use longshore_plugin_api::DriverError;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Growing;
use crate::errno::failed;
use crate::root::child;
use crate::staging::{BLOCK_BYTES, write_direct};
use crate::write::write_all;

/// From how many bytes on an upload is written past the page cache.
const DIRECT_FROM_BYTES: u64 = 1 << 20;

impl Growing {
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
    pub(super) fn flush(&mut self) -> Result<(), DriverError> {
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
    pub(super) fn sync(&mut self, sync: fn(&OwnedFd) -> rustix::io::Result<()>) -> Result<(), DriverError> {
        if let Err(errno) = sync(self.file()?) {
            let error = failed("sync upload", &self.id, errno);
            self.lost = Some(error.clone());
            return Err(error);
        }
        self.synced = Some(self.written);
        Ok(())
    }
}
