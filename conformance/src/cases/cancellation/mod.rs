//! Calls that are given up, and calls whose time is over.
//!
//! | file | is |
//! |---|---|
//! | `given_up` | what a call may still do after its future was dropped |
//! | `ended` | futures, reads and uploads that are dropped when there is nothing left to cancel |
//! | `deadlines` | deadlines that have passed, that pass, that are far away |
//! | `cycles` | thousands of calls that are given up |
//! | `silence` | a back-end that does not answer |

mod cycles;
mod deadlines;
mod ended;
mod given_up;
mod silence;

use self::cycles::cycles_leave_nothing;
use self::deadlines::deadlines_are_kept;
use self::ended::{answered_calls_stay_answered, any_thread_may_give_up, dropped_uploads_publish_nothing};
use self::given_up::{never_begun_does_nothing, put_is_old_or_new, work_stops};
use self::silence::silent_back_end_can_be_left;
use crate::case::{Need, cases};

cases! { "cancellation":
    store "CAN-01" Must Functional Full [] work_stops, "section 8" =
        "1 s after a call was given up the driver does nothing for it any more and has freed what it held";
    store "CAN-02" Must Functional Full [] never_begun_does_nothing, "section 8" =
        "a call that was given up before its work began on the host's threads has no effect when they are free again";
    store "CAN-03" Must Functional Full [] put_is_old_or_new, "section 8" =
        "a put, commit or copy that was given up leaves the old or the new object, whole";
    store "CAN-04" Must Functional Core [] answered_calls_stay_answered, "section 8" =
        "dropping what belongs to a call that was answered changes nothing";
    store "CAN-05" Must Functional Core [] any_thread_may_give_up, "section 8" =
        "a call may be given up from any thread, also while the instance is closed";
    store "CAN-06" Must Functional Core [] deadlines_are_kept, "section 8" =
        "a call whose deadline has passed is answered at once, one whose deadline is far away in full";
    store "CAN-07" Must Concurrent Full [] cycles_leave_nothing, "section 8" =
        "10000 calls that are begun and given up leave no descriptor, thread, memory, file or upload behind";
    file "CAN-08" Must Fault Core [Need::Service] silent_back_end_can_be_left, "section 8" =
        "calls can be given up, and deadlines pass, while the back-end does not answer at all";
    store "CAN-09" Must Functional Core [] dropped_uploads_publish_nothing, "section 5" =
        "dropping an upload publishes nothing, and what was suspended before is kept";
}

/// Catalogue ids that are no cases here, with the reason.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[(
    "CAN-10",
    "the ABI has futures and no completion callbacks: the host polls a call until it is answered or given up, and never afterwards",
)];
