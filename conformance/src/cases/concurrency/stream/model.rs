//! How the calls of a stream must be answered: the contract as a map.

use std::collections::BTreeMap;
use std::fmt;

use longshore_loader::api::{Bytes, ErrorClass};

use super::step::{Ending, Step};
use crate::verdict::Difference;

/// What a call answers, as far as the contract decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    /// The object's size.
    Size(u64),
    /// The object's size and the bytes of the range.
    Bytes(u64, Bytes),
    /// The texts of a page, below the stream's own prefix, and whether more follows.
    Page(Vec<String>, bool),
    Error(ErrorClass),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("ok"),
            Self::Size(size) => write!(f, "a size of {size}"),
            Self::Bytes(size, bytes) => write!(f, "{} bytes of an object of {size}", bytes.len()),
            Self::Page(texts, more) => write!(f, "{texts:?}, more: {more}"),
            Self::Error(class) => write!(f, "{class}"),
        }
    }
}

impl Answer {
    /// Where two answers that look alike differ, for people.
    pub(super) fn difference(&self, other: &Self) -> String {
        match (self, other) {
            (Self::Bytes(_, expected), Self::Bytes(_, got)) => {
                Difference::between(expected, got).map(|difference| format!(", different {difference}")).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}

/// The objects of a stream.
#[derive(Debug, Default)]
pub(super) struct Model(BTreeMap<&'static str, Bytes>);

impl Model {
    /// Does a call, and answers it.
    pub(super) fn answer(&mut self, step: &Step) -> Answer {
        match *step {
            Step::Put { key, if_absent: true, .. } if self.0.contains_key(key) => Answer::Error(ErrorClass::AlreadyExists),
            Step::Put { key, content, .. } | Step::Upload { key, content, ending: Ending::Commit, .. } => {
                self.0.insert(key, content.bytes());
                Answer::Size(content.size as u64)
            }
            Step::Upload { .. } => Answer::Done,
            Step::Get { key } => self.read(key, 0, None),
            Step::Read { key, offset, length } => self.read(key, offset, length),
            Step::Stat { key } => self.0.get(key).map_or(MISSING, |bytes| Answer::Size(bytes.len() as u64)),
            Step::List { prefix, recursive, limit, after } => self.page(prefix, recursive, limit as usize, after),
            Step::Delete { key } => self.0.remove(key).map_or(MISSING, |_| Answer::Done),
            Step::DeletePrefix { prefix } => {
                let before = self.0.len();
                self.0.retain(|key, _| below(prefix, key).is_none());
                if self.0.len() == before { MISSING } else { Answer::Done }
            }
            Step::Copy { from, to } => {
                let Some(bytes) = self.0.get(from).cloned() else { return MISSING };
                let size = bytes.len() as u64;
                self.0.insert(to, bytes);
                Answer::Size(size)
            }
        }
    }

    fn read(&self, key: &str, offset: u64, length: Option<u64>) -> Answer {
        let Some(bytes) = self.0.get(key) else { return MISSING };
        let size = bytes.len() as u64;
        if offset > size {
            return Answer::Error(ErrorClass::InvalidRange);
        }
        let end = length.map_or(size, |length| size.min(offset + length));
        // Both lie within the bytes.
        Answer::Bytes(size, bytes.slice(offset as usize..end as usize))
    }

    fn page(&self, prefix: &str, recursive: bool, limit: usize, after: Option<&str>) -> Answer {
        let mut texts: Vec<_> = self
            .0
            .keys()
            .filter_map(|key| Some((*key, below(prefix, key)?)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(key, rest)| match rest.find('/').filter(|_| !recursive) {
                Some(at) => key[..key.len() - rest.len() + at + 1].to_owned(),
                None => key.to_owned(),
            })
            .collect();
        if texts.is_empty() {
            return MISSING;
        }
        texts.sort_unstable();
        texts.dedup();
        texts.retain(|text| after.is_none_or(|after| text.as_str() > after));
        let more = texts.len() > limit;
        texts.truncate(limit);
        Answer::Page(texts, more)
    }
}

const MISSING: Answer = Answer::Error(ErrorClass::NotFound);

/// What of `key` lies below `prefix`, by component.
fn below<'k>(prefix: &str, key: &'k str) -> Option<&'k str> {
    if prefix.is_empty() { Some(key) } else { key.strip_prefix(prefix)?.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::Random;

    #[test]
    fn pages_are_by_component_and_in_order_of_bytes() {
        let mut model = Model(["a", "b/c/d", "b/c-d", "b/a"].map(|key| (key, Bytes::from("x"))).into());
        let mut list = |prefix, recursive, limit, after| model.answer(&Step::List { prefix, recursive, limit, after });
        let page = |texts: &[&str], more| Answer::Page(texts.iter().map(ToString::to_string).collect(), more);
        assert_eq!(list("", false, 10, None), page(&["a", "b/"], false));
        assert_eq!(list("b", false, 10, None), page(&["b/a", "b/c-d", "b/c/"], false));
        assert_eq!(list("b", false, 2, None), page(&["b/a", "b/c-d"], true));
        assert_eq!(list("b", true, 2, Some("b/c-d")), page(&["b/c/d"], false));
        assert_eq!(list("a", true, 2, None), MISSING);
    }

    #[test]
    fn a_stream_follows_from_its_seed() {
        let steps = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| Step::any(&mut random, Default::default())).collect::<Vec<_>>()
        };
        assert_eq!(steps(1), steps(1));
        assert_ne!(steps(1), steps(2));
    }
}
