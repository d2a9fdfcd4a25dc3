//! Calls at the same time: there is always an order of them that explains every answer, and nobody waits for ever.
//!
//! | file | is |
//! |---|---|
//! | `register` | one key that several clients change and read |
//! | `caller` | the ways to it: instances, other processes |
//! | `threads` | threads of the system: many, small ones, short-lived ones |
//! | `load` | everything at once, for a while |
//! | `stream` | a random stream of calls beside a model, and the shortest part of it that fails |
//! | `generations` | a driver and its successor at the same time |

mod caller;
mod generations;
mod load;
mod register;
mod stream;
mod threads;

use std::sync::Arc;

use longshore_loader::api::{Capability, Driver};

use self::caller::Caller;
use self::generations::generations_share_a_store;
use self::load::{five_minutes, ten_seconds, walk_is_steady};
use self::register::Game;
use self::register::Wish::{self, Create, Delete, Get, List, Put, Stat, Upload};
use self::stream::{long_streams_agree_with_a_model, stream_agrees_with_a_model};
use self::threads::{any_thread_may_call, ended_threads_leave_nothing, keys_do_not_mix, small_stacks_are_enough};
use crate::case::{Need, Outcome, cases};
use crate::linear::Deletes;
use crate::trial::peer::Peer;
use crate::trial::{CALL, Subject};

cases! { "concurrency":
    store "CON-01" Must Concurrent Core [Need::Strong] one_instance_is_a_register, "section 2" =
        "calls of one key at the same time, through one instance, have an order that explains every answer";
    store "CON-02" Must Concurrent Core [Need::Strong, Need::SharedStore] two_instances_are_a_register, "section 2" =
        "calls of one key at the same time, through two instances, have an order that explains every answer";
    store "CON-03" Must Concurrent Core [Need::Strong, Need::SharedStore, Need::Durable] processes_are_a_register, "section 2" =
        "calls of one key at the same time, from several processes, have an order that explains every answer";
    store "CON-04" Must Concurrent Core [Need::Strong, Need::Has(Capability::PutIfAbsent)] creators_have_one_winner, "section 3, put" =
        "of creators of one key at the same time one wins, and a key that was deleted can be created again";
    store "CON-05" Must Concurrent Core [Need::Strong] given_up_calls_happen_once_or_never, "section 8" =
        "a call that was given up takes effect once and whole, or never: an order with it or without it explains every other answer";
    store "CON-06" Must Concurrent Core [] keys_do_not_mix, "section 3" =
        "64 threads that write a key each at the same time find each what it wrote, and all keys are kept";
    store "CON-07" Must Concurrent Core [] any_thread_may_call, "section 3" =
        "any thread may make any call of one instance, of one upload and of one read, at the same time as others";
    store "CON-09" Must Concurrent Core [Need::Strong] walk_is_steady, "section 4" =
        "a walk has each key that is there all the time exactly once, and no key that never was, while others come and go";
    store "CON-10" Must Concurrent Soak [] five_minutes, "section 3" within 600 =
        "under five minutes of mixed load, with readers that do not read on, every call is answered and every read is whole";
    store "CON-11" Should Concurrent Core [] small_stacks_are_enough, "section 3" =
        "a thread with a stack of 256 KiB can make every call";
    store "CON-12" Must Concurrent Full [] ended_threads_leave_nothing, "section 3" =
        "threads that called and ended leave no descriptor, thread or memory behind";
    store "CON-13" Must Concurrent Core [Need::Strong] stream_agrees_with_a_model, "section 3" =
        "a random stream of calls is answered as a model in memory answers it";
    store "CON-14" Must Concurrent Core [Need::SharedStore] generations_share_a_store, "section 9" =
        "an instance and one of the next generation serve the same store at once, and what either wrote is kept";
    store "CON-15" Must Concurrent Full [] ten_seconds, "section 3" =
        "under ten seconds of mixed load, with readers that do not read on, every call is answered and every read is whole";
    store "CON-16" Must Concurrent Full [Need::Strong] long_streams_agree_with_a_model, "section 3" =
        "long random streams of calls are answered as a model in memory answers them";
    store "CON-17" Must Concurrent Core [Need::Strong] lists_agree_with_other_calls, "section 2" =
        "a list has a key that is written and deleted at the same time if and only if it is there: an order of its calls explains every list, too";
}

/// Catalogue ids that are no cases here, with the reason.
pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("CON-08", "the contract knows no serial drivers: anything may be called from any thread at the same time (section 3)")];

const ALL: &[Wish] = &[Put, Put, Upload, Delete, Get, Get, Get, Get, Stat, Stat];
/// A case of its own has lists, since some back-ends keep an index beside the objects, which is wrong on its own.
const LISTED: &[Wish] = &[Put, Put, Upload, Delete, Delete, Get, Get, Stat, List, List];
const CREATE: &[Wish] = &[Create, Create, Create, Delete, Delete, Get, Get, Stat];

async fn one_instance_is_a_register(it: &Subject) -> Outcome {
    let callers = spread(&[Caller::Instance(it.driver.clone())]);
    let game = Game { callers, wishes: ALL, keys: 6, calls: 16, give_up: false, deletes: deletes(it) };
    note(it, game).await
}

async fn two_instances_are_a_register(it: &Subject) -> Outcome {
    through_two(it, ALL, 6).await
}

async fn processes_are_a_register(it: &Subject) -> Outcome {
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(Caller::Peer(Arc::new(Peer::start(it).await?)));
    }
    callers.push(Caller::Instance(it.driver.clone()));
    note(it, Game { callers: spread(&callers), wishes: ALL, keys: 4, calls: 12, give_up: false, deletes: deletes(it) }).await
}

async fn creators_have_one_winner(it: &Subject) -> Outcome {
    through_two(it, CREATE, 8).await
}

async fn given_up_calls_happen_once_or_never(it: &Subject) -> Outcome {
    let callers = vec![Caller::Instance(it.driver.clone()); 6];
    note(it, Game { callers, wishes: ALL, keys: 8, calls: 10, give_up: true, deletes: deletes(it) }).await
}

async fn lists_agree_with_other_calls(it: &Subject) -> Outcome {
    through_two(it, LISTED, 8).await
}

/// A game through two instances, or through one where the store cannot be shared.
async fn through_two(it: &Subject, wishes: &'static [Wish], keys: usize) -> Outcome {
    let shared = it.setting.config.is_shared(it.info());
    let second = if shared { it.second().await? } else { it.driver.clone() };
    let callers = spread(&[Caller::Instance(it.driver.clone()), Caller::Instance(second.clone())]);
    note(it, Game { callers, wishes, keys, calls: 16, give_up: false, deletes: deletes(it) }).await?;
    if shared {
        second.close(&CALL).await?;
    }
    Ok(())
}

fn deletes(it: &Subject) -> Deletes {
    if it.is_service() { Deletes::AllMayWin } else { Deletes::OneWins }
}

/// Eight clients, who take the ways in turns.
fn spread(ways: &[Caller]) -> Vec<Caller> {
    ways.iter().cycle().take(8).cloned().collect()
}

async fn note(it: &Subject, game: Game) -> Outcome {
    let played = game.play(it.seed()).await?;
    it.note("calls", played.calls);
    if game.give_up {
        // None, where every call is answered at its first poll: then there is nothing to give up.
        it.note("calls without an answer", played.unknown);
    }
    Ok(())
}
