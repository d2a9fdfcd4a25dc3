//! The search for an order. It goes forward by one operation at a time, back where an answer does not fit, and never twice through the
//! same place: a place is the set of operations done and what the register holds then.

use std::collections::HashSet;

use super::{Held, Operation};

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

/// A place on the way, and what can be done next there.
struct Place {
    held: Held,
    /// What was done to come here.
    by: Option<usize>,
    /// What was not tried yet, the best at the end.
    next: Vec<usize>,
}

/// Searches for an order of `history`, in at most `max_steps` steps.
pub(super) fn search(history: &[Operation], max_steps: usize) -> Found {
    let mut operations = history.to_vec();
    operations.sort_by_key(|operation| operation.begin);
    let mut left = operations.iter().filter(|operation| operation.end.is_some()).count();
    let mut done = Done(vec![0; operations.len().div_ceil(64)]);
    let mut seen = HashSet::new();
    let mut way = vec![Place { held: None, by: None, next: candidates(&operations, &done) }];
    let mut steps = 0;
    while let Some(place) = way.last_mut() {
        if left == 0 {
            return Found::Order;
        }
        let held = place.held;
        let Some(index) = place.next.pop() else {
            // Nothing fits here: back.
            if let Some(by) = place.by {
                done.flip(by);
                left += usize::from(operations[by].end.is_some());
            }
            way.pop();
            continue;
        };
        let Some(held) = operations[index].act.on(held) else { continue };
        done.flip(index);
        if !seen.insert((done.clone(), held)) {
            done.flip(index);
            continue;
        }
        steps += 1;
        if steps > max_steps {
            return Found::GaveUp;
        }
        left -= usize::from(operations[index].end.is_some());
        way.push(Place { held, by: Some(index), next: candidates(&operations, &done) });
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
