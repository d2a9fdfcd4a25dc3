//! A bad history as a report shows it.

use super::{Deletes, Judgement, Operation, judge};
use crate::verdict::{Breach, Event, Stop};

/// How many calls before the culprit a report shows.
const SHOWN: usize = 60;

/// How many orders are begun before a search is given up: seconds at most.
const MAX_STEPS: usize = 400_000;

/// `Ok` if there is an order of the calls of `key` that explains every answer.
pub(crate) fn must_be_linear(key: &str, history: &[Operation], deletes: Deletes) -> Result<(), Stop> {
    match judge(history, deletes, MAX_STEPS) {
        Judgement::Linear => Ok(()),
        Judgement::Undecided => {
            let what = format!("the history of {key:?} with {} calls was searched in {MAX_STEPS} steps", history.len());
            Err(Stop::harness(&what, "neither an order nor the lack of one was found"))
        }
        Judgement::Broken { culprit } => Err(Stop::Breach(Box::new(breach(key, history, culprit)))),
    }
}

fn breach(key: &str, history: &[Operation], culprit: usize) -> Breach {
    let bad = &history[culprit];
    let newest = |of: &dyn Fn(&Operation) -> bool| {
        let before = history.iter().filter(|other| of(other) && other.end.is_some_and(|end| end < bad.begin));
        let newest = before.max_by_key(|other| other.end);
        newest.map_or_else(|| "none".to_owned(), |newest| format!("{:?} by client {}", newest.act.to_string(), newest.client))
    };
    let (change, look) = (newest(&|other| other.act.changes()), newest(&|other| !other.act.changes()));
    let sentence = format!(
        "no order of the calls of {key:?} explains {:?}, answered to client {} after {} µs; before it began, the last change \
         answered was {change}, the last other answer {look}",
        bad.act.to_string(),
        bad.client,
        micros(bad.end.unwrap_or(bad.begin)),
    );
    Breach { sentence, difference: None, history: events(history, culprit) }
}

/// The culprit, and the calls before it that may explain it.
fn events(history: &[Operation], culprit: usize) -> Vec<Event> {
    let end = history[culprit].end.unwrap_or(u64::MAX);
    let mut shown: Vec<_> = history.iter().enumerate().filter(|(_, operation)| operation.begin <= end).collect();
    shown.sort_by_key(|(_, operation)| operation.begin);
    // What never got an answer may matter at any time.
    let many = shown.len().saturating_sub(SHOWN);
    let shown = shown.into_iter().enumerate().filter(|(at, (_, operation))| *at >= many || operation.end.is_none());
    let event = |(_, (index, operation)): (usize, (usize, &Operation))| Event {
        client: operation.client,
        begin_us: micros(operation.begin),
        end_us: operation.end.map(micros),
        text: match operation.end {
            Some(_) => operation.act.to_string(),
            None => format!("{} was not heard of again", operation.act.to_string().split(" ->").next().unwrap_or_default()),
        },
        culprit: index == culprit,
    };
    shown.map(event).collect()
}

fn micros(nanos: u64) -> u64 {
    nanos / 1000
}
