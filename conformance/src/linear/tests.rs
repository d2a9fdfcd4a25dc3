use super::Act::{Create, Delete, Get, Put, Stat};
use super::explain::must_be_linear;
use super::{Act, Deletes, Judgement, Operation, judge};
use crate::trial::Random;
use crate::verdict::Stop;

const STEPS: usize = 100_000;

/// A call of a client of its own.
fn call(begin: u64, end: u64, act: Act) -> Operation {
    Operation { client: 0, begin, end: Some(end), act }
}

/// A call without an answer.
fn open(begin: u64, act: Act) -> Operation {
    Operation { client: 1, begin, end: None, act }
}

fn create(value: u64, won: bool) -> Act {
    Create { value, won }
}

const FOUND: Act = Delete { found: true };
const MISSED: Act = Delete { found: false };

#[track_caller]
fn good(history: &[Operation]) {
    assert_eq!(judge(history, Deletes::OneWins, STEPS), Judgement::Linear);
    // What is good where one delete wins is good where all may.
    assert_eq!(judge(history, Deletes::AllMayWin, STEPS), Judgement::Linear);
}

#[track_caller]
fn bad(history: &[Operation], culprit: usize) {
    assert_eq!(judge(history, Deletes::OneWins, STEPS), Judgement::Broken { culprit });
}

/// Good where all deletes that overlap may succeed, and only there.
#[track_caller]
fn good_untold(history: &[Operation]) {
    assert_ne!(judge(history, Deletes::OneWins, STEPS), Judgement::Linear);
    assert_eq!(judge(history, Deletes::AllMayWin, STEPS), Judgement::Linear);
}

/// Bad there too.
#[track_caller]
fn bad_untold(history: &[Operation], culprit: usize) {
    assert_ne!(judge(history, Deletes::OneWins, STEPS), Judgement::Linear);
    assert_eq!(judge(history, Deletes::AllMayWin, STEPS), Judgement::Broken { culprit });
}

#[test]
fn nothing_has_an_order() {
    good(&[]);
    good(&[open(0, Put(1)), open(0, FOUND)]);
}

#[test]
fn calls_one_after_the_other() {
    good(&[call(0, 1, Get(None)), call(2, 3, Put(1)), call(4, 5, Get(Some(1))), call(6, 7, FOUND), call(8, 9, Get(None))]);
    bad(&[call(0, 1, Put(1)), call(2, 3, Get(None))], 1);
    bad(&[call(0, 1, Get(Some(1))), call(2, 3, Put(1))], 0);
}

#[test]
fn overlapping_reads_see_old_or_new() {
    let write = [call(0, 1, Put(1)), call(10, 20, Put(2))];
    for (old, new) in [(1, 1), (1, 2), (2, 2)] {
        good(&[write[0], write[1], call(11, 12, Get(Some(old))), call(13, 14, Get(Some(new)))]);
    }
    // Once new was seen, nobody sees old: not even while the write still goes on.
    bad(&[write[0], write[1], call(11, 12, Get(Some(2))), call(13, 14, Get(Some(1)))], 3);
}

#[test]
fn stale_read() {
    bad(&[call(0, 1, Put(1)), call(2, 3, Put(2)), call(4, 5, Get(Some(1)))], 2);
    // A third write in between does not bring the first back.
    bad(&[call(0, 1, Put(1)), call(2, 9, Put(2)), call(3, 8, Put(3)), call(10, 11, Get(Some(1)))], 3);
}

#[test]
fn lost_update() {
    bad(&[call(0, 1, Put(1)), call(2, 3, Put(2)), call(4, 5, FOUND), call(6, 7, Get(Some(2)))], 3);
    bad(&[call(0, 1, Put(1)), call(2, 3, Stat(false))], 1);
}

#[test]
fn future_read() {
    bad(&[call(0, 1, Put(1)), call(2, 3, Get(Some(2))), call(4, 5, Put(2))], 1);
    // A value that nobody wrote.
    bad(&[call(0, 1, Put(1)), call(2, 3, Get(Some(7)))], 1);
}

#[test]
fn racing_creators_have_one_winner() {
    good(&[call(0, 9, create(1, true)), call(0, 9, create(2, false)), call(10, 11, Get(Some(1)))]);
    bad(&[call(0, 8, create(1, true)), call(0, 9, create(2, true))], 1);
    // Two winners are right if a delete lies between them.
    good(&[call(0, 8, create(1, true)), call(0, 9, create(2, true)), call(0, 9, FOUND)]);
    // A loser without a winner.
    bad(&[call(0, 1, create(1, false)), call(2, 3, create(2, true))], 0);
    bad(&[call(0, 9, create(1, true)), call(0, 9, create(2, false)), call(10, 11, Get(Some(2)))], 2);
}

