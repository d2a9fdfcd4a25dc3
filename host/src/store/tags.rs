//! Tags: names that move. They are never remembered, always asked.

use futures_util::future::join_all;
use longshore_loader::api::{Capability, Driver, DriverError, ListRequest, convenience};

use super::enumerate;
use super::error::found;
use super::{Repository, StoreError, layout};
use crate::oci::{Algorithm, Digest, Page, Tag};

/// How many tags are read at once where all of them must be.
const AT_ONCE: usize = 16;

impl Repository {
    /// What a tag means now: the sha256 digest of a manifest.
    ///
    /// # Errors
    /// Only the driver's.
    pub(super) async fn tagged(&self, tag: &Tag) -> Result<Option<Digest>, StoreError> {
        let link = self.link(&layout::tag_current(&self.name, tag)).await.map_err(StoreError::driver("read a tag"))?;
        Ok(link.filter(|digest| digest.algorithm() == Algorithm::Sha256))
    }

    /// Lets a tag mean a manifest that is in the store already: first the entry in its index, then the tag itself.
    pub(super) async fn set_tag(&self, tag: &Tag, sha256: &Digest) -> Result<(), StoreError> {
        let failed = StoreError::driver("write a tag");
        self.put_link(&layout::tag_index(&self.name, tag, sha256), sha256).await.map_err(&failed)?;
        self.put_link(&layout::tag_current(&self.name, tag), sha256).await.map_err(&failed)
    }

    /// A page of tags in byte order, and whether more follow.
    ///
    /// # Errors
    /// [`StoreError::NameUnknown`] if nothing was ever pushed here.
    pub async fn tags(&self, page: &Page<Tag>) -> Result<(Vec<String>, bool), StoreError> {
        let listed = enumerate::tags(self, page).await.map_err(StoreError::driver("list tags"))?;
        match listed {
            Some(listed) => Ok(listed),
            // No tags: an empty repository, or none at all.
            None if self.exists().await? => Ok((Vec::new(), false)),
            None => Err(StoreError::NameUnknown { name: self.name.clone() }),
        }
    }

    /// True if the repository holds a manifest or did so once.
    pub(super) async fn exists(&self) -> Result<bool, StoreError> {
        let prefix = layout::manifests(&self.name);
        let listed = found(self.driver().list(&self.call(), &ListRequest::children(&prefix, 1)).await);
        Ok(listed.map_err(StoreError::driver("look for a repository"))?.is_some())
    }

    /// Removes a tag; its manifest stays.
    ///
    /// # Errors
    /// [`StoreError::ManifestUnknown`] if there is no such tag.
    pub async fn delete_tag(&self, tag: &Tag) -> Result<(), StoreError> {
        let removed = self.remove_tag(tag).await.map_err(StoreError::driver("delete a tag"))?;
        if removed { Ok(()) } else { Err(StoreError::ManifestUnknown { name: self.name.clone(), reference: tag.to_string() }) }
    }

    /// Removes the tag itself first: a crash in between leaves an index without a tag, which means nothing.
    async fn remove_tag(&self, tag: &Tag) -> Result<bool, DriverError> {
        let current = self.remove(&layout::tag_current(&self.name, tag)).await?;
        let prefix = layout::tag(&self.name, tag);
        let rest = match self.driver().capabilities().has(Capability::DeletePrefix) {
            true => self.driver().delete_prefix(&self.call(), &prefix).await,
            false => convenience::delete_by_listing(self.driver(), &self.call(), &prefix).await,
        };
        Ok(found(rest)?.is_some() || current)
    }

    /// Removes every tag that means the manifest. All tags are read for it, some at a time.
    pub(super) async fn untag(&self, sha256: &Digest) -> Result<(), StoreError> {
        let mut page = Page { limit: 1000, after: None };
        loop {
            let Some((names, more)) = enumerate::tags(self, &page).await.map_err(StoreError::driver("list tags"))? else { return Ok(()) };
            let tags: Vec<Tag> = names.iter().filter_map(|name| name.parse().ok()).collect();
            for some in tags.chunks(AT_ONCE) {
                self.untag_some(some, sha256).await?;
            }
            match tags.last() {
                Some(last) if more => page.after = Some(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn untag_some(&self, tags: &[Tag], sha256: &Digest) -> Result<(), StoreError> {
        // Each is removed as soon as it was read: one that moves on in between is lost.
        let untagged = join_all(tags.iter().map(|tag| async move {
            if self.tagged(tag).await? == Some(*sha256) {
                self.remove_tag(tag).await.map_err(StoreError::driver("delete a tag of a deleted manifest"))?;
            }
            Ok(())
        }));
        untagged.await.into_iter().collect()
    }
}
