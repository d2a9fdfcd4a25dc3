//! The configuration that takes effect: every key with its type, its range and its default.
//!
//! A key whose name ends in `_bytes` or `_secs` takes a whole number of that unit, or a text such as `"4MiB"` or `"5m"`. A path that is not
//! absolute starts at the folder in which the registry was started, as on a command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use longshore_loader::api::schema::Kind;
use serde_json::Value as Json;

use super::checked::{Checker, Section};
use super::environment::Environment;
use super::keys::text;
use super::secret::{self, Reference, Secret};
use super::trust::DriverTrust;
use super::written::{Entry, Node, Origin, Value};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// The shortest key that signs upload URLs, in bytes: whoever guesses it can continue other people's uploads.
pub const SIGNING_KEY_MIN_BYTES: usize = 16;

/// `[server]`: how clients reach the registry, and how long it waits for them.
#[derive(Debug, Clone)]
pub struct Server {
    /// `listen`, default `127.0.0.1:5000`.
    pub listen: SocketAddr,
    /// `admin`, default none: where `/healthz` and `/metrics` are served, apart from clients.
    pub admin: Option<SocketAddr>,
    /// `worker_threads`, default 0: one a core.
    pub worker_threads: usize,
    /// `connections_max`, default 10,000: more wait until one ends.
    pub connections_max: usize,
    /// `header_max_bytes`, default 64 KiB: a request's line and headers together.
    pub header_max_bytes: usize,
    /// `body_idle_secs`, default 60: without a byte moving, in either direction.
    pub body_idle: Duration,
    /// `keep_alive_idle_secs`, default 75: from the end of a request to the last header of the next one.
    pub keep_alive_idle: Duration,
    /// `drain_secs`, default 30: from the signal to stop until requests that are still running are dropped.
    pub drain: Duration,
    /// `control`, default none: the socket at which `longshore reload` is heard, for who may write to it.
    pub control: Option<PathBuf>,
}

/// `[registry]`: what the registry accepts and how much it answers at once.
#[derive(Debug, Clone)]
pub struct Registry {
    /// `manifest_max_bytes`, default and most 4 MiB: distribution reads no more.
    pub manifest_max_bytes: usize,
    /// `blob_max_bytes`, default 5 TiB: what every driver can store.
    pub blob_max_bytes: u64,
    /// `missing_references`, default `refuse`: what a manifest gets that refers to blobs or manifests which the repository does not have.
    pub missing_references: MissingReferences,
    /// `upload_max_secs`, default 7 days: from an upload's first request to its last.
    pub upload_max: Duration,
    /// `upload_purge_secs`, default 1 hour: how often uploads older than that are removed; `None` for 0, never.
    pub upload_purge: Option<Duration>,
    /// `push_tags_max`, default 100: `tag` parameters of one push.
    pub push_tags_max: usize,
    /// `tags_page_max`, default 1,000 tags.
    pub tags_page_max: usize,
    /// `catalog_page_default`, default 100 repositories, for a client that names no number.
    pub catalog_page_default: usize,
    /// `catalog_page_max`, default 1,000 repositories.
    pub catalog_page_max: usize,
    /// `referrers_page_max`, default 1,000 descriptors.
    pub referrers_page_max: usize,
    /// `delete`, default true: whether clients may delete.
    pub delete: bool,
    /// `upload_signing_keys`, default none: the first signs upload URLs, every one is accepted. Without any, the store keeps one, which
    /// all its hosts use.
    pub upload_signing_keys: Vec<Secret>,
}

/// What a manifest gets that refers to missing content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingReferences {
    /// A refusal that names what is missing.
    Refuse,
    /// Accepted, for mirrors that hold parts of an index.
    Accept,
}

/// `[cache]`: what the host remembers of the store. Only what a digest proves is remembered, never what a tag points at.
#[derive(Debug, Clone)]
pub struct Cache {
    /// `manifests_max_bytes`, default 32 MiB: manifests by digest.
    pub manifests_max_bytes: u64,
    /// `facts_max`, default 100,000 entries: sizes of blobs, links that exist.
    pub facts_max: usize,
    /// `ttl_secs`, default 60: how long a fact is believed, since other hosts may delete.
    pub ttl: Duration,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// `level`, default `info`.
    pub level: LogLevel,
    /// `format`, default `auto`.
    pub format: LogFormat,
}

/// The least urgent event that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Human` on a terminal, else `Json`.
    Auto,
    /// A line for people.
    Human,
    /// A JSON object a line.
    Json,
}