#[test]
fn racing_deletes_have_one_winner() {
    good(&[call(0, 1, Put(1)), call(2, 9, FOUND), call(2, 9, MISSED), call(10, 11, Stat(false))]);
    bad(&[call(0, 1, Put(1)), call(2, 8, FOUND), call(2, 9, FOUND)], 2);
    bad(&[call(0, 1, Put(1)), call(2, 3, MISSED)], 1);
    good(&[call(0, 1, Put(1)), call(2, 8, FOUND), call(2, 9, FOUND), call(3, 4, Put(2))]);
}

#[test]
fn deletes_that_overlap_may_all_succeed_where_nobody_tells() {
    good_untold(&[call(0, 1, Put(1)), call(2, 8, FOUND), call(2, 9, FOUND), call(3, 9, FOUND), call(10, 11, MISSED)]);
    bad_untold(&[call(0, 1, Put(1)), call(2, 4, FOUND), call(5, 6, FOUND)], 2);
    good_untold(&[call(0, 1, Put(1)), call(2, 6, FOUND), call(5, 9, FOUND)]);
    // Each overlaps the one before; but the first was answered, so the object was gone when the third began.
    bad_untold(&[call(0, 1, Put(1)), call(2, 6, FOUND), call(5, 9, FOUND), call(8, 12, FOUND)], 3);
    bad_untold(&[call(0, 1, Put(1)), call(2, 6, FOUND), call(5, 9, FOUND), call(7, 8, Get(None)), call(10, 12, FOUND)], 4);
    // Seen to be gone before it began, though the delete that did it is not answered yet.
    bad_untold(&[call(0, 1, Put(1)), call(2, 9, FOUND), call(3, 4, Get(None)), call(5, 10, FOUND)], 3);
    good_untold(&[call(0, 1, Put(1)), call(2, 9, FOUND), call(3, 6, Get(None)), call(5, 10, FOUND)]);
    // Nothing was ever there, or nothing since.
    bad_untold(&[call(0, 1, FOUND)], 0);
    bad_untold(&[call(0, 8, FOUND), call(0, 9, FOUND)], 0);
    bad_untold(&[call(0, 1, Put(1)), call(2, 3, FOUND), call(4, 8, FOUND), call(4, 9, FOUND)], 2);
    // A delete of nothing takes nothing away.
    bad_untold(&[call(0, 1, Put(1)), call(2, 6, FOUND), call(2, 7, FOUND), call(8, 9, Get(Some(1)))], 3);
    good_untold(&[call(0, 1, Put(1)), call(2, 6, FOUND), call(2, 12, FOUND), call(8, 9, create(2, true)), call(13, 14, Get(Some(2)))]);
    // One that was given up may have been the one that did it, and no later than that was seen.
    bad_untold(&[call(0, 1, Put(1)), open(2, FOUND), call(3, 4, Get(None)), call(5, 6, FOUND)], 3);
}

/// A register whose deletes look first, each step at an instant of its own among those of the others.
#[test]
fn every_simulated_history_of_deletes_that_look_first_is_good() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut held = None;
        let mut history = Vec::new();
        // Deletes that have seen the object and not removed it: since when.
        let mut looked: Vec<u64> = Vec::new();
        for number in 1..=60 {
            let now = number * 10;
            let begin = now - random.below(9) as u64;
            match random.below(6) {
                0 if held.is_some() => looked.push(begin),
                1 | 2 if !looked.is_empty() => {
                    held = None;
                    history.push(call(looked.swap_remove(random.below(looked.len())), now, FOUND));
                }
                1 if held.is_none() => history.push(call(begin, now, MISSED)),
                3 => {
                    history.push(call(begin, now, create(number, held.is_none())));
                    held = held.or(Some(number));
                }
                _ => history.push(call(begin, now, Get(held))),
            }
        }
        assert_eq!(judge(&history, Deletes::AllMayWin, STEPS), Judgement::Linear, "seed {seed}");
    }
}

