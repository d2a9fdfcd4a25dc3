//! What a driver holds, and lets go of.
//!
//! | file | is |
//! |---|---|
//! | `held` | descriptors, threads, child processes, files |
//! | `used` | memory and processor time |

mod held;
mod used;

use crate::case::{Need, cases};

use held::{
    children_end_with_the_host, cycles_leak_nothing, deleted_store_is_empty, descriptors_are_closed_on_exec, descriptors_return,
    failed_opens_leak_nothing, temporaries_are_gone, threads_return,
};
use used::{idle_is_idle, memory_does_not_grow};

cases! { "resources":
    file "RES-01" Must Resource Core [] descriptors_return, "section 3, close" =
        "hundreds of mixed calls, failed ones too, leave no descriptor open, and close leaves none at all";
    file "RES-02" Must Resource Core [] threads_return, "section 3, close" =
        "no thread of an instance survives close by more than 5 s";
    file "RES-03" Must Resource Full [] memory_does_not_grow, "section 5" within 600 =
        "memory does not grow over 10,000 calls that write over the same keys";
    file "RES-04" Must Resource Full [] cycles_leak_nothing, "section 3, close" =
        "200 instances that are opened, used and closed leave nothing";
    file "RES-05" Must Resource Core [] descriptors_are_closed_on_exec, "section 8" =
        "every descriptor of the driver is closed when the host starts another program";
    file "RES-06" Must Resource Core [Need::SharedStore, Need::Files] temporaries_are_gone, "section 3, close" =
        "temporary files lie within the store, and are gone once the instance is closed";
    file "RES-07" Should Resource Full [] idle_is_idle, "section 8" =
        "an instance that nobody calls uses less than 1 % of a processor";
    file "RES-09" Must Resource Core [] children_end_with_the_host, "section 3, close" =
        "child processes, if a driver has any, are reaped and end with the host";
    file "RES-10" Must Resource Core [Need::Durable] failed_opens_leak_nothing, "section 3, open" =
        "100 failed opens leak nothing";
    store "RES-11" Must Functional Core [] deleted_store_is_empty, "section 4" =
        "a store whose keys were all listed and deleted is empty";
}

/// Ids of the catalogue that are no case here, and why.
pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("RES-08", "the contract gives a driver no limits of connections or threads; memory for one upload is FLT-15")];
