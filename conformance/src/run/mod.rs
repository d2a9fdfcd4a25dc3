//! Running cases: each in a process of its own, with a deadline.
//!
//! | file | is |
//! |---|---|
//! | `attempt` | the process that tries one case |
//! | `child` | starting it, ending it, and what became of it |
//! | `plan` | which cases are tried |
//! | `session` | all of them, several at a time |
//! | `baseline` | failures that are known and accepted for a while |

pub(crate) mod attempt;
mod baseline;
mod child;
mod plan;
mod session;

pub use baseline::{Baseline, BaselineError};
pub use child::probe;
pub use plan::{Filter, Plan, Planned};
pub use session::{Options, Progress, Quiet, Session};
