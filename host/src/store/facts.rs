//! Content-addressed facts that need not be asked twice: which repository links what, how large a blob is, the bytes of manifests.
//!
//! Nothing here is the truth: the store is. A fact is forgotten when this host undoes it, and after a while in case another host did. Tags
//! are never remembered.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::StorageOptions;
use crate::oci::{Digest, ManifestType, RepositoryName};

/// Which fact it is of a repository.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Layer,
    Revision,
}

/// A manifest's bytes and type.
#[derive(Clone)]
pub(super) struct CachedManifest {
    pub(super) bytes: Bytes,
    pub(super) media_type: ManifestType,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, (CachedManifest, Instant)> for ByBytes {
    fn weight(&self, _: &Digest, (manifest, _): &(CachedManifest, Instant)) -> u64 {
        // The key, the two words of the buffer's owner and the cache's own bookkeeping, roughly.
        manifest.bytes.len() as u64 + 256
    }
}

/// What is remembered of one storage.
pub(super) struct Facts {
    /// What a name means in a repository: for a blob the digest that it is stored under, for a manifest the one that it is announced by.
    names: Cache<(RepositoryName, Kind, Digest), (Digest, Instant)>,
    sizes: Cache<Digest, (u64, Instant)>,
    manifests: Cache<Digest, (CachedManifest, Instant), ByBytes>,
    keep: Duration,
}

impl Facts {
    /// None yet, and never more than the options say.
    pub(super) fn of(options: &StorageOptions) -> Self {
        let (entries, manifest_bytes) = (options.facts_max, options.cached_manifest_max_bytes);
        let manifests = usize::try_from(manifest_bytes / 2048).unwrap_or(usize::MAX).max(16);
        Self {
            names: Cache::new(entries.max(16)),
            sizes: Cache::new(entries.max(16)),
            manifests: Cache::with_weighter(manifests, manifest_bytes, ByBytes),
            keep: options.facts_keep,
        }
    }

    /// False if nothing is believed: whatever another host does has to be known at once.
    pub(super) fn are_kept(&self) -> bool {
        !self.keep.is_zero()
    }

    fn fresh<T>(&self, (value, since): (T, Instant)) -> Option<T> {
        (since.elapsed() < self.keep).then_some(value)
    }

    pub(super) fn layer(&self, name: &RepositoryName, digest: &Digest) -> Option<Digest> {
        self.names.get(&(name.clone(), Kind::Layer, *digest)).and_then(|fact| self.fresh(fact))
    }

    pub(super) fn learn_layer(&self, name: &RepositoryName, digest: &Digest, stored: Digest) {
        self.names.insert((name.clone(), Kind::Layer, *digest), (stored, Instant::now()));
    }

    pub(super) fn forget_layer(&self, name: &RepositoryName, digest: &Digest) {
        self.names.remove(&(name.clone(), Kind::Layer, *digest));
    }

    pub(super) fn revision(&self, name: &RepositoryName, digest: &Digest) -> Option<Digest> {
        self.names.get(&(name.clone(), Kind::Revision, *digest)).and_then(|fact| self.fresh(fact))
    }

    pub(super) fn learn_revision(&self, name: &RepositoryName, digest: &Digest, announced: Digest) {
        self.names.insert((name.clone(), Kind::Revision, *digest), (announced, Instant::now()));
    }

    pub(super) fn forget_revision(&self, name: &RepositoryName, digest: &Digest) {
        self.names.remove(&(name.clone(), Kind::Revision, *digest));
    }

    pub(super) fn size(&self, digest: &Digest) -> Option<u64> {
        self.sizes.get(digest).and_then(|fact| self.fresh(fact))
    }

    pub(super) fn learn_size(&self, digest: &Digest, size: u64) {
        self.sizes.insert(*digest, (size, Instant::now()));
    }

    pub(super) fn forget_size(&self, digest: &Digest) {
        self.sizes.remove(digest);
    }

    pub(super) fn manifest(&self, digest: &Digest) -> Option<CachedManifest> {
        self.manifests.get(digest).and_then(|fact| self.fresh(fact))
    }

    pub(super) fn learn_manifest(&self, digest: &Digest, manifest: CachedManifest) {
        self.manifests.insert(*digest, (manifest, Instant::now()));
    }
}
