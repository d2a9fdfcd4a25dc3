//! What a namespace holds: objects, uploads in progress, what uploads are suspended as, and the answers that were given.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::answer::Reply;
use super::content::{Content, Growing, Room};
use crate::message::now_ms;

/// How many uploads may be in progress; beyond it the oldest is forgotten, as its driver has forgotten it, most likely.
const SESSIONS_MAX: usize = 4096;
/// How many uploads may be suspended.
const TOKENS_MAX: usize = 16 * 1024;
/// How many answers to writes are kept, for a driver that asks again.
const ANSWERS_MAX: usize = 4096;
/// After which time without a request a namespace is forgotten.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// An object.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) content: Content,
    pub(super) modified: u64,
    pub(super) version: u64,
}

/// An upload in progress.
pub(super) struct Session {
    pub(super) growing: Growing,
    /// The token that ends when the next is made.
    pub(super) token: Option<u64>,
}

/// What an upload was suspended with.
pub(super) struct Suspended {
    pub(super) content: Content,
    pub(super) since: u64,
}

/// The part of the service that one store is.
pub(super) struct Namespace {
    pub(super) room: Room,
    pub(super) objects: BTreeMap<String, Object>,
    /// Ordered by age.
    pub(super) sessions: BTreeMap<u64, Session>,
    pub(super) tokens: BTreeMap<u64, Suspended>,
    answers: HashMap<String, Reply>,
    answered: VecDeque<String>,
    last: u64,
    used: Instant,
}

impl Namespace {
    fn new(room: Room) -> Self {
        Self {
            room,
            objects: BTreeMap::new(),
            sessions: BTreeMap::new(),
            tokens: BTreeMap::new(),
            answers: HashMap::new(),
            answered: VecDeque::new(),
            // A number of a namespace that was forgotten means nothing in the next of that name.
            last: now_ms() << 16,
            used: Instant::now(),
        }
    }

    /// A number that was not given before.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn store(&mut self, key: String, content: Content) -> Object {
        let object = Object { content, modified: now_ms(), version: self.number() };
        self.objects.insert(key, object.clone());
        object
    }

    pub(super) fn begin(&mut self, session: Session) -> u64 {
        let number = self.number();
        self.sessions.insert(number, session);
        if self.sessions.len() > SESSIONS_MAX {
            self.sessions.pop_first();
        }
        number
    }

    /// Keeps what an upload is suspended with, in place of what it was suspended with before.
    pub(super) fn suspend(&mut self, content: Content, before: Option<u64>) -> Option<u64> {
        before.into_iter().for_each(|token| drop(self.tokens.remove(&token)));
        if self.tokens.len() >= TOKENS_MAX {
            return None;
        }
        let token = self.number();
        self.tokens.insert(token, Suspended { content, since: now_ms() });
        Some(token)
    }

    /// The objects below a prefix, in order, from the text `from` on.
    pub(super) fn below<'a>(&'a self, prefix: &str, from: &str) -> impl Iterator<Item = (&'a String, &'a Object)> + use<'a> {
        let begin = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let first = if begin.as_str() < from { from.to_owned() } else { begin.clone() };
        self.objects.range(first..).take_while(move |(key, _)| key.starts_with(&begin))
    }

    /// The answer that a request was given before.
    pub(super) fn answered(&self, key: &str) -> Option<Reply> {
        self.answers.get(key).cloned()
    }

    pub(super) fn remember(&mut self, key: &str, reply: &Reply) {
        self.answers.insert(key.to_owned(), reply.clone());
        self.answered.push_back(key.to_owned());
        if self.answered.len() > ANSWERS_MAX {
            self.answered.pop_front().into_iter().for_each(|key| drop(self.answers.remove(&key)));
        }
    }
}

/// All namespaces.
pub(super) struct Store {
    namespaces: HashMap<String, Namespace>,
    room: Room,
}

impl Store {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { namespaces: HashMap::new(), room: Room::new(max_bytes) }
    }

    /// A namespace, which is there once it is asked for.
    pub(super) fn namespace(&mut self, name: &str) -> &mut Namespace {
        if !self.namespaces.contains_key(name) {
            self.namespaces.retain(|_, namespace| namespace.used.elapsed() < IDLE_MAX);
        }
        let room = &self.room;
        let namespace = self.namespaces.entry(name.to_owned()).or_insert_with(|| Namespace::new(room.clone()));
        namespace.used = Instant::now();
        namespace
    }
}
