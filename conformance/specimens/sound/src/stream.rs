//! A part of an object as a body: each chunk at the address at which it is kept.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use longshore_plugin_api::{Bytes, DriverError, ReadBody};

/// `length` bytes from `offset` on, which the chunks have: one chunk as it is, several as a stream.
pub(crate) fn body(chunks: &Arc<[Bytes]>, offset: u64, length: u64) -> ReadBody {
    let mut stream = Chunks { chunks: chunks.clone(), at: 0, skip: offset, left: length };
    if chunks.len() > 1 {
        return ReadBody::Stream(Box::pin(stream));
    }
    ReadBody::Bytes(stream.next().unwrap_or_default())
}

struct Chunks {
    chunks: Arc<[Bytes]>,
    /// The next chunk's number.
    at: usize,
    /// How many bytes from its beginning are not wanted.
    skip: u64,
    /// How many bytes are still wanted.
    left: u64,
}

impl Chunks {
    fn next(&mut self) -> Option<Bytes> {
        while self.left > 0 {
            let chunk = self.chunks.get(self.at)?;
            self.at += 1;
            let size = chunk.len() as u64;
            let from = self.skip.min(size);
            let to = size.min(from.saturating_add(self.left));
            (self.skip, self.left) = (self.skip - from, self.left - (to - from));
            if from < to {
                // Both lie within the chunk, whose length is a `usize`.
                return Some(chunk.slice(from as usize..to as usize));
            }
        }
        None
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.get_mut().next().map(Ok))
    }
}
