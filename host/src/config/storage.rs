//! `[storage.<name>]` and `[[route]]`: where repositories are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use longshore_loader::api::schema::{Kind, nearest};
use longshore_loader::{Budget, Isolation};
use serde_json::Value as Json;

use super::checked::{Checker, Refusal, Section};
use super::glob::Glob;
use super::keys::{of_kind, table};
use super::redirect::Redirect;
use super::written::{Entry, Node, Origin, Table, Value};

/// The storage that takes every repository which no route takes.
pub const MAIN_STORAGE: &str = "main";
/// The longest name of a storage, and of a driver, in bytes.
const NAME_MAX_BYTES: usize = 32;

/// The least memory in which a driver's process can be expected to start, in bytes.
const MEMORY_MIN_BYTES: u64 = 32 * 1024 * 1024;
/// The most restarts of a driver's process within its window.
const RESTARTS_MAX: u64 = 1000;

/// `[storage.<name>]`: a driver that keeps the bytes, and the layers above it.
#[derive(Debug)]
pub struct Storage {
    /// The driver that keeps the bytes.
    pub driver: Instance,
    /// `layers`, default none: drivers that a call goes through before it comes to `driver`, the first one first.
    pub layers: Vec<Instance>,
    /// `accept_eventual`, default false: whether a driver may be used that does not show a write to everyone at once.
    pub accept_eventual: bool,
    /// `required`, default true: whether the registry refuses to start without it.
    pub required: bool,
    /// `redirect`, default none: who fetches blobs from where the driver keeps them.
    pub redirect: Option<Redirect>,
}

/// One instance of a driver: which file, and what it is opened with.
#[derive(Debug)]
pub struct Instance {
    /// `driver` or `path`, exactly one of them.
    pub file: DriverFile,
    /// `sha256`, default none: the only file that is loaded.
    pub sha256: Option<[u8; 32]>,
    /// `isolation`, default `in-process`: whether the driver runs in a process of its own, and how that is kept.
    pub isolation: Option<Isolation>,
    /// `settings` as they are written; [`Config::check_settings`](super::Config::check_settings) makes them the driver's.
    pub(super) settings: Node,
    /// Where the driver is named.
    pub(super) named_at: Origin,
    /// The keys that lead to its table.
    pub(super) path: Vec<String>,
}

/// Which file a storage's driver is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverFile {
    /// A driver's name, looked for in the configured folders.
    Name(String),
    /// The file itself.
    Path(PathBuf),
}

/// `[[route]]`: the first whose pattern matches takes a repository.
#[derive(Debug, Clone)]
pub struct Route {
    /// `repository`, a pattern over names.
    pub repository: Glob,
    /// `storage`, the name of one.
    pub storage: String,
}

/// Reads every storage; the names include those whose storage has a fault.
pub(super) fn storages(checker: &mut Checker, entry: Option<Entry>) -> (BTreeMap<String, Storage>, Vec<String>) {
    let table = checker.section(&["storage"], entry).named();
    if table.is_empty() {
        let example = r#"[storage.main] with driver = "filesystem" and settings = { root = "data" }"#;
        checker.fault(&Origin::Default, format!("no storage is configured, must have at least one: {example}"));
    }
    let names = table.keys().cloned().collect();
    let mut storages = BTreeMap::new();
    for (name, entry) in table {
        if !is_name(&name, b"-_") {
            let rule = format!("must be 1 to {NAME_MAX_BYTES} of a-z, 0-9, - and _, a letter first");
            checker.fault(&entry.key, format!("a storage is called {name:?}, {rule}"));
        }
        if let Some(storage) = Storage::read(checker, &name, entry) {
            storages.insert(name, storage);
        }
    }
    (storages, names)
}

