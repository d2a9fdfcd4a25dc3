//! What the harness must know of a driver beside its file: how to open it on a store of its own.
//!
//! ```toml
//! isolation = "process"        # where the driver runs; "in-process" unless written
//!
//! [settings]                   # as in registry.toml; {folder} is a new folder for each case
//! root = "{folder}/store"
//!
//! [store]                      # all of it is optional
//! kind = "files"               # "memory", "files" or "service"; guessed from the durability and the settings
//! shared = true                # a second instance with the same settings has the same store; guessed from the durability
//! lacks = ["put_if_absent"]    # declared capabilities that this back-end has not; they must answer `unsupported` then
//! address = "127.0.0.1:9000"   # of a service; {proxy} in the settings is then an address at which the harness stands in front of it
//! ```
//!
//! `{folder}` is a folder that the harness makes, `{unique}` a text of 16 hexadecimal digits that no other case has, `{proxy}` an address.

use std::fmt;
use std::path::{Path, PathBuf};

use longshore_loader::api::metadata::{DriverInfo, Durability};
use longshore_loader::api::schema::{Kind, Schema, nearest};
use longshore_loader::api::{Capabilities, Capability};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How to open a driver.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriverConfig {
    /// The settings, with placeholders.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What the store is.
    #[serde(default)]
    pub store: StoreConfig,
    /// Where the driver runs.
    #[serde(default)]
    pub isolation: Isolation,
}

/// Where a driver runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In the process of the case.
    #[default]
    InProcess,
    /// In a process of its own.
    Process,
}

/// What a driver's store is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// What holds the objects.
    pub kind: Option<StoreKind>,
    /// True if a second instance with the same settings has the same store.
    pub shared: Option<bool>,
    /// Where a service listens, `host:port`.
    pub address: Option<String>,
    /// Declared capabilities that this back-end has not: their cases are skipped, and they must answer `unsupported`.
    #[serde(default)]
    pub lacks: Vec<String>,
}

/// What holds the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// The process's memory.
    Memory,
    /// Files on this machine.
    Files,
    /// Something at an address.
    Service,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl DriverConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// That it cannot be read, or every line that is no part of a configuration.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
        toml::from_str(&text).map_err(|error| ConfigError(format!("{}: {error}", path.display())))
    }

    /// The configuration of a driver that came without one: its schema's defaults, and a new folder where it asks for one.
    ///
    /// # Errors
    /// That a required setting cannot be guessed, with what to write.
    pub fn guess(info: &DriverInfo) -> Result<Self, ConfigError> {
        let schema = schema(info)?;
        let mut settings = Map::new();
        let mut unknown = Vec::new();
        for (name, property) in schema.properties().filter(|(_, property)| property.required) {
            let is_folder = ["root", "path", "folder", "dir", "directory", "rootdirectory"].contains(&name);
            if is_folder && matches!(property.kind, Kind::String { .. }) {
                settings.insert(name.to_owned(), Value::from("{folder}/store"));
            } else {
                unknown.push(name.to_owned());
            }
        }
        if unknown.is_empty() {
            return Ok(Self { settings, ..Self::default() });
        }
        Err(ConfigError(format!(
            "the driver {:?} needs the setting{} {}; write a file with [settings] and give it with --config (see `longshore-conformance run --help`)",
            info.name,
            if unknown.len() == 1 { "" } else { "s" },
            unknown.join(", ")
        )))
    }

    /// Compares the settings with the driver's schema.
    ///
    /// # Errors
    /// Every setting that does not fit, and a service without an address.
    pub fn check(&self, info: &DriverInfo) -> Result<(), ConfigError> {
        let mut faults = Vec::new();
        let sample = self.settings(&Place { folder: PathBuf::from("/"), unique: "0".repeat(16), proxy: Some("127.0.0.1:1".into()) });
        if let Err(found) = schema(info)?.check(&sample) {
            faults.extend(found.iter().map(ToString::to_string));
        }
        let known = ["{folder}", "{unique}", "{proxy}"];
        for placeholder in placeholders(&Value::Object(self.settings.clone())) {
            if !known.contains(&placeholder.as_str()) {
                let near = nearest(&placeholder, known).map(|known| format!("; did you mean {known}?")).unwrap_or_default();
                faults.push(format!("the settings name the placeholder {placeholder}, which is none of {}{near}", known.join(", ")));
            }
        }
        for name in self.store.lacks.iter().filter(|name| name.parse::<Capability>().is_err()) {
            let known = Capability::ALL.map(Capability::name);
            let near = nearest(name, known).map(|known| format!("; did you mean {known}?")).unwrap_or_default();
            faults.push(format!("store.lacks names {name:?}, which is no capability{near}"));
        }
        let own =
            placeholders(&Value::Object(self.settings.clone())).iter().any(|found| ["{folder}", "{unique}"].contains(&found.as_str()));
        if !own && self.kind(info) != StoreKind::Memory {
            // Else the cases would share a store, with each other and perhaps with somebody's images.
            let advice = "put {folder} (a new folder) or {unique} (a text that no other case has) where the store's place is named";
            faults.push(format!("the settings name one store for all cases; {advice}"));
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(ConfigError(format!("the settings do not fit the driver {:?}:\n  {}", info.name, faults.join("\n  "))))
    }

    /// What the driver can on this back-end, out of what it declares.
    pub fn capabilities(&self, declared: Capabilities) -> Capabilities {
        declared.iter().filter(|capability| !self.store.lacks.iter().any(|lacked| lacked == capability.name())).collect()
    }

    /// What holds the objects of the driver.
    pub fn kind(&self, info: &DriverInfo) -> StoreKind {
        self.store.kind.unwrap_or_else(|| {
            let in_folder = placeholders(&Value::Object(self.settings.clone())).iter().any(|found| found == "{folder}");
            match info.durability {
                _ if self.store.address.is_some() => StoreKind::Service,
                Durability::Memory => StoreKind::Memory,
                _ if in_folder => StoreKind::Files,
                _ => StoreKind::Service,
            }
        })
    }

    /// True if a second instance with the same settings has the same store.
    pub fn is_shared(&self, info: &DriverInfo) -> bool {
        self.store.shared.unwrap_or(info.durability != Durability::Memory)
    }

    /// The settings of a store at `place`.
    pub(crate) fn settings(&self, place: &Place) -> Value {
        let mut settings = Value::Object(self.settings.clone());
        fill(&mut settings, &|text| {
            let proxy = place.proxy.as_deref().or(self.store.address.as_deref()).unwrap_or("");
            let folder = place.folder.to_string_lossy();
            text.replace("{folder}", &folder).replace("{unique}", &place.unique).replace("{proxy}", proxy)
        });
        settings
    }
}

/// What the placeholders stand for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) unique: String,
    pub(crate) proxy: Option<String>,
}

/// The schema in a driver's note.
pub(crate) fn schema(info: &DriverInfo) -> Result<Schema, ConfigError> {
    Schema::from_json(&info.settings)
        .map_err(|error| ConfigError(format!("the schema in the driver's file is wrong: {}", error.faults.join("; "))))
}

fn fill(value: &mut Value, replace: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = replace(text),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, replace)),
        Value::Object(object) => object.values_mut().for_each(|item| fill(item, replace)),
        _ => {}
    }
}

/// Everything in braces that looks like a placeholder.
fn placeholders(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => {
            let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
            names.filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase())).map(|name| format!("{{{name}}}")).collect()
        }
        Value::Array(items) => items.iter().flat_map(placeholders).collect(),
        Value::Object(object) => object.values().flat_map(placeholders).collect(),
        _ => Vec::new(),
    }
}
