//! Images that no other push has, and what became of them: which must be there, and what each tag may mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::support::{OCI_MANIFEST, Random, bytes, image, sha256};

/// An image of one layer.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) config: Vec<u8>,
    pub(super) layer: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) digest: String,
}

impl Image {
    /// Of a layer with up to `layer_max_bytes`.
    pub(super) fn random(random: &mut Random, layer_max_bytes: usize) -> Self {
        let length = 2 + random.below(layer_max_bytes);
        let layer = bytes(random.next(), length);
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [sha256(&layer)] } });
        let config = config.to_string().into_bytes();
        let manifest = image(&config, &layer).to_string().into_bytes();
        let digest = sha256(&manifest);
        Self { config, layer, manifest, digest }
    }

    /// Writes it as an OCI layout, which clients push.
    pub(super) fn write_layout(&self, folder: &Path) {
        let blobs = folder.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).expect("the test may write there");
        for blob in [&self.config, &self.layer, &self.manifest] {
            std::fs::write(blobs.join(&sha256(blob)["sha256:".len()..]), blob).expect("the test may write there");
        }
        let manifest = json!({ "mediaType": OCI_MANIFEST, "digest": self.digest, "size": self.manifest.len() });
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string();
        std::fs::write(folder.join("index.json"), index).expect("the test may write there");
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("the test may write there");
    }
}

/// What was done, as the clients know it.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Known>);

#[derive(Default)]
pub(super) struct Known {
    /// Pushes that were acknowledged and that nobody has tried to delete: repository and image.
    pub(super) acknowledged: Vec<(String, Image)>,
    /// What a tag of a repository may mean, `None` being nothing: the last push or delete that was acknowledged, or one tried since.
    pub(super) tags: BTreeMap<(String, String), BTreeSet<Option<String>>>,
}

impl Ledger {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An image was pushed by the only client that moves this tag.
    pub(super) fn pushed(&self, repository: &str, tag: &str, image: &Image, acknowledged: bool) {
        let mut known = self.known();
        let meanings = known.tags.entry((repository.to_owned(), tag.to_owned())).or_insert_with(|| [None].into());
        if acknowledged {
            meanings.clear();
        }
        meanings.insert(Some(image.digest.clone()));
        if acknowledged {
            known.acknowledged.push((repository.to_owned(), image.clone()));
        }
    }

    /// An image was pushed with a tag that several clients move: it means any of theirs.
    pub(super) fn pushed_by_many(&self, repository: &str, tag: &str, image: &Image, acknowledged: bool) {
        let mut known = self.known();
        let meanings = known.tags.entry((repository.to_owned(), tag.to_owned())).or_insert_with(|| [None].into());
        meanings.insert(Some(image.digest.clone()));
        if acknowledged {
            meanings.remove(&None);
            known.acknowledged.push((repository.to_owned(), image.clone()));
        }
    }

    /// Takes an image of a repository out of those that must be there, to delete it.
    pub(super) fn give_up_one(&self, repository: &str, random: &mut Random) -> Option<Image> {
        let mut known = self.known();
        let places: Vec<usize> = (0..known.acknowledged.len()).filter(|at| known.acknowledged[*at].0 == repository).collect();
        if places.is_empty() {
            return None;
        }
        Some(known.acknowledged.swap_remove(places[random.below(places.len())]).1)
    }

    /// An image was deleted, with every tag that means it.
    pub(super) fn deleted(&self, repository: &str, image: &Image, acknowledged: bool) {
        let digest = Some(image.digest.clone());
        for ((of, _), meanings) in &mut self.known().tags {
            if of == repository && meanings.contains(&digest) {
                meanings.insert(None);
                if acknowledged {
                    meanings.remove(&digest);
                }
            }
        }
    }

    pub(super) fn into_known(self) -> Known {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
