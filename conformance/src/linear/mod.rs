//! Linearizability of one key: is there an order of its calls that explains every answer?
//!
//! Every call takes effect at one instant between its begin and its end. A history is good if such instants can be chosen so that a
//! register, doing the calls in their order, gives the same answers. A call without an answer may take effect at any time after its
//! begin, or never.
//!
//! | file | is |
//! |---|---|
//! | `search` | the search for an order (Wing and Gong, with the memory of Lowe) |
//! | `explain` | the breach that a report shows |
//! | `tests` | histories that are known to be good or bad |

mod explain;
mod search;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use explain::must_be_linear;
use search::Found;

/// What a register holds: a number that no other write has, or nothing.
pub(crate) type Held = Option<u64>;

/// A call and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A write of a number.
    Put(u64),
    /// A write on the condition that nothing is there, which took place or not.
    Create { value: u64, won: bool },
    /// A deletion, which found something or not.
    Delete { found: bool },
    /// What was read.
    Get(Held),
    /// Whether something was said to be there.
    Stat(bool),
    /// Whether it was listed: the same question, and another answer where a back-end's lists lag behind its objects.
    List(bool),
}

impl Act {
    /// What the register holds afterwards; `None` if it would have answered otherwise.
    fn on(self, held: Held) -> Option<Held> {
        match self {
            Self::Put(value) => Some(Some(value)),
            Self::Create { value, won: true } => held.is_none().then_some(Some(value)),
            Self::Create { won: false, .. } => held.is_some().then_some(held),
            Self::Delete { found } => (held.is_some() == found).then_some(None),
            Self::Get(read) => (held == read).then_some(held),
            Self::Stat(there) | Self::List(there) => (held.is_some() == there).then_some(held),
        }
    }

    /// True if the register may hold something else afterwards.
    pub(crate) fn changes(self) -> bool {
        match self {
            Self::Put(_) => true,
            Self::Create { won, .. } => won,
            Self::Delete { found } => found,
            Self::Get(_) | Self::Stat(_) | Self::List(_) => false,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(value) => write!(f, "put {value} -> ok"),
            Self::Create { value, won: true } => write!(f, "put {value} if absent -> ok"),
            Self::Create { value, won: false } => write!(f, "put {value} if absent -> already_exists"),
            Self::Delete { found: true } => f.write_str("delete -> ok"),
            Self::Delete { found: false } => f.write_str("delete -> not_found"),
            Self::Get(Some(value)) => write!(f, "get -> {value}"),
            Self::Get(None) => f.write_str("get -> not_found"),
            Self::Stat(true) => f.write_str("stat -> there"),
            Self::Stat(false) => f.write_str("stat -> not_found"),
            Self::List(true) => f.write_str("list -> there"),
            Self::List(false) => f.write_str("list -> not there"),
        }
    }
}

/// One call of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    /// Who called.
    pub(crate) client: usize,
    /// When it began, in nanoseconds since the history's beginning.
    pub(crate) begin: u64,
    /// When it was answered. Without an answer, `act` is the change that it makes if it takes effect at all.
    pub(crate) end: Option<u64>,
    /// What was called and answered.
    pub(crate) act: Act,
}

/// How many of the deletes of one object succeed that overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deletes {
    /// One.
    OneWins,
    /// All may: the back-end does not tell whether something was there, so a driver looks first, and each of them saw the object (driver
    /// contract, section 3, `delete`). One of them takes effect on it. One that began after it took effect has seen that nothing is there.
    AllMayWin,
}

/// What is known of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// There is an order.
    Linear,
    /// There is none. Everything that was answered before the operation of this index has one; with its answer there is none any more.
    Broken { culprit: usize },
    /// The search was given up after the allowed number of steps.
    Undecided,
}

/// Judges the history of one register, which is empty at first. At most `max_steps` orders are begun for each prefix of it.
pub(crate) fn judge(history: &[Operation], deletes: Deletes, max_steps: usize) -> Judgement {
    match search::search(&until(history, u64::MAX), deletes, max_steps) {
        Found::Order => return Judgement::Linear,
        Found::GaveUp => return Judgement::Undecided,
        Found::None => {}
    }
    let mut ended: Vec<_> = history.iter().enumerate().filter_map(|(index, operation)| Some((operation.end?, index))).collect();
    ended.sort_unstable();
    // A longer prefix of a bad one is bad too: the first bad one is found by halves. All of it, at `bad`, is known to be.
    let (mut good, mut bad) = (0, ended.len());
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match search::search(&until(history, ended[middle - 1].0), deletes, max_steps) {
            Found::Order => good = middle,
            // What cannot be decided may make the culprit a later one, never a wrong verdict.
            Found::GaveUp => good = middle,
            Found::None => bad = middle,
        }
    }
    // There is an answered operation: without one, any order would do.
    ended.get(bad.saturating_sub(1)).map_or(Judgement::Undecided, |(_, culprit)| Judgement::Broken { culprit: *culprit })
}

/// The history as it was known at an instant: what was answered later has no answer yet.
fn until(history: &[Operation], instant: u64) -> Vec<Operation> {
    let known = history.iter().filter(|operation| operation.begin <= instant).map(|operation| {
        let end = operation.end.filter(|end| *end <= instant);
        Operation { end, ..*operation }
    });
    // What changes nothing and has no answer says nothing.
    known.filter(|operation| operation.end.is_some() || operation.act.changes()).collect()
}