impl Storage {
    fn read(checker: &mut Checker, name: &str, entry: Entry) -> Option<Self> {
        let key = entry.key.clone();
        let mut keys = checker.section(&["storage", name], Some(entry));
        let driver = Instance::read(&mut keys, &format!("storage {name:?}"), &key);
        // A layer runs where the host is, and has no such key.
        let isolation = isolation(&mut keys);
        let driver = driver.map(|driver| Instance { isolation, ..driver });
        let accept_eventual = keys.flag("accept_eventual", false);
        let required = keys.flag("required", true);
        let redirect = Redirect::read(&mut keys);
        let (layers, _) = keys.list("layers", r#"must be a list such as [{ driver = "count" }]"#);
        keys.takes(Kind::Array(Box::new(of_kind(table()))), None);
        keys.finish();
        let layers = layers.into_iter().enumerate().filter_map(|(index, node)| layer(checker, name, index, node)).collect();
        Some(Self { driver: driver?, layers, accept_eventual, required, redirect })
    }

    /// Every driver of the storage, in the order in which a call goes through them.
    pub fn stack(&self) -> impl DoubleEndedIterator<Item = &Instance> {
        self.layers.iter().chain([&self.driver])
    }
}

fn layer(checker: &mut Checker, storage: &str, index: usize, node: Node) -> Option<Instance> {
    let at = node.origin.clone();
    let mut keys = checker.section(&["storage", storage, "layers", &index.to_string()], Some(Entry { key: at.clone(), node }));
    let layer = Instance::read(&mut keys, &format!("layers.{index} of storage {storage:?}"), &at);
    keys.finish();
    layer
}

impl Instance {
    /// Reads the keys of one instance; `who` is what faults call it, and `key` where it begins.
    fn read(keys: &mut Section<'_>, who: &str, key: &Origin) -> Option<Self> {
        let file = file(keys, who, key);
        let sha256 = keys.read("sha256", |node| node.as_text().and_then(digest).ok_or_else(|| "must be 64 hexadecimal digits".into()));
        keys.takes(Kind::String { min_length: Some(64), max_length: Some(64) }, None);
        if let Some((pin, origin)) = &sha256 {
            keys.note("sha256", hex(pin), None, origin.clone());
        }
        let none = Node { value: Value::Table(Table::new()), origin: keys.at().clone() };
        let settings = keys.take("settings").map_or(none, |entry| entry.node);
        keys.takes(table(), None);
        if !matches!(settings.value, Value::Table(_)) {
            keys.fault(&settings.origin, r#"settings must be a table such as { root = "data" }"#);
        }
        let path = keys.path().to_vec();
        let (file, named_at) = file?;
        Some(Self { file, sha256: sha256.map(|(pin, _)| pin), isolation: None, settings, named_at, path })
    }
}

/// Where the driver runs. The keys of a process mean nothing without one, so that writing them is a fault then.
fn isolation(keys: &mut Section<'_>) -> Option<Isolation> {
    let default = Isolation::default();
    if !keys.choice("isolation", [("in-process", false), ("process", true)]) {
        for key in ["memory_limit", "restarts_max", "restart_window_secs"] {
            if let Some(entry) = keys.take(key) {
                keys.fault(&entry.key, format!(r#"{key} is about a driver's own process, must stand beside isolation = "process""#));
            }
        }
        return None;
    }
    let memory_limit_bytes = keys.bytes("memory_limit", default.memory_limit_bytes, MEMORY_MIN_BYTES..=1 << 50);
    let restarts_max = keys.count("restarts_max", default.budget.restarts_max.into(), 0..=RESTARTS_MAX);
    let window = keys.seconds("restart_window_secs", default.budget.window.as_secs(), 1..=365 * 24 * 3600);
    // The range is within 32 bits.
    let restarts_max = u32::try_from(restarts_max).unwrap_or(u32::MAX);
    Some(Isolation { memory_limit_bytes, budget: Budget { restarts_max, window }, ..default })
}

fn file(keys: &mut Section<'_>, who: &str, key: &Origin) -> Option<(DriverFile, Origin)> {
    let has = [keys.has("driver"), keys.has("path")];
    let name = keys.read("driver", |node| {
        let name = node.as_text().filter(|name| is_name(name, b"-")).map(str::to_owned);
        name.ok_or_else(|| r#"must be a driver's name like "filesystem"; a file is given as path = "/folder/file.so""#.into())
    });
    let path = keys.read("path", |node| {
        let path = node.as_text().filter(|path| !path.is_empty()).map(str::to_owned);
        path.ok_or_else(|| r#"must be the path of a driver's file like "/opt/drivers/libfoo.so""#.into())
    });
    match has {
        [false, false] => {
            keys.fault(key, format!(r#"{who} has no driver, must have driver = "NAME" or path = "FILE""#));
            None
        }
        [true, true] => {
            keys.fault(key, format!("{who} has a driver and a path, must have one of the two"));
            None
        }
        _ => {
            if let Some((text, origin)) = name {
                keys.note("driver", text.as_str(), None, origin.clone());
                return Some((DriverFile::Name(text), origin));
            }
            let (text, origin) = path?;
            keys.note("path", text.as_str(), None, origin.clone());
            Some((DriverFile::Path(text.into()), origin))
        }
    }
}

/// Reads the routes, each of which has to lead to a storage.
pub(super) fn routes(checker: &mut Checker, entry: Option<Entry>, storages: &[String]) -> Vec<Route> {
    let list = match entry.map(|entry| entry.node) {
        Some(Node { value: Value::List(list), .. }) => list,
        Some(other) => {
            checker.fault(&other.origin, format!("route is {}, must be a list: [[route]] before each one", other.kind()));
            return Vec::new();
        }
        None if storages.iter().any(|name| name == MAIN_STORAGE) || storages.is_empty() => return Vec::new(),
        None => {
            checker.fault(
                &Origin::Default,
                format!("no storage is called {MAIN_STORAGE:?} and there is no [[route]], must have one of the two"),
            );
            return Vec::new();
        }
    };
    list.into_iter().enumerate().filter_map(|(index, node)| Route::read(checker, index, node, storages)).collect()
}

impl Route {
    fn read(checker: &mut Checker, index: usize, node: Node, storages: &[String]) -> Option<Self> {
        let at = node.origin.clone();
        let mut keys = checker.section(&["route", &index.to_string()], Some(Entry { key: at.clone(), node }));
        for key in ["repository", "storage"] {
            if !keys.has(key) {
                keys.fault(&at, format!(r#"a route has no {key}, must have both, such as repository = "team/**" and storage = "main""#));
            }
        }
        let repository = keys.read("repository", |node| {
            let text = node.as_text().ok_or(r#"must be a pattern such as "team/**""#)?;
            Ok(Glob::parse(text)?)
        });
        let storage = keys.read("storage", |node| storage_named(node.as_text().unwrap_or_default(), storages));
        if let Some((glob, origin)) = &repository {
            keys.note("repository", glob.to_string(), None, origin.clone());
        }
        if let Some((storage, origin)) = &storage {
            keys.note("storage", storage.as_str(), None, origin.clone());
        }
        keys.finish();
        Some(Self { repository: repository?.0, storage: storage?.0 })
    }
}

fn storage_named(name: &str, storages: &[String]) -> Result<String, Refusal> {
    if storages.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    let near = nearest(name, storages.iter().map(String::as_str));
    Err(Refusal::near(format!("must be the name of a storage: {}", storages.join(", ")), near))
}

/// A lower-case name that begins with a letter; `others` may stand inside.
fn is_name(text: &str, others: &[u8]) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || others.contains(&byte);
    (1..=NAME_MAX_BYTES).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(inner)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect();
    bytes?.try_into().ok()
}

fn hex(bytes: &[u8; 32]) -> Json {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MAIN, read};
    use super::super::{Faults, Place};
    use super::*;

    #[test]
    fn digest_is_64_hexadecimal_digits_of_either_case() {
        let text = "00ff".repeat(16);
        let bytes = digest(&text.to_uppercase()).unwrap();
        assert_eq!((bytes[0], bytes[1], bytes[31]), (0, 255, 255));
        assert_eq!(hex(&bytes), Json::from(text.as_str()));
        for text in ["", "00", &text[1..], &format!("sha256:{text}"), &"0g".repeat(32)] {
            assert_eq!(digest(text), None, "{text}");
        }
    }

    #[test]
    fn name_begins_with_a_letter_and_is_short() {
        assert!(is_name("s3-eu", b"-") && is_name("a_b", b"-_"));
        for name in ["", "3s", "-a", "A", "a_b", "a.so", &"a".repeat(33)] {
            assert!(!is_name(name, b"-"), "{name}");
        }
    }

    #[test]
    fn storage_of_a_repository_is_that_of_the_first_route() {
        let text = "storage.fast = { driver = 'memory' }\n[[route]]\nrepository = 'team/**'\nstorage = 'fast'\n";
        let config = read(&format!("{MAIN}{text}"), &[]).unwrap();
        assert_eq!((config.storage_of("team/a"), config.storage_of("other")), (Some("fast"), Some("main")));
        assert_eq!(read(text, &[]).unwrap().storage_of("other"), None);
    }

    #[test]
    fn fault_at_a_driver_stands_where_the_storage_names_it() {
        let config = read("[storage.main]\ndriver = 'filesytem'\n", &[]).unwrap();
        let fault =
            config.fault_at_driver(&config.storage["main"].driver, "no driver is called \"filesytem\"").did_you_mean(Some("filesystem"));
        let expected = "registry.toml:2:10: no driver is called \"filesytem\"\n  driver = 'filesytem'\n           ^^^^^^^^^^^ did you mean \"filesystem\"?\n";
        assert_eq!(Faults::from(fault).render(false), expected);
        let config = read(MAIN, &[("LONGSHORE_STORAGE__MAIN__DRIVER", "s3")]).unwrap();
        assert_eq!(config.storage["main"].driver.file, DriverFile::Name("s3".to_owned()));
        assert_eq!(
            config.fault_at_driver(&config.storage["main"].driver, "x").place,
            Place::Variable("LONGSHORE_STORAGE__MAIN__DRIVER".to_owned())
        );
    }
}
