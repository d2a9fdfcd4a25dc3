//! Content that is named by sha512: the bytes lie under their sha256 digest, where distribution finds them, and an alias leads there.

use futures_util::future::try_join_all;
use longshore_loader::api::{Driver, DriverError, Entry, KeyBuf, ListRequest, ObjectInfo};

use super::error::found;
use super::{Repository, layout};
use crate::oci::{Algorithm, Digest};

/// How many links are read at once.
const AT_ONCE: usize = 16;

/// How many entries of a manifest's folder are looked at: its link, our name, and room for strays.
const HELD_MAX: u32 = 16;

/// What lies in a manifest's folder.
pub(super) struct Held {
    /// The link: the repository holds the manifest.
    pub(super) linked: bool,
    /// The name to announce, if it is not sha256.
    pub(super) other: Option<Digest>,
}

/// False for an object that is too short or too long for a digest: distribution reads no link from it. Where a listing tells no sizes, as on a
/// local disk, a damaged link passes for one; the bytes are hashed all the same, and a folder of that name is made by a push to the repository only.
fn may_be_link(info: Option<&ObjectInfo>) -> bool {
    const SHA256_CHARS: u64 = 71;
    const SHA512_CHARS: u64 = 135;
    info.is_none_or(|info| [SHA256_CHARS, SHA512_CHARS].contains(&info.size))
}

impl Repository {
    /// The digest under which the blob's bytes lie, if any repository has pushed it by this digest.
    pub(super) async fn blob_anywhere(&self, digest: &Digest) -> Result<Option<Digest>, DriverError> {
        match digest.algorithm() {
            Algorithm::Sha256 => Ok(Some(*digest)),
            Algorithm::Sha512 => self.link(&layout::blob_alias(digest)).await,
        }
    }

    /// Keeps the other name of a blob, for every repository.
    pub(super) async fn put_blob_alias(&self, digest: &Digest, stored: &Digest) -> Result<(), DriverError> {
        if digest == stored {
            return Ok(());
        }
        self.put_link(&layout::blob_alias(digest), stored).await
    }

    /// The sha256 digest of a manifest of this repository.
    pub(super) async fn manifest_sha256(&self, digest: &Digest) -> Result<Option<Digest>, DriverError> {
        match digest.algorithm() {
            Algorithm::Sha256 => Ok(Some(*digest)),
            Algorithm::Sha512 => self.link(&layout::manifest_alias(&self.name, digest)).await,
        }
    }

    /// Whether the repository holds a manifest, and the sha512 digest by which it was pushed last, if it was. One driver call.
    pub(super) async fn held(&self, sha256: &Digest) -> Result<Held, DriverError> {
        let folder = layout::revision(&self.name, sha256);
        let listed = found(self.driver().list(&self.call(), &ListRequest::children(&folder, HELD_MAX)).await)?;
        let entries = listed.map(|page| page.entries).unwrap_or_default();
        let is_link = |entry: &Entry| matches!(entry, Entry::Object(_, info) if entry.name() == "link" && may_be_link(info.as_ref()));
        Ok(Held { linked: entries.iter().any(is_link), other: entries.iter().find_map(|entry| layout::other_name(entry.name())) })
    }

    /// Keeps both directions: by the name that the client gave to the bytes, and from the bytes to the name to announce, which is the one
    /// that was used last. `before` is the name to announce until now, if it is not sha256.
    pub(super) async fn put_manifest_alias(&self, digest: &Digest, sha256: &Digest, before: Option<Digest>) -> Result<(), DriverError> {
        if digest != sha256 {
            self.put_link(&layout::manifest_alias(&self.name, digest), sha256).await?;
            return self.put_link(&layout::manifest_name(&self.name, sha256, digest), digest).await;
        }
        match before {
            Some(before) => self.remove(&layout::manifest_name(&self.name, sha256, &before)).await.map(drop),
            None => Ok(()),
        }
    }

    /// Forgets them. `other` is the digest of the bytes by sha512.
    pub(super) async fn remove_manifest_alias(&self, sha256: &Digest, other: &Digest) -> Result<(), DriverError> {
        self.remove(&layout::manifest_alias(&self.name, other)).await?;
        self.remove(&layout::manifest_name(&self.name, sha256, other)).await.map(drop)
    }

    /// The sha512 digests by which the repository links a blob. Links lead to the bytes and not back, so all that it has are read: hardly
    /// any repository has one.
    pub(super) async fn blob_other_names(&self, stored: &Digest) -> Result<Vec<Digest>, DriverError> {
        let folder = layout::layers_by(&self.name, Algorithm::Sha512);
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let request = ListRequest::children(&folder, 1000).after(after.as_deref());
            let Some(listed) = found(self.driver().list(&self.call(), &request).await)? else { return Ok(names) };
            let digests: Vec<Digest> =
                listed.entries.iter().filter_map(|entry| format!("{}:{}", Algorithm::Sha512, entry.name()).parse().ok()).collect();
            for some in digests.chunks(AT_ONCE) {
                let keys: Vec<KeyBuf> = some.iter().map(|digest| layout::layer_link(&self.name, digest)).collect();
                let links = try_join_all(keys.iter().map(|key| self.link(key))).await?;
                names.extend(some.iter().zip(links).filter(|(_, link)| *link == Some(*stored)).map(|(digest, _)| *digest));
            }
            match listed.entries.last() {
                Some(last) if listed.more => after = Some(last.text()),
                _ => return Ok(names),
            }
        }
    }
}
