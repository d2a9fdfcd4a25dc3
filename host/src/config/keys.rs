//! What each key of `registry.toml` means. Its type, its range and its default are where it is read, which notes them; this table has the
//! words, and a test compares the two.

use longshore_loader::api::schema::{Deprecated, Kind, Property, Schema};
use serde_json::{Value as Json, json};

use super::Config;
use super::document::Document;
use super::environment::Environment;

/// The step of a key that is the name of a storage.
pub(super) const NAME: &str = "NAME";
/// The step of a key that is a position in a list, from 0.
pub(super) const POSITION: &str = "N";

/// What makes another value of a key take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uptake {
    /// A reload does.
    Reload,
    /// A new start of the registry does.
    Restart,
}

impl Uptake {
    /// As programs read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
        }
    }
}

/// The words for a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// The key, with [`NAME`] and [`POSITION`] where those differ.
    pub(super) key: &'static str,
    pub(super) what: &'static str,
    pub(super) uptake: Uptake,
    /// What is done where the key is absent, if the reader has no one value for that.
    pub(super) absent: &'static str,
    /// A value in JSON, or nothing.
    pub(super) example: &'static str,
    /// The key to use instead, if this one should no longer be used.
    pub(super) successor: Option<&'static str>,
}

const fn about(key: &'static str, uptake: Uptake, what: &'static str) -> About {
    About { key, what, uptake, absent: "", example: "", successor: None }
}

impl About {
    const fn absent(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }

    const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// The words for the key at `path`.
    pub(super) fn of<'a>(all: &'a [Self], path: &[String]) -> Option<&'a Self> {
        let pattern = pattern(path);
        all.iter().find(|about| about.key == pattern)
    }
}

use Uptake::{Reload, Restart};

