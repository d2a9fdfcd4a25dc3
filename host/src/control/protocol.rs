//! The lines of the control socket. Each names its version, so that a command and a registry of different releases know when they differ.

use serde::{Deserialize, Serialize};

/// The version of the lines.
pub const VERSION: u32 = 1;
/// The longest request, in bytes.
pub const REQUEST_MAX_BYTES: usize = 4 * 1024;
/// The longest answer, in bytes.
pub const ANSWER_MAX_BYTES: usize = 1024 * 1024;

/// What a registry is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Asked {
    /// To read its configuration again.
    Reload,
    /// To open a storage's drivers again.
    ReloadDriver {
        /// The name of a storage, or that of a driver, which stands for all storages that use it.
        name: String,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done(Reloaded),
    /// Nothing has changed.
    Failed(Failure),
}

/// What a reload has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reloaded {
    /// Keys of the configuration whose values are others now.
    pub changes: Vec<Change>,
    /// Storages whose drivers are others now.
    pub storages: Vec<Swapped>,
    /// What the operator should know all the same.
    pub warnings: Vec<String>,
}

/// A key of the configuration with other values; secrets are hidden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key, its steps joined by dots.
    pub key: String,
    /// What it was, as JSON; none if the key is new.
    pub from: Option<String>,
    /// What it is; none if the key is gone.
    pub to: Option<String>,
}

/// A storage that serves otherwise than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swapped {
    /// The storage's name.
    pub storage: String,
    /// Its drivers before, from the outermost layer on, each with version and the beginning of its digest; none if it is new.
    pub from: Option<String>,
    /// Those that serve now; none if the storage is gone.
    pub to: Option<String>,
}

/// Why nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// For programs.
    pub code: FailureCode,
    /// For people: what failed, why, and what to do; several lines if there are several faults.
    pub message: String,
}

/// Why nothing has changed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// Another reload is under way.
    Busy,
    /// The configuration has faults.
    Config,
    /// The new configuration needs a restart.
    Restart,
    /// A driver was refused, or did not open, or is not healthy.
    Driver,
    /// No storage and no driver has the name.
    Unknown,
    /// The request is none that this registry knows.
    Request,
}

/// A line with its version.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    version: u32,
    #[serde(flatten)]
    what: T,
}

/// A request as a line, with its end.
pub(super) fn encode<T: Serialize>(what: &T) -> String {
    // Strings, numbers and lists of them always have a form in JSON.
    serde_json::to_string(&Line { version: VERSION, what }).unwrap_or_default() + "\n"
}

/// Reads a line.
///
/// # Errors
/// What is wrong with it, for the other side.
pub(super) fn decode<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let theirs: Version = serde_json::from_slice(line).map_err(|error| format!("the line is not one of the control socket: {error}"))?;
    if theirs.version != VERSION {
        return Err(format!("the line has version {}, this program speaks {VERSION}; use a longshore of the same release", theirs.version));
    }
    let line: Line<T> = serde_json::from_slice(line).map_err(|error| format!("the line cannot be read: {error}"))?;
    Ok(line.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let asked = Asked::ReloadDriver { name: "main".to_owned() };
        let line = encode(&asked);
        assert_eq!(line, "{\"version\":1,\"request\":\"reload-driver\",\"name\":\"main\"}\n");
        assert_eq!(decode::<Asked>(line.as_bytes()), Ok(asked));
        let change = Change { key: "log.level".to_owned(), from: Some("\"info\"".to_owned()), to: None };
        let done = Answer::Done(Reloaded { changes: vec![change], ..Reloaded::default() });
        let failed = Answer::Failed(Failure { code: FailureCode::Busy, message: "a\nb".to_owned() });
        for answer in [done, failed] {
            let line = encode(&answer);
            assert_eq!(line.matches('\n').count(), 1, "one line: {line}");
            assert_eq!(decode::<Answer>(line.as_bytes()), Ok(answer));
        }
    }

    #[test]
    fn line_of_another_version_or_of_none_says_so() {
        let newer = decode::<Asked>(b"{\"version\":2,\"request\":\"fly\"}").unwrap_err();
        assert!(newer.contains("version 2, this program speaks 1"), "{newer}");
        for line in ["", "x", "{}", "{\"version\":1}", "{\"version\":1,\"request\":\"fly\"}", "[1]", "\u{0}"] {
            decode::<Asked>(line.as_bytes()).expect_err(line);
        }
    }
}
