//! Bytes on their way to the store.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

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

/// Pieces that become a payload once they are enough.
#[derive(Debug, Default)]
pub(crate) struct Filling {
    pieces: Vec<Bytes>,
    length: usize,
}

/// Pieces smaller than this are copied together, in bytes: each keeps a buffer of its own otherwise.
const PIECE_MIN_BYTES: usize = 32 * 1024;

impl Filling {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Takes bytes of the front of `bytes` until `full` are here; the rest stays.
    pub(crate) fn take(&mut self, bytes: &mut Bytes, full: usize) {
        let piece = bytes.split_to(bytes.len().min(full.saturating_sub(self.length)));
        if piece.is_empty() {
            return;
        }
        self.length += piece.len();
        match self.pieces.last_mut() {
            Some(last) if last.len() + piece.len() <= PIECE_MIN_BYTES => {
                let mut joined = BytesMut::from(std::mem::take(last));
                joined.extend_from_slice(&piece);
                *last = joined.freeze();
            }
            _ => self.pieces.push(piece),
        }
    }

    /// What is here, which stays.
    pub(crate) fn payload(&self) -> Payload {
        Payload::from(self.pieces.clone())
    }

    /// What is here, which is gone then.
    pub(crate) fn finish(&mut self) -> Payload {
        self.length = 0;
        Payload::from(std::mem::take(&mut self.pieces))
    }
}

impl From<Payload> for Filling {
    fn from(payload: Payload) -> Self {
        Self { length: payload.len(), pieces: payload.pieces.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_cut_where_it_is_full() {
        let (mut filling, mut bytes) = (Filling::default(), Bytes::from_static(b"abcdefgh"));
        filling.take(&mut bytes, 5);
        assert_eq!((filling.len(), &*bytes), (5, &b"fgh"[..]));
        assert_eq!(filling.finish().joined(), "abcde");
        filling.take(&mut bytes, 5);
        assert_eq!((filling.payload().joined(), bytes.len()), ("fgh".into(), 0));
    }

    #[test]
    fn small_pieces_are_joined() {
        let mut filling = Filling::default();
        for number in 0..100_u8 {
            filling.take(&mut Bytes::from(vec![number; 1000]), 1 << 20);
        }
        assert_eq!(filling.len(), 100_000);
        assert!(filling.payload().pieces().len() <= 4, "{} pieces", filling.payload().pieces().len());
    }
}