/// `[drivers]`: where driver files are, and what a driver may take.
#[derive(Debug, Clone)]
pub struct Drivers {
    /// `path`, default the folder of the executable and `/usr/lib/longshore/drivers`: searched in this order, nothing else ever is.
    pub path: Vec<PathBuf>,
    /// `trust` and `trusted_keys`: which of the files found there are loaded.
    pub trust: DriverTrust,
    /// `open_secs`, default 30: the deadline of opening one.
    pub open: Duration,
    /// `call_secs`, default 60: the deadline of one call.
    pub call: Duration,
    /// `blocking_threads`, default 64: the pool that blocking drivers share.
    pub blocking_threads: usize,
    /// `drain_secs`, default 300: how long what uses a driver may go on when another one has taken its place.
    pub drain: Duration,
    /// `generations_max`, default 8: versions of one driver that a process loads, since it cannot unload any.
    pub generations_max: usize,
}

impl Server {
    pub(super) fn read(checker: &mut Checker, entry: Option<Entry>) -> Self {
        let mut keys = checker.section(&["server"], entry);
        let server = Self {
            listen: keys.address("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 5000))),
            admin: keys.optional_address("admin"),
            worker_threads: number(keys.count("worker_threads", 0, 0..=1_024)),
            connections_max: number(keys.count("connections_max", 10_000, 1..=1_000_000)),
            header_max_bytes: number(keys.bytes("header_max_bytes", 64 * KIB, 8 * KIB..=MIB)),
            body_idle: keys.seconds("body_idle_secs", 60, 1..=3_600),
            keep_alive_idle: keys.seconds("keep_alive_idle_secs", 75, 1..=86_400),
            drain: keys.seconds("drain_secs", 30, 0..=3_600),
            control: keys.optional_path("control", r#"must be the path of a socket like "/run/longshore/control""#),
        };
        keys.finish();
        server
    }
}

impl Registry {
    pub(super) fn read(checker: &mut Checker, entry: Option<Entry>, environment: &Environment) -> Self {
        let mut keys = checker.section(&["registry"], entry);
        let catalog_page_max = keys.count("catalog_page_max", 1_000, 1..=10_000);
        let registry = Self {
            manifest_max_bytes: number(keys.bytes("manifest_max_bytes", 4 * MIB, KIB..=4 * MIB)),
            blob_max_bytes: keys.bytes("blob_max_bytes", 5 * TIB, 1..=1_024 * TIB),
            missing_references: keys
                .choice("missing_references", [("refuse", MissingReferences::Refuse), ("accept", MissingReferences::Accept)]),
            upload_max: keys.seconds("upload_max_secs", 7 * 86_400, 60..=365 * 86_400),
            upload_purge: Some(keys.seconds("upload_purge_secs", 3_600, 0..=30 * 86_400)).filter(|every| !every.is_zero()),
            push_tags_max: number(keys.count("push_tags_max", 100, 10..=1_000)),
            tags_page_max: number(keys.count("tags_page_max", 1_000, 1..=10_000)),
            catalog_page_max: number(catalog_page_max),
            catalog_page_default: number(keys.count("catalog_page_default", catalog_page_max.min(100), 1..=catalog_page_max)),
            referrers_page_max: number(keys.count("referrers_page_max", 1_000, 1..=10_000)),
            delete: keys.flag("delete", true),
            upload_signing_keys: signing_keys(&mut keys, environment),
        };
        keys.finish();
        registry
    }
}

fn signing_keys(keys: &mut Section<'_>, environment: &Environment) -> Vec<Secret> {
    const KEY: &str = "upload_signing_keys";
    let (list, origin) = keys.list(KEY, r#"must be a list such as [{ env = "NAME" }, { file = "PATH" }]"#);
    keys.takes(Kind::Array(Box::new(text())), None).secret = true;
    let mut secrets = Vec::new();
    for node in &list {
        if Reference::of(node).is_some() {
            keys.reveal(node); // it names a place
        }
        match signing_key(node, environment) {
            Ok(secret) => secrets.push(secret),
            Err(sentence) => keys.fault(&node.origin, format!("{KEY}: {sentence}")),
        }
    }
    keys.note(KEY, vec![Json::from("(hidden)"); list.len()], None, origin);
    secrets
}

fn signing_key(node: &Node, environment: &Environment) -> Result<Secret, String> {
    let text = match (Reference::of(node), &node.value, &node.origin) {
        (Some(reference), _, _) => reference.resolve(environment)?,
        // A variable is one of the places where secrets are kept.
        (None, Value::Text(text), Origin::Environment(_)) => text.clone(),
        _ => return Err(format!("an element {}", secret::RULE)),
    };
    if text.len() < SIGNING_KEY_MIN_BYTES {
        return Err(format!("a key must be at least {SIGNING_KEY_MIN_BYTES} bytes long, and hard to guess"));
    }
    Ok(Secret::new(text))
}

impl Cache {
    pub(super) fn read(checker: &mut Checker, entry: Option<Entry>) -> Self {
        let mut keys = checker.section(&["cache"], entry);
        let cache = Self {
            manifests_max_bytes: keys.bytes("manifests_max_bytes", 32 * MIB, 0..=64 * GIB),
            facts_max: number(keys.count("facts_max", 100_000, 0..=100_000_000)),
            ttl: keys.seconds("ttl_secs", 60, 0..=86_400),
        };
        keys.finish();
        cache
    }
}

impl Log {
    pub(super) fn read(checker: &mut Checker, entry: Option<Entry>) -> Self {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        let mut keys = checker.section(&["log"], entry);
        let log = Self {
            level: keys.choice("level", [("info", Info), ("error", Error), ("warn", Warn), ("debug", Debug), ("trace", Trace)]),
            format: keys.choice("format", [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)]),
        };
        keys.finish();
        log
    }
}

impl Drivers {
    pub(super) fn read(checker: &mut Checker, entry: Option<Entry>) -> Self {
        let mut keys = checker.section(&["drivers"], entry);
        let drivers = Self {
            path: keys.texts("path", default_folders()).into_iter().map(PathBuf::from).collect(),
            trust: DriverTrust::read(&mut keys),
            open: keys.seconds("open_secs", 30, 1..=3_600),
            call: keys.seconds("call_secs", 60, 1..=3_600),
            blocking_threads: number(keys.count("blocking_threads", 64, 1..=4_096)),
            drain: keys.seconds("drain_secs", 300, 0..=86_400),
            generations_max: number(keys.count("generations_max", 8, 1..=64)),
        };
        keys.finish();
        drivers
    }
}

fn default_folders() -> Vec<String> {
    let executable = std::env::current_exe().ok();
    let beside = executable.as_deref().and_then(|file| file.parent()?.to_str()).map(str::to_owned);
    beside.into_iter().chain(["/usr/lib/longshore/drivers".to_owned()]).collect()
}

/// A number that its range has already made small enough for the machine.
fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::{MAIN, read, report};
    use super::*;

    #[test]
    fn file_of_the_repository_shows_the_defaults() {
        let is_key = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_commented = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| is_key(key));
        let text = include_str!("../../../registry.toml");
        let uncommented = text.lines().map(|line| line.strip_prefix("# ").filter(is_commented).unwrap_or(line));

        let written = read(&uncommented.collect::<Vec<_>>().join("\n"), &[]).unwrap();
        let plain = read(text, &[]).unwrap();
        let values = |config: &Config| config.rows.iter().map(|row| (row.path.clone(), row.value.clone())).collect::<Vec<_>>();
        assert_eq!(values(&written), values(&plain), "a commented key shows its default");
        let unwritten = written.rows.iter().filter(|row| row.origin == Origin::Default).map(|row| row.path.join("."));
        assert_eq!(unwritten.collect::<Vec<_>>(), ["registry.upload_signing_keys", "drivers.path"], "every other key is in the file");
        assert_eq!(plain.drivers.path.last().unwrap(), std::path::Path::new("/usr/lib/longshore/drivers"));
    }

