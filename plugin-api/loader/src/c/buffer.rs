//! Bytes that a driver in C hands over, without a copy.

use std::ptr;

use longshore_plugin_api::{Bytes, DriverError};

use super::answer::broken;
use super::values::{Buffer, Chunk, LONGSHORE_CHUNK_MAX};

pub(crate) const fn empty_buffer() -> Buffer {
    Buffer { ptr: ptr::null(), len: 0, owner: ptr::null_mut(), release: None }
}

/// The bytes of a chunk for which the driver was given `room`; empty at the body's end. What the driver hands over is released in any case.
pub(crate) fn taken(mut room: Vec<u8>, chunk: Chunk) -> Result<Bytes, DriverError> {
    // First of all: whatever is wrong with the answer, the buffer goes back to its owner.
    let own = Owned(chunk.own);
    if own.0.ptr.is_null() {
        if chunk.used > room.len() {
            return Err(broken(format_args!("{} bytes in a room of {}", chunk.used, room.len())));
        }
        room.truncate(chunk.used);
        return Ok(room.into());
    }
    if chunk.used != 0 {
        return Err(broken("a chunk in the host's room and one of its own"));
    }
    if own.0.len > LONGSHORE_CHUNK_MAX {
        return Err(broken(format_args!("a chunk of {} bytes, at most {LONGSHORE_CHUNK_MAX} are allowed", own.0.len)));
    }
    if own.0.len == 0 {
        return Err(broken("a chunk of no bytes; the end of a body is no chunk at all"));
    }
    Ok(Bytes::from_owner(own))
}

/// A buffer of a driver, given back once.
struct Owned(Buffer);

// SAFETY: the header says that the bytes do not change until `release`, which may be called from any thread.
unsafe impl Send for Owned {}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `taken` has checked pointer and length as far as they can be; that so many bytes can be read there until `release` is the
        // driver's promise (see `Buffer`).
        unsafe { std::slice::from_raw_parts(self.0.ptr, self.0.len) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(release) = self.0.release.take() {
            // SAFETY: the driver gave this function for this buffer; it is taken out, so it is called once.
            unsafe { release(self.0.owner, self.0.ptr, self.0.len) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    unsafe extern "C" fn count(owner: *mut c_void, _: *const u8, _: usize) {
        // SAFETY: the tests give a counter that outlives its buffer.
        let counter = unsafe { &*owner.cast::<AtomicU32>() };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn own(counter: &AtomicU32, bytes: *const u8, len: usize) -> Buffer {
        Buffer { ptr: bytes, len, owner: ptr::from_ref(counter).cast_mut().cast(), release: Some(count) }
    }

    #[test]
    fn buffers_are_handed_over_without_a_copy_and_released_once() {
        static BYTES: [u8; 5] = *b"hello";
        let counter = AtomicU32::new(0);
        let mut room = vec![0; 8];
        let chunk = Chunk { own: own(&counter, BYTES.as_ptr(), 5), ..Chunk::with_room(&mut room) };
        let bytes = taken(room, chunk).expect("it is a sound chunk");
        assert_eq!((&bytes[..], bytes.as_ptr()), (&b"hello"[..], BYTES.as_ptr()));
        let part = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(counter.load(Ordering::Relaxed), 0, "a part is still in use");
        drop(part);
        assert_eq!(counter.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn bad_chunks_are_refused_and_still_released() {
        let bytes = [7; 4];
        for (len, used) in [(0, 0), (4, 1), (LONGSHORE_CHUNK_MAX + 1, 0), (usize::MAX, 0)] {
            let counter = AtomicU32::new(0);
            let mut room = vec![0; 8];
            let chunk = Chunk { used, own: own(&counter, bytes.as_ptr(), len), ..Chunk::with_room(&mut room) };
            assert!(taken(room, chunk).is_err(), "{len} bytes beside {used}");
            assert_eq!(counter.load(Ordering::Relaxed), 1, "{len} bytes beside {used}");
        }
        let mut room = vec![0; 8];
        let chunk = Chunk { used: 9, ..Chunk::with_room(&mut room) };
        assert!(taken(room, chunk).is_err(), "more than the room");
        let mut room = vec![5; 8];
        let chunk = Chunk { used: 3, ..Chunk::with_room(&mut room) };
        assert_eq!(taken(room, chunk).ok().as_deref(), Some(&[5, 5, 5][..]));
    }
}
