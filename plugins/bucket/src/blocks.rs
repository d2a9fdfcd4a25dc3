//! Memory for bytes on their way, used again and again.
//!
//! Parts are filled by one thread and let go of by another. An allocator that keeps memory by thread, as glibc's does, had half as much again
//! of it lying idle under thirty pushes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the smallest block, and of one that is used again.
const BLOCK_BYTES: (usize, usize) = (16 * 1024, 1024 * 1024);
/// So many stay when nothing is on its way.
const IDLE_MAX: usize = 16;

/// Large blocks. As many are idle at the most as are in use.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Mutex<Large>);

#[derive(Debug, Default)]
struct Large {
    idle: Vec<Vec<u8>>,
    in_use: usize,
}

/// Bytes, and room for more. Dropped, a large one waits to be used again.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    blocks: Option<Arc<Blocks>>,
}

impl Blocks {
    fn lock(&self) -> MutexGuard<'_, Large> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block that is empty, for `wanted` bytes if they are not too many for one.
    pub(crate) fn block(self: &Arc<Self>, wanted: usize) -> Block {
        let (least, large) = BLOCK_BYTES;
        if wanted < large {
            return Block { bytes: Vec::with_capacity(wanted.max(least)), blocks: None };
        }
        let mut all = self.lock();
        all.in_use += 1;
        let idle = all.idle.pop();
        drop(all);
        Block { bytes: idle.unwrap_or_else(|| Vec::with_capacity(large)), blocks: Some(self.clone()) }
    }
}

impl Block {
    /// Bytes that it can still take.
    pub(crate) fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let Some(blocks) = self.blocks.take() else { return };
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut all = blocks.lock();
        all.in_use -= 1;
        all.idle.push(bytes);
        let kept = all.idle.len().min(all.in_use.max(IDLE_MAX));
        let surplus = all.idle.split_off(kept);
        // What is freed takes no other thread's time.
        drop(all);
        drop(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_again_and_a_crowd_of_them_is_freed() {
        let blocks = Arc::new(Blocks::default());
        let mut crowd: Vec<Block> = (0..100).map(|_| blocks.block(BLOCK_BYTES.1)).collect();
        let first = crowd[0].bytes.as_ptr();
        crowd.swap_remove(0);
        let again = blocks.block(usize::MAX);
        assert_eq!((again.bytes.as_ptr(), again.bytes.len(), again.room()), (first, 0, BLOCK_BYTES.1));
        drop((crowd, again));
        let all = blocks.lock();
        assert_eq!((all.in_use, all.idle.len()), (0, IDLE_MAX));
    }

    #[test]
    fn a_small_block_is_no_larger_than_it_must_be() {
        let blocks = Arc::new(Blocks::default());
        assert_eq!((blocks.block(1).room(), blocks.block(100_000).room()), (BLOCK_BYTES.0, 100_000));
        assert_eq!(blocks.lock().in_use, 0);
    }
}
