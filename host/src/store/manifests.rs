//! Manifests: stored as received, and written in an order that no crash can turn into a tag without a manifest.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::join_all;
use longshore_loader::api::{Capability, Condition, Driver, ErrorClass, ListRequest, convenience};

use super::error::found;
use super::facts::CachedManifest;
use super::{MissingReferences, Repository, StoreError, layout};
use crate::oci::{Algorithm, Digest, Manifest, ManifestType, Reference, ReferenceKind, Referenced, Tag};

/// How many references of a manifest are looked for at once.
const AT_ONCE: usize = 32;

/// A manifest to write.
pub struct PushedManifest {
    /// What it is.
    pub manifest: Manifest,
    /// The bytes as they came.
    pub bytes: Bytes,
    /// The digest of the bytes by the algorithm that the client used.
    pub digest: Digest,
    /// The tags that shall mean it.
    pub tags: Vec<Tag>,
}

/// What a look for the references of a manifest found.
struct Checked {
    /// What the repository does not have: digest, and the place in the JSON.
    missing: Vec<(Digest, String)>,
    /// Whether it has one of the manifest's blobs.
    links_a_blob: bool,
}

/// A manifest as it is served.
pub struct StoredManifest {
    /// The bytes as they came.
    pub bytes: Bytes,
    /// What they are.
    pub media_type: ManifestType,
    /// The digest to announce.
    pub digest: Digest,
}

impl Repository {
    /// Writes a manifest and its tags: the bytes, the revision's link, the aliases and the referrer's entry, each tag's index entry, each tag.
    ///
    /// Answers what the manifest refers to and the repository does not have, where that is accepted: digest, and the place in the JSON.
    ///
    /// # Errors
    /// [`StoreError::MissingReferences`] before anything is written; the driver's.
    pub async fn put_manifest(&self, pushed: &PushedManifest) -> Result<Vec<(Digest, String)>, StoreError> {
        let Checked { missing, links_a_blob } = self.check_references(&pushed.manifest).await?;
        let sha256 = match pushed.digest.algorithm() {
            Algorithm::Sha256 => pushed.digest,
            Algorithm::Sha512 => Digest::of(Algorithm::Sha256, &pushed.bytes),
        };
        let before = self.put_bytes(&sha256, &pushed.bytes).await?;
        if !links_a_blob {
            self.link_some_layer(&sha256).await?;
        }
        let deletes = self.storage.past.manifest_deletes.load(Ordering::Acquire);
        self.link_manifest(pushed, &sha256, before).await?;
        for tag in &pushed.tags {
            self.set_tag(tag, &sha256).await?;
        }
        if !pushed.tags.is_empty() && self.was_deleted_meanwhile(&sha256, deletes).await? {
            self.link_manifest(pushed, &sha256, before).await?;
        }
        let cached = CachedManifest { bytes: pushed.bytes.clone(), media_type: pushed.manifest.media_type };
        self.facts().learn_manifest(&sha256, cached);
        // Not remembered but forgotten: the name to announce may have come with an earlier push.
        self.facts().forget_revision(&self.name, &sha256);
        self.facts().forget_revision(&self.name, &pushed.digest);
        Ok(missing)
    }

    /// Writes the bytes; answers the sha512 digest by which the manifest was pushed here before, if it was the last time.
    ///
    /// Bytes that were nowhere in the store were pushed by nobody, so a new manifest is one driver call where the driver tells that. (Or they were
    /// deleted and collected by distribution, which leaves our name of them: then the other digest is announced, which is theirs as well.)
    /// Bytes that were there are written all the same: that heals a damaged copy.
    async fn put_bytes(&self, sha256: &Digest, bytes: &Bytes) -> Result<Option<Digest>, StoreError> {
        let (key, call) = (layout::blob(sha256), self.call());
        if self.driver().capabilities().has(Capability::PutIfAbsent) {
            match self.driver().put(&call, &key, bytes.clone(), Condition::IfAbsent).await {
                Ok(_) => return Ok(None),
                // This back-end cannot, whatever the driver can elsewhere.
                Err(error) if matches!(error.class(), ErrorClass::AlreadyExists | ErrorClass::Unsupported) => {}
                Err(error) => return Err(StoreError::driver("write a manifest")(error)),
            }
        }
        let put = self.driver().put(&call, &key, bytes.clone(), Condition::Always);
        let (put, held) = tokio::join!(put, self.held(sha256));
        put.map_err(StoreError::driver("write a manifest"))?;
        Ok(held.map_err(StoreError::driver("look for another name of a manifest"))?.other)
    }

