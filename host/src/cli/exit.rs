//! Exit codes that mean something.

use std::process::{ExitCode, Termination};

/// How a command ended. 1 is left to crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Done,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the configuration has faults.
    Config,
    /// 4: a driver's file was refused, or the driver could not be opened.
    Driver,
    /// 5: the address cannot be served.
    Listen,
    /// 6: requests were cut off at shutdown.
    CutOff,
    /// 7: the output cannot be written.
    Output,
    /// 8: the running registry did not do what was asked: it cannot be reached, or a reload is under way.
    Unreachable,
    /// 9: the lock is not up to date (`driver lock --check`).
    Outdated,
}

pub(super) const HELP: &str = "\
Exit codes:
  0  done
  2  the command line is wrong
  3  the configuration has faults
  4  a driver was refused, or cannot be opened
  5  the address cannot be served
  6  requests were cut off at shutdown
  7  the output cannot be written
  8  the running registry cannot be asked, or a reload is under way
  9  the lock is not up to date (driver lock --check)";

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Driver => 4,
            Self::Listen => 5,
            Self::CutOff => 6,
            Self::Output => 7,
            Self::Unreachable => 8,
            Self::Outdated => 9,
        })
    }
}
