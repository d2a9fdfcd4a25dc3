//! The record's own lines, written as the cases end, so that a run that is cut off loses nothing.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use crate::case::Case;
use crate::record::{CaseRecord, Event, Header, Summary};
use crate::run::Progress;

/// The first error of writing, once there is one.
pub type Failure = Arc<OnceLock<std::io::Error>>;

/// Writes JSON lines.
pub struct JsonLines<W> {
    to: W,
    /// What comes after it is not written.
    failure: Failure,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `to`.
    pub fn new(to: W) -> Self {
        Self { to, failure: Failure::default() }
    }

    /// Where the first error of writing is told, also when this has been given away.
    pub fn failure(&self) -> Failure {
        self.failure.clone()
    }

    fn line(&mut self, event: &Event) {
        if self.failure.get().is_some() {
            return;
        }
        let mut write = || {
            let mut line = serde_json::to_vec(event)?;
            line.push(b'\n');
            self.to.write_all(&line)?;
            self.to.flush()
        };
        if let Err(error) = write() {
            // There is none yet, as was just seen.
            let _ = self.failure.set(error);
        }
    }
}

impl<W: Write> Progress for JsonLines<W> {
    fn begins(&mut self, header: &Header) {
        self.line(&Event::Run(header.clone()));
    }

    fn case_begins(&mut self, _: &Case, _: &[&str]) {}

    fn case_ends(&mut self, case: &CaseRecord, _: &[&str]) {
        self.line(&Event::Case(Box::new(case.clone())));
    }

    fn ends(&mut self, summary: &Summary) {
        self.line(&Event::Summary(summary.clone()));
    }
}
