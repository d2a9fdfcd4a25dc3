//! The record's own lines, written as the cases end, so that a run that is cut off loses nothing.

use std::io::Write;

use crate::case::Case;
use crate::record::{CaseRecord, Event, Header, Summary};
use crate::run::Progress;

/// Writes JSON lines.
pub struct JsonLines<W> {
    to: W,
    /// The first error of writing; what comes after it is not written.
    failed: Option<std::io::Error>,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `to`.
    pub fn new(to: W) -> Self {
        Self { to, failed: None }
    }

    /// The first error of writing, if there was one.
    pub fn failed(self) -> Option<std::io::Error> {
        self.failed
    }

    fn line(&mut self, event: &Event) {
        if self.failed.is_some() {
            return;
        }
        let mut write = || {
            let mut line = serde_json::to_vec(event)?;
            line.push(b'\n');
            self.to.write_all(&line)?;
            self.to.flush()
        };
        self.failed = write().err();
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
