//! The search for an order. It goes forward by one operation at a time, back where an answer does not fit, and never twice through the
//! same place: a place is the set of operations done and what the register is then.

use std::collections::HashSet;

use super::{Act, Deletes, Held, Operation};

/// What a search ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// An order that explains every answer.
    Order,
    /// There is none.
    None,
    /// Neither within the allowed steps.
    GaveUp,
}

/// The operations that are done, one bit each, in the order of their begins.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn has(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    fn flip(&mut self, index: usize) {
        self.0[index / 64] ^= 1 << (index % 64);
    }
}

/// What the register is at a place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Register {
    held: Held,
    /// The latest instant at which a delete can have emptied it, by the order so far, if one has.
    emptied: Option<u64>,
}

impl Register {
    const NEW: Self = Self { held: None, emptied: None };

    /// The register after an operation; `None` if it would have answered otherwise.
    fn after(self, operation: &Operation, deletes: Deletes) -> Option<Self> {
        let end = operation.end.unwrap_or(u64::MAX);
        let held = match operation.act.on(self.held) {
            Some(held) => held,
            // It saw the object, and another delete was quicker: one that took effect after this one began.
            None if deletes == Deletes::AllMayWin && operation.act == WON && self.emptied.is_some_and(|at| at >= operation.begin) => None,
            None => return None,
        };
        let emptied = match (self.held, held) {
            // All that follows in the order happens no earlier, and each before its end.
            (None, None) => self.emptied.map(|at| at.min(end)),
            (Some(_), None) => Some(end),
            (_, Some(_)) => None,
        };
        // Where it decides nothing it must not make two places of one.
        Some(Self { held, emptied: emptied.filter(|_| deletes == Deletes::AllMayWin) })
    }
}

/// A delete that found something.
const WON: Act = Act::Delete { found: true };

/// A place on the way, and what can be done next there.
struct Place {
    register: Register,
    /// What was done to come here.
    by: Option<usize>,
    /// What was not tried yet, the best at the end.
    next: Vec<usize>,
}

/// Searches for an order of `history`, in at most `max_steps` steps.
pub(super) fn search(history: &[Operation], deletes: Deletes, max_steps: usize) -> Found {
    let mut operations = history.to_vec();
    operations.sort_by_key(|operation| operation.begin);
    let mut left = operations.iter().filter(|operation| operation.end.is_some()).count();
    let mut done = Done(vec![0; operations.len().div_ceil(64)]);
    let mut seen = HashSet::new();
    let mut way = vec![Place { register: Register::NEW, by: None, next: candidates(&operations, &done) }];
    let mut steps = 0;
    while let Some(place) = way.last_mut() {
        if left == 0 {
            return Found::Order;
        }
        let register = place.register;
        let Some(index) = place.next.pop() else {
            // Nothing fits here: back.
            if let Some(by) = place.by {
                done.flip(by);
                left += usize::from(operations[by].end.is_some());
            }
            way.pop();
            continue;
        };
        let Some(register) = register.after(&operations[index], deletes) else { continue };
        done.flip(index);
        if !seen.insert((done.clone(), register)) {
            done.flip(index);
            continue;
        }
        steps += 1;
        if steps > max_steps {
            return Found::GaveUp;
        }
        left -= usize::from(operations[index].end.is_some());
        way.push(Place { register, by: Some(index), next: candidates(&operations, &done) });
    }
    Found::None
}

/// What can be done next: all that began before the first end of what is not done. Last comes what ended first; what has no answer comes
/// before all others, so that it is only done where nothing else helps.
fn candidates(operations: &[Operation], done: &Done) -> Vec<usize> {
    let mut first_end = u64::MAX;
    let mut found = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        if operation.begin > first_end {
            // Whatever follows begins, and ends, later still.
            break;
        }
        if !done.has(index) {
            first_end = first_end.min(operation.end.unwrap_or(u64::MAX));
            found.push(index);
        }
    }
    found.sort_by_key(|index| std::cmp::Reverse(operations[*index].end.unwrap_or(u64::MAX)));
    found
}
