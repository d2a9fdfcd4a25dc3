//! Everything to be said of a driver file before any of its code runs, all at once: what was found, why it matters, what to do.
//!
//! [`examine`] is what an operator asks; [`Inspection::flaws`] answers without a policy, for whoever judges a driver. `object.rs` looks at
//! the shared library, `note.rs` at what its note says, `imports.rs` at what it could call, `libraries/` for the libraries that it needs.

mod code;
mod imports;
mod libraries;
mod note;
mod object;

use std::fmt;
use std::path::Path;

pub use code::{FindingCode, FlawCode, Group};
pub use libraries::Library;

use crate::inspect::{Inspection, SharedObject};
use crate::refusal::Refusal;
use crate::verify::{Policy, reasons};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something to know.
    Notice,
    /// Something to mend; the host loads the file all the same.
    Warning,
    /// The host does not load the file.
    Refused,
}

impl Severity {
    /// The severity as it is printed and documented.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Refused => "refused",
        }
    }
}

/// One thing to be said of a driver file. Why it matters is the same for all findings of a code: [`FindingCode::meaning`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What to match on.
    pub code: FindingCode,
    /// What was found in this file.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl Finding {
    pub(crate) fn new(code: FlawCode, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code: FindingCode::Flaw(code), what: what.into(), fix: fix.into() }
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl From<&Refusal> for Finding {
    fn from(refusal: &Refusal) -> Self {
        Self { code: FindingCode::Refusal(refusal.code), what: refusal.why.clone(), fix: refusal.fix.clone() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {} [{}]", self.what, self.fix, self.code)
    }
}

/// All that can be told of a file without running it.
#[derive(Debug)]
pub struct Examination {
    /// What it says of itself, if that can be read.
    pub inspection: Result<Inspection, Refusal>,
    /// Everything to be said of it, what matters most first.
    pub findings: Vec<Finding>,
    /// The libraries that it needs, and those that they need.
    pub libraries: Vec<Library>,
}

impl Examination {
    /// The worst that was found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(Finding::severity).max()
    }

    /// Why a host would not load the file, first reason first.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity() == Severity::Refused)
    }
}

/// Of a file that was not found, or of which nothing can be read.
impl From<Refusal> for Examination {
    fn from(refusal: Refusal) -> Self {
        Self { findings: vec![(&refusal).into()], inspection: Err(refusal), libraries: Vec::new() }
    }
}

/// Reads the file at `path` and tells everything that is to be said of it under `policy`. Nothing of it runs.
///
/// A file that is no shared library for this machine has one finding: there is nothing more to read.
pub fn examine(path: &Path, policy: &Policy) -> Examination {
    let object = match SharedObject::read(path) {
        Ok(object) => object,
        Err(fault) => return fault.refuse(path).into(),
    };
    let libraries = libraries::resolve(&object);
    let mut findings = libraries::findings(&object, &libraries);
    findings.extend(object::flaws(&object));
    let inspection = object.inspect().map_err(|fault| fault.refuse(path));
    match &inspection {
        Ok(inspection) => {
            findings.extend(reasons(inspection, policy).iter().map(Finding::from));
            findings.extend(note::flaws(inspection));
        }
        Err(refusal) => findings.push(refusal.into()),
    }
    // Stable, so that what was found first stays first among its equals.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    Examination { inspection, findings, libraries }
}

impl Inspection {
    /// What is to be said of the file whatever the host and its policy: no finding of these keeps it from being loaded.
    pub fn flaws(&self) -> Vec<Finding> {
        let mut findings = object::flaws(self.object());
        findings.extend(note::flaws(self));
        findings
    }
}
