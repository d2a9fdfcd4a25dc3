//! `registry.toml`: as it is written, checked, and as it takes effect.
//!
//! | subject | file |
//! | --- | --- |
//! | the text, lines and columns | `document` |
//! | the tree of values and where each came from | `written` |
//! | variables that stand above the file | `environment` |
//! | reading keys, types and ranges; what is unknown | `checked` |
//! | what each key means | `keys` |
//! | every key with its default | `effective`, `storage`, `redirect`, with `glob` and `network` for patterns |
//! | a driver's settings against its schema | `settings` |
//! | references to secrets, passwords in URLs | `secret`, `userinfo` |
//! | whom to believe that a driver is harmless | `trust`, `lock` for `registry.lock` |
//! | reports | `fault`, `show`, `explain`, with `words` for types and defaults |
//! | what is made for editors and readers | `json_schema`, `reference` |
//!
//! Nothing stops at the first fault: a run finds all of them, and the caller merges those that only a driver's schema can find.

mod checked;
mod document;
mod effective;
mod environment;
mod explain;
mod fault;
mod glob;
mod json_schema;
mod keys;
mod lock;
mod network;
mod redirect;
mod reference;
mod secret;
mod settings;
mod show;
mod storage;
#[cfg(test)]
mod tests;
mod trust;
mod userinfo;
mod words;
mod written;

use std::collections::BTreeMap;
use std::path::Path;

use longshore_loader::api::schema::Schema;
use serde_json::Value as Json;

use checked::{Checked, Checker, Known, Row};
use document::Document;
use environment::Environment;
use settings::Resolved;
use written::Table;

pub use document::DOCUMENT_MAX_BYTES;
pub use effective::{Cache, Drivers, Log, LogFormat, LogLevel, MissingReferences, Registry, SIGNING_KEY_MIN_BYTES, Server};
pub use environment::{VARIABLE_PREFIX, variables};
pub use explain::Explanation;
pub use fault::{Excerpt, FAULTS_SHOWN_MAX, Fault, Faults, Place};
pub use glob::Glob;
pub use json_schema::{NamedSchema, json_schema};
pub use keys::Uptake;
pub use lock::{LOCK_VERSION, Lock, Locked};
pub use network::Network;
pub use redirect::{AgentPattern, Redirect};
pub use reference::{driver_example, driver_page, keys_page};
pub use secret::{SECRET_MAX_BYTES, Secret};
pub use show::{Change, Shown};
pub use storage::{DriverFile, Instance, MAIN_STORAGE, Route, Storage};
pub use trust::DriverTrust;

/// The configuration that takes effect.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[registry]`
    pub registry: Registry,
    /// `[cache]`
    pub cache: Cache,
    /// `[log]`
    pub log: Log,
    /// `[drivers]`
    pub drivers: Drivers,
    /// `[storage.<name>]`, at least one.
    pub storage: BTreeMap<String, Storage>,
    /// `[[route]]`, in their order.
    pub routes: Vec<Route>,
    lock: Lock,
    document: Document,
    environment: Environment,
    rows: Vec<Row>,
    known: Vec<Known>,
    warnings: Faults,
}