    #[test]
    fn signing_keys_are_references_and_never_shown() {
        let text = format!("registry.upload_signing_keys = [{{ env = 'A' }}]\n{MAIN}");
        let key = "correct horse battery staple";
        let config = read(&text, &[("A", key)]).unwrap();
        assert_eq!(config.registry.upload_signing_keys[0].expose(), key);
        let shown = config.show(|_| None).unwrap();
        for text in [format!("{config:?}"), shown.to_toml(), shown.to_json().to_string(), format!("{shown:?}")] {
            assert!(!text.contains("horse"), "{text}");
        }
        let text = format!(
            "[registry]\nupload_signing_keys = [{{ env = 'B' }}, 'hunter2hunter2hunter2', {{ env = 'A' }}]\n[storage]\n{}",
            &MAIN["storage.".len()..]
        );
        let expected = r#"registry.toml:2:24: upload_signing_keys: the environment variable "B" is not set
  upload_signing_keys = [{ env = 'B' }, (hidden), { env = 'A' }]
                         ^^^^^^^^^^^^^
registry.toml:2:39: upload_signing_keys: an element must name where the secret is: { env = "NAME" } or { file = "PATH" }
  upload_signing_keys = [{ env = 'B' }, (hidden), { env = 'A' }]
                                        ^^^^^^^^
registry.toml:2:64: upload_signing_keys: a key must be at least 16 bytes long, and hard to guess
  upload_signing_keys = [{ env = 'B' }, (hidden), { env = 'A' }]
                                                  ^^^^^^^^^^^^^
"#;
        assert_eq!(report(&text, &[("A", "short")]), expected);
        let report = report(&format!("registry.upload_signing_keys = 'hunter2'\n{MAIN}"), &[]);
        assert!(report.contains("= (hidden)") && !report.contains("hunter2"), "{report}");
    }
}
