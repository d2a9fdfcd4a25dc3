//! What a process printed: how much, and the end of it.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How much of the text is kept, in bytes from its end.
const KEPT_MAX_BYTES: usize = 16 * 1024;
/// How long a pipe may stay open after all processes that had it were ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// How many bytes there were.
    pub bytes: u64,
    /// The last of them, at most 16 KiB, as text.
    pub tail: String,
}

#[derive(Default)]
struct Kept {
    bytes: u64,
    tail: Vec<u8>,
    closed: bool,
}

/// Reads a pipe to its end, so that whoever writes never waits.
pub(super) struct Reader(Arc<(Mutex<Kept>, Condvar)>);

impl Reader {
    pub(super) fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Kept::default()), Condvar::new()));
        let reader = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let mut kept = reader.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.bytes += read as u64;
                kept.tail.extend_from_slice(&buffer[..read]);
                let beyond = kept.tail.len().saturating_sub(KEPT_MAX_BYTES);
                kept.tail.drain(..beyond);
                if read == 0 {
                    kept.closed = true;
                    reader.1.notify_all();
                    return;
                }
            }
        });
        Self(shared)
    }

    /// Waits for the pipe's end, for a while.
    pub(super) fn finish(self) -> Output {
        let kept = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(kept, PATIENCE, |kept| !kept.closed);
        let (kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Output { bytes: kept.bytes, tail: String::from_utf8_lossy(&kept.tail).into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_long_text_is_kept_and_all_of_it_counted() {
        let text = "a".repeat(100_000) + "the end";
        let output = Reader::of(std::io::Cursor::new(text.clone())).finish();
        assert_eq!(output.bytes, text.len() as u64);
        assert!(output.tail.len() == KEPT_MAX_BYTES && output.tail.ends_with("the end"));
    }
}
