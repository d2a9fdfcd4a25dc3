//! The system or the back-end fails, and the driver says so.
//!
//! | file | is |
//! |---|---|
//! | `calls` | system calls that fail |
//! | `disk` | a full disk, limits of the process |
//! | `remote` | a service behind a network that fails |

mod calls;
mod disk;
mod remote;

use crate::case::{Need, cases};

use calls::{
    failed_reads_are_no_short_objects, failed_writes_surface, interrupted_calls_are_repeated, no_descriptor_is_told_and_passes,
    random_single_faults, read_only_disk_is_told,
};
use disk::{full_disk_is_told, memory_is_bounded};
use remote::{bad_networks_are_told, busy_services_are_asked_again, cut_answers_are_found_out, lost_answers_apply_once};

cases! { "faults":
    file "FLT-01" Must Fault Full [Need::Files, Need::Durable] full_disk_is_told, "section 7" within 300 =
        "a full disk, at whatever call it shows, is `full`: the old object is kept and the space of the failed write is given back";
    file "FLT-02" Must Fault Full [Need::Files, Need::Durable] failed_reads_are_no_short_objects, "section 2" within 300 =
        "a read that the disk fails is an error, never a short or wrong object, and never `not_found`";
    file "FLT-03" Must Fault Full [Need::Files, Need::Durable] failed_writes_surface, "section 2" within 300 =
        "a write, close, sync or rename that fails makes the call fail or is made good";
    file "FLT-04" Must Fault Full [Need::Files, Need::Durable] no_descriptor_is_told_and_passes, "section 7" within 300 =
        "without a free descriptor calls fail as `throttled` or with another class that does not mislead, and work again afterwards";
    file "FLT-05" Must Fault Full [Need::Files, Need::Durable] interrupted_calls_are_repeated, "section 7" within 300 =
        "interrupted and short system calls change no result";
    file "FLT-06" Must Fault Full [Need::Service] bad_networks_are_told, "section 7" within 300 =
        "over a network that refuses, resets, stalls or crawls a call ends in its time, with its result or a retryable error";
    file "FLT-07" Must Fault Full [Need::Service] busy_services_are_asked_again, "section 7" =
        "a service that answers 500 or 503 is asked again a bounded number of times, and then the call fails as retryable";
    file "FLT-08" Must Fault Full [Need::Service] lost_answers_apply_once, "section 7" =
        "when an answer is lost nothing is applied twice, and nothing that was applied is told as failed";
    file "FLT-09" Must Fault Full [Need::Service] cut_answers_are_found_out, "section 7" =
        "an answer that ends early in good order is never a short object";
    file "FLT-13" Should Fault Full [Need::Files, Need::Durable] read_only_disk_is_told, "section 7" within 300 =
        "a disk that becomes read-only is `read_only` to writes, and is still read";
    file "FLT-15" Should Fault Full [Need::Files, Need::Durable] memory_is_bounded, "section 5" within 300 =
        "an upload of 128 MiB works in a process that may have 64 MiB more than it has when it is idle";
    file "FLT-16" Should Fault Soak [Need::Files, Need::Durable] random_single_faults, "section 2" within 3600 =
        "after one random fault at a random system call, 1000 times, the store has the old or the new state, whole";
}

/// Ids of the catalogue that are no case here, and why.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("FLT-10", "the clock of one process cannot be moved without moving that of the machine"),
    ("FLT-11", "a driver resolves names with the machine's resolver, which the harness does not change"),
    ("FLT-12", "the contract has no way to give an open instance other credentials; a new one is opened beside it"),
    ("FLT-14", "isolated processes are the host's, and so is how they end"),
];
