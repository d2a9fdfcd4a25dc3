//! Uploads: written in pieces, suspended, gone on with elsewhere, ended once.

mod abandoned;
mod ends;
mod isolation;
mod restart;
mod sessions;

use longshore_loader::api::Capability;

use crate::case::{Need, cases};

use abandoned::abandoned_uploads_can_be_purged;
use ends::{
    aborted_upload_leaves_nothing, committed_upload_cannot_be_resumed, disagreement_on_size_is_corrupt, ended_upload_refuses_calls,
    foreign_token_is_refused,
};
use isolation::uploads_do_not_interleave;
use restart::{killed_upload_keeps_what_was_suspended, upload_goes_on_in_another_process};
use sessions::{
    close_does_not_publish, empty_upload_goes_on, large_sessions_add_up, offset_is_exact, suspended_upload_goes_on, tiny_sessions_add_up,
};

cases! { "uploads":
    store "APP-01" Must Functional Core [] suspended_upload_goes_on, "section 5, suspend" =
        "an upload goes on from its token with all that was suspended, in the same instance and in another";
    store "APP-02" Must Functional Core [] tiny_sessions_add_up, "section 5" =
        "an upload of a few bytes at a time, suspended and resumed after each, commits exactly those bytes";
    store "APP-03" Must Functional Full [] large_sessions_add_up, "section 5" =
        "an upload of many MiB at a time, suspended and resumed after each, commits exactly those bytes";
    store "APP-04" Must Functional Core [] empty_upload_goes_on, "section 5" =
        "an upload that was suspended without a byte goes on at 0";
    store "APP-05" Must Functional Core [] committed_upload_cannot_be_resumed, "section 5" =
        "the token of a committed upload answers `not_found`, and the object keeps its content";
    store "APP-06" Must Functional Core [] foreign_token_is_refused, "section 5, upload_resume" =
        "a token that no upload has answers `not_found` or `invalid_argument`";
    store "APP-07" Must Functional Core [] offset_is_exact, "section 5, offset" =
        "`offset` counts the accepted bytes after every call, and after a drop no more than what is kept";
    store "APP-08" Must Functional Core [] ended_upload_refuses_calls, "section 5" =
        "anything after `commit` or `abort` is `invalid_state` and changes nothing";
    store "APP-09" Must Functional Core [] aborted_upload_leaves_nothing, "section 5, abort" =
        "`abort` removes every trace: no object, a dead token, and the next upload begins at 0";
    store "APP-10" Must Functional Core [] close_does_not_publish, "section 5" =
        "dropping an upload, or closing its instance, is no commit; what was suspended is kept";
    store "APP-11" Must Kill Core [Need::SharedStore, Need::Durable] upload_goes_on_in_another_process, "section 5, suspend" =
        "an upload goes on from its token in another process, once the first has ended";
    store "APP-12" Must Kill Full [Need::SharedStore, Need::Durable] killed_upload_keeps_what_was_suspended, "section 5" =
        "after `kill -9` an upload goes on between what was suspended and what was written, with the bytes up to there intact";
    store "APP-13" Must Concurrent Core [] uploads_do_not_interleave, "section 5" =
        "two uploads to one key are isolated, and of two who resume one token the second answers `conflict` or is isolated too";
    store "APP-14" Must Functional Core [] disagreement_on_size_is_corrupt, "section 5, commit" =
        "a caller who counts other bytes than the driver is refused: `commit` answers `corrupt` and publishes nothing";
    store "APP-15" Should Resource Full [Need::Has(Capability::UploadList)] abandoned_uploads_can_be_purged, "section 3, upload_list" =
        "`upload_list` has every suspended upload, none that has ended, and each can be resumed by its token and aborted";
}

/// Rules of the catalogue that the contract has no place for.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[("APP-16", "the contract has no parts: an upload is written in order")];
