//! What a driver tells of its store.

use std::time::Duration;

/// How a store is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// What every name begins with; empty, or ending in `/`.
    pub root: String,
    /// Bytes of a part, 5 MiB to 16 MiB. One upload holds one such part that fills.
    pub part_bytes: usize,
    /// Bytes below which the store takes a part only as the last one.
    pub part_min_bytes: usize,
    /// Whether the store wants all parts but the last of one size.
    pub equal_parts: bool,
    /// How many parts an upload may have.
    pub parts_max: u32,
    /// How parts are gathered when an upload has more bytes than that; `None` if the store cannot make a part of an object.
    pub segments: Option<Segments>,
    /// Bytes from which on an object is written apart and copied to its key, in a store where a write that breaks off may take the object with
    /// it that it was to replace; `None` where none does.
    pub apart_from_bytes: Option<usize>,
    /// Bytes of all parts that are on their way, of all uploads together.
    pub sending_max_bytes: usize,
    /// How often a request is made at the most.
    pub attempts: u32,
    /// How many requests run at once at the most; fewer while the store asks for it.
    pub requests_max: usize,
    /// How many requests fetch one object at the same time that is larger than a piece, at least 1.
    pub parallel_reads: usize,
    /// Bytes of a piece, as they are where several requests bring one object; a body may have `parallel_reads` of them in memory.
    pub piece_bytes: u64,
    /// How long a body may pause.
    pub idle: Duration,
}

/// How the bytes of an upload are gathered in private objects that become one part each.
#[derive(Debug, Clone, Copy)]
pub struct Segments {
    /// How many parts are the upload's own before.
    pub after_parts: u32,
    /// Bytes from which on a segment is full. It has those of one part more at the most, which the store must copy in one request.
    pub bytes: u64,
}

impl Default for Segments {
    /// 10,000 parts for 5 TiB, out of parts of 5 MiB: 2,000 that need no copy, 9.8 GiB, and 8,000 segments. Such a segment is copied within
    /// the time that any other answer takes.
    fn default() -> Self {
        Self { after_parts: 2_000, bytes: 700 << 20 }
    }
}

impl Options {
    /// Bytes of parts that may be on their way: at least those of one.
    pub(crate) fn sending_max(&self) -> usize {
        self.sending_max_bytes.max(self.part_bytes)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: String::new(),
            part_bytes: 8 << 20,
            part_min_bytes: 5 << 20,
            equal_parts: false,
            parts_max: 10_000,
            segments: None,
            apart_from_bytes: None,
            sending_max_bytes: 64 << 20,
            attempts: 5,
            requests_max: 128,
            parallel_reads: 1,
            piece_bytes: 8 << 20,
            idle: Duration::from_secs(30),
        }
    }
}
