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

/// Every group and its cases, in the order in which they are tried.
const GROUPS: &[&[Case]] = &[
    basics::CASES,
    bytes::CASES,
    keys::CASES,
    sizes::CASES,
    ranges::CASES,
    listing::CASES,
    streaming::CASES,
    uploads::CASES,
    visibility::CASES,
    overwrite::CASES,
    delete::CASES,
    publish::CASES,
    concurrency::CASES,
    durability::CASES,
    cancellation::CASES,
    errors::CASES,
    configuration::CASES,
    resources::CASES,
    abi::CASES,
    measured::CASES,
    faults::CASES,
];

/// Every case.
pub fn all() -> impl Iterator<Item = &'static Case> {
    GROUPS.iter().copied().flatten()
}

/// The case of that id.
pub fn case(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}

/// The names of the groups, in order.
pub fn groups() -> Vec<&'static str> {
    GROUPS.iter().filter_map(|cases| cases.first()).map(|case| case.group).collect()
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
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id is there twice");
    }
}
