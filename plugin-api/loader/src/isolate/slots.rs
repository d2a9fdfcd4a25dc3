//! Bodies through memory that host and child share: a file in memory whose size is sealed, of a page of flags and a number of slots.
//!
//! One side puts bytes into slots, the other takes them out. A flag is 1 from when a slot is claimed until its reader has let go of it. The host
//! relies on nothing that the child writes there: a flag that lies spoils bytes of the child's own calls.
#![expect(unsafe_code, reason = "memory that another process shares; every step carries its argument")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use longshore_plugin_api::Bytes;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use super::frame::Garbage;

/// How many bodies are under way at once; further ones travel in their frames.
const SLOTS: u32 = 16;
/// The largest body of a slot, in bytes.
pub(super) const SLOT_BYTES: usize = 1024 * 1024;
/// The flags' page.
const FLAGS_BYTES: usize = 4096;
const WHOLE_BYTES: usize = FLAGS_BYTES + SLOTS as usize * SLOT_BYTES;

/// Slots that are mapped into this process.
#[derive(Debug)]
pub(super) struct Slots {
    memory: NonNull<u8>,
    file: OwnedFd,
}

// SAFETY: the mapping stays until `Slots` is dropped, flags are atomic, and a slot's bytes are written only by who has claimed its flag.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

impl Slots {
    /// New slots, all free.
    ///
    /// # Errors
    /// What the system says to another 16 MiB of address space.
    pub(super) fn create() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("longshore-bodies", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&file, WHOLE_BYTES as u64)?;
        // Nobody can shorten it: reading beyond the end of a mapped file ends a process.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Self::map(file)
    }

    /// The slots of a file that the other side made with [`create`](Self::create).
    ///
    /// # Errors
    /// `InvalidData` for a file that is none.
    pub(super) fn open(file: OwnedFd) -> io::Result<Self> {
        let sealed = rustix::fs::fcntl_get_seals(&file)?.contains(SealFlags::SHRINK);
        if !sealed || rustix::fs::fstat(&file)?.st_size != WHOLE_BYTES as i64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared memory is not what the host makes"));
        }
        Self::map(file)
    }

    fn map(file: OwnedFd) -> io::Result<Self> {
        let (access, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the system's choice; the file is as long and stays so.
        let memory = unsafe { rustix::mm::mmap(std::ptr::null_mut(), WHOLE_BYTES, access, shared, &file, 0) }?;
        let memory = NonNull::new(memory.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { memory, file })
    }

    /// The file, for the other side.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn flag(&self, slot: u32) -> &AtomicU32 {
        assert!(slot < SLOTS);
        // SAFETY: the flags' page holds 1,024 of them.
        let flag = unsafe { self.memory.cast::<u32>().add(slot as usize) };
        // SAFETY: aligned, mapped as long as `self`, and only ever used as an atomic, by both sides.
        unsafe { AtomicU32::from_ptr(flag.as_ptr()) }
    }

    fn bytes(&self, slot: u32) -> NonNull<u8> {
        assert!(slot < SLOTS);
        // SAFETY: within the mapping, as the slot's number is.
        unsafe { self.memory.add(FLAGS_BYTES + slot as usize * SLOT_BYTES) }
    }

    /// Copies `bytes` into a free slot and answers its number; `None` if there is none, or if the bytes do not fit.
    pub(super) fn put(&self, bytes: &[u8]) -> Option<u32> {
        if bytes.len() > SLOT_BYTES {
            return None;
        }
        let claim = |slot: &u32| self.flag(*slot).compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let slot = (0..SLOTS).find(claim)?;
        // SAFETY: the claimed slot is ours until its number is sent, and `bytes` fit; a source of this process does not overlap it, but for
        // bytes of another slot.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.bytes(slot).as_ptr(), bytes.len()) };
        Some(slot)
    }

    fn check(slot: u32, length: usize) -> Result<(), Garbage> {
        match slot < SLOTS && length <= SLOT_BYTES {
            true => Ok(()),
            false => Err(Garbage::new(format!("{length} bytes in slot {slot}, of {SLOTS} slots of {SLOT_BYTES} bytes"))),
        }
    }

    /// A copy of a slot's bytes; the slot is free then.
    ///
    /// # Errors
    /// A slot or a length that does not exist.
    pub(super) fn take(&self, slot: u32, length: usize) -> Result<Bytes, Garbage> {
        Self::check(slot, length)?;
        let mut copy = vec![0; length];
        // SAFETY: both are `length` bytes long, and the copy is new.
        unsafe { std::ptr::copy_nonoverlapping(self.bytes(slot).as_ptr(), copy.as_mut_ptr(), length) };
        self.free(slot);
        Ok(copy.into())
    }

    /// A slot's bytes where they are; the slot is free once they are dropped.
    ///
    /// # Errors
    /// A slot or a length that does not exist.
    pub(super) fn lend(self: &Arc<Self>, slot: u32, length: usize) -> Result<Bytes, Garbage> {
        Self::check(slot, length)?;
        Ok(Bytes::from_owner(Lent { slots: self.clone(), slot, length }))
    }

    fn free(&self, slot: u32) {
        self.flag(slot).store(0, Ordering::Release);
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and every borrower holds an `Arc` or a borrow of `self`.
        // That it fails is impossible for a mapping that is there; then it stays.
        let _ = unsafe { rustix::mm::munmap(self.memory.as_ptr().cast(), WHOLE_BYTES) };
    }
}

struct Lent {
    slots: Arc<Slots>,
    slot: u32,
    length: usize,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: within the mapping, which `slots` keeps. The child may write there at any time: any value is a byte, nothing is decided by
        // them twice, and what a hostile child changes are bytes that it could have sent wrong in the first place.
        unsafe { std::slice::from_raw_parts(self.slots.bytes(self.slot).as_ptr(), self.length) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.slots.free(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_sides() -> (Slots, Arc<Slots>) {
        let ours = Slots::create().unwrap();
        let theirs = Slots::open(ours.file().try_clone_to_owned().unwrap()).unwrap();
        (ours, Arc::new(theirs))
    }

    #[test]
    fn bytes_cross_and_their_slot_is_free_once_they_are_dropped() {
        let (ours, theirs) = both_sides();
        let slots: Vec<_> = (0..SLOTS).map(|number| ours.put(&[number as u8; 100]).unwrap()).collect();
        assert_eq!(ours.put(b"more"), None, "no slot is free");
        let lent = theirs.lend(slots[3], 100).unwrap();
        assert_eq!(lent, [3; 100][..]);
        assert_eq!(theirs.take(slots[4], 100).unwrap(), [4; 100][..]);
        assert_eq!(ours.put(b"more"), Some(slots[4]));
        drop(lent.slice(..10));
        assert_eq!(ours.put(b"more"), None, "a slice of the bytes is left");
        drop(lent);
        assert_eq!(ours.put(b"more"), Some(slots[3]));
    }

    #[test]
    fn slot_that_does_not_exist_is_garbage() {
        let (_, theirs) = both_sides();
        assert!(theirs.lend(SLOTS, 1).is_err());
        assert!(theirs.take(0, SLOT_BYTES + 1).is_err());
    }

    #[test]
    fn memory_that_could_shrink_is_refused() {
        let file = rustix::fs::memfd_create("test", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&file, WHOLE_BYTES as u64).unwrap();
        assert!(Slots::open(file).is_err());
    }
}
