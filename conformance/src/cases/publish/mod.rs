//! Publishing: a commit moves an upload to its key, and `copy` makes an object of another.

mod commits;
mod copies;
mod killed;
mod large;
mod races;

use longshore_loader::api::Capability;

use crate::case::{Need, cases};

use commits::{
    absent_source_is_not_found, commit_moves_the_upload, commit_replaces_whole, destination_is_decided_by_commit, success_is_there_for_all,
};
use copies::{copy_is_an_object_of_its_own, copy_onto_itself_loses_nothing};
use killed::killed_commit_loses_nothing;
use large::large_object_is_published;
use races::{destination_is_never_absent, two_destinations_lose_nothing};

cases! { "publish":
    store "MOV-01" Must Functional Core [] commit_moves_the_upload, "section 5, commit" =
        "after `commit` the destination has the bytes, and there is no upload left";
    store "MOV-02" Must Functional Core [] commit_replaces_whole, "section 5, commit" =
        "`commit` replaces an older object whole, whatever the two sizes";
    store "MOV-03" Must Functional Core [] absent_source_is_not_found, "section 5, upload_resume; section 3, copy" =
        "publishing what is not there is `not_found`, and the destination keeps what it has";
    store "MOV-04" Must Functional Core [Need::Has(Capability::Copy)] copy_onto_itself_loses_nothing, "section 3, copy" =
        "`copy` of an object onto itself keeps its bytes";
    store "MOV-05" Must Functional Core [] destination_is_decided_by_commit, "section 5, commit" =
        "`commit` decides the key, below prefixes that were not there before, whatever `upload_begin` was told";
    store "MOV-06" Should Functional Soak [Need::Durable] large_object_is_published, "section 2" within 3600 =
        "an object above 5 GiB, which object stores do not copy by one call, is published and copied whole";
    store "MOV-07" Should Concurrent Core [] destination_is_never_absent, "section 2" =
        "while an object is replaced by `commit` or `copy`, a reader always finds the old or the new one";
    store "MOV-08" Must Concurrent Core [] two_destinations_lose_nothing, "section 5" =
        "of two who resume one upload and commit it to two keys at once, at least one succeeds, and who succeeds has all bytes";
    store "MOV-09" Must Kill Full [Need::SharedStore, Need::Durable, Need::Files] killed_commit_loses_nothing, "section 5" =
        "after a kill during `commit` the destination has the new object, or the upload can be resumed and the old object is whole";
    store "MOV-10" Must Functional Core [Need::SharedStore, Need::Strong] success_is_there_for_all, "section 2" =
        "once `commit` has answered, a new instance and a new process read the object";
    store "MOV-11" May Functional Core [Need::Has(Capability::Copy)] copy_is_an_object_of_its_own, "section 3, copy" =
        "`copy` leaves its source, works for an empty object, and the two have nothing in common afterwards";
}

/// Rules of the catalogue that the contract has no place for.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[];
