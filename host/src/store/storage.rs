//! A driver and what is remembered of it; which repository lies in which storage.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use longshore_loader::DriverHandle;
use longshore_loader::api::{Call, Condition, Driver, DriverError, ErrorClass, KeyBuf, convenience};
use tokio::sync::OnceCell;

use super::counts::UploadCounts;
use super::error::{StoreError, found};
use super::facts::Facts;
use super::health::LastHealth;
use super::layout;
use super::redirect::Redirect;
use crate::oci::{Digest, RepositoryName, SigningKeys, UploadId};

/// How many bytes a link may have; the longest digest has 135.
const LINK_MAX_BYTES: u64 = 256;
/// How many uploads are remembered that were cancelled, or of which there is a record.
const UPLOADS_MAX: usize = 10_000;

/// What a manifest that refers to missing content gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingReferences {
    /// A refusal that names what is missing.
    Refuse,
    /// Accepted, as a mirror of parts of an index needs it.
    Accept,
}

/// Limits and choices that hold for every repository of a storage.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// The largest blob, in bytes.
    pub blob_max_bytes: u64,
    /// The largest manifest, in bytes.
    pub manifest_max_bytes: u64,
    /// What a manifest gets that refers to missing content.
    pub missing_references: MissingReferences,
    /// How long an upload may take from its first request to its last.
    pub upload_max: Duration,
    /// How many facts of each kind are remembered.
    pub facts_max: usize,
    /// How many bytes of manifests are remembered.
    pub cached_manifest_max_bytes: u64,
    /// How long a fact is believed.
    pub facts_keep: Duration,
}

impl StorageOptions {
    /// True if as much is remembered, and for as long.
    fn remember_like(&self, other: &Self) -> bool {
        let of = |options: &Self| (options.facts_max, options.cached_manifest_max_bytes, options.facts_keep);
        of(self) == of(other)
    }
}

/// A driver instance with what is remembered of it.
pub struct Storage {
    pub(super) driver: DriverHandle,
    pub(super) facts: Arc<Facts>,
    pub(super) options: StorageOptions,
    pub(super) redirect: Option<Redirect>,
    /// Whether the registry is of no use without it.
    pub(super) required: bool,
    pub(super) last_health: LastHealth,
    /// Empty until an upload needs them: a start reads and writes nothing, and a store that nobody may write to can be pulled from.
    keys: OnceCell<SigningKeys>,
    pub(super) past: Arc<Past>,
}

/// What this host did, which storages that follow one another have in common: requests may be under way in several of them.
#[derive(Default)]
pub(super) struct Past {
    cancelled: Mutex<Uploads>,
    /// Uploads of which this host wrote down where they stand.
    recorded: Mutex<Uploads>,
    /// How many manifests this host has deleted.
    pub(super) manifest_deletes: AtomicU64,
    pub(super) uploads: UploadCounts,
}

/// Uploads, the oldest of which are forgotten.
#[derive(Default)]
struct Uploads {
    ids: HashSet<UploadId>,
    order: std::collections::VecDeque<UploadId>,
}

impl Uploads {
    fn add(&mut self, id: &UploadId) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id.clone());
        }
        if self.order.len() > UPLOADS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

impl Storage {
    /// A storage on an open driver. Upload states are sealed with `keys`; without any, with a key that the store itself keeps, so that all
    /// hosts on one store agree. That one is asked for when the first upload needs it.
    pub fn new(driver: DriverHandle, options: StorageOptions, keys: Option<SigningKeys>) -> Self {
        let facts = Arc::new(Facts::of(&options));
        let (redirect, required, last_health) = (None, true, LastHealth::default());
        Self { driver, facts, options, redirect, required, last_health, keys: OnceCell::new_with(keys), past: Arc::default() }
    }

    /// The storage that takes the place of this one on the same driver, with other options and keys.
    #[must_use]
    pub fn reconfigured(&self, options: StorageOptions, keys: Option<SigningKeys>) -> Self {
        let facts = if self.options.remember_like(&options) { self.facts.clone() } else { Arc::new(Facts::of(&options)) };
        Self { facts, past: self.past.clone(), ..Self::new(self.driver.clone(), options, keys) }
    }