    /// Lets the repository hold a manifest whose bytes are there.
    async fn link_manifest(&self, pushed: &PushedManifest, sha256: &Digest, before: Option<Digest>) -> Result<(), StoreError> {
        let failed = StoreError::driver("link a manifest");
        self.put_link(&layout::revision_link(&self.name, sha256), sha256).await.map_err(&failed)?;
        self.put_manifest_alias(&pushed.digest, sha256, before).await.map_err(&failed)?;
        let Some(subject) = &pushed.manifest.subject else { return Ok(()) };
        let descriptor = pushed.manifest.describe(pushed.digest, pushed.bytes.len() as u64);
        let other = if pushed.digest == *sha256 { before.as_ref() } else { Some(sha256) };
        self.put_referrer(&subject.digest, &descriptor, other).await
    }

    /// Whether the manifest's link is gone again, now that its tags are there: whoever deleted it meanwhile may have looked for tags before.
    /// It looks again after the link is gone, so one of the two sees the other. Hosts that must know at once what others delete
    /// (`cache.ttl_secs` is 0) ask the store; others only if they have deleted a manifest themselves since there were `deletes`.
    async fn was_deleted_meanwhile(&self, sha256: &Digest, deletes: u64) -> Result<bool, StoreError> {
        if self.facts().are_kept() && self.storage.past.manifest_deletes.load(Ordering::Acquire) == deletes {
            return Ok(false);
        }
        let link = self.link(&layout::revision_link(&self.name, sha256)).await;
        link.map(|link| link.is_none()).map_err(StoreError::driver("read a manifest's link"))
    }

    /// Finds a manifest by tag or digest.
    ///
    /// # Errors
    /// [`StoreError::ManifestUnknown`].
    pub async fn manifest(&self, reference: &Reference) -> Result<StoredManifest, StoreError> {
        let unknown = || StoreError::ManifestUnknown { name: self.name.clone(), reference: reference.to_string() };
        let (digest, by_tag) = match reference {
            Reference::Digest(digest) => (*digest, false),
            Reference::Tag(tag) => (self.tagged(tag).await?.ok_or_else(unknown)?, true),
        };
        let failed = StoreError::driver("read the alias of a manifest");
        let sha256 = self.manifest_sha256(&digest).await.map_err(failed)?.ok_or_else(unknown)?;
        let announced = self.revision(&sha256).await?.ok_or_else(unknown)?;
        let cached = self.manifest_bytes(&sha256).await?.ok_or_else(unknown)?;
        let digest = if by_tag { announced } else { digest };
        Ok(StoredManifest { bytes: cached.bytes, media_type: cached.media_type, digest })
    }

    /// Removes a manifest from the repository, with every tag that means it and its entry among the referrers. The bytes stay.
    ///
    /// # Errors
    /// [`StoreError::ManifestUnknown`].
    pub async fn delete_manifest(&self, digest: &Digest) -> Result<(), StoreError> {
        let unknown = || StoreError::ManifestUnknown { name: self.name.clone(), reference: digest.to_string() };
        let failed = StoreError::driver("delete a manifest");
        let sha256 = self.manifest_sha256(digest).await.map_err(&failed)?.ok_or_else(unknown)?;
        let bytes = self.manifest_bytes(&sha256).await?;
        // The tags first: whatever happens after, none is left that means nothing.
        self.untag(&sha256).await?;
        let removed = self.remove(&layout::revision_link(&self.name, &sha256)).await.map_err(&failed)?;
        self.facts().forget_revision(&self.name, &sha256);
        if !removed {
            return Err(unknown());
        }
        self.storage.past.manifest_deletes.fetch_add(1, Ordering::AcqRel);
        // And those that were pushed between; see `was_deleted_meanwhile`.
        self.untag(&sha256).await?;
        self.remove_traces(&sha256, bytes.map(|cached| cached.bytes)).await
    }

    /// Removes what a deleted manifest leaves: its entries among the referrers and its other name.
    async fn remove_traces(&self, sha256: &Digest, bytes: Option<Bytes>) -> Result<(), StoreError> {
        let failed = StoreError::driver("remove the alias of a manifest");
        let other = match &bytes {
            Some(bytes) => Some(Digest::of(Algorithm::Sha512, bytes)),
            // Damaged bytes do not tell.
            None => self.held(sha256).await.map_err(&failed)?.other,
        };
        let subject = bytes.and_then(|bytes| Manifest::parse(&bytes, None).ok()).and_then(|manifest| manifest.subject);
        if let Some(subject) = subject {
            for digest in [Some(sha256), other.as_ref()].into_iter().flatten() {
                self.remove_referrer(&subject.digest, digest).await?;
            }
        }
        match other {
            Some(other) => self.remove_manifest_alias(sha256, &other).await.map_err(&failed),
            None => Ok(()),
        }
    }

