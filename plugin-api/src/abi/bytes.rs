//! Buffers that cross the boundary without being copied, in both directions.

use std::fmt;
use std::ptr::{self, NonNull};

use abi_stable::StableAbi;

use crate::Bytes;

/// A read-only buffer and the way to give it back: four words, whoever made it.
///
/// The C table uses the same four words.
#[repr(C)]
#[derive(StableAbi)]
pub struct DrvBytes {
    ptr: *const u8,
    len: usize,
    owner: *mut (),
    release: Option<unsafe extern "C" fn(owner: *mut (), ptr: *const u8, len: usize)>,
}

// SAFETY: the bytes are read-only for as long as the buffer lives, and `release` is called once by whoever holds it last; every maker
// in this file owns them through a type that is itself `Send + Sync` (`Bytes`, `Vec<u8>`).
unsafe impl Send for DrvBytes {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for DrvBytes {}

impl DrvBytes {
    /// A buffer of nothing, which owns nothing.
    pub const fn empty() -> Self {
        Self { ptr: NonNull::dangling().as_ptr(), len: 0, owner: ptr::null_mut(), release: None }
    }

    /// Hands `bytes` over; one small allocation, no copy.
    pub fn new(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self::empty();
        }
        let owner = Box::into_raw(Box::new(bytes));
        // SAFETY: `owner` was just made by `Box::into_raw` and is valid. The pointer to the data is taken after that call, because a
        // `Bytes` moved into the box later would invalidate it under the aliasing rules.
        let slice = unsafe { (*owner).as_ref() };
        let (ptr, len) = (slice.as_ptr(), slice.len());
        Self { ptr, len, owner: owner.cast(), release: Some(release_bytes) }
    }

    /// Takes the buffer over as `Bytes`; no copy.
    pub fn into_bytes(self) -> Bytes {
        if self.len == 0 { Bytes::new() } else { Bytes::from_owner(self) }
    }
}

unsafe extern "C" fn release_bytes(owner: *mut (), _ptr: *const u8, _len: usize) {
    // SAFETY: `owner` came from `Box::into_raw` in `DrvBytes::new`, and `Drop` calls this once.
    drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
}

impl AsRef<[u8]> for DrvBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the maker promises `len` readable bytes at a non-null `ptr` until `release`, and the borrow ends before that.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Drop for DrvBytes {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // SAFETY: `release` belongs to this buffer's maker and is taken out, so it is called once, with what the maker set.
            unsafe { release(self.owner, self.ptr, self.len) }
        }
    }
}

impl fmt::Debug for DrvBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrvBytes({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing_twice_keeps_the_address_and_releases_once() {
        struct Owner {
            bytes: Vec<u8>,
            _alive: std::sync::Arc<()>,
        }
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.bytes
            }
        }
        let count = std::sync::Arc::new(());
        let bytes = Bytes::from_owner(Owner { bytes: vec![7; 100], _alive: count.clone() });
        let address = bytes.as_ptr();
        let back = DrvBytes::new(bytes).into_bytes();
        assert_eq!(back.as_ptr(), address, "no copy is made");
        assert_eq!(DrvBytes::new(back.slice(10..20)).as_ref(), &[7; 10]);
        drop(back);
        assert_eq!(std::sync::Arc::strong_count(&count), 1, "the owner is released");
        assert!(DrvBytes::empty().into_bytes().is_empty());
    }
}
