//! Costs in driver calls, as sums that may grow with a number.

use std::fmt;

use longshore_loader::CallKind;

/// Calls of one kind: `once`, and `each` for every `per` of what the operation's [`unit`](super::plan::Operation::unit) counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// The kind.
    pub kind: CallKind,
    /// Independent of the unit.
    pub once: u64,
    /// For every `per` units.
    pub each: u64,
    /// At least 1.
    pub per: u64,
}

impl Term {
    /// The calls for `n` units.
    pub const fn calls(&self, n: u64) -> u64 {
        self.once + self.each * (n / self.per)
    }
}

pub(super) const fn once(kind: CallKind, once: u64) -> Term {
    Term { kind, once, each: 0, per: 1 }
}

pub(super) const fn grows(kind: CallKind, once: u64, each: u64, per: u64) -> Term {
    Term { kind, once, each, per }
}

/// Whether a remote store has to be asked for such a call.
pub const fn is_round_trip(kind: CallKind) -> bool {
    !matches!(kind, CallKind::Write | CallKind::UploadBegin | CallKind::UploadResume | CallKind::Presign)
}

/// What an operation costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost(Vec<Term>);

impl Cost {
    /// By kinds, each of them once or more.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// The calls for `n` units.
    pub fn calls(&self, n: u64) -> u64 {
        self.0.iter().map(|term| term.calls(n)).sum()
    }

    /// Those of them for which a remote store has to be asked.
    pub fn round_trips(&self, n: u64) -> u64 {
        self.only_round_trips().calls(n)
    }

    /// The part that is [round trips](is_round_trip).
    pub fn only_round_trips(&self) -> Self {
        Self(self.0.iter().filter(|term| is_round_trip(term.kind)).copied().collect())
    }

    /// This cost and another one.
    pub(super) fn and(mut self, more: &Self) -> Self {
        for term in &more.0 {
            match self.0.iter_mut().find(|own| own.kind == term.kind && (own.per == term.per || term.each == 0 || own.each == 0)) {
                Some(own) => {
                    let per = if own.each == 0 { term.per } else { own.per };
                    *own = grows(own.kind, own.once + term.once, own.each + term.each, per);
                }
                None => self.0.push(*term),
            }
        }
        self
    }

    /// What is paid once here, for every unit.
    pub(super) fn for_each(&self) -> Self {
        Self(self.0.iter().map(|term| grows(term.kind, 0, term.once, 1)).collect())
    }
}

impl From<&[Term]> for Cost {
    fn from(terms: &[Term]) -> Self {
        Self(terms.to_vec())
    }
}

/// The sum as a formula in `n`, such as `4n + 8`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let once: u64 = self.0.iter().map(|term| term.once).sum();
        let mut parts: Vec<(u64, u64)> = Vec::new();
        for term in self.0.iter().filter(|term| term.each > 0) {
            match parts.iter_mut().find(|(_, per)| *per == term.per) {
                Some((each, _)) => *each += term.each,
                None => parts.push((term.each, term.per)),
            }
        }
        parts.sort_by_key(|(_, per)| *per);
        let mut texts: Vec<String> = parts.iter().map(|(each, per)| growing(*each, *per)).collect();
        if once > 0 || texts.is_empty() {
            texts.push(once.to_string());
        }
        f.write_str(&texts.join(" + "))
    }
}

fn growing(each: u64, per: u64) -> String {
    let times = if each == 1 { "n".to_owned() } else { format!("{each}n") };
    if per == 1 { times } else { format!("{times}/{per}") }
}
