//! `delete`, `delete_prefix` and `copy`.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

use longshore_plugin_api::{Condition, DriverError, Entry, Key, ListRequest, ObjectInfo, Prefix};

use crate::flaw::Flaw;
use crate::open::Opened;
use crate::read::info;
use crate::write::remembered;

/// How many keys are deleted between two looks.
const BATCH: u32 = 1000;
/// Between looking and deleting, for the flaw that does both.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

impl Opened {
    pub(crate) fn delete(&self, key: &Key) -> Result<(), DriverError> {
        self.wait_for_readers();
        let path = self.object(key);
        self.no_link(&path)?;
        if self.has(Flaw::CachesForProcess) {
            remembered().remove(&path);
        }
        let is_seen = self.has(Flaw::LooksThenDeletes) && path.symlink_metadata().is_ok();
        if is_seen {
            std::thread::sleep(PAUSE);
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_seen => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.has(Flaw::DeleteAlternates) => {
                let even = self.misses.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
                if even { Err(self.error(error, key)) } else { Ok(()) }
            }
            removed => {
                removed.map_err(|error| self.error(error, key))?;
                let folder = path.parent().unwrap_or(&path);
                match self.sync_folder(folder) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(self.error(error, key)),
                    _ => {}
                }
                self.prune(folder);
                if let Some(index) = &self.index {
                    index.deleted(&path);
                }
                Ok(())
            }
        }
    }

    /// Removes a folder and those above it, as far as they are empty.
    fn prune(&self, folder: &Path) {
        let objects = self.objects();
        for folder in folder.ancestors().take_while(|above| *above != objects) {
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }

    pub(crate) fn delete_prefix(&self, prefix: &Prefix) -> Result<(), DriverError> {
        if self.has(Flaw::NothingSupported) {
            return Err(DriverError::unsupported("delete_prefix"));
        }
        let mut any = false;
        loop {
            let page = match self.list(&ListRequest::objects(prefix, BATCH)) {
                Err(error) if any && error.class() == longshore_plugin_api::ErrorClass::NotFound => return Ok(()),
                page => page?,
            };
            any = true;
            for entry in &page.entries {
                let Entry::Object(key, _) = entry else { continue };
                match self.delete(key) {
                    Err(error) if error.class() != longshore_plugin_api::ErrorClass::NotFound => return Err(error),
                    _ => {}
                }
            }
            if self.has(Flaw::DeletesByStringPrefix) {
                self.delete_neighbours(prefix)?;
            }
            if !page.more || self.has(Flaw::DeletesOneBatch) {
                return Ok(());
            }
        }
    }

    /// Deletes what merely begins like the prefix.
    fn delete_neighbours(&self, prefix: &Prefix) -> Result<(), DriverError> {
        let all = self.list(&ListRequest::objects(Prefix::root(), longshore_plugin_api::LIMIT_MAX))?;
        for entry in all.entries.iter().filter(|entry| entry.text().starts_with(prefix.as_str())) {
            if let Entry::Object(key, _) = entry {
                self.delete(key)?;
            }
        }
        Ok(())
    }

    pub(crate) fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        if self.has(Flaw::NothingSupported) {
            return Err(DriverError::unsupported("copy"));
        }
        let (source, target) = (self.object(from), self.object(to));
        self.no_link(&source)?;
        self.no_link(&target)?;
        let temporary = self.root().join("temporary").join(self.unique());
        let copied = self.copy_synced(&source, &temporary).map_err(|error| self.error(error, from)).and_then(|()| {
            if from == to && self.has(Flaw::SelfCopyDeletes) {
                return std::fs::remove_file(&target).map_err(|error| self.error(error, to));
            }
            self.place(&temporary, &target, Condition::Always).map_err(|error| self.error(error, to))
        });
        let _ = std::fs::remove_file(&temporary);
        copied?;
        if self.has(Flaw::SelfCopyDeletes) && from == to {
            return Ok(ObjectInfo::new(0, 0));
        }
        target.symlink_metadata().map(|metadata| info(&metadata)).map_err(|error| self.error(error, to))
    }

    /// Synced by the handle that wrote: an error between it and another one would be nobody's.
    fn copy_synced(&self, source: &Path, temporary: &Path) -> std::io::Result<()> {
        let mut copy = File::create_new(temporary)?;
        std::io::copy(&mut File::open(source)?, &mut copy)?;
        self.sync_file(&copy)
    }
}
