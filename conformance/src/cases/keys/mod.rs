//! Keys are literal, each is separate from its neighbours, and none leads outside of the store.

mod long;
mod names;
mod nested;
mod outside;

use crate::case::{Need, cases};

use long::longest_keys_round_trip;
use names::{
    case_is_kept, deep_keys_work, legal_keys_round_trip, neighbours_are_unrelated, percent_is_a_percent, special_names_round_trip,
};
use nested::object_below_an_object;
use outside::{links_are_not_followed, nothing_leads_outside, private_files_are_private};

cases! { "keys":
    store "KEY-01" Must Functional Core [] legal_keys_round_trip, "section 1" =
        "every legal key can be written, read, listed as it is, and deleted";
    store "KEY-03" Must Functional Core [Need::Files] nothing_leads_outside, "section 1" =
        "no key, prefix, start or token leads outside of the store, however it is spelled";
    store "KEY-04" Must Functional Core [] percent_is_a_percent, "section 1" =
        "keys are literal: `%41` is not `A`, `+` is not a space, and no escape is added or taken away";
    store "KEY-05" Must Functional Core [] case_is_kept, "section 1" =
        "keys are case-sensitive: `A` and `a` are two objects, and `D/x` and `d/x` too";
    store "KEY-07" Must Functional Core [] longest_keys_round_trip, "section 1" =
        "a component may have 255 bytes and a key 1024, in as many components as fit; a service may refuse one of more than 900";
    store "KEY-08" Should Functional Core [] deep_keys_work, "section 1" =
        "keys of 64 components work in every call";
    store "KEY-09" Must Functional Core [] object_below_an_object, "section 1" =
        "`a` and `a/b` are both kept (with `nested_objects`), or the second is a `conflict`, always, and changes nothing";
    store "KEY-10" Must Functional Core [] neighbours_are_unrelated, "section 1" =
        "keys that extend one another, such as `a` and `ab`, `a/b` and `a/bc`, are unrelated in every call";
    store "KEY-11" Must Functional Core [] special_names_round_trip, "section 1" =
        "names that mean something to a filesystem, a shell or a driver are names like others";
    store "KEY-12" Must Functional Core [] private_files_are_private, "section 1" =
        "a driver's private files are never visible as keys, and no key reaches them";
    store "KEY-13" Must Fault Core [Need::Files] links_are_not_followed, "section 1" =
        "a symbolic link that was planted in the store is not followed by a write or a delete";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    (
        "KEY-02",
        "the checked type `Key` cannot hold an illegal key, and the tables that could are reached by unsafe code only; the SDK's own \
                test `bad_keys_through_the_tables_do_not_reach_the_driver` gives them to every call of the driver's side",
    ),
    ("KEY-06", "the alphabet of keys is pure ASCII (section 1), so no normalisation question arises"),
    ("KEY-14", "a leading or trailing slash makes no key (section 1): the type `Key` refuses it before a driver sees it, as in KEY-02"),
];
