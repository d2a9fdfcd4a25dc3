//! What a driver in a child says: its log lines, its counters, and what it prints. Nothing of it is believed to be little.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use longshore_plugin_api::{HostServices, Level};
use tokio::net::unix::pipe;

use crate::services::Services;

/// Lines of one child that the log takes at once, and each second from then on.
const LINES_MAX: f64 = 200.0;
/// How much of what a child prints is kept for the report of its end, in bytes.
const TAIL_BYTES: usize = 2048;
/// A longer line is cut.
const LINE_BYTES: usize = 4096;

/// Where a child's words go.
pub(super) struct Said {
    services: Arc<Services>,
    lines: Mutex<Lines>,
    tail: Mutex<VecDeque<u8>>,
}

struct Lines {
    left: f64,
    since: Instant,
    dropped: u64,
}

impl Said {
    pub(super) fn new(services: Arc<Services>) -> Self {
        let lines = Lines { left: LINES_MAX, since: Instant::now(), dropped: 0 };
        Self { services, lines: Mutex::new(lines), tail: Mutex::default() }
    }

    /// A line for the log, unless there are too many.
    pub(super) fn log(&self, level: Level, line: &str) {
        let Some(dropped) = self.admit() else { return };
        if dropped > 0 {
            self.services.log(Level::Warn, &format!("{dropped} lines of this driver were left out: it may log {LINES_MAX} a second"));
        }
        let line: String = line[..line.floor_char_boundary(LINE_BYTES)].replace(char::is_control, " ");
        self.services.log(level, &line);
    }

    /// How many lines were left out since the last one; `None` if this one is left out too.
    fn admit(&self) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        lines.left = (lines.left + now.duration_since(lines.since).as_secs_f64() * LINES_MAX).min(LINES_MAX);
        lines.since = now;
        if lines.left < 1.0 {
            lines.dropped += 1;
            return None;
        }
        lines.left -= 1.0;
        Some(std::mem::take(&mut lines.dropped))
    }

    pub(super) fn count(&self, name: &str, value: u64) {
        self.services.count(name, value);
    }

    fn tail(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what the child prints until it ends: it is logged, and its end is kept.
    pub(super) async fn listen(&self, pipe: pipe::Receiver) {
        let mut line = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = read(&pipe, &mut piece).await {
            let piece = &piece[..count];
            let mut tail = self.tail();
            tail.extend(piece);
            let beyond = tail.len().saturating_sub(TAIL_BYTES);
            tail.drain(..beyond);
            drop(tail);
            for part in piece.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if part.ends_with(b"\n") || line.len() > LINE_BYTES {
                    self.printed(&line);
                    line.clear();
                }
            }
        }
        self.printed(&line);
    }

    fn printed(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if !line.trim().is_empty() {
            self.log(Level::Warn, &format!("printed: {}", line.trim_end()));
        }
    }

    /// The end of what was printed, on one line; it is forgotten then.
    pub(super) fn last_words(&self) -> String {
        let tail: Vec<u8> = self.tail().drain(..).collect();
        String::from_utf8_lossy(&tail).trim().replace(char::is_control, " ")
    }
}

async fn read(pipe: &pipe::Receiver, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        pipe.readable().await?;
        match pipe.try_read(piece) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_lines_is_cut_and_counted() {
        let said = Said::new(Arc::new(Services::new("test/main")));
        let admitted = (0..10_000).filter(|_| said.admit().is_some()).count();
        assert!((LINES_MAX as usize..10_000 - 1).contains(&admitted), "{admitted} of 10,000 lines were logged");
        assert!(said.lines.lock().unwrap().dropped > 0);
    }
}
