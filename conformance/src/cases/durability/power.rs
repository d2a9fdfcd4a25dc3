//! Machines that lose power: what was not synced before the answer is taken away.

use crate::case::Outcome;
use crate::trial::change::{Change, State};
use crate::trial::peer::Question;
use crate::trial::power::{Loss, Recording};
use crate::trial::{Random, Trial};
use crate::verdict::{Stop, hold};

/// How many power losses are tried for one change.
const LOSSES: usize = 40;

pub(super) async fn power_loss_keeps_bytes(trial: &Trial) -> Outcome {
    after_each_answer(trial, Loss::Bytes).await
}

pub(super) async fn power_loss_keeps_names(trial: &Trial) -> Outcome {
    after_each_answer(trial, Loss::Names).await
}

/// Makes every change once, and takes away what was not synced at the moment of each answer.
async fn after_each_answer(trial: &Trial, loss: Loss) -> Outcome {
    let changes = Change::all(trial.info().known_capabilities());
    let before: Vec<Question> = changes.iter().flat_map(|change| change.before.clone()).collect();
    let asked: Vec<Question> = changes.iter().flat_map(|change| change.asked.clone()).collect();
    let recording = Recording::make(trial, &before, &asked).await?;
    control(trial, &recording, &changes).await?;
    let mut answered = 0;
    let mut judged = 0;
    for (number, change) in changes.iter().enumerate() {
        answered += change.asked.len();
        let calls = recording.answers[answered - 1];
        let Some(lost) = recording.lose(calls, loss, &mut Random::new(0))? else { continue };
        judged += 1;
        let after = format!("{} was answered and a power loss took {}", change.name, told(&lost));
        let peer = recording.open(trial, &lost).await?;
        // Those answered earlier are durable as well; those later were not asked yet.
        for earlier in &changes[..=number] {
            earlier.judge(&peer, State::New, &after).await?;
        }
        change.goes_on(&peer, &after).await?;
        peer.kill();
    }
    trial.note("power losses", judged);
    hold!(judged > 0 || changes.is_empty(), "no power loss could be laid out");
    Ok(())
}

/// A copy of the files must be as good as the files, or nothing can be told of them.
async fn control(trial: &Trial, recording: &Recording, changes: &[Change]) -> Outcome {
    let unusable = |reason: String| Stop::not_testable(format!("a copy of the store's files is not as good as the files: {reason}"));
    let Some(lost) = recording.lose(recording.length(), Loss::Nothing, &mut Random::new(0))? else {
        return Err(unusable("a file is in no folder".into()));
    };
    let tried = async {
        let peer = recording.open(trial, &lost).await?;
        for change in changes {
            change.judge(&peer, State::New, "the store was copied").await?;
        }
        peer.kill();
        Ok::<_, Stop>(())
    };
    tried.await.map_err(|stop| unusable(stop.verdict().sentence()))
}

/// Some of what was not synced is lost, at random moments, also before the answer.
pub(super) async fn power_loss_in_any_order(trial: &Trial) -> Outcome {
    let mut random = Random::new(trial.seed());
    let mut judged = 0;
    for change in Change::all(trial.info().known_capabilities()) {
        let recording = Recording::make(trial, &change.before, &change.asked).await?;
        control(trial, &recording, std::slice::from_ref(&change)).await?;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..LOSSES {
            let calls = random.below(recording.length() + 1);
            let Some(lost) = recording.lose(calls, Loss::Some, &mut random)? else { continue };
            // The same loss at the same moment again teaches nothing.
            if !seen.insert((calls, lost.clone())) {
                continue;
            }
            judged += 1;
            let after = format!("a power loss behind the {calls}th system call of {} took {}", change.name, told(&lost));
            let peer = recording.open(trial, &lost).await?;
            let state = if calls == recording.length() { State::New } else { State::Either };
            change.judge(&peer, state, &after).await?;
            change.goes_on(&peer, &after).await?;
            peer.kill();
        }
    }
    trial.note("power losses", judged);
    Ok(())
}

/// What was lost, the last of it, which is what a driver forgets to sync.
fn told(lost: &[String]) -> String {
    match lost {
        [] => "nothing".into(),
        [.., last] if lost.len() > 1 => format!("{last} and {} more", lost.len() - 1),
        _ => lost.join(", "),
    }
}
