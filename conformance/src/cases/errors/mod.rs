//! Errors: their classes, what they tell, what they must not tell, and the instance after them.

mod causes;
mod classes;
mod faults;

use causes::*;
use classes::*;
use faults::*;

use crate::case::{Need, cases};

cases! { "errors":
    store "ERR-01" Must Functional Core [] absent_key_is_not_found, "section 7" =
        "an absent key is `not_found` for every call, whose message names the key, and nothing changes";
    store "ERR-02" Should Functional Core [] every_failure_has_its_class, "section 7" =
        "each failure that calls alone can bring about has the class that the contract names for it";
    store "ERR-03" Must Fault Full [Need::Files, Need::SharedStore] refused_permission_is_unauthorized, "section 7" =
        "a permission that the system refuses is `unauthorized`, never `not_found`";
    file "ERR-04" Must Fault Core [Need::Service] lost_service_is_retryable, "section 7" within 120 =
        "a service that is gone, or that never answers, is `unreachable` or `timeout`, and retryable";
    store "ERR-05" Should Fault Full [Need::Files, Need::SharedStore] retryable_is_honest, "section 7" within 300 =
        "a call whose error was retryable succeeds once the fault is gone, and no fault of the caller is retryable";
    file "ERR-07" Must Functional Core [] messages_are_one_line, "section 7" =
        "a message is one line of at most 4 KiB, says something, and has no value of a secret setting";
    store "ERR-08" Should Fault Full [Need::Files, Need::SharedStore] cause_is_kept_as_data, "section 7" =
        "an error that the system caused keeps the system's own number";
    store "ERR-09" Must Functional Core [] instance_is_usable_after_errors, "section 7" =
        "after any error the instance works on as if nothing had been";
    file "ERR-10" Must Functional Core [] errors_outlive_their_instance, "section 7" =
        "an error can be read after its instance was closed and dropped, and on another thread";
    store "ERR-11" Should Fault Full [Need::SharedStore, Need::Durable] short_memory_corrupts_nothing, "section 2" =
        "a process that runs out of memory in a large write ends or fails, and what was stored stays whole";
    file "ERR-12" Must Fault Full [Need::Service] refused_by_the_service_is_unauthorized, "section 7" =
        "a service that answers 401 or 403 is `unauthorized`, never `not_found`, and is not asked again and again";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] = &[(
    "ERR-06",
    "a class crosses as a number, and the host's side reads an unknown one as `internal`: no driver has a part in it; plugin-api tests it",
)];