impl Config {
    /// Reads a file and the variables that stand above it; [`variables`] gives those of this process.
    ///
    /// # Errors
    /// All faults at once, but for those that only a driver's schema can find (see [`Self::check_settings`]). If the file is not TOML,
    /// those of its syntax alone.
    pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        let (config, faults) = Self::examine(path, variables)?;
        faults.or(config)
    }

    /// Like [`Self::load`], for a caller that goes on to the drivers' schemas and reports their faults together with these. In the
    /// configuration a default stands for each value that was refused, and a storage that names no driver is left out.
    ///
    /// # Errors
    /// If there is no such file, or it is not TOML.
    pub fn examine(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<(Self, Faults), Faults> {
        let (mut config, mut faults) = Self::read(Document::read(path)?, Environment::new(variables))?;
        match Lock::beside(path) {
            Ok(lock) => config.lock = lock,
            Err(found) => faults.merge(found),
        }
        Ok((config, faults))
    }

    /// Takes another lock, such as that of later; the one before.
    pub fn exchange_lock(&mut self, lock: Lock) -> Lock {
        std::mem::replace(&mut self.lock, lock)
    }

    /// What takes effect without any file, for those who ask what keys mean before they write one.
    ///
    /// # Errors
    /// Never for an empty file, which is TOML.
    pub fn without_file(variables: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        Self::read(Document::new("no file", String::new()), Environment::new(variables)).map(|(config, _)| config)
    }

    /// Like [`Self::load`] with the text at hand; `name` is what faults call it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_text(name: &str, text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        let (config, faults) = Self::read(Document::new(name, text.to_owned()), Environment::new(variables))?;
        faults.or(config)
    }

    fn read(mut document: Document, environment: Environment) -> Result<(Self, Faults), Faults> {
        let mut tree = written::tree(&document)?;
        hide_texts(&mut document, &tree);
        let mut faults = environment.override_tree(&mut tree);

        let mut checker = Checker::new(keys::ABOUT);
        let sections = ["server", "registry", "cache", "log", "drivers", "storage", "route"];
        let [server, registry, cache, log, drivers, storage, route] = checker.top(tree, sections);
        let server = Server::read(&mut checker, server);
        let registry = Registry::read(&mut checker, registry, &environment);
        let cache = Cache::read(&mut checker, cache);
        let log = Log::read(&mut checker, log);
        let drivers = Drivers::read(&mut checker, drivers);
        let (storage, names) = storage::storages(&mut checker, storage);
        let routes = storage::routes(&mut checker, route, &names);
        let Checked { faults: found, warnings, rows, known } = checker.finish(&mut document);

        faults.merge(found);
        let lock = Lock::default();
        let config = Self { server, registry, cache, log, drivers, storage, routes, lock, document, environment, rows, known, warnings };
        Ok((config, faults))
    }

    /// The storage of a repository: that of the first route which matches, else `main`; none if there is no `main`.
    pub fn storage_of(&self, repository: &str) -> Option<&str> {
        let route = self.routes.iter().find(|route| route.repository.matches(repository));
        let main = || self.storage.contains_key(MAIN_STORAGE).then_some(MAIN_STORAGE);
        route.map(|route| route.storage.as_str()).or_else(main)
    }

    /// What a driver is opened with: its settings, checked and completed. They hold its secrets.
    ///
    /// # Errors
    /// Every setting that does not fit and every reference that leads nowhere, at its line.
    pub fn check_settings(&self, instance: &Instance, schema: &Schema) -> Result<Json, Faults> {
        self.resolved(instance, schema).check()
    }

    /// The texts in an instance's settings that nobody may see: its secrets, what a reference gave, and the passwords in its URLs.
    pub fn secrets(&self, instance: &Instance, schema: &Schema) -> Vec<String> {
        self.resolved(instance, schema).secrets()
    }

    /// The deprecated settings that an instance uses, to warn of.
    pub fn setting_warnings(&self, instance: &Instance, schema: &Schema) -> Faults {
        self.resolved(instance, schema).warnings()
    }

    /// The keys whose value in `next` is another one, and takes effect only when the registry is started again.
    pub fn changed_for_a_restart(&self, next: &Self) -> Vec<&'static str> {
        let value = |config: &Self, key: &str| config.rows.iter().find(|row| row.path.join(".") == key).map(|row| row.value.clone());
        let needs = keys::ABOUT.iter().filter(|about| about.uptake == Uptake::Restart);
        needs.map(|about| about.key).filter(|key| value(self, key) != value(next, key)).collect()
    }

    /// The keys in use that should no longer be used, with those of the drivers' settings, to warn of once: each has its successor, and the
    /// first place where it stands.
    pub fn warnings<'w>(&self, of_settings: impl IntoIterator<Item = &'w Faults>) -> Faults {
        let mut all = self.warnings.clone();
        for warnings in of_settings {
            all.merge(warnings.clone());
        }
        all.each_once()
    }

    /// A fault of a driver, at the place where it is named.
    pub fn fault_at_driver(&self, instance: &Instance, message: impl Into<String>) -> Fault {
        Fault::new(instance.named_at.place(&self.document, &[]), message)
    }

    /// A fault of a storage's redirects, at the place where they are switched on; at the driver's if they are off.
    pub fn fault_at_redirect(&self, storage: &Storage, message: impl Into<String>) -> Fault {
        let at = storage.redirect.as_ref().map_or(&storage.driver.named_at, |redirect| &redirect.at);
        Fault::new(at.place(&self.document, &[]), message)
    }

    /// What takes effect, for `config show`. `schema_of` tells the schema of an instance; if there is none, its settings are hidden.
    ///
    /// # Errors
    /// Settings that do not fit their schema.
    pub fn show(&self, schema_of: impl Fn(&Instance) -> Option<Schema>) -> Result<Shown, Faults> {
        let mut shown = Shown::new(&self.document, &self.rows);
        let keys: Json = self.registry.upload_signing_keys.iter().map(Secret::expose).collect();
        shown.add_print(&["registry", "upload_signing_keys"], &keys);
        let mut faults = Faults::default();
        for instance in self.storage.values().flat_map(Storage::stack) {
            let Some(schema) = schema_of(instance) else {
                shown.add_unknown(&self.document, instance);
                continue;
            };
            if let Err(found) = shown.add_settings(&self.document, instance, &schema, &self.resolved(instance, &schema)) {
                faults.merge(found);
            }
        }
        faults.or(shown)
    }

    /// What takes effect, with the settings of an instance hidden if they do not fit.
    fn show_what_can_be(&self, schema_of: impl Fn(&Instance) -> Option<Schema>) -> Shown {
        let mut shown = Shown::new(&self.document, &self.rows);
        for instance in self.storage.values().flat_map(Storage::stack) {
            let added = schema_of(instance)
                .is_some_and(|schema| shown.add_settings(&self.document, instance, &schema, &self.resolved(instance, &schema)).is_ok());
            if !added {
                shown.add_unknown(&self.document, instance);
            }
        }
        shown
    }

    fn resolved<'c>(&'c self, instance: &'c Instance, schema: &'c Schema) -> Resolved<'c> {
        Resolved::new(&self.document, &self.environment, &instance.settings, schema)
    }
}

/// Hides every text, since nobody knows yet which of them are secrets; reading a key reveals its value.
fn hide_texts(document: &mut Document, tree: &Table) {
    let mut spans = Vec::new();
    for entry in tree.values() {
        entry.node.walk(&mut |node| spans.extend(node.text_span()));
    }
    document.hide(spans);
}
