//! What a case found.

use std::fmt;

use longshore_loader::api::{DriverError, ErrorClass};
use serde::{Deserialize, Serialize};

/// What is known of a case once it has run, or could not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The rule was kept.
    Pass,
    /// The rule was broken.
    Fail(Breach),
    /// The driver ended the process of the case.
    Crash {
        /// `signal 11 (SIGSEGV)` or `exit code 3`.
        how: String,
    },
    /// The case did not end in its time.
    Timeout {
        /// The limit, in seconds.
        limit_secs: u64,
    },
    /// The rule was kept, and after `close` something was left: descriptors, threads, child processes.
    Leak {
        /// What was left, one item each.
        left: Vec<String>,
    },
    /// The rule is not about this driver.
    Skip {
        /// What it needs that the driver does not have or that the user said.
        reason: String,
    },
    /// The rule is about this driver, and could not be tried on this machine.
    NotTestable {
        /// Why.
        reason: String,
    },
    /// The harness itself failed; nothing is known of the driver.
    HarnessError {
        /// What failed.
        reason: String,
    },
}

impl Verdict {
    /// The names of all verdicts, as reports spell them.
    pub const NAMES: [&'static str; 8] = ["pass", "fail", "crash", "timeout", "leak", "skip", "not-testable", "harness-error"];

    /// The name used in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Crash { .. } => "crash",
            Self::Timeout { .. } => "timeout",
            Self::Leak { .. } => "leak",
            Self::Skip { .. } => "skip",
            Self::NotTestable { .. } => "not-testable",
            Self::HarnessError { .. } => "harness-error",
        }
    }

    /// True if the driver broke the rule, in whatever way.
    pub const fn is_breach(&self) -> bool {
        matches!(self, Self::Fail(_) | Self::Crash { .. } | Self::Timeout { .. } | Self::Leak { .. })
    }

    /// What came back, as a sentence; empty for `pass`.
    pub fn sentence(&self) -> String {
        match self {
            Self::Pass => String::new(),
            Self::Fail(breach) => breach.sentence.clone(),
            Self::Crash { how } => format!("the driver ended the process: {how}"),
            Self::Timeout { limit_secs } => format!("it did not end within {limit_secs} s"),
            Self::Leak { left } => format!("after close were left: {}", left.join(", ")),
            Self::Skip { reason } | Self::NotTestable { reason } | Self::HarnessError { reason } => reason.clone(),
        }
    }
}

/// How a rule was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// What was done and what came back.
    pub sentence: String,
    /// Where bytes differ, if that is how it was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// A recorded history that explains it, as lines for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Event>,
}

/// One operation of a concurrent history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Who called, counted from 0.
    pub client: usize,
    /// When it began, in microseconds since the history's beginning.
    pub begin_us: u64,
    /// When it was answered; `None` if the answer is not known.
    pub end_us: Option<u64>,
    /// The call and its answer, e.g. `put 7 -> ok`.
    pub text: String,
    /// True if this is the operation that has no place in any order.
    #[serde(default)]
    pub culprit: bool,
}

/// The first place where two byte strings differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The offset of the first byte that differs, from 0.
    pub offset: u64,
    /// How many bytes were expected.
    pub expected_size: u64,
    /// How many came.
    pub got_size: u64,
    /// Up to 32 bytes before the offset and 32 from it on, as hexadecimal digits, of what was expected.
    pub expected: String,
    /// The same of what came.
    pub got: String,
}

/// How many bytes a [`Difference`] shows on either side.
const SHOWN_BYTES: usize = 32;

impl Difference {
    /// The first difference of two byte strings, if there is one.
    pub fn between(expected: &[u8], got: &[u8]) -> Option<Self> {
        // Nearly always so, and much faster than byte by byte.
        if expected == got {
            return None;
        }
        let common = expected.iter().zip(got).take_while(|(one, other)| one == other).count();
        let shown = |bytes: &[u8]| {
            let from = common.saturating_sub(SHOWN_BYTES);
            let to = (common + SHOWN_BYTES).min(bytes.len());
            bytes[from..to].iter().map(|byte| format!("{byte:02x}")).collect()
        };
        Some(Self {
            offset: common as u64,
            expected_size: expected.len() as u64,
            got_size: got.len() as u64,
            expected: shown(expected),
            got: shown(got),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at offset {} (of {} expected and {} delivered bytes): expected …{}…, got …{}…",
            self.offset, self.expected_size, self.got_size, self.expected, self.got
        )
    }
}

/// Why a case ended before its last line.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The driver broke the rule.
    Breach(Box<Breach>),
    /// The rule cannot be tried here.
    NotTestable(String),
    /// The harness failed.
    Harness(String),
}

impl Stop {
    /// The rule was broken, as the sentence says.
    pub(crate) fn breach(sentence: impl Into<String>) -> Self {
        Self::Breach(Box::new(Breach { sentence: sentence.into(), difference: None, history: Vec::new() }))
    }

    /// The rule cannot be tried here.
    pub(crate) fn not_testable(reason: impl Into<String>) -> Self {
        Self::NotTestable(reason.into())
    }

    /// The harness failed at `what`.
    pub(crate) fn harness(what: &str, error: impl fmt::Display) -> Self {
        Self::Harness(format!("{what}: {error}"))
    }

    /// The verdict that it leads to.
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Breach(breach) => Verdict::Fail(*breach),
            Self::NotTestable(reason) => Verdict::NotTestable { reason },
            Self::Harness(reason) => Verdict::HarnessError { reason },
        }
    }
}

/// An error where none belongs.
impl From<DriverError> for Stop {
    fn from(error: DriverError) -> Self {
        Self::breach(format!("an unexpected error: {error}"))
    }
}

/// `Ok` if `result` is an error of one of `classes`.
pub(crate) fn refused<T>(result: Result<T, DriverError>, classes: &[ErrorClass], what: impl fmt::Display) -> Result<(), Stop> {
    let expected = || classes.iter().map(|class| class.name()).collect::<Vec<_>>().join(" or ");
    match result {
        Err(error) if classes.contains(&error.class()) => Ok(()),
        Err(error) => Err(Stop::breach(format!("{what} must answer {}, and answered: {error}", expected()))),
        Ok(_) => Err(Stop::breach(format!("{what} must answer {}, and succeeded", expected()))),
    }
}

/// `Ok` if `got` is `expected`, byte for byte.
pub(crate) fn same(expected: &[u8], got: &[u8], what: impl fmt::Display) -> Result<(), Stop> {
    match Difference::between(expected, got) {
        None => Ok(()),
        Some(difference) => {
            let sentence = format!("{what}: {} bytes were expected and {} others came", expected.len(), got.len());
            Err(Stop::Breach(Box::new(Breach { sentence, difference: Some(difference), history: Vec::new() })))
        }
    }
}

/// Ends a case with a breach unless the condition holds.
macro_rules! hold {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::verdict::Stop::breach(format!($($sentence)+)));
        }
    };
}

pub(crate) use hold;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_the_first_byte_with_its_neighbours() {
        assert_eq!(Difference::between(b"same", b"same"), None);
        let long: Vec<u8> = (0..100).collect();
        let mut other = long.clone();
        other[50] = 0xff;
        let found = Difference::between(&long, &other).expect("they differ");
        assert_eq!((found.offset, found.expected.len(), found.got.len()), (50, 128, 128));
        assert!(found.got.contains("31ff33"), "{found}");
        let short = Difference::between(&long, &long[..10]).expect("they differ");
        assert_eq!((short.offset, short.got_size), (10, 10));
        assert_eq!(short.got, "00010203040506070809");
    }
}
