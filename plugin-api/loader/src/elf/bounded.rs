//! Reads pieces of a file with bounds: no piece beyond the file's end, none larger than a limit, no mapping.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use object::pod::{self, Pod};

use crate::refusal::{Fault, RefusalCode};

/// The largest piece read at once. A driver's program headers, notes and dynamic table are a few KiB.
pub(crate) const PIECE_MAX_BYTES: u64 = 1024 * 1024;

/// An open file and the size it had when it was opened.
///
/// Read with `pread`, because a mapped file that shrinks kills the process. Each answer is a copy, so what was checked stays as it was.
#[derive(Debug)]
pub(crate) struct Bounded {
    file: File,
    size: u64,
}

impl Bounded {
    pub(crate) fn new(file: File, size: u64) -> Self {
        Self { file, size }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// One record of at most 64 bytes.
    pub(crate) fn record<T: Pod>(&self, at: u64, what: &str) -> Result<T, Fault> {
        self.table::<T>(at, 1, what)?.pop().ok_or_else(|| Fault::malformed(format!("its {what} has no size")))
    }

    /// `count` records in a row.
    pub(crate) fn table<T: Pod>(&self, at: u64, count: u64, what: &str) -> Result<Vec<T>, Fault> {
        let bytes = self.bytes(at, count.saturating_mul(size_of::<T>() as u64), what)?;
        let (records, _) = pod::slice_from_bytes::<T>(bytes.as_slice(), count as usize)
            .map_err(|()| Fault::malformed(format!("its {what} cannot be read as records")))?;
        Ok(records.to_vec())
    }

    /// `len` bytes.
    pub(crate) fn bytes(&self, at: u64, len: u64, what: &str) -> Result<Aligned, Fault> {
        if len > PIECE_MAX_BYTES {
            return Err(Fault::malformed(format!("its {what} is {len} bytes large, at most {PIECE_MAX_BYTES} are read")));
        }
        let end = at.saturating_add(len);
        if end > self.size {
            return Err(self.ends_early(what, end));
        }
        let mut bytes = Aligned::zeroed(len as usize);
        self.file.read_exact_at(bytes.as_mut_slice(), at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.ends_early(what, end),
            _ => unreadable(&error),
        })?;
        Ok(bytes)
    }

    /// The refusal of a file that is shorter than it says.
    pub(crate) fn ends_early(&self, what: &str, end: u64) -> Fault {
        Fault::new(
            RefusalCode::FileTruncated,
            format!("the file is cut off: its {what} reaches to byte {end}, the file has {} bytes", self.size),
            "copy the file again, whole, and rename it into place",
        )
    }
}

/// The refusal of a file that cannot be read.
pub(crate) fn unreadable(error: &io::Error) -> Fault {
    Fault::new(
        RefusalCode::FileNotReadable,
        format!("it cannot be read: {error}"),
        "let the user that runs the host read the file and enter its folders",
    )
}

/// Bytes that begin at an address where every ELF record may begin.
#[derive(Debug)]
pub(crate) struct Aligned {
    words: Vec<u64>,
    len: usize,
}

impl Aligned {
    fn zeroed(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(8)], len }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &pod::bytes_of_slice(&self.words)[..self.len]
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut pod::bytes_of_slice_mut(&mut self.words)[..self.len]
    }
}
