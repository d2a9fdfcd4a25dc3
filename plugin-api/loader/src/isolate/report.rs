//! What the log says of a child's end.

use std::fmt;

use sha2::{Digest, Sha256};

use super::link::{Ended, LostCall};

/// How many of the lost calls are named.
const CALLS_NAMED: usize = 8;

/// The end of a child; its text goes on "it ended by …".
pub(super) struct Crash {
    /// Signal or exit code.
    pub(super) fate: String,
    pub(super) ended: Ended,
    /// What it was busy with.
    pub(super) calls: Vec<LostCall>,
    /// The end of what it printed.
    pub(super) last_words: String,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fate)?;
        match &self.ended {
            Ended::Gone => {}
            Ended::Garbage(garbage) => write!(f, ", since it sent {}", garbage.0)?,
            Ended::Hangs => f.write_str(", since it let a call's deadline pass and then did not answer for 5 s")?,
            Ended::Failed(error) => write!(f, ", since its socket failed ({error})")?,
        }
        for (index, call) in self.calls.iter().take(CALLS_NAMED).enumerate() {
            write!(f, "{} {call}", if index == 0 { " during" } else { "," })?;
        }
        if let more @ 1.. = self.calls.len().saturating_sub(CALLS_NAMED) {
            write!(f, " and {more} more")?;
        }
        if !self.last_words.is_empty() {
            write!(f, "; the last that it printed: {:?}", self.last_words)?;
        }
        Ok(())
    }
}

impl fmt::Display for LostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match &self.subject {
            Some(subject) => write!(f, " of {}", hash(subject)),
            None => Ok(()),
        }
    }
}

/// A name as the log has it: the first 16 digits of its sha256, as `printf KEY | sha256sum` tells them.
pub(crate) fn hash(name: &str) -> String {
    Sha256::digest(name).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
