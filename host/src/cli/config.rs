//! `longshore config`: check, show, explain; and what is made from the drivers' schemas: JSON Schema, reference pages, examples.

use std::path::{Path, PathBuf};

use longshore_loader::api::Capability;
use longshore_loader::api::schema::Schema;
use longshore_loader::{DriverSource, Inspection, Refusal, inspect, locate, scan};

use super::storages::{self, Ready};
use super::{Exit, faulty, print, say};
use crate::config::{self, Config};

pub(super) fn check(config: &Config, ready: &[Ready], path: &Path) -> Result<(), Exit> {
    let warnings = storages::warnings(config, ready);
    if !warnings.is_empty() {
        say(&warnings.render(false));
    }
    let names: Vec<&str> = ready.iter().map(|one| one.name.as_str()).collect();
    print(&format!("{} is good: {} ({})\n", path.display(), plural(names.len()), names.join(", ")))
}

fn plural(storages: usize) -> String {
    if storages == 1 { "1 storage".into() } else { format!("{storages} storages") }
}

pub(super) fn show(config: &Config, json: bool) -> Result<(), Exit> {
    let schema_of = |instance: &_| storages::readable_schema(config, instance).map(|(_, schema)| schema);
    let shown = config.show(schema_of).map_err(|faults| faulty(&faults))?;
    print(&if json { format!("{:#}\n", shown.to_json()) } else { shown.to_toml() })
}

pub(super) fn explain(config: &Config, key: Option<&str>, json: bool) -> Result<(), Exit> {
    let explained = config.explain(key, |instance| storages::readable_schema(config, instance));
    let explained = explained.map_err(|sentence| {
        say(&sentence);
        Exit::Usage
    })?;
    print(&if json { format!("{:#}\n", explained.to_json()) } else { explained.to_text() })
}

/// The schema of the file, with the settings of every driver in the folders. One that cannot be read is told and left out.
pub(super) fn schema(folders: &[PathBuf]) -> Result<(), Exit> {
    let mut drivers = Vec::new();
    for file in scan(folders).candidates.into_iter().filter(|file| file.shadowed_by.is_none()) {
        match inspect(&file.path).map(|inspection| (inspection.info().name.clone(), schema_in(&inspection))) {
            Ok((name, Ok(schema))) => drivers.push((name, schema)),
            Ok((_, Err(sentence))) => say(&sentence),
            Err(refusal) => say(&refusal.to_string()),
        }
    }
    print(&format!("{:#}\n", config::json_schema(&drivers)))
}

/// The page of a driver, or that of the registry's own keys.
pub(super) fn reference(driver: Option<&str>, folders: &[PathBuf]) -> Result<(), Exit> {
    let Some(driver) = driver else { return print(&config::keys_page()) };
    let (inspection, schema) = driver_named(driver, folders)?;
    print(&config::driver_page(&inspection.info().name, is_layer(&inspection), &schema))
}

pub(super) fn example(driver: &str, folders: &[PathBuf]) -> Result<(), Exit> {
    let (inspection, schema) = driver_named(driver, folders)?;
    print(&config::driver_example(&inspection.info().name, is_layer(&inspection), &schema))
}

/// A driver by its name, or by its file if the text is a path. None of its code runs.
fn driver_named(driver: &str, folders: &[PathBuf]) -> Result<(Inspection, Schema), Exit> {
    let source = if driver.contains(['/', '.']) { DriverSource::Path(driver.into()) } else { DriverSource::Name(driver.to_owned()) };
    let inspection = locate(&source, folders).and_then(|path| inspect(&path)).map_err(|refusal: Refusal| {
        say(&format!("{refusal} [{}]", refusal.code));
        Exit::Driver
    })?;
    let schema = schema_in(&inspection).map_err(|sentence| {
        say(&sentence);
        Exit::Driver
    })?;
    Ok((inspection, schema))
}

fn schema_in(inspection: &Inspection) -> Result<Schema, String> {
    let unusable = |error| format!("the settings' schema in {} cannot be used: {error}", inspection.path().display());
    Schema::from_json(&inspection.info().settings).map_err(unusable)
}

fn is_layer(inspection: &Inspection) -> bool {
    inspection.info().known_capabilities().has(Capability::Layer)
}
