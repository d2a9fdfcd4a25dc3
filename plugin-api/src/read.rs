//! What a read answers: facts and a body.

use std::fmt;
use std::os::fd::OwnedFd;
use std::pin::Pin;

use futures_core::Stream;

use crate::{Bytes, DriverError, ObjectInfo};

/// Chunks of a body, in order; an error ends it.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, DriverError>> + Send>>;

/// An object, or a part of it.
#[derive(Debug)]
pub struct Read {
    /// Facts about the whole object.
    pub info: ObjectInfo,
    /// The bytes of the asked range.
    pub body: ReadBody,
}

/// The bytes of a read, in the cheapest form that the driver has.
pub enum ReadBody {
    /// All of them at once: right for what is small or in memory.
    Bytes(Bytes),
    /// Chunks, best of 256 KiB to 1 MiB.
    Stream(ByteStream),
    /// A place in an open file, so that the host can send it without copying. Needs the capability `file_region`.
    File(FileRegion),
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
            Self::File(region) => fmt::Debug::fmt(region, f),
        }
    }
}

/// `length` bytes from `offset` on of a file that is open for reading and never changes while it is open.
#[derive(Debug)]
pub struct FileRegion {
    /// The descriptor; the receiver owns it.
    pub file: OwnedFd,
    /// Where the bytes begin, in the file.
    pub offset: u64,
    /// How many there are.
    pub length: u64,
}
