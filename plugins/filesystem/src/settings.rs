//! The settings of an instance, as `settings.schema.json` describes them.

use std::time::Duration;

use serde::Deserialize;

/// What the operator wrote, with the schema's defaults filled in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesystemSettings {
    /// The folder that holds the store.
    pub(crate) root: String,
    /// What an answered write survives.
    #[serde(default)]
    pub(crate) durability: Durability,
    /// Whether large uploads are written past the page cache.
    #[serde(default = "yes")]
    pub(crate) direct_io: bool,
    /// When a suspended upload counts as abandoned.
    #[serde(default = "one_week")]
    upload_stale_secs: u64,
}

/// What an answered write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// The machine losing power: data and directory entries are synced before the answer.
    #[default]
    Disk,
    /// The process being killed: the kernel holds the data.
    Process,
}

impl FilesystemSettings {
    pub(crate) fn upload_stale(&self) -> Duration {
        Duration::from_secs(self.upload_stale_secs)
    }
}

const fn one_week() -> u64 {
    7 * 24 * 3600
}

const fn yes() -> bool {
    true
}
