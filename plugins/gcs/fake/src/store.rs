//! Buckets with their objects and uploads. Every change is one step under one lock, so of racing creators exactly one wins.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::condition::Conditions;
use crate::object::{Content, Description, Object};
use crate::refusal::Refusal;

/// All that is stored.
pub(crate) struct Store(Mutex<State>);

/// What the lock guards.
pub(crate) struct State {
    pub(crate) buckets: HashMap<String, Bucket>,
    /// What the names of buckets begin with that are made when they are first used.
    made: Option<String>,
    /// Resumable uploads by their id.
    pub(crate) sessions: HashMap<String, Session>,
    /// Rewrites that go on, by their token.
    pub(crate) rewrites: HashMap<String, Rewrite>,
    last_generation: u64,
}

/// A bucket.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) objects: BTreeMap<String, Arc<Object>>,
    /// Multipart uploads by their object's name and their id.
    pub(crate) uploads: BTreeMap<(String, String), Multipart>,
}

/// An upload in parts, by the XML interface.
pub(crate) struct Multipart {
    pub(crate) description: Description,
    pub(crate) begun: Timestamp,
    pub(crate) parts: BTreeMap<u32, Part>,
}

/// A part of one.
pub(crate) struct Part {
    pub(crate) content: Content,
    pub(crate) etag: String,
    pub(crate) written: Timestamp,
}

/// A resumable upload, by the JSON interface.
pub(crate) struct Session {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) description: Description,
    pub(crate) conditions: Conditions,
    pub(crate) crc32c: Option<String>,
    pub(crate) md5: Option<String>,
    /// What the client said at the beginning that the size would be.
    pub(crate) announced: Option<u64>,
    pub(crate) bytes: Vec<u8>,
    /// The object, once it is complete.
    pub(crate) done: Option<Arc<Object>>,
}

/// A rewrite that takes more than one call.
pub(crate) struct Rewrite {
    /// Source and destination: all must be as they were.
    pub(crate) of: [String; 4],
    pub(crate) generation: u64,
    pub(crate) written: u64,
}

/// A change to an object.
pub(crate) struct Write {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) description: Description,
    pub(crate) components: Option<usize>,
}

impl Store {
    pub(crate) fn new<'a>(buckets: impl Iterator<Item = &'a String>, made: Option<String>) -> Self {
        let buckets = buckets.map(|name| (name.clone(), Bucket::default())).collect();
        Self(Mutex::new(State { buckets, made, sessions: HashMap::new(), rewrites: HashMap::new(), last_generation: 0 }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A change is one insertion or removal, which a panic cannot leave half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Refusal> {
        if self.made.as_ref().is_some_and(|made| name.starts_with(made.as_str())) && !self.buckets.contains_key(name) {
            self.buckets.insert(name.to_owned(), Bucket::default());
        }
        self.buckets.get_mut(name).ok_or_else(Refusal::no_bucket)
    }

    /// The object, of the generation that is asked for.
    pub(crate) fn object(&mut self, bucket: &str, name: &str, generation: Option<u64>) -> Result<Arc<Object>, Refusal> {
        let object = self.bucket(bucket)?.objects.get(name);
        let object = object.filter(|object| generation.is_none_or(|wanted| wanted == object.generation));
        object.cloned().ok_or_else(|| Refusal::no_object(bucket, name))
    }

    /// Writes an object in place of the one that is there, if the conditions hold of that one.
    pub(crate) fn write(&mut self, write: Write, conditions: &Conditions, now: Timestamp) -> Result<Arc<Object>, Refusal> {
        // The store's own are microseconds too; what counts is that they differ.
        let generation = u64::try_from(now.as_microsecond()).unwrap_or(1).max(self.last_generation + 1);
        let bucket = self.bucket(&write.bucket)?;
        conditions.check(bucket.objects.get(&write.name).map(AsRef::as_ref), false)?;
        let object = Arc::new(Object {
            name: write.name.clone(),
            content: write.content,
            description: write.description,
            generation,
            metageneration: 1,
            created: now,
            updated: now,
            components: write.components,
        });
        bucket.objects.insert(write.name, object.clone());
        self.last_generation = generation;
        Ok(object)
    }

    /// Removes an object, if the conditions hold of it.
    pub(crate) fn delete(&mut self, bucket: &str, name: &str, generation: Option<u64>, conditions: &Conditions) -> Result<(), Refusal> {
        let object = self.object(bucket, name, generation)?;
        conditions.check(Some(&object), false)?;
        self.bucket(bucket)?.objects.remove(name);
        Ok(())
    }

    /// A name for an upload that nobody can guess, nor mistake for another.
    pub(crate) fn new_id(&mut self) -> String {
        self.last_generation += 1;
        let random: u64 = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), self.last_generation);
        format!("ABPn{:x}-{random:016x}", self.last_generation)
    }
}
