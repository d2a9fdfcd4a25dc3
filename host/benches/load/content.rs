//! Blobs of any size that are made as they are needed and never held.

use std::io;
use std::thread;

use sha2::{Digest, Sha256};

/// Small enough to stay in a processor's own cache: sending costs the copy to the kernel and little else.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes that do not compress; the same for the same seed and length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub(crate) seed: u64,
    pub(crate) length: u64,
}

impl Content {
    /// Hands out all bytes in order. One random piece repeats, each time with its number at the front.
    pub(crate) fn pieces(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut piece = random(PIECE_BYTES, self.seed);
        let mut left = self.length;
        let mut number = 0_u64;
        while left > 0 {
            piece[..8].copy_from_slice(&number.to_le_bytes());
            let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            take(&piece[..length])?;
            left -= length as u64;
            number += 1;
        }
        Ok(())
    }

    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.pieces(|piece| {
            hash.update(piece);
            Ok(())
        })
        .expect("hashing does not fail");
        text(hash)
    }
}

/// The digests of several contents, on all processors: hashing gigabytes is most of what a workload prepares.
pub(crate) fn digests(contents: &[Content]) -> Vec<String> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let parts = contents.chunks(contents.len().div_ceil(threads).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| part.iter().map(Content::digest).collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("hashing does not panic")).collect()
    })
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    text(Sha256::new_with_prefix(bytes))
}

fn text(hash: Sha256) -> String {
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Marsaglia's xorshift: no statistics depend on it, it only has to be cheap and not compressible.
pub(crate) fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
