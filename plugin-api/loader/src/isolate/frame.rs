//! Frames, of which the traffic between host and child consists: a length, a kind, the id of a call, and what goes with it.
//!
//! ```text
//! u32 length of the rest | u8 kind | u8 flags | u64 id | payload
//! ```

use longshore_plugin_api::Bytes;

/// The largest frame in bytes. A page of 10,000 names of 1 KiB with their facts fits, and so does the body of any `put` of the host.
pub(super) const FRAME_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Kind, flags and id.
const HEAD_BYTES: usize = 10;
const LENGTH_BYTES: usize = 4;

/// The frame carries a descriptor, the next one that came in.
pub(super) const WITH_FILE: u8 = 1;
/// The answer is followed by chunks.
pub(super) const WITH_STREAM: u8 = 2;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $number:literal,)*) => {
        /// What a frame is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Kind { $($(#[$doc])* $variant = $number,)* }

        impl Kind {
            fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
kinds! {
    /// Host: how the child is to be set up, with the driver's file.
    Start = 1,
    /// Host: a call.
    Call = 2,
    /// Host: nobody waits for the call any more, or its stream or upload was dropped.
    Cancel = 3,
    /// Host: so many more chunks of a stream may be sent.
    Credit = 4,
    /// Host: are you there?
    Ping = 5,
    /// Child: a call's answer.
    Answer = 10,
    /// Child: a part of a stream.
    Chunk = 11,
    /// Child: the end of a stream, perhaps with an error.
    End = 12,
    /// Child: a line for the log.
    Log = 13,
    /// Child: something for a counter.
    Count = 14,
    /// Child: I am here.
    Pong = 15,
}

/// One frame that came in.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) id: u64,
    pub(super) payload: Bytes,
}

impl Frame {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What is no frame, or not one that may come now; the sentence goes on "it sent …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Garbage(pub(super) String);

impl Garbage {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// Appends a frame whose payload `write` appends.
pub(super) fn append(out: &mut Vec<u8>, kind: Kind, flags: u8, id: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.extend_from_slice(&[kind as u8, flags]);
    out.extend_from_slice(&id.to_le_bytes());
    write(out);
    // What is sent was limited where it was made; a frame that is too long all the same is refused by who reads it.
    let length = u32::try_from(out.len() - start - LENGTH_BYTES).unwrap_or(u32::MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
}

/// The first frame of `bytes` and how many bytes it takes, or how many bytes are wanted before one can be read.
///
/// # Errors
/// What can be no frame, as soon as that can be told.
pub(super) fn parse(bytes: &[u8]) -> Result<Result<(Frame, usize), usize>, Garbage> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else { return Ok(Err(LENGTH_BYTES + HEAD_BYTES)) };
    let length = u32::from_le_bytes(*length) as usize;
    if !(HEAD_BYTES..=FRAME_MAX_BYTES).contains(&length) {
        return Err(Garbage::new(format!("a frame of {length} bytes, which have {HEAD_BYTES} to {FRAME_MAX_BYTES}")));
    }
    let Some((kind, _)) = rest.split_first() else { return Ok(Err(LENGTH_BYTES + length)) };
    let kind = Kind::from_number(*kind).ok_or_else(|| Garbage::new(format!("a frame of the unknown kind {kind}")))?;
    let Some(frame) = rest.get(..length) else { return Ok(Err(LENGTH_BYTES + length)) };
    let mut id = [0; 8];
    id.copy_from_slice(&frame[2..HEAD_BYTES]);
    let payload = Bytes::copy_from_slice(&frame[HEAD_BYTES..]);
    Ok(Ok((Frame { kind, flags: frame[1], id: u64::from_le_bytes(id), payload }, LENGTH_BYTES + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_read_back_from_any_number_of_pieces() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::Answer, WITH_STREAM, 7, |out| out.extend_from_slice(b"payload"));
        for end in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..end]), Ok(Err(wanted)) if wanted > end), "{end} bytes are no frame");
        }
        let (frame, length) = parse(&bytes).unwrap().unwrap();
        assert_eq!((frame.kind, frame.id, frame.has(WITH_STREAM), frame.has(WITH_FILE)), (Kind::Answer, 7, true, false));
        assert_eq!((&frame.payload[..], length), (&b"payload"[..], bytes.len()));
    }

    #[test]
    fn frame_that_is_none_is_refused_before_its_bytes_are_awaited() {
        for garbage in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\0", b"\x09\0\0\0", b"\x10\0\0\0\x63", b"HTTP/1.1 400 Bad Request"] {
            assert!(parse(garbage).is_err(), "{garbage:?}");
        }
    }
}
