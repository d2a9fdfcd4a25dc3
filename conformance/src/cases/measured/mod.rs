//! What things cost. Judged is only what a driver does that it need not do; how fast a machine is, is told.

mod cost;
mod speed;

use cost::*;
use speed::*;

use crate::case::cases;

cases! { "measured":
    store "PRF-01" May Measured Full [] time_of_one_object, "none: told only" =
        "put and get of objects from 1 KiB to 64 MiB take the times in the report";
    store "PRF-02" May Measured Full [] throughput_of_streams, "none: told only" =
        "uploads and reads by 1, 4 and 16 clients move as many bytes a second as the report tells";
    store "PRF-03" May Measured Full [] rate_of_listing, "none: told only" =
        "listing and deleting 100 and 1000 keys goes at the rates in the report";
    store "PRF-04" Should Measured Full [] range_costs_what_it_has, "section 3, read" =
        "a read of a range does not read the whole object";
    store "PRF-05" Should Measured Full [] stat_reads_no_content, "section 3, stat" =
        "`stat` does not read content";
    store "PRF-06" May Measured Full [] commit_does_not_copy, "section 5, destination" =
        "a commit takes the times in the report, whatever the upload's size";
    store "PRF-09" Should Measured Full [] work_grows_with_the_keys, "section 4, start_after" within 300 =
        "a whole walk and `delete_prefix` cost work in proportion to the keys, a page to the page";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("PRF-07", "copies for each byte are counted by the benchmark `boundary`, which sees both sides of it"),
    ("PRF-08", "a comparison with an earlier run is no rule of the contract: `bench --baseline` makes it, on a quiet machine"),
];
