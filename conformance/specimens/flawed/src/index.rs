//! An index of objects that is not kept as one with them: the flaw that has lists from one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the index knows of the keys that were written, by the paths of their objects.
#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<HashMap<PathBuf, Record>>);

#[derive(Debug, Default)]
struct Record {
    /// How many writes are under way.
    writes: usize,
    /// True if a delete ended while one was: its record stays the last.
    is_lost: bool,
}

impl Index {
    fn records(&self) -> MutexGuard<'_, HashMap<PathBuf, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A write begins, which brings back what an older one lost, and ends with what this returns.
    pub(crate) fn begin_write<'i>(&'i self, object: &'i Path) -> Writing<'i> {
        let mut records = self.records();
        let record = records.entry(object.to_owned()).or_default();
        record.is_lost &= record.writes > 0;
        record.writes += 1;
        Writing(self, object)
    }

    /// A delete ends.
    pub(crate) fn deleted(&self, object: &Path) {
        if let Some(record) = self.records().get_mut(object) {
            record.is_lost = record.writes > 0;
        }
    }

    /// True if lists have not got the object.
    pub(crate) fn lost(&self, object: &Path) -> bool {
        self.records().get(object).is_some_and(|record| record.is_lost)
    }
}

/// A write under way.
#[must_use]
pub(crate) struct Writing<'i>(&'i Index, &'i Path);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.0.records().get_mut(self.1) {
            record.writes -= 1;
        }
    }
}