/// Every key, in the order in which people look for them.
pub(super) const ABOUT: &[About] = &[
    about("server.listen", Restart, "address and port that clients reach; with port 0 the system chooses one, and the log tells it")
        .example(r#""0.0.0.0:5000""#),
    about("server.admin", Restart, "address and port of the operator's own listener, which serves /healthz and /metrics")
        .absent("there is no such listener")
        .example(r#""127.0.0.1:5001""#),
    about("server.control", Restart, "socket at which `longshore reload` is heard")
        .absent("there is none")
        .example(r#""/run/longshore/control""#),
    about("server.worker_threads", Restart, "threads that serve requests; 0 is one a core"),
    about("server.connections_max", Reload, "clients that are connected at once; more wait in the system's queue"),
    about("server.header_max_bytes", Reload, "a request's line and headers together"),
    about("server.body_idle_secs", Reload, "how long a body may pause, in either direction: a slow one is fine, a stalled one is not"),
    about("server.keep_alive_idle_secs", Reload, "from the end of a request to the last header of the next one"),
    about("server.drain_secs", Reload, "how long requests under way may take when the registry is told to stop"),
    about("registry.manifest_max_bytes", Reload, "the largest manifest; CNCF distribution reads no larger ones than 4 MiB"),
    about("registry.blob_max_bytes", Reload, "the largest blob"),
    about("registry.missing_references", Reload, "what a manifest gets that refers to content which the repository does not have"),
    about("registry.upload_max_secs", Reload, "how long an upload may take from its first request to its last"),
    about("registry.upload_purge_secs", Reload, "how often uploads are removed that nobody has written to for upload_max_secs; 0 for never"),
    about("registry.push_tags_max", Reload, "tags that one push may set"),
    about("registry.tags_page_max", Reload, "tags in one answer"),
    about("registry.catalog_page_default", Reload, "repositories in one answer where the client names no number; at most catalog_page_max"),
    about("registry.catalog_page_max", Reload, "repositories in one answer"),
    about("registry.referrers_page_max", Reload, "referrers in one answer"),
    about("registry.delete", Reload, "whether clients may delete"),
    about("registry.upload_signing_keys", Reload, "keys that seal upload URLs: the first one signs, all are accepted; at least 16 bytes each")
        .absent("the store keeps one, which all its hosts use")
        .example(r#"[{ "env": "LONGSHORE_KEY_NEW" }, { "file": "/run/secrets/longshore-key-old" }]"#),
    about("cache.manifests_max_bytes", Reload, "manifests that are remembered by their digest"),
    about("cache.facts_max", Reload, "sizes and links that are remembered, of each kind"),
    about("cache.ttl_secs", Reload, "how long a host may serve, by digest, what another host deleted; 0: all know at once"),
    about("log.level", Reload, "the least urgent lines that are logged"),
    about("log.format", Restart, "how lines are written; auto: human on a terminal, else json"),
    about("drivers.path", Reload, "folders in which driver files are looked for, in this order; nothing else is ever searched")
        .absent("the folder of the program, then /usr/lib/longshore/drivers")
        .example(r#"["/usr/lib/longshore/drivers"]"#),
    about("drivers.trust", Reload, "who has to vouch for a driver file: the registry it was shipped with or a pin, a pin or signature alone, or nobody"),
    about("drivers.trusted_keys", Reload, "public keys of minisign whose signatures are believed")
        .example(r#"["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]"#),
    about("drivers.open_secs", Reload, "how long opening a driver may take"),
    about("drivers.call_secs", Reload, "how long one driver call may take; a commit has a second more for each 32 MiB"),
    about("drivers.blocking_threads", Restart, "threads for driver calls that block; more calls wait for one"),
    about("drivers.drain_secs", Reload, "how long what uses a driver may go on when another one has taken its place"),
    about("drivers.generations_max", Reload, "versions of one driver that a process loads, since it cannot unload any"),
    about("storage.NAME.driver", Reload, "name of the driver that keeps the bytes; its file is looked for in drivers.path").example(r#""filesystem""#),
    about("storage.NAME.path", Reload, "the driver's file itself, in place of its name").example(r#""/opt/drivers/libfoo.so""#),
    about("storage.NAME.sha256", Reload, "the only file that may be loaded, as 64 hexadecimal digits").absent("any file that may be loaded"),
    about("storage.NAME.settings", Reload, "what the driver is opened with, checked against the schema in its file").example(r#"{ "root": "data" }"#),
    about("storage.NAME.isolation", Reload, "whether the driver runs in the registry's own process, or in one of its own"),
    about("storage.NAME.memory_limit", Reload, "memory that a driver's own process may use"),
    about("storage.NAME.restarts_max", Reload, "how often a driver's own process is started again within restart_window_secs; then the storage is degraded"),
    about("storage.NAME.restart_window_secs", Reload, "the time in which those starts are counted"),
    about("storage.NAME.accept_eventual", Reload, "whether a driver may be used that does not show a write to everyone at once"),
    about("storage.NAME.required", Reload, "whether the registry refuses to start without this storage, and is not healthy without it"),
    about("storage.NAME.layers", Reload, "drivers that a call goes through before it comes to the one that keeps the bytes, the first one first")
        .absent("none")
        .example(r#"[{ "driver": "count", "settings": { "each_call": true } }]"#),
    about("storage.NAME.redirect", Reload, "whether GETs of large blobs are sent to URLs that the driver signs; a table says for which"),
    about("storage.NAME.redirect.min_bytes", Reload, "smaller blobs are served by the registry"),
    about("storage.NAME.redirect.expires_secs", Reload, "how long a URL is good"),
    about("storage.NAME.redirect.repositories", Reload, "patterns of the repositories whose blobs are redirected").example(r#"["team/**"]"#),
    about("storage.NAME.redirect.except_repositories", Reload, "patterns of repositories among them whose blobs are not")
        .example(r#"["team/sealed/**"]"#),
    about("storage.NAME.redirect.networks", Reload, "networks of the clients that are redirected").example(r#"["10.0.0.0/8", "fd00::/8"]"#),
    about("storage.NAME.redirect.except_networks", Reload, "networks among them whose clients are not").example(r#"["10.9.0.0/16"]"#),
    about("storage.NAME.redirect.except_user_agents", Reload, "names of clients that cannot follow a redirect, with * for any characters")
        .example(r#"["oldtool/1.*"]"#),
    about("storage.NAME.layers.N.driver", Reload, "name of the layer's driver").example(r#""count""#),
    about("storage.NAME.layers.N.path", Reload, "the layer's file itself, in place of its name").example(r#""/opt/drivers/libfoo.so""#),
    about("storage.NAME.layers.N.sha256", Reload, "the only file that may be loaded, as 64 hexadecimal digits").absent("any file that may be loaded"),
    about("storage.NAME.layers.N.settings", Reload, "what the layer is opened with, checked against the schema in its file"),
    about("route.N.repository", Reload, "pattern of the repositories that the route takes: * is one component of a name, ** any number; the first route that matches decides")
        .example(r#""team/**""#),
    about("route.N.storage", Reload, "name of the storage that keeps them").example(r#""main""#),
];

/// A key of `registry.toml`: its type and range as it is read, and its words.
#[derive(Debug, Clone)]
pub(super) struct HostKey {
    pub(super) about: &'static About,
    pub(super) property: Property,
}

/// A configuration in which every key is looked for.
const WHOLE: &str = r#"
[storage.NAME]
driver = "any"
isolation = "process"
redirect = {}
layers = [{ driver = "any" }]
[[route]]
repository = "**"
storage = "main"
"#;

/// Every key, in the order of [`ABOUT`].
pub(super) fn all() -> Vec<HostKey> {
    let known = known();
    let key = |about: &'static About| {
        let (_, property) = known.iter().find(|(key, _)| key == about.key)?;
        Some(HostKey { about, property: with_words(property, about) })
    };
    ABOUT.iter().filter_map(key).collect()
}

/// Every key that a reader looks for.
fn known() -> Vec<(String, Property)> {
    let document = Document::new("registry.toml", WHOLE.to_owned());
    let read = Config::read(document, Environment::new(std::iter::empty()));
    read.map(|(config, _)| config.known).unwrap_or_default().into_iter().map(|known| (pattern(&known.path), known.property)).collect()
}

fn with_words(property: &Property, about: &About) -> Property {
    let examples = serde_json::from_str::<Json>(about.example).into_iter().collect();
    let deprecated = about.successor.map(|successor| Deprecated { replaced_by: Some(successor.to_owned()) });
    // A default that depends on the machine is told in words.
    let default = property.default.clone().filter(|_| about.absent.is_empty());
    Property { description: about.what.to_owned(), examples, deprecated, default, ..property.clone() }
}

/// The key at `path` as [`About`] has it.
pub(super) fn pattern(path: &[String]) -> String {
    let general = |(index, step): (usize, &String)| match (path[0].as_str(), index) {
        ("storage", 1) => NAME.to_owned(),
        ("route", 1) => POSITION.to_owned(),
        ("storage", 3) if path[2] == "layers" => POSITION.to_owned(),
        _ => step.clone(),
    };
    path.iter().enumerate().map(general).collect::<Vec<_>>().join(".")
}

/// The type of a key whose reader has no better one.
pub(super) fn text() -> Property {
    of_kind(Kind::String { min_length: None, max_length: None })
}

/// The type of a table with any keys.
pub(super) fn table() -> Kind {
    // The schema is whole and right: a test reads it.
    let any = Schema::from_json(&json!({ "additionalProperties": true })).expect("it is a schema");
    Kind::Object(any.as_object().clone())
}

pub(super) fn of_kind(kind: Kind) -> Property {
    let (allowed, examples) = (Vec::new(), Vec::new());
    Property {
        kind,
        required: false,
        default: None,
        allowed,
        description: String::new(),
        examples,
        deprecated: None,
        secret: false,
        format: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::checked::Checker;
    use super::super::{storage, written};
    use super::*;

    #[test]
    fn every_key_that_is_read_has_words_and_every_word_a_key() {
        let mut read: Vec<_> = known().into_iter().map(|(key, _)| key).collect();
        let mut written: Vec<_> = ABOUT.iter().map(|about| about.key.to_owned()).collect();
        read.sort_unstable();
        read.dedup();
        written.sort_unstable();
        assert_eq!(read, written, "host/src/config/keys.rs says what each key means, and nothing of others");
    }

    /// No key has a successor yet, so a table of its own says what is done with one that has.
    #[test]
    fn key_that_goes_out_of_use_is_warned_of_once_with_its_successor() {
        const OLD: &[About] = &[
            About { successor: Some("storage.NAME.path"), ..about("storage.NAME.driver", Reload, "old") },
            about("storage.NAME.path", Reload, "new"),
        ];
        let text = "[storage.a]\ndriver = 'x'\n[storage.b]\npath = 'y'\n[storage.c]\ndriver = 'z'\n";
        let mut document = Document::new("r.toml", text.to_owned());
        let tree = written::tree(&document).unwrap();
        let mut checker = Checker::new(OLD);
        let [storage] = checker.top(tree, ["storage"]);
        storage::storages(&mut checker, storage);
        let warnings = checker.finish(&mut document).warnings.each_once().render(false);
        let expected =
            "r.toml:2:1: storage.NAME.driver is deprecated, use storage.NAME.path\n  driver = 'x'\n  ^^^^^^ also at r.toml:6:1\n";
        assert_eq!(warnings, expected);
    }

    #[test]
    fn words_are_one_sentence_and_examples_are_json() {
        for about in ABOUT {
            assert!(!about.what.is_empty() && !about.what.ends_with('.'), "{}: {:?}", about.key, about.what);
            let example = about.example.is_empty() || serde_json::from_str::<Json>(about.example).is_ok();
            assert!(example, "{}: {}", about.key, about.example);
            assert!(about.successor.is_none_or(|key| ABOUT.iter().any(|about| about.key == key)), "{} has a successor", about.key);
        }
    }
}
