//! A random stream of calls, one after the other, beside a model; if they disagree, the shortest part of the stream that still fails.
//!
//! | file | is |
//! |---|---|
//! | `step` | a call, with all that it needs to be made again |
//! | `model` | how it must be answered |
//! | `replay` | how a driver answers it |
//! | `shrink` | which shorter streams to try |

mod model;
mod replay;
mod shrink;
mod step;

use self::replay::{Failure, replay};
use self::shrink::Shrinking;
use self::step::Step;
use crate::case::Outcome;
use crate::trial::{Random, Subject};
use crate::verdict::{Breach, Event, Stop};

/// How many shorter streams are tried once one has failed.
const TRIES: usize = 300;

/// How many calls of a stream are shown, from its end, if it could not be made shorter.
const SHOWN: usize = 60;

pub(super) async fn stream_agrees_with_a_model(it: &Subject) -> Outcome {
    streams_agree(it, 3, 100).await
}

pub(super) async fn long_streams_agree_with_a_model(it: &Subject) -> Outcome {
    streams_agree(it, 4, 500).await
}

async fn streams_agree(it: &Subject, streams: usize, length: usize) -> Outcome {
    let mut random = Random::new(it.seed());
    for number in 0..streams {
        let steps: Vec<_> = (0..length).map(|_| Step::any(&mut random, it.capabilities)).collect();
        if let Some(failure) = replay(&it.driver, &steps, &format!("stream-{number}")).await {
            return Err(explain(it, &steps, failure).await);
        }
    }
    Ok(())
}

async fn explain(it: &Subject, steps: &[Step], first: Failure) -> Stop {
    let failed = steps[..=first.at].to_vec();
    let mut shrinking = Shrinking::new(failed.clone(), Step::smaller, TRIES);
    let mut last = None;
    let mut number = 0;
    while let Some(shorter) = shrinking.next() {
        number += 1;
        // On keys that nobody has used.
        let failure = replay(&it.driver, shorter, &format!("shorter-{number}")).await;
        shrinking.tell(failure.as_ref().map(|failure| failure.at));
        last = failure.or(last);
    }
    let (shown, why, how) = match last {
        Some(failure) => {
            (shrinking.best(), failure.sentence, format!("the {} calls that fail alone, of {}", shrinking.best().len(), failed.len()))
        }
        None => (failed, first.sentence, format!("{} calls, of which no shorter part fails", first.at + 1)),
    };
    let left_out = shown.len().saturating_sub(SHOWN);
    let texts: Vec<_> = shown.iter().skip(left_out).map(ToString::to_string).collect();
    let before = if left_out > 0 { "…; " } else { "" };
    let sentence = format!("{why} ({how}, from the seed {}: {before}{})", it.seed(), texts.join("; "));
    let history = texts.into_iter().enumerate().map(|(at, text)| {
        let culprit = at + left_out + 1 == shown.len();
        // One after the other: what counts is the order, so each takes one unit of time.
        Event { client: 0, begin_us: at as u64, end_us: Some(at as u64 + 1), text, culprit }
    });
    Stop::Breach(Box::new(Breach { sentence, difference: None, history: history.collect() }))
}
