//! Bytes of an upload that wait in memory, and where they go from there.
//!
//! A small upload gathers and is written by its commit. A large one goes to the disk past the page cache (`O_DIRECT`): a sync then finds
//! nothing left to write, and a push of a large layer neither fills the memory with dirty pages nor throws out what readers need. The
//! kernel wants such writes at whole blocks and from aligned memory, so the bytes are staged here, at an aligned address.

use std::os::fd::OwnedFd;

use rustix::io::Errno;

/// How many bytes a small upload gathers.
const GATHER_BYTES: usize = 128 * 1024;
/// How many bytes a large upload stages; one write each.
const STAGE_BYTES: usize = 512 * 1024;
/// What direct writes are aligned to, in the file and in memory: no disk in use has larger blocks.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// Bytes in memory, at an address that is a multiple of [`BLOCK_BYTES`] once the upload is large.
pub(crate) struct Staging {
    bytes: Vec<u8>,
    /// How many bytes at the front are only there to align the rest.
    pad: usize,
    limit: usize,
}

impl Staging {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), pad: 0, limit: GATHER_BYTES }
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.pad..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.pad
    }

    /// True if `more` bytes fit beside what is there.
    pub(crate) fn fits(&self, more: usize) -> bool {
        self.len() + more <= self.limit
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() == self.limit
    }

    /// Takes as many bytes as fit; answers how many.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.limit - self.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        taken
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(self.pad.saturating_add(length));
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        let (from, length) = (self.pad + count, self.len() - count);
        self.bytes.copy_within(from.., self.pad);
        self.truncate(length);
    }

    /// Becomes large and aligned; what was gathered stays.
    pub(crate) fn align(&mut self) {
        if self.limit == STAGE_BYTES {
            return;
        }
        let mut aligned = Vec::<u8>::with_capacity(STAGE_BYTES + BLOCK_BYTES);
        let pad = aligned.as_ptr().align_offset(BLOCK_BYTES);
        // An address of bytes can always be aligned; should the answer ever be none, direct writes fail and buffered ones take over.
        let pad = if pad < BLOCK_BYTES { pad } else { 0 };
        aligned.resize(pad, 0);
        aligned.extend_from_slice(self.data());
        *self = Self { bytes: aligned, pad, limit: STAGE_BYTES };
    }

    /// How many of the bytes fill whole blocks.
    pub(crate) fn whole_blocks(&self) -> usize {
        self.len() - self.len() % BLOCK_BYTES
    }
}

/// Writes whole blocks past the page cache.
pub(crate) fn write_direct(file: &OwnedFd, blocks: &[u8], offset: u64) -> rustix::io::Result<()> {
    let mut done = 0;
    while done < blocks.len() {
        match rustix::io::pwrite(file, &blocks[done..], offset + done as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => done += written,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_bytes_stay_in_order_and_aligned() {
        let mut staging = Staging::new();
        assert_eq!(staging.take(&[1; 100]), 100);
        staging.align();
        assert_eq!(staging.data(), [1; 100]);
        assert_eq!(staging.data().as_ptr().align_offset(BLOCK_BYTES), 0);
        assert_eq!(staging.take(&vec![2; STAGE_BYTES]), STAGE_BYTES - 100);
        assert!(staging.is_full() && !staging.fits(1));
        staging.consume(BLOCK_BYTES);
        assert_eq!(staging.len(), STAGE_BYTES - BLOCK_BYTES);
        staging.truncate(5000);
        assert_eq!((staging.whole_blocks(), staging.data()), (BLOCK_BYTES, [2; 5000].as_slice()));
        assert_eq!(staging.data().as_ptr().align_offset(BLOCK_BYTES), 0);
    }
}
