//! From checked text to the borrowed key types, which are wrappers of `str`.

use crate::{Key, Prefix};

/// Views checked text as a key.
pub(crate) fn key(text: &str) -> &Key {
    // SAFETY: `Key` is `repr(transparent)` over `str`, so both references have one layout; the lifetime is carried over unchanged.
    unsafe { &*(std::ptr::from_ref(text) as *const Key) }
}

/// Views checked text as a prefix.
pub(crate) fn prefix(text: &str) -> &Prefix {
    // SAFETY: `Prefix` is `repr(transparent)` over `str`, so both references have one layout; the lifetime is carried over unchanged.
    unsafe { &*(std::ptr::from_ref(text) as *const Prefix) }
}
