//! The driver contract as checks that any driver can be put to, written over the [`Driver`] trait.
//!
//! A [`Check`] is a sentence of the contract and the code that tries it on a [`Subject`]: an instance whose store is empty. [`groups`]
//! has all of them, by subject.
//!
//! | group | asks |
//! |---|---|
//! | `basics` | do bytes, sizes, deletes, optional calls and `close` do what they say? |
//! | `keys` | is every legal key literal and separate from its neighbours? |
//! | `ranges` | is every range of an object that of a byte string? |
//! | `listing` | is every page that of a sorted set of texts? |
//! | `uploads` | is an upload invisible until its commit, and can it be continued? |
//! | `conditions` | does exactly one creator win? |
//! | `concurrency` | does anybody ever see something half-made? |
//!
//! Source: driver contract, sections 1 to 5.
#![forbid(unsafe_code)]

mod basics;
mod check;
mod concurrency;
mod conditions;
mod keys;
mod listing;
mod random;
mod ranges;
mod subject;
mod uploads;

use longshore_loader::api::Driver;

pub use check::{Breach, Check, Group, Need, Verdict};
pub use random::{Random, seed};
pub use subject::Subject;

/// Every check, by group.
pub fn groups<D: Driver>() -> Vec<Group<D>> {
    vec![
        Group { name: "basics", checks: basics::checks() },
        Group { name: "keys", checks: keys::checks() },
        Group { name: "ranges", checks: ranges::checks() },
        Group { name: "listing", checks: listing::checks() },
        Group { name: "uploads", checks: uploads::checks() },
        Group { name: "conditions", checks: conditions::checks() },
        Group { name: "concurrency", checks: concurrency::checks() },
    ]
}
