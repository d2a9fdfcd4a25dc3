//! What the exit code says.

use std::process::ExitCode;

use crate::record::{CaseRecord, Standing};
use crate::verdict::Verdict;

/// How a command ended. The numbers are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every rule that was tried is kept, and every `must` that is about the driver was tried.
    Conformant = 0,
    /// A rule is broken, a `must` could not be tried, or the baseline is out of date.
    NotConformant = 1,
    /// The command line, the configuration or the baseline is wrong; nothing was run.
    Usage = 2,
    /// The driver's file cannot be loaded or opened.
    NotLoaded = 3,
    /// No case was run.
    NothingRan = 4,
    /// The harness itself failed.
    HarnessError = 5,
    /// The driver crashed or hung in a case.
    Crashed = 6,
    /// With `--repeat`: every failure is of a case that also passed.
    Flaky = 7,
}

/// The list for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  the driver keeps the contract, as far as it was tried
  1  a rule is broken, a MUST could not be tried, or the baseline is out of date
  2  the command line, the configuration or the baseline is wrong
  3  the driver's file cannot be loaded, or the driver does not open
  4  no case was run
  5  the harness itself failed
  6  the driver crashed or hung in a case
  7  with --repeat: every case that failed also passed";

impl Exit {
    /// All of them, by their numbers.
    pub const ALL: [Self; 8] = [
        Self::Conformant,
        Self::NotConformant,
        Self::Usage,
        Self::NotLoaded,
        Self::NothingRan,
        Self::HarnessError,
        Self::Crashed,
        Self::Flaky,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a run of these cases ends with.
pub(crate) fn of_cases(cases: &[CaseRecord]) -> Exit {
    let ran = |case: &CaseRecord| !matches!(case.verdict, Verdict::Skip { .. });
    let any = |standing: Standing| cases.iter().any(|case| case.standing() == standing);
    let crashed = |case: &CaseRecord| case.expected.is_none() && matches!(case.verdict, Verdict::Crash { .. } | Verdict::Timeout { .. });
    match () {
        () if !cases.iter().any(ran) => Exit::NothingRan,
        () if cases.iter().any(crashed) => Exit::Crashed,
        () if any(Standing::Unknown) => Exit::HarnessError,
        () if any(Standing::UnexpectedPass) => Exit::NotConformant,
        () if any(Standing::Failed) && cases.iter().all(|case| case.standing() != Standing::Failed || case.is_flaky()) => Exit::Flaky,
        () if any(Standing::Failed) => Exit::NotConformant,
        () => Exit::Conformant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::FLAKY;
    use crate::verdict::Breach;

    fn failed(id: &str, is_flaky: bool) -> CaseRecord {
        let case = crate::cases::case(id).expect("the case is there");
        let breach = Breach { sentence: "it broke".into(), difference: None, history: Vec::new() };
        let mut record = CaseRecord::of(case, Verdict::Fail(breach));
        if is_flaky {
            record.notes.push((FLAKY.into(), "it passed 3 times before".into()));
        }
        record
    }

    #[test]
    fn failures_are_flaky_only_if_every_one_of_them_also_passed() {
        assert_eq!(of_cases(&[failed("BAS-04", true)]), Exit::Flaky);
        assert_eq!(of_cases(&[failed("BAS-04", true), failed("BAS-05", true)]), Exit::Flaky);
        assert_eq!(of_cases(&[failed("BAS-04", true), failed("BAS-05", false)]), Exit::NotConformant);
    }
}
