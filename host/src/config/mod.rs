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

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, Faults> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_text("registry.toml", text, variables)
    }

    pub(super) fn report(text: &str, variables: &[(&str, &str)]) -> String {
        read(text, variables).map(|_| ()).unwrap_err().render(false)
    }

    pub(super) const MAIN: &str = "storage.main = { driver = 'memory' }\n";

    #[test]
    fn faulty_file_is_reported_whole_in_the_order_of_its_lines() {
        let text = r#"
[server]
listn = "127.0.0.1:5000"
header_max_bytes = "1KB"
drain_secs = "5 parsecs"
connections_max = 0

[registry]
delete = "yes"
colour = 1
tags_page_max = -3

[log]
level = "inof"

[storage.main]
driver = "Filesystem"
settings = 3

[storage.old]
requierd = false

[storage.both]
driver = "s3"
path = "/x.so"
sha256 = "12"

[[route]]
repository = "team/*x"
storage = "mian"
"#;
        let expected = r#"registry.toml:3:1: unknown key "listn" in [server]
  listn = "127.0.0.1:5000"
  ^^^^^ did you mean "listen"?
registry.toml:4:20: header_max_bytes is "1KB", must be a whole number of bytes, or a text like "64KiB" or "4MiB"
  header_max_bytes = "1KB"
                     ^^^^^
registry.toml:5:14: drain_secs is "5 parsecs", must be a whole number of seconds, or a text like "30s" or "5m"
  drain_secs = "5 parsecs"
               ^^^^^^^^^^^
registry.toml:6:19: connections_max is 0, must be 1 to 1000000
  connections_max = 0
                    ^
registry.toml:9:10: delete is "yes", must be true or false
  delete = "yes"
           ^^^^^
registry.toml:10:1: unknown key "colour" in [registry]; the keys are catalog_page_max, manifest_max_bytes, blob_max_bytes, missing_references, upload_max_secs, push_tags_max, tags_page_max, catalog_page_default, referrers_page_max, delete, upload_signing_keys
  colour = 1
  ^^^^^^
registry.toml:11:17: tags_page_max is -3, must be 1 to 10000
  tags_page_max = -3
                  ^^
registry.toml:14:9: level is "inof", must be one of info, error, warn, debug, trace
  level = "inof"
          ^^^^^^ did you mean "info"?
registry.toml:17:10: driver is "Filesystem", must be a driver's name like "filesystem"; a file is given as path = "/folder/file.so"
  driver = "Filesystem"
           ^^^^^^^^^^^^
registry.toml:18:12: settings must be a table such as { root = "data" }
  settings = 3
             ^
registry.toml:20:10: storage "old" has no driver, must have driver = "NAME" or path = "FILE"
  [storage.old]
           ^^^
registry.toml:21:1: unknown key "requierd" in [storage.old]
  requierd = false
  ^^^^^^^^ did you mean "required"?
registry.toml:23:10: storage "both" has a driver and a path, must have one of the two
  [storage.both]
           ^^^^
registry.toml:26:10: sha256 is "12", must be 64 hexadecimal digits
  sha256 = "12"
           ^^^^
registry.toml:29:14: repository is "team/*x", must not mix * with letters as in "*x": * stands for one whole component, ** for any number
  repository = "team/*x"
               ^^^^^^^^^
registry.toml:30:11: storage is "mian", must be the name of a storage: both, main, old
  storage = "mian"
            ^^^^^^ did you mean "main"?
"#;
        assert_eq!(report(text, &[]), expected);
    }

    #[test]
    fn file_of_the_wrong_shape_says_what_the_shape_is() {
        let cases = [
            (
                "",
                "registry.toml: no storage is configured, must have at least one: [storage.main] with driver = \"filesystem\" and settings = { root = \"data\" }\n",
            ),
            (
                "storage.other = { driver = 'memory' }",
                "registry.toml: no storage is called \"main\" and there is no [[route]], must have one of the two\n",
            ),
            (
                "server = 3\n[storage.main]\ndriver = 'memory'",
                "registry.toml:1:10: server is a number, must be a table [server]\n  server = 3\n           ^\n",
            ),
            (
                "[storage.main]\ndriver = 'memory'\n[route]",
                "registry.toml:3:1: route is a table, must be a list: [[route]] before each one\n  [route]\n  ^^^^^^^\n",
            ),
            (
                "[storage.main]\ndriver = 'memory'\n[servr]",
                "registry.toml:3:2: unknown key \"servr\" at the top\n  [servr]\n   ^^^^^ did you mean \"server\"?\n",
            ),
            (
                "[storage]\nMain = { driver = 'memory' }\n[[route]]\nstorage = 'Main'\nrepository = '**'",
                "registry.toml:2:1: a storage is called \"Main\", must be 1 to 32 of a-z, 0-9, - and _, a letter first\n  Main = { driver = 'memory' }\n  ^^^^\n",
            ),
            (
                "[storage.main]\ndriver = 'memory'\n[[route]]",
                "registry.toml:3:1: a route has no repository, must have both, such as repository = \"team/**\" and storage = \"main\"\n  [[route]]\n  ^^^^^^^^^\nregistry.toml:3:1: a route has no storage, must have both, such as repository = \"team/**\" and storage = \"main\"\n  [[route]]\n  ^^^^^^^^^\n",
            ),
            ("[server\n", "registry.toml:1:8: cannot be read as TOML: unclosed table, expected `]`\n  [server\n         ^\n"),
            (
                "[storage.main]\ndriver = 'memory'\n[registry]\ncatalog_page_max = 50\ncatalog_page_default = 51",
                "registry.toml:5:24: catalog_page_default is 51, must be 1 to 50\n  catalog_page_default = 51\n                         ^^\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(report(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn variable_stands_above_the_file_and_is_checked_like_it() {
        let variables =
            [("LONGSHORE_SERVER__LISTEN", "[::1]:80"), ("LONGSHORE_REGISTRY__DELETE", "false"), ("LONGSHORE_CACHE__TTL_SECS", "5m")];
        let config = read(&format!("server.listen = '127.0.0.1:1'\n{MAIN}"), &variables).unwrap();
        assert_eq!(config.server.listen.to_string(), "[::1]:80");
        assert!(!config.registry.delete);
        assert_eq!(config.cache.ttl.as_secs(), 300);

        let variables = [
            ("LONGSHORE_SERVER__DRAIN_SECS", "soon"),
            ("LONGSHORE_SERVER_LISTEN", "x"),
            ("LONGSHORE_SEVER__LISTEN", "x"),
            ("LONGSHORE_COLOUR", "x"),
            ("LONGSHORE_LOG", "debug"),
            ("LONGSHORE_CACHE", "{ tl_secs = 1 }"),
        ];
        let expected = r#"LONGSHORE_CACHE: unknown key "tl_secs" in [cache]
  did you mean "ttl_secs"?
LONGSHORE_COLOUR: names no key of the configuration
LONGSHORE_LOG: log is a text, must be a table [log]
  one key of it is set as LONGSHORE_LOG__KEY
LONGSHORE_SERVER_LISTEN: names no key of the configuration
  did you mean "LONGSHORE_SERVER__LISTEN"?
LONGSHORE_SERVER__DRAIN_SECS: drain_secs is "soon", must be a whole number of seconds, or a text like "30s" or "5m"
LONGSHORE_SEVER__LISTEN: names no key of the configuration
  did you mean "LONGSHORE_SERVER__LISTEN"?
"#;
        assert_eq!(report(MAIN, &variables), expected);
    }

    #[test]
    fn file_that_is_missing_says_how_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        let faults = Config::load(&folder.path().join("registry.toml"), std::iter::empty()).map(|_| ()).unwrap_err();
        let expected = "registry.toml: there is no such file\n  make one with [storage.main], driver = \"filesystem\" and settings = { root = \"data\" }, or name another with --config\n";
        assert!(faults.render(false).ends_with(expected), "{faults}");
    }
}