    /// The digest by which a manifest of this repository is announced; `None` if the repository does not hold it.
    pub(super) async fn revision(&self, sha256: &Digest) -> Result<Option<Digest>, StoreError> {
        if let Some(announced) = self.facts().revision(&self.name, sha256) {
            return Ok(Some(announced));
        }
        let held = self.held(sha256).await.map_err(StoreError::driver("look for a manifest's link"))?;
        if !held.linked {
            return Ok(None);
        }
        let announced = held.other.unwrap_or(*sha256);
        self.facts().learn_revision(&self.name, sha256, announced);
        Ok(Some(announced))
    }

    /// The bytes of a manifest, and what they are. Bytes that are no manifest are as good as absent.
    async fn manifest_bytes(&self, sha256: &Digest) -> Result<Option<CachedManifest>, StoreError> {
        if let Some(cached) = self.facts().manifest(sha256) {
            return Ok(Some(cached));
        }
        let max = self.storage.options.manifest_max_bytes;
        let bytes = found(convenience::get(self.driver(), &self.call(), &layout::blob(sha256), max).await);
        let Some(bytes) = bytes.map_err(StoreError::driver("read a manifest"))? else { return Ok(None) };
        // A buffer that is part of a larger one would keep all of it.
        let bytes = Bytes::copy_from_slice(&bytes);
        if Digest::of(Algorithm::Sha256, &bytes) != *sha256 {
            tracing::error!(manifest = %sha256, repository = %self.name, "the stored manifest is damaged; push it again to repair it");
            return Ok(None);
        }
        let Ok(media_type) = Manifest::sniff(&bytes) else { return Ok(None) };
        let cached = CachedManifest { bytes, media_type };
        self.facts().learn_manifest(sha256, cached.clone());
        Ok(Some(cached))
    }

    /// Looks for everything that a manifest cannot be used without; answers what is missing, where that is accepted.
    async fn check_references(&self, manifest: &Manifest) -> Result<Checked, StoreError> {
        let references: Vec<Referenced<'_>> = manifest.referenced().filter(|reference| !reference.may_be_absent).collect();
        let (mut missing, mut links_a_blob) = (Vec::new(), false);
        for some in references.chunks(AT_ONCE) {
            let held = join_all(some.iter().map(|reference| self.holds(reference))).await;
            for (reference, held) in some.iter().zip(held) {
                match held? {
                    true => links_a_blob |= reference.kind == ReferenceKind::Blob,
                    false => missing.push(StoreError::missing(reference)),
                }
            }
        }
        let accepted = missing.is_empty() || self.storage.options.missing_references == MissingReferences::Accept;
        if accepted { Ok(Checked { missing, links_a_blob }) } else { Err(StoreError::MissingReferences(missing)) }
    }

    async fn holds(&self, reference: &Referenced<'_>) -> Result<bool, StoreError> {
        let digest = &reference.descriptor.digest;
        let as_blob = || async { Ok(self.linked(digest).await?.is_some()) };
        let as_manifest = || async {
            match self.manifest_sha256(digest).await.map_err(StoreError::driver("read the alias of a manifest"))? {
                Some(sha256) => Ok(self.revision(&sha256).await?.is_some()),
                None => Ok(false),
            }
        };
        match reference.kind {
            ReferenceKind::Blob => as_blob().await,
            ReferenceKind::Manifest => as_manifest().await,
            ReferenceKind::Either => Ok(as_manifest().await? || as_blob().await?),
        }
    }

    /// Makes sure that the repository links at least one blob, or distribution's garbage collection stops at it: for an index, or a manifest
    /// whose blobs are elsewhere, the manifest's own bytes, which stay as long as the manifest does.
    async fn link_some_layer(&self, sha256: &Digest) -> Result<(), StoreError> {
        let prefix = layout::layers(&self.name);
        let listed = found(self.driver().list(&self.call(), &ListRequest::children(&prefix, 1)).await);
        if listed.map_err(StoreError::driver("look for a blob's link"))?.is_some() {
            return Ok(());
        }
        let put = self.put_link(&layout::layer_link(&self.name, sha256), sha256).await;
        put.map_err(StoreError::driver("link a blob"))
    }
}
