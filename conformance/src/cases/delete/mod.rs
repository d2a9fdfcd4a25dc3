//! Deletes: one object, or everything below a prefix.

mod one;
mod races;
mod tree;

use longshore_loader::api::Capability;

use crate::case::{Need, cases};

use one::{absent_key_is_not_found_every_time, deleted_object_is_gone, emptied_prefix_is_gone, new_object_outlives_an_old_delete};
use races::{deletes_race_to_one_winner, open_readers_outlive_a_delete};
use tree::{faulty_delete_can_be_repeated, root_is_refused, thousands_are_removed, tree_is_removed_and_nothing_else};

cases! { "delete":
    store "DEL-01" Must Functional Core [] deleted_object_is_gone, "section 3, delete" =
        "a deleted object is gone from `stat`, `read` and `list`, and nothing else is";
    store "DEL-02" Must Functional Core [] absent_key_is_not_found_every_time, "section 3, delete" =
        "the delete of an absent key is `not_found`, every time";
    store "DEL-03" Must Functional Core [] tree_is_removed_and_nothing_else, "section 3, delete_prefix" =
        "`delete_prefix`, or deletes by a listing where it is not declared, removes all keys below, and only those";
    store "DEL-04" Must Functional Full [] thousands_are_removed, "section 3, delete_prefix" within 180 =
        "all of 5000 keys below a prefix are removed";
    store "DEL-05" Must Functional Core [] emptied_prefix_is_gone, "section 4" =
        "a prefix whose last key was deleted is `not_found`, and can be filled again or become an object";
    store "DEL-06" Must Concurrent Core [] open_readers_outlive_a_delete, "section 2" =
        "a reader that began before a delete delivers the old bytes to the end, or fails with `broken`";
    store "DEL-07" Must Concurrent Core [] deletes_race_to_one_winner, "section 3, delete" =
        "among racing deletes of one key one succeeds (of a service, all may), and the others answer `not_found`";
    store "DEL-08" Must Functional Core [] new_object_outlives_an_old_delete, "section 2" =
        "an object that was written after a delete is there at once, and stays";
    store "DEL-09" Must Fault Full [Need::Has(Capability::DeletePrefix), Need::Files] faulty_delete_can_be_repeated,
        "section 3, delete_prefix" within 300 =
        "`delete_prefix` that fails half-way says so and can be repeated; one that succeeds has removed all";
    store "DEL-10" Must Functional Core [Need::Has(Capability::DeletePrefix)] root_is_refused, "section 3, delete_prefix" =
        "`delete_prefix` of the root is refused";
}

/// Rules of the catalogue that the contract has no place for.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[("DEL-11", "the contract has no delete of several keys by one call")];
