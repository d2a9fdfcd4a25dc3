//! What happened to uploads, as numbers for the operator.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many uploads of a storage this host has seen begin and end. Sessions live in their clients' URLs and end on any host, so how many
/// are open nobody knows.
#[derive(Debug, Default)]
pub struct UploadCounts {
    begun: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
    purged: AtomicU64,
}

impl UploadCounts {
    /// Each event with how often it happened: `begun`, also by a single POST; `finished`, with a blob; `cancelled`, by the client;
    /// `purged`, because nobody went on with it.
    pub fn events(&self) -> [(&'static str, u64); 4] {
        [("begun", &self.begun), ("finished", &self.finished), ("cancelled", &self.cancelled), ("purged", &self.purged)]
            .map(|(event, count)| (event, count.load(Ordering::Relaxed)))
    }

    pub(super) fn begun(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn finished(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cancelled(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn purged(&self) {
        self.purged.fetch_add(1, Ordering::Relaxed);
    }
}
