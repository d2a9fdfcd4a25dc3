//! Bytes that are known by their offset, so that an object of any size can be written and compared without being held.

use std::ops::Range;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{Bytes, DriverError, Upload};

use super::{CALL, InstanceUpload, Random};
use crate::verdict::{Stop, same};

/// A block of random bytes, again and again. Its length is a prime, so pieces of any even size that change places are noticed.
pub(crate) struct Pattern(Bytes);

impl Pattern {
    const BLOCK_BYTES: usize = 1_048_583;

    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::new(seed).bytes(Self::BLOCK_BYTES).into())
    }

    /// The bytes from `offset` on, at most `most` of them and at most to the end of a block; nothing is copied.
    pub(crate) fn chunk(&self, offset: u64, most: u64) -> Bytes {
        // Both are at most the length of a block.
        let from = (offset % self.0.len() as u64) as usize;
        let to = (from as u64).saturating_add(most).min(self.0.len() as u64) as usize;
        self.0.slice(from..to)
    }

    /// All bytes of a range, which is small.
    pub(crate) fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut offset = range.start;
        while offset < range.end {
            let chunk = self.chunk(offset, range.end - offset);
            bytes.extend_from_slice(&chunk);
            offset += chunk.len() as u64;
        }
        bytes
    }

    /// Writes the bytes of a range, which begins where the upload stands; `each` is called after every chunk.
    pub(crate) async fn write(&self, upload: &mut InstanceUpload, range: Range<u64>, mut each: impl FnMut()) -> Result<(), DriverError> {
        let mut offset = range.start;
        while offset < range.end {
            let chunk = self.chunk(offset, range.end - offset);
            offset += chunk.len() as u64;
            upload.write(&CALL, chunk).await?;
            each();
        }
        Ok(())
    }

    /// Reads a body to its end and compares it with the bytes from `offset` on; answers how many came. `each` is called after every chunk.
    pub(crate) async fn compare(&self, body: &mut Body, offset: u64, mut each: impl FnMut()) -> Result<u64, Stop> {
        let mut at = offset;
        while let Some(chunk) = body.next().await? {
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                let expected = self.chunk(at, rest.len() as u64);
                let (got, after) = rest.split_at(expected.len());
                same(&expected, got, format_args!("the bytes from offset {at} on"))?;
                at += expected.len() as u64;
                rest = after;
            }
            each();
        }
        Ok(at - offset)
    }
}
