//! Nobody ever sees something half-made, and everybody sees what was answered.

mod conditional;
mod failed;
mod races;
mod seen;

use longshore_loader::api::Capability;

use crate::case::{Need, cases};

use conditional::{creation_is_once, one_racing_creator_wins};
use failed::failed_write_leaves_the_old;
use races::{open_readers_keep_the_old, racing_writers_leave_one_whole, readers_see_whole_versions};
use seen::{nothing_is_visible_before_commit, others_see_every_write, size_is_what_is_read, writes_are_seen_at_once};

cases! { "visibility":
    store "ATM-01" Must Functional Core [] nothing_is_visible_before_commit, "section 5" =
        "until its commit an upload is no object and in no list, and an older object stays what it was";
    store "ATM-02" Must Concurrent Core [] readers_see_whole_versions, "section 2" =
        "while writers race, a reader sees one whole version, or fails with `broken`";
    store "ATM-03" Must Concurrent Core [] open_readers_keep_the_old, "section 2" =
        "a reader that began before an overwrite delivers the old bytes to the end, or fails with `broken`";
    store "ATM-04" Must Concurrent Core [] racing_writers_leave_one_whole, "section 2" =
        "of two writes to one key at once, one stays, whole";
    store "ATM-05" Must Functional Core [Need::Strong] writes_are_seen_at_once, "section 2" =
        "once a write has answered, `read`, `stat` and `list` of the instance tell of it";
    store "ATM-06" Must Concurrent Core [Need::SharedStore, Need::Strong] others_see_every_write, "section 2" =
        "once a write has answered, every other instance and process sees it, whatever it had seen before";
    store "ATM-07" Must Fault Full [] failed_write_leaves_the_old, "section 2" =
        "a write that fails or is given up half-way leaves the old object as it was";
    store "ATM-08" Must Concurrent Core [] size_is_what_is_read, "section 3, stat" =
        "`stat` tells as many bytes as a reader gets that begins afterwards, as long as nobody writes between";
    store "ATM-09" Must Functional Core [Need::Has(Capability::PutIfAbsent)] creation_is_once, "section 3, put" =
        "`put` if absent creates an object once; later ones answer `already_exists` and change nothing";
    store "ATM-10" Must Concurrent Core [Need::Has(Capability::PutIfAbsent)] one_racing_creator_wins, "section 3, put" =
        "among 16 racing creators exactly one wins, be they of one instance or of several";
}

/// Rules of the catalogue that the contract has no place for.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[];
