//! A call of a stream, with all that it needs to be made again.

use std::fmt;

use longshore_loader::api::{Bytes, Capabilities, Capability};

use crate::trial::Random;

/// The keys of a stream, below its own prefix. None is a prefix of another by component, and some are by bytes.
pub(super) const KEYS: [&str; 7] = ["a", "ab", "b/a", "b/b", "b/c/d", "b/c-d", "c%2F"];

/// What is listed and deleted as a whole; some of it never exists.
const PREFIXES: [&str; 5] = ["", "b", "b/c", "d", "a/b"];

/// Where lists go on from.
const AFTER: [&str; 6] = ["a", "aa", "b", "b/", "b/c/", "z"];

/// Sizes of objects, small ones more often, and those around which drivers cut.
const SIZES: [usize; 10] = [0, 1, 10, 100, 4095, 4096, 4097, 65_536, 100_000, 300_001];

/// Bytes that follow from a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    seed: u64,
    pub(super) size: usize,
}

impl Content {
    pub(super) fn bytes(self) -> Bytes {
        Random::new(self.seed).bytes(self.size).into()
    }
}

/// How an upload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Commit,
    Abort,
    Drop,
}

/// A call, or an upload as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Put { key: &'static str, content: Content, if_absent: bool },
    Upload { key: &'static str, content: Content, chunk: usize, resumed: bool, ending: Ending },
    Get { key: &'static str },
    Read { key: &'static str, offset: u64, length: Option<u64> },
    Stat { key: &'static str },
    List { prefix: &'static str, recursive: bool, limit: u32, after: Option<&'static str> },
    Delete { key: &'static str },
    DeletePrefix { prefix: &'static str },
    Copy { from: &'static str, to: &'static str },
}

impl Step {
    /// Any call that a driver of these capabilities has.
    pub(super) fn any(random: &mut Random, capabilities: Capabilities) -> Self {
        let key = *random.one_of(&KEYS);
        let content = Content { seed: random.number(), size: *random.one_of(&SIZES) };
        let kind = random.below(20);
        match kind {
            0..=3 => Self::Put { key, content, if_absent: false },
            4..=6 => {
                let ending = *random.one_of(&[Ending::Commit, Ending::Commit, Ending::Commit, Ending::Abort, Ending::Drop]);
                let chunk = *random.one_of(&[7, 1000, 65_536, 1 << 20]);
                // A chunk of a few bytes is for a small object.
                let chunk = chunk.max(content.size / 50);
                Self::Upload { key, content, chunk, resumed: random.below(2) == 0, ending }
            }
            7..=8 => Self::Get { key },
            9..=10 => {
                let length = (random.below(3) > 0).then(|| random.below(5000) as u64);
                let end = *random.one_of(&[2, 5000, 100_000]);
                Self::Read { key, offset: random.below(end) as u64, length }
            }
            11 => Self::Stat { key },
            12..=14 => Self::List {
                prefix: random.one_of::<&str>(&PREFIXES),
                recursive: random.below(2) == 0,
                limit: *random.one_of(&[1, 2, 3, 1000]),
                after: (random.below(2) == 0).then(|| *random.one_of(&AFTER)),
            },
            15..=16 => Self::Delete { key },
            17 if capabilities.has(Capability::DeletePrefix) => Self::DeletePrefix { prefix: random.one_of::<&str>(&PREFIXES) },
            18 if capabilities.has(Capability::Copy) => Self::Copy { from: key, to: random.one_of::<&str>(&KEYS) },
            19 if capabilities.has(Capability::PutIfAbsent) => Self::Put { key, content, if_absent: true },
            _ => Self::Get { key },
        }
    }

    /// Simpler steps that may fail too, the simplest first.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let sizes = |content: Content| {
            let sizes = SIZES.into_iter().filter(move |size| *size < content.size);
            sizes.map(move |size| Content { size, ..content })
        };
        match self.clone() {
            Self::Put { key, content, if_absent } => sizes(content).map(|content| Self::Put { key, content, if_absent }).collect(),
            Self::Upload { key, content, chunk, resumed, ending } => {
                let put = (ending == Ending::Commit).then_some(Self::Put { key, content, if_absent: false });
                let whole = resumed.then_some(Self::Upload { key, content, chunk, resumed: false, ending });
                let less = sizes(content).map(|content| Self::Upload { key, content, chunk, resumed, ending });
                put.into_iter().chain(whole).chain(less).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, content, if_absent } => {
                let condition = if *if_absent { " if absent" } else { "" };
                write!(f, "put {key} {} bytes{condition}", content.size)
            }
            Self::Upload { key, content, chunk, resumed, ending } => {
                let resumed = if *resumed { ", suspended and resumed half-way" } else { "" };
                let ending = match ending {
                    Ending::Commit => "commit",
                    Ending::Abort => "abort",
                    Ending::Drop => "drop",
                };
                write!(f, "upload {key} {} bytes by {chunk}{resumed}, {ending}", content.size)
            }
            Self::Get { key } => write!(f, "get {key}"),
            Self::Read { key, offset, length: Some(length) } => write!(f, "read {key} from {offset}, {length} bytes"),
            Self::Read { key, offset, length: None } => write!(f, "read {key} from {offset}"),
            Self::Stat { key } => write!(f, "stat {key}"),
            Self::List { prefix, recursive, limit, after } => {
                let how = if *recursive { "all" } else { "children" };
                write!(f, "list {how} of {prefix:?}, {limit} at most")?;
                after.map_or(Ok(()), |after| write!(f, ", after {after:?}"))
            }
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::DeletePrefix { prefix } => write!(f, "delete_prefix {prefix:?}"),
            Self::Copy { from, to } => write!(f, "copy {from} {to}"),
        }
    }
}
