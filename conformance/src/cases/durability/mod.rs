//! What was answered stays, whatever becomes of the process or the machine.
//!
//! | file | is |
//! |---|---|
//! | `killed` | processes killed between calls and under load |
//! | `sites` | processes killed at a system call, and syncs that fail |
//! | `power` | machines that lose power |

mod killed;
mod power;
mod sites;

use crate::case::{Need, cases};

use killed::{
    acknowledged_survives_the_kill, every_pair_of_steps_survives_a_kill, killed_under_load_is_whole, left_overs_are_no_objects,
    stale_lock_does_not_block, start_after_a_crash_is_quick,
};
use power::{power_loss_in_any_order, power_loss_keeps_bytes, power_loss_keeps_names};
use sites::{failed_sync_is_no_success, killed_at_every_call, killed_while_it_recovers};

cases! { "durability":
    file "DUR-01" Must Kill Core [Need::SharedStore, Need::Durable] acknowledged_survives_the_kill, "section 2" =
        "an answered put, commit, delete or copy survives `kill -9` of the process";
    file "DUR-02" Must Kill Full [Need::SharedStore, Need::Durable] killed_under_load_is_whole, "section 2" within 400 =
        "after `kill -9` at 200 random moments under load every answered object is whole and nothing else is half there";
    file "DUR-03" Must Kill Full [Need::SharedStore, Need::Durable, Need::Files] killed_at_every_call, "section 2" within 400 =
        "a process killed at any system call of a change leaves the old or the new state, whole, and the store opens";
    file "DUR-04" Must Fault Core [Need::OnDisk, Need::Files] power_loss_keeps_bytes, "section 2" =
        "the bytes of an answered write are synced before the answer";
    file "DUR-05" Should Fault Full [Need::OnDisk, Need::Files] power_loss_in_any_order, "section 2" within 300 =
        "a power loss at any moment that forgets any of what is not synced leaves the old or the new state, whole";
    file "DUR-06" Must Fault Core [Need::OnDisk, Need::Files] power_loss_keeps_names, "section 2" =
        "the directory entries of an answered write or delete are synced before the answer";
    file "DUR-07" Must Fault Full [Need::OnDisk, Need::Files] failed_sync_is_no_success, "section 2" within 300 =
        "a sync that fails makes the call fail, and repeating the call succeeds only if the bytes are written again";
    file "DUR-08" Must Kill Core [Need::SharedStore, Need::Durable] start_after_a_crash_is_quick, "section 3, open" =
        "after a crash in the middle of writes the driver opens without repair within 10 s";
    file "DUR-09" Should Kill Full [Need::SharedStore, Need::Durable] left_overs_are_no_objects, "section 5" =
        "what a killed process left half-made is never an object, and its space comes back in time or by aborting listed uploads";
    file "DUR-10" Should Kill Full [Need::SharedStore, Need::Durable, Need::Files] killed_while_it_recovers, "section 2" within 300 =
        "a process killed at any system call of its start after a crash leaves a store that opens";
    file "DUR-11" Must Kill Core [Need::SharedStore, Need::Durable] stale_lock_does_not_block, "section 5" =
        "what a killed process held blocks neither the next start nor the resumption of its suspended uploads";
    file "DUR-12" Should Kill Full [Need::SharedStore, Need::Durable] every_pair_of_steps_survives_a_kill, "section 2" within 300 =
        "every sequence of one or two steps on two keys, with a kill after each, leaves what the steps make";
}

/// Ids of the catalogue that are no case here, and why.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[];
