//! Why a driver file is not loaded: a stable code for programs, one sentence for people.

mod code;
mod dlopen;

use std::path::{Path, PathBuf};

pub use code::RefusalCode;
pub use dlopen::explain_dlopen_error;

/// A driver file that this host does not load.
///
/// As text: what was tried, with which file, why it was refused, and what to do, in one sentence. The code never changes its meaning; the
/// sentence may be reworded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} from {path:?}: {why}; {fix}")]
pub struct Refusal {
    /// What to match on.
    pub code: RefusalCode,
    /// The file as it was asked for; for a driver that was not found by name, the file name looked for.
    pub path: PathBuf,
    /// `cannot load driver "name"`, without the name while it is unknown.
    pub what: String,
    /// What was found and what was wanted.
    pub why: String,
    /// The next step of whoever reads it.
    pub fix: String,
}

impl Refusal {
    /// A refusal of `path`, whose driver's name is not known yet.
    pub fn new(code: RefusalCode, path: &Path, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, path: path.to_owned(), what: "cannot load driver".into(), why: why.into(), fix: fix.into() }
    }

    /// The same, telling the driver's name.
    #[must_use]
    pub fn named(mut self, driver: &str) -> Self {
        self.what = format!("cannot load driver {driver:?}");
        self
    }
}

/// A refusal found by code that sees bytes and knows no path.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: RefusalCode,
    why: String,
    fix: String,
}

impl Fault {
    pub(crate) fn new(code: RefusalCode, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, why: why.into(), fix: fix.into() }
    }

    /// A file that contradicts itself: whatever wrote it is broken, or it was damaged on the way.
    pub(crate) fn malformed(why: impl Into<String>) -> Self {
        Self::new(RefusalCode::FileMalformed, why, "copy the file again from where it was built, or build it again")
    }

    pub(crate) fn refuse(self, path: &Path) -> Refusal {
        Refusal::new(self.code, path, self.why, self.fix)
    }
}

/// Text out of a foreign file, fit for a message: nothing that a terminal would obey, and no more than 160 characters.
pub(crate) fn plain(text: &str) -> String {
    const MAX_CHARS: usize = 160;
    let mut plain: String = text.chars().take(MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_says_what_where_why_and_what_to_do() {
        let refusal = Refusal::new(RefusalCode::FileEmpty, Path::new("/d/x.so"), "the file is empty", "copy it again");
        assert_eq!(refusal.to_string(), r#"cannot load driver from "/d/x.so": the file is empty; copy it again"#);
        assert_eq!(refusal.named("s3").to_string(), r#"cannot load driver "s3" from "/d/x.so": the file is empty; copy it again"#);
    }

    #[test]
    fn foreign_text_cannot_reach_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), 161);
    }
}