    /// The storage that takes the place of this one on another driver, whose store may be another one.
    #[must_use]
    pub fn succeeded(&self, driver: DriverHandle, options: StorageOptions, keys: Option<SigningKeys>) -> Self {
        Self { past: self.past.clone(), ..Self::new(driver, options, keys) }
    }

    /// The storage with redirects to where its driver keeps blobs, which needs a driver that can sign URLs.
    #[must_use]
    pub fn with_redirect(self, redirect: Option<Redirect>) -> Self {
        Self { redirect, ..self }
    }

    /// The storage as one that the registry can do without, or not.
    #[must_use]
    pub fn with_required(self, required: bool) -> Self {
        Self { required, ..self }
    }

    /// The operator's name of it.
    pub fn name(&self) -> &str {
        let origin = self.driver.origin();
        origin.split_once('/').map_or(origin, |(_, instance)| instance)
    }

    /// What happened to uploads.
    pub fn upload_counts(&self) -> &UploadCounts {
        &self.past.uploads
    }

    /// The driver.
    pub fn driver(&self) -> &DriverHandle {
        &self.driver
    }

    /// Remembers that an upload was cancelled. An upload without a byte has no other trace, so another host does not know. A mark in the
    /// store would be looked for by every upload's first chunk, and all that another host can do is begin anew under the same URL.
    pub(super) fn cancel(&self, id: &UploadId) {
        self.past.cancelled.lock().unwrap_or_else(PoisonError::into_inner).add(id);
    }

    pub(super) fn is_cancelled(&self, id: &UploadId) -> bool {
        self.past.cancelled.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(id)
    }

    /// Remembers that there is a record of an upload, for a client that starts it again by its old URL: that URL does not tell.
    pub(super) fn remember_record(&self, id: &UploadId) {
        self.past.recorded.lock().unwrap_or_else(PoisonError::into_inner).add(id);
    }

    pub(super) fn has_record(&self, id: &UploadId) -> bool {
        self.past.recorded.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(id)
    }
}

/// The key that the store keeps; the first host that needs it makes it.
async fn stored_key(driver: &DriverHandle, trace_id: u128) -> Result<SigningKeys, DriverError> {
    let call = driver.call(trace_id);
    let key = layout::signing_key();
    let bytes = match found(convenience::get(driver, &call, key, 1024).await)? {
        Some(bytes) => bytes,
        None => make_key(driver, &call).await?,
    };
    SigningKeys::new([bytes]).map_err(|error| DriverError::new(ErrorClass::Corrupt, format!("{key} is not a key: {error}")))
}

/// What whoever made the key knows of it: that one is there.
fn exists() -> DriverError {
    DriverError::new(ErrorClass::AlreadyExists, "the key is there")
}

async fn make_key(driver: &DriverHandle, call: &Call) -> Result<Bytes, DriverError> {
    let key = layout::signing_key();
    let mut random = [0; 32];
    getrandom::fill(&mut random)
        .map_err(|error| DriverError::new(ErrorClass::Internal, format!("the system gives no random bytes: {error}")))?;
    let condition = match driver.capabilities().has(longshore_loader::api::Capability::PutIfAbsent) {
        true => Condition::IfAbsent,
        // Two hosts that need it at once may both write; the last one wins, and the other reads it below.
        false => Condition::Always,
    };
    let put = |condition| driver.put(call, key, Bytes::copy_from_slice(&random), condition);
    let written = match put(condition).await {
        // This back-end cannot, whatever the driver can elsewhere.
        Err(error) if error.class() == ErrorClass::Unsupported => put(Condition::Always).await.and_then(|_| Err(exists())),
        written => written,
    };
    match written {
        Err(error) if error.class() != ErrorClass::AlreadyExists => Err(error),
        Ok(_) if condition == Condition::IfAbsent => Ok(Bytes::copy_from_slice(&random)),
        _ => convenience::get(driver, call, key, 1024).await,
    }
}