#[test]
fn unknown_outcomes_may_have_happened_or_not() {
    good(&[call(0, 1, Put(1)), open(2, Put(2)), call(4, 5, Get(Some(1)))]);
    good(&[call(0, 1, Put(1)), open(2, Put(2)), call(4, 5, Get(Some(2)))]);
    // Late, but not twice and not backwards.
    good(&[call(0, 1, Put(1)), open(2, Put(2)), call(4, 5, Get(Some(1))), call(6, 7, Get(Some(2)))]);
    bad(&[call(0, 1, Put(1)), open(2, Put(2)), call(4, 5, Get(Some(2))), call(6, 7, Get(Some(1)))], 3);
    bad(&[call(0, 1, Put(1)), open(2, Put(2)), call(4, 5, Get(Some(2))), call(6, 7, Put(3)), call(8, 9, Get(Some(2)))], 4);
    // Not before it began.
    bad(&[call(0, 1, Put(1)), call(2, 3, Get(Some(2))), open(4, Put(2))], 1);
}

#[test]
fn unknown_outcomes_that_must_have_happened() {
    good(&[open(0, create(1, true)), call(2, 3, create(2, false)), call(4, 5, Get(Some(1)))]);
    bad(&[open(0, create(1, true)), call(2, 3, create(2, false)), call(4, 5, Get(None))], 2);
    good(&[call(0, 1, Put(1)), open(2, FOUND), call(3, 4, MISSED)]);
    bad(&[call(0, 1, Put(1)), open(2, FOUND), call(3, 4, MISSED), call(5, 6, Get(Some(1)))], 3);
}

#[test]
fn unknown_outcomes_that_must_not_have_happened() {
    good(&[open(0, create(1, true)), call(2, 3, create(2, true)), call(4, 5, Get(Some(2)))]);
    good(&[open(0, create(1, true)), call(2, 3, create(2, true)), call(4, 5, FOUND), call(6, 7, Get(Some(1)))]);
    bad(&[open(0, create(1, true)), call(2, 3, create(2, true)), call(4, 5, Get(Some(1)))], 2);
}

/// A register that is used by clients in turns, so that every history of it is good: each call takes effect at a known instant and is
/// said to have begun a little earlier and ended a little later.
fn simulated(seed: u64, length: u64) -> Vec<Operation> {
    let mut random = Random::new(seed);
    let mut held = None;
    let mut history = Vec::new();
    for number in 1..=length {
        let act = match random.below(6) {
            0 => Put(number),
            1 => create(number, held.is_none()),
            2 => Delete { found: held.is_some() },
            3 => Stat(held.is_some()),
            _ => Get(held),
        };
        held = act.on(held).expect("the act was chosen to fit");
        let (early, late) = (random.below(50) as u64, random.below(50) as u64);
        let end = (!act.changes() || random.below(20) > 0).then_some(number * 10 + 500 + late);
        history.push(Operation { client: random.below(8), begin: number * 10 + 500 - early, end, act });
    }
    history
}

#[test]
fn every_simulated_history_is_good() {
    for seed in 0..200 {
        for deletes in [Deletes::OneWins, Deletes::AllMayWin] {
            assert_eq!(judge(&simulated(seed, 120), deletes, STEPS), Judgement::Linear, "seed {seed}");
        }
    }
}

#[test]
fn every_simulated_history_with_a_stale_read_is_bad() {
    for seed in 0..100 {
        let mut history = simulated(seed, 80);
        let culprit = history.len() + 2;
        history.extend([call(2000, 2001, Put(1000)), call(2002, 2003, Put(1001)), call(2004, 2005, Get(Some(1000)))]);
        for deletes in [Deletes::OneWins, Deletes::AllMayWin] {
            assert_eq!(judge(&history, deletes, STEPS), Judgement::Broken { culprit }, "seed {seed}");
        }
    }
}

#[test]
fn a_search_is_bounded() {
    let racing: Vec<_> = (1..=40).map(|number| call(0, 100, Put(number))).chain([call(200, 201, Get(None))]).collect();
    assert_eq!(judge(&racing, Deletes::OneWins, 1000), Judgement::Undecided);
}

#[test]
fn a_breach_has_the_culprit_and_what_was_before_it() {
    let history =
        [call(0, 1000, Put(1)), call(2000, 3000, Put(2)), open(2500, FOUND), call(4000, 5000, Get(Some(1))), call(6000, 7000, Put(3))];
    let Err(Stop::Breach(breach)) = must_be_linear("a", &history, Deletes::OneWins) else { panic!("a bad history passed") };
    assert_eq!(breach.history.len(), 4);
    let culprits: Vec<_> = breach.history.iter().filter(|event| event.culprit).collect();
    assert_eq!(culprits.len(), 1);
    assert_eq!((culprits[0].begin_us, culprits[0].end_us, culprits[0].text.as_str()), (4, Some(5), "get -> 1"));
    assert!(breach.sentence.contains("\"put 2 -> ok\""), "{}", breach.sentence);
    assert_eq!(breach.history[2].text, "delete was not heard of again");
}
