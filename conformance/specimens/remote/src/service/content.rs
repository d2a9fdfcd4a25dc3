//! Bytes that are counted: of objects, of uploads, of readers that still have what was replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_plugin_api::Bytes;

/// Smaller pieces are put together, so that an upload of single bytes is no list of single bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// How much may be held at once, all counted once for each that holds it.
#[derive(Clone)]
pub(super) struct Room {
    used: Arc<AtomicU64>,
    max_bytes: u64,
}

/// A part of the room, given back when it is dropped.
struct Taken {
    room: Room,
    bytes: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Room {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { used: Arc::default(), max_bytes }
    }

    fn take(&self, bytes: u64) -> Option<Taken> {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.max_bytes);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Taken { room: self.clone(), bytes })
    }
}

/// Bytes that do not change any more.
#[derive(Clone)]
pub(super) struct Content(Arc<Held>);

struct Held {
    pieces: Vec<Bytes>,
    taken: Taken,
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        self.0.taken.bytes
    }

    /// The pieces of a range.
    pub(super) fn range(&self, offset: u64, length: u64) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.0.pieces.iter().filter_map(move |piece| {
            let (first, end) = (begin, begin + piece.len() as u64);
            begin = end;
            let (from, to) = (offset.max(first), (offset + length).min(end));
            // Both lie within the piece.
            (from < to).then(|| &piece[(from - first) as usize..(to - first) as usize])
        })
    }
}

/// Bytes that grow.
pub(super) struct Growing {
    pieces: Vec<Bytes>,
    tail: Vec<u8>,
    taken: Taken,
}

impl Growing {
    /// Nothing yet.
    pub(super) fn new(room: &Room) -> Self {
        Self { pieces: Vec::new(), tail: Vec::new(), taken: Taken { room: room.clone(), bytes: 0 } }
    }

    /// What goes on from `content`; `None` if there is no room.
    pub(super) fn from(content: &Content) -> Option<Self> {
        let taken = content.0.taken.room.take(content.size())?;
        Some(Self { pieces: content.0.pieces.clone(), tail: Vec::new(), taken })
    }

    pub(super) fn size(&self) -> u64 {
        self.taken.bytes
    }

    /// Appends; `None` if there is no room.
    pub(super) fn append(&mut self, bytes: Vec<u8>) -> Option<()> {
        let mut more = self.taken.room.take(bytes.len() as u64)?;
        self.taken.bytes += std::mem::take(&mut more.bytes);
        if self.tail.is_empty() {
            self.tail = bytes;
        } else {
            self.tail.extend_from_slice(&bytes);
        }
        if self.tail.len() >= PIECE_BYTES {
            self.pieces.push(std::mem::take(&mut self.tail).into());
        }
        Some(())
    }

    /// What is there, to be kept as it is; `None` if there is no room.
    pub(super) fn frozen(&mut self) -> Option<Content> {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).into());
        }
        let taken = self.taken.room.take(self.taken.bytes)?;
        Some(Content(Arc::new(Held { pieces: self.pieces.clone(), taken })))
    }
}

/// All bytes of a body.
pub(super) fn content(room: &Room, bytes: Vec<u8>) -> Option<Content> {
    let taken = room.take(bytes.len() as u64)?;
    Some(Content(Arc::new(Held { pieces: vec![bytes.into()], taken })))
}
