//! Referrers: who refers to a subject. An index of small entries that distribution ignores and that can be made again from the manifests.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use longshore_loader::api::{Driver, Entry, KeyBuf, ListRequest, convenience};

use super::error::found;
use super::{Repository, StoreError, layout};
use crate::oci::{Descriptor, Digest, Manifest, Page, Reference, Tag};

/// The largest entry, in bytes: annotations of a manifest of 4 MiB fit.
const ENTRY_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// How many entries are asked of the driver at a time, at the most.
const BATCH_MAX: usize = 100;
/// How many entries are read at once.
const AT_ONCE: usize = 16;

impl Repository {
    /// Writes the entry of a referrer. `other` is the manifest's name by the other algorithm, if it may have an entry by that: it is one
    /// manifest and is listed once, by the name that was used last.
    pub(super) async fn put_referrer(&self, subject: &Digest, referrer: &Descriptor, other: Option<&Digest>) -> Result<(), StoreError> {
        let key = layout::referrer(&self.name, subject, &referrer.digest);
        let put = convenience::put_json(self.driver(), &self.call(), &key, referrer).await;
        put.map_err(StoreError::driver("write a referrer"))?;
        match other {
            Some(other) => self.remove_referrer(subject, other).await,
            None => Ok(()),
        }
    }

    /// Removes the entry of a manifest by one of its names.
    pub(super) async fn remove_referrer(&self, subject: &Digest, digest: &Digest) -> Result<(), StoreError> {
        let removed = self.remove(&layout::referrer(&self.name, subject, digest)).await;
        removed.map(drop).map_err(StoreError::driver("remove a referrer"))
    }

    /// A page of the referrers of a subject, ordered by digest, and whether more follow. With `artifact_type` only those of that type.
    ///
    /// # Errors
    /// Only the driver's: a subject that does not exist has no referrers.
    pub async fn referrers(
        &self,
        subject: &Digest,
        page: &Page<Digest>,
        artifact_type: Option<&str>,
    ) -> Result<(Vec<Descriptor>, bool), StoreError> {
        let after = page.after.as_ref();
        let fallback = self.fallback(subject).await?;
        let mut waiting: BTreeMap<Digest, Descriptor> =
            fallback.into_iter().map(|descriptor| (descriptor.digest, descriptor)).filter(|(digest, _)| Some(digest) > after).collect();
        let fits = |descriptor: &Descriptor| artifact_type.is_none_or(|wanted| descriptor.artifact_type.as_deref() == Some(wanted));
        let mut found = Vec::new();
        let prefix = layout::referrers(&self.name, subject);
        let mut start = after.map(|digest| String::from(layout::referrer(&self.name, subject, digest)));
        // One more than is wanted tells whether more follow. The number is at most 100.
        let batch = page.limit.saturating_add(1).min(BATCH_MAX) as u32;
        loop {
            let (entries, next) = self.entries(&ListRequest::objects(&prefix, batch).after(start.as_deref())).await?;
            for descriptor in &entries {
                // What the fallback tag lists before this one, and not this one a second time.
                let later = waiting.split_off(&descriptor.digest);
                found.extend(std::mem::replace(&mut waiting, later).into_values().filter(fits));
                waiting.remove(&descriptor.digest);
                found.extend(Some(descriptor.clone()).filter(fits));
            }
            start = next;
            if found.len() > page.limit || start.is_none() {
                break;
            }
        }
        found.extend(waiting.into_values().filter(fits));
        let more = found.len() > page.limit;
        found.truncate(page.limit);
        Ok((found, more && page.limit > 0))
    }

    /// The entries of one page of the listing, read some at a time, and where the next page starts.
    async fn entries(&self, request: &ListRequest<'_>) -> Result<(Vec<Descriptor>, Option<String>), StoreError> {
        let listed = found(self.driver().list(&self.call(), request).await).map_err(StoreError::driver("list referrers"))?;
        let Some(listed) = listed else { return Ok((Vec::new(), None)) };
        let next = listed.entries.last().filter(|_| listed.more).map(Entry::text);
        let keys: Vec<KeyBuf> =
            listed.entries.into_iter().filter_map(|entry| if let Entry::Object(key, _) = entry { Some(key) } else { None }).collect();
        let mut descriptors = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let read = try_join_all(some.iter().map(|key| self.entry(key))).await?;
            descriptors.extend(read.into_iter().flatten());
        }
        Ok((descriptors, next))
    }

    /// One entry; what cannot be read as one is passed over, for the manifests are the truth.
    async fn entry(&self, key: &KeyBuf) -> Result<Option<Descriptor>, StoreError> {
        let bytes = found(convenience::get(self.driver(), &self.call(), key, ENTRY_MAX_BYTES).await);
        let bytes = bytes.map_err(StoreError::driver("read a referrer"))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// What clients of registries without referrers wrote: an index under the tag `<algorithm>-<hex>`.
    async fn fallback(&self, subject: &Digest) -> Result<Vec<Descriptor>, StoreError> {
        match self.manifest(&Reference::Tag(Tag::of_referrers(subject))).await {
            Ok(stored) if stored.media_type.is_index() => {
                Ok(Manifest::parse(&stored.bytes, None).map(|index| index.manifests).unwrap_or_default())
            }
            Ok(_) | Err(StoreError::ManifestUnknown { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
