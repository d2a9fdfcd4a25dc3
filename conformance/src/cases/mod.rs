//! The catalogue: one file a group. An id is `GROUP-NN`, and is never given to another rule.

mod abi;
mod basics;
mod bytes;
mod cancellation;
mod concurrency;
mod configuration;
mod delete;
mod durability;
mod errors;
mod faults;
mod keys;
mod listing;
mod measured;
mod overwrite;
mod publish;
mod ranges;
mod resources;
mod sizes;
mod streaming;
mod uploads;
mod visibility;

use crate::case::Case;

/// A group: its cases, and the ids of the catalogue that are no cases, each with the reason.
struct Group {
    cases: &'static [Case],
    left_out: &'static [(&'static str, &'static str)],
}

/// The group of a module.
macro_rules! groups {
    ($($module:ident)+) => {
        &[$(Group { cases: $module::CASES, left_out: $module::LEFT_OUT }),+]
    };
}

/// Every group, in the order in which its cases are tried.
const GROUPS: &[Group] = groups! {
    basics bytes keys sizes ranges listing streaming uploads visibility overwrite delete
    publish concurrency durability cancellation errors configuration resources abi measured faults
};

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().flat_map(|group| group.cases)
}

/// The case of that id.
pub fn case(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}

/// The names of the groups, in order.
pub fn groups() -> Vec<&'static str> {
    GROUPS.iter().filter_map(|group| group.cases.first()).map(|case| case.group).collect()
}

/// The ids of the catalogue that are no cases, each with the reason.
pub fn left_out() -> impl Iterator<Item = (&'static str, &'static str)> {
    GROUPS.iter().flat_map(|group| group.left_out).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ids_are_unique_and_each_group_has_a_prefix_of_its_own() {
        let mut prefixes = BTreeMap::new();
        let mut ids = Vec::new();
        for case in all() {
            let (prefix, number) = case.id.split_once('-').expect("an id is GROUP-NN");
            assert!(prefix.len() == 3 && number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit()), "{}", case.id);
            let group = prefixes.entry(prefix).or_insert(case.group);
            assert_eq!(*group, case.group, "{}", case.id);
            ids.push(case.id);
        }
        assert_eq!(prefixes.len(), groups().len());
        // An id that was left out is no case, and may become one.
        ids.extend(left_out().map(|(id, _)| id));
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is there twice");
    }
}
