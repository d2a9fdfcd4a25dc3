//! The command's end of the control socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::protocol::{self, ANSWER_MAX_BYTES, Answer, Asked};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask the registry at {path}: {why}")]
pub struct Unanswered {
    path: String,
    why: String,
}

/// Asks the registry that listens at `path`, and waits at most for `limit`.
///
/// # Errors
/// If nobody answers in time, or nothing that this program understands.
pub fn ask(path: &Path, asked: &Asked, limit: Duration) -> Result<Answer, Unanswered> {
    answer(path, asked, limit).map_err(|why| Unanswered { path: path.display().to_string(), why })
}

fn answer(path: &Path, asked: &Asked, limit: Duration) -> Result<Answer, String> {
    let mut stream = UnixStream::connect(path).map_err(|error| format!("{error}; is a registry running with this configuration?"))?;
    let limits = stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit)));
    limits.and_then(|()| stream.write_all(protocol::encode(asked).as_bytes())).map_err(|error| error.to_string())?;
    let mut line = Vec::new();
    let read = BufReader::new(stream).take(ANSWER_MAX_BYTES as u64).read_until(b'\n', &mut line);
    read.map_err(|error| format!("no answer within {} s, its log tells the rest: {error}", limit.as_secs()))?;
    if line.is_empty() {
        return Err("it ended before it answered".to_owned());
    }
    protocol::decode(&line)
}
