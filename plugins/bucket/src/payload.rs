//! Bytes on their way to the store.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::blocks::{Block, Blocks};

/// Bytes in pieces, as they came from the host: joined by nobody, and cheap to clone for another attempt.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    pieces: Arc<[Bytes]>,
    length: usize,
}

impl Payload {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True without a byte.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The bytes in order, in pieces of 128 KiB at the most, as they are to be given to an HTTP client: hyper may copy each into a buffer that
    /// its connection keeps, and thirty of them kept 2 MiB each.
    pub fn frames(&self) -> impl Iterator<Item = Bytes> {
        const FRAME_MAX_BYTES: usize = 128 * 1024;
        let frames = |piece: &Bytes| {
            let mut rest = piece.clone();
            std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(rest.len().min(FRAME_MAX_BYTES))))
        };
        self.pieces.iter().flat_map(frames)
    }

    /// All bytes in one piece; copied if there are several.
    pub fn joined(&self) -> Bytes {
        match &*self.pieces {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => {
                let mut joined = BytesMut::with_capacity(self.length);
                several.iter().for_each(|piece| joined.extend_from_slice(piece));
                joined.freeze()
            }
        }
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self { length: pieces.iter().map(Bytes::len).sum(), pieces: pieces.into() }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::from(vec![bytes])
    }
}

/// Bytes that become a payload once they are enough.
///
/// They are copied together: what comes from a host is often a small piece of a large buffer, which would be kept whole until the payload is
/// sent. Thirty pushes at once took three times the memory of their bytes that way.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    full: Vec<Bytes>,
    last: Option<Block>,
    length: usize,
    /// One payload was full already, so the next one will be: it needs no small blocks to begin with.
    is_large: bool,
}

impl Filling {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Takes bytes of the front of `bytes` until `full` are here; the rest stays.
    pub(crate) fn take(&mut self, blocks: &Arc<Blocks>, bytes: &mut Bytes, full: usize) {
        let mut piece = bytes.split_to(bytes.len().min(full.saturating_sub(self.length)));
        while !piece.is_empty() {
            let block = match &mut self.last {
                Some(block) if block.room() > 0 => block,
                last => {
                    self.full.extend(last.take().map(Bytes::from_owner));
                    let wanted = if self.is_large { full } else { self.length.max(piece.len()) };
                    last.insert(blocks.block(wanted.min(full - self.length)))
                }
            };
            let copied = piece.split_to(piece.len().min(block.room()));
            block.bytes.extend_from_slice(&copied);
            self.length += copied.len();
        }
    }

    /// What is here, which stays.
    pub(crate) fn payload(&self) -> Payload {
        let last = self.last.iter().map(|block| Bytes::copy_from_slice(block.as_ref()));
        Payload::from(self.full.iter().cloned().chain(last).collect::<Vec<_>>())
    }

    /// What is here, which is gone then.
    pub(crate) fn finish(&mut self) -> Payload {
        (self.length, self.is_large) = (0, true);
        self.full.extend(self.last.take().map(Bytes::from_owner));
        Payload::from(std::mem::take(&mut self.full))
    }
}

impl From<Payload> for Filling {
    fn from(payload: Payload) -> Self {
        Self { length: payload.len(), full: payload.pieces.to_vec(), last: None, is_large: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_cut_where_it_is_full() {
        let (mut filling, mut bytes) = (Filling::default(), Bytes::from_static(b"abcdefgh"));
        filling.take(&Arc::default(), &mut bytes, 5);
        assert_eq!((filling.len(), &*bytes), (5, &b"fgh"[..]));
        assert_eq!(filling.finish().joined(), "abcde");
        filling.take(&Arc::default(), &mut bytes, 5);
        assert_eq!((filling.payload().joined(), bytes.len()), ("fgh".into(), 0));
    }

    #[test]
    fn frames_are_small_and_all_of_it() {
        let bytes: Bytes = (0..300_000_u32).map(|number| number as u8).collect();
        let payload = Payload::from(vec![bytes.slice(..10), Bytes::new(), bytes.slice(10..)]);
        let frames: Vec<Bytes> = payload.frames().collect();
        assert_eq!(frames.iter().map(Bytes::len).collect::<Vec<_>>(), [10, 131_072, 131_072, 37_846]);
        assert!(frames.concat() == bytes);
    }

    #[test]
    fn pieces_are_joined() {
        let mut filling = Filling::default();
        for number in 0..100_u8 {
            filling.take(&Arc::default(), &mut Bytes::from(vec![number; 1000]), 1 << 20);
        }
        assert_eq!(filling.len(), 100_000);
        let joined: Vec<u8> = (0..100).flat_map(|number| [number; 1000]).collect();
        assert!(filling.payload().joined() == joined);
        assert!(filling.payload().pieces().len() <= 5, "{} pieces", filling.payload().pieces().len());
        filling.take(&Arc::default(), &mut Bytes::from_static(b"more"), 1 << 20);
        assert_eq!(filling.payload().len(), 100_004);
        assert!(filling.payload().joined().ends_with(b"more"));
    }
}