/// Where a repository lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routed {
    /// In the storage of this index.
    To(usize),
    /// In a storage that could not be opened.
    Closed,
    /// No route takes it.
    Nowhere,
}

/// From a repository's name to its storage.
type Route = dyn Fn(&str) -> Routed + Send + Sync;

/// All storages, and the rule that sends a repository to one of them.
pub struct Store {
    storages: Vec<Arc<Storage>>,
    closed: Vec<String>,
    route: Box<Route>,
}

impl Store {
    /// `route` says where a repository lies.
    pub fn new(storages: Vec<Arc<Storage>>, route: impl Fn(&str) -> Routed + Send + Sync + 'static) -> Self {
        Self { storages, closed: Vec::new(), route: Box::new(route) }
    }

    /// The store with the names of storages that could not be opened.
    #[must_use]
    pub fn with_closed(self, closed: Vec<String>) -> Self {
        Self { closed, ..self }
    }

    /// The storages that could not be opened.
    pub fn closed(&self) -> &[String] {
        &self.closed
    }

    /// A repository, which need not exist, for a request with this trace id.
    ///
    /// # Errors
    /// [`StoreError::NoStorage`] if no route takes it, [`StoreError::StorageClosed`] if its storage could not be opened.
    pub fn repository(&self, name: RepositoryName, trace_id: u128) -> Result<Repository, StoreError> {
        match (self.route)(name.as_str()) {
            Routed::To(index) if index < self.storages.len() => Ok(Repository { storage: self.storages[index].clone(), name, trace_id }),
            Routed::Nowhere => Err(StoreError::NoStorage { name }),
            Routed::To(_) | Routed::Closed => Err(StoreError::StorageClosed { name }),
        }
    }

    /// Every storage, each once.
    pub fn storages(&self) -> &[Arc<Storage>] {
        &self.storages
    }
}

/// A repository as one request sees it.
pub struct Repository {
    pub(super) storage: Arc<Storage>,
    pub(super) name: RepositoryName,
    pub(super) trace_id: u128,
}

impl Repository {
    /// Its name.
    pub fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// The keys that seal its upload states. None configured: the first time it is one driver call, or two if
    /// the store has no key yet (three where the driver cannot tell who made it).
    ///
    /// # Errors
    /// The driver's, if the store's key can be neither read nor made.
    pub async fn keys(&self) -> Result<&SigningKeys, StoreError> {
        let keys = self.storage.keys.get_or_try_init(|| stored_key(&self.storage.driver, self.trace_id)).await;
        keys.map_err(StoreError::driver("read the store's key for upload states"))
    }

    /// The largest manifest, in bytes.
    pub fn manifest_max_bytes(&self) -> u64 {
        self.storage.options.manifest_max_bytes
    }

    pub(super) fn driver(&self) -> &DriverHandle {
        &self.storage.driver
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.storage.facts
    }

    /// The context of a driver call that begins now.
    pub(super) fn call(&self) -> Call {
        self.driver().call(self.trace_id)
    }

    /// Reads a link. What is not a digest, to the letter, is no link: distribution reads no other.
    pub(super) async fn link(&self, key: &KeyBuf) -> Result<Option<Digest>, DriverError> {
        let Some(text) = found(convenience::get(self.driver(), &self.call(), key, LINK_MAX_BYTES).await)? else {
            return Ok(None);
        };
        Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()))
    }

    /// Writes a link: the digest and nothing else.
    pub(super) async fn put_link(&self, key: &KeyBuf, digest: &Digest) -> Result<(), DriverError> {
        convenience::put_text(self.driver(), &self.call(), key, digest.to_string()).await.map(drop)
    }

    /// Removes a key; `false` if it was not there.
    pub(super) async fn remove(&self, key: &KeyBuf) -> Result<bool, DriverError> {
        Ok(found(self.driver().delete(&self.call(), key).await)?.is_some())
    }
}
