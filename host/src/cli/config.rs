//! `longshore config`: check and show.

use std::path::Path;

use super::storages::{self, Ready};
use super::{Exit, faulty, print, say};
use crate::config::Config;

pub(super) fn check(ready: &[Ready], path: &Path) -> Result<(), Exit> {
    for warnings in ready.iter().map(|one| &one.warnings).filter(|warnings| !warnings.is_empty()) {
        say(&warnings.render(false));
    }
    let names: Vec<&str> = ready.iter().map(|one| one.name.as_str()).collect();
    print(&format!("{} is good: {} ({})\n", path.display(), plural(names.len()), names.join(", ")))
}

fn plural(storages: usize) -> String {
    if storages == 1 { "1 storage".into() } else { format!("{storages} storages") }
}

pub(super) fn show(config: &Config, json: bool) -> Result<(), Exit> {
    let shown = config.show(|instance| storages::readable_schema(config, instance)).map_err(|faults| faulty(&faults))?;
    print(&if json { format!("{:#}\n", shown.to_json()) } else { shown.to_toml() })
}
