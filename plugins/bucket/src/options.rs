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
    /// Bytes of all parts that are on their way, of all uploads together.
    pub sending_max_bytes: usize,
    /// How often a request is made at the most.
    pub attempts: u32,
    /// How many requests run at once at the most; fewer while the store asks for it.
    pub requests_max: usize,
    /// How long a body may pause.
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: String::new(),
            part_bytes: 8 << 20,
            part_min_bytes: 5 << 20,
            equal_parts: false,
            parts_max: 10_000,
            sending_max_bytes: 64 << 20,
            attempts: 5,
            requests_max: 128,
            idle: Duration::from_secs(30),
        }
    }
}
