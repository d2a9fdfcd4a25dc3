//! `registry.lock`: the content of each driver file that the operator has vouched for, by name and platform.
//!
//! It lies beside the configuration, under its name with the ending `.lock`, and is written by `longshore driver lock`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use longshore_loader::Sha256;
use serde_json::Value as Json;

use super::checked::{Checker, Section};
use super::document::Document;
use super::fault::Faults;
use super::written::{self, Entry, Node, Origin, Value};

/// The form of lock files that this host reads and writes.
pub const LOCK_VERSION: i64 = 1;

const HEAD: &str = "\
# The driver files that this registry may load, by their content. Written by `longshore driver lock`, which keeps what other platforms have
# locked; a file that differs is refused. Keep it beside the configuration, and under version control with it.
";

/// Which content each driver has on each platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    path: PathBuf,
    drivers: BTreeMap<(String, String), Locked>,
}

/// A driver file as it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The driver's version, for people.
    pub version: String,
    /// The file's content.
    pub sha256: Sha256,
    /// The file's size in bytes.
    pub size_bytes: u64,
    /// Where the file was, for people.
    pub seen: PathBuf,
}

impl Locked {
    /// True if both are the same file, wherever each was seen.
    pub fn is(&self, other: &Self) -> bool {
        (&self.version, self.sha256, self.size_bytes) == (&other.version, other.sha256, other.size_bytes)
    }
}

impl Lock {
    /// Reads the lock beside a configuration; an empty one if there is none.
    ///
    /// # Errors
    /// All its faults at once.
    pub fn beside(configuration: &Path) -> Result<Self, Faults> {
        let path = configuration.with_extension("lock");
        let missing = fs::metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if missing { Ok(Self { path, drivers: BTreeMap::new() }) } else { Self::read(path.clone(), Document::read(&path)?) }
    }

    fn read(path: PathBuf, mut document: Document) -> Result<Self, Faults> {
        let tree = written::tree(&document)?;
        let mut checker = Checker::default();
        let [version, drivers] = checker.top(tree, ["version", "driver"]);
        check_version(&mut checker, version);
        let drivers = read_drivers(&mut checker, drivers);
        let faults = checker.finish(&mut document).faults;
        faults.or(Self { path, drivers })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is locked for a driver on a platform.
    pub fn get(&self, driver: &str, platform: &str) -> Option<&Locked> {
        self.drivers.get(&(driver.to_owned(), platform.to_owned()))
    }

    /// The other platforms on which a driver is locked.
    pub fn elsewhere(&self, driver: &str, platform: &str) -> Vec<String> {
        self.drivers.keys().filter(|(name, other)| name == driver && other != platform).map(|(_, other)| other.clone()).collect()
    }

    /// Locks a driver's content on a platform; what was locked before.
    pub fn insert(&mut self, driver: &str, platform: &str, locked: Locked) -> Option<Locked> {
        self.drivers.insert((driver.to_owned(), platform.to_owned()), locked)
    }

    /// Takes out what `keep` does not want of a platform, and answers the names.
    pub fn retain(&mut self, platform: &str, keep: impl Fn(&str) -> bool) -> Vec<String> {
        let gone = |(name, on): &(String, String)| on == platform && !keep(name);
        let names = self.drivers.keys().filter(|key| gone(key)).map(|(name, _)| name.clone()).collect();
        self.drivers.retain(|key, _| !gone(key));
        names
    }

    /// The file's text: the same drivers give the same bytes.
    pub fn to_toml(&self) -> String {
        let mut text = format!("{HEAD}version = {LOCK_VERSION}\n");
        for ((name, platform), locked) in &self.drivers {
            let quoted = |value: &str| toml_text(value);
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[[driver]]\nname = {}\nplatform = {}\nversion = {}\nsha256 = \"{}\"\nsize_bytes = {}\nseen = {}\n",
                quoted(name),
                quoted(platform),
                quoted(&locked.version),
                locked.sha256,
                locked.size_bytes,
                quoted(&locked.seen.to_string_lossy()),
            );
        }
        text
    }

    /// Puts its file in the place of the one before, whole or not at all.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let next = folder.join(format!(".{name}.{}", std::process::id()));
        let written = write_new(&next, self.to_toml().as_bytes()).and_then(|()| fs::rename(&next, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&next);
        }
        written?;
        File::open(folder)?.sync_all()
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// JSON's quoting is TOML's, but for the one control character that JSON leaves as it is.
fn toml_text(value: &str) -> String {
    Json::from(value).to_string().replace('\u{7f}', "\\u007f")
}

fn check_version(checker: &mut Checker, entry: Option<Entry>) {
    let rule = format!("this host reads version {LOCK_VERSION}; use a newer one, or remove the file and run `longshore driver lock`");
    match entry.map(|entry| entry.node) {
        None => checker.fault(&Origin::Default, format!("has no version, must have version = {LOCK_VERSION} before its first driver")),
        Some(node) if node.as_integer(None) == Some(LOCK_VERSION) => {}
        Some(node) => checker.fault(&node.origin, format!("version is {}, {rule}", node.found())),
    }
}

fn read_drivers(checker: &mut Checker, entry: Option<Entry>) -> BTreeMap<(String, String), Locked> {
    let mut drivers = BTreeMap::new();
    let list = match entry.map(|entry| entry.node) {
        None => return drivers,
        Some(Node { value: Value::List(list), .. }) => list,
        Some(other) => {
            checker.fault(&other.origin, format!("driver is {}, must be a list: [[driver]] before each one", other.kind()));
            return drivers;
        }
    };
    for (index, node) in list.into_iter().enumerate() {
        let at = node.origin.clone();
        let mut keys = checker.section(&["driver", &index.to_string()], Some(Entry { key: at.clone(), node }));
        let Some((key, locked)) = read_driver(&mut keys, &at) else {
            keys.finish();
            continue;
        };
        keys.finish();
        if drivers.contains_key(&key) {
            checker.fault(&at, format!("driver {:?} is locked twice for {}, must be once", key.0, key.1));
        }
        drivers.insert(key, locked);
    }
    drivers
}

fn read_driver(keys: &mut Section<'_>, at: &Origin) -> Option<((String, String), Locked)> {
    for key in ["name", "platform", "version", "sha256", "size_bytes", "seen"] {
        if !keys.has(key) {
            keys.fault(at, format!("a driver has no {key}; run `longshore driver lock`, which writes all of it"));
        }
    }
    let name = text(keys, "name");
    let platform = text(keys, "platform");
    let version = text(keys, "version");
    let sha256 = keys.read("sha256", |node| {
        let digest = node.as_text().and_then(|text| text.parse::<Sha256>().ok());
        digest.ok_or_else(|| "must be 64 digits of 0-9 and a-f".into())
    });
    let size = keys.read("size_bytes", |node| {
        let size = node.as_integer(None).and_then(|size| u64::try_from(size).ok());
        size.ok_or_else(|| "must be a whole number of bytes".into())
    });
    let seen = text(keys, "seen");
    let locked = Locked { version: version?, sha256: sha256?.0, size_bytes: size?.0, seen: seen?.into() };
    Some(((name?, platform?), locked))
}

fn text(keys: &mut Section<'_>, key: &'static str) -> Option<String> {
    let text = keys.read(key, |node| node.as_text().map(str::to_owned).ok_or_else(|| "must be a text".into()));
    text.map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(digit: &str) -> Locked {
        let sha256 = digit.repeat(64).parse().unwrap();
        Locked { version: "1.0".into(), sha256, size_bytes: 7, seen: "/d/x \"y\"\u{7f}.so".into() }
    }

    fn read(text: &str) -> Result<Lock, Faults> {
        Lock::read("registry.lock".into(), Document::new("registry.lock", text.to_owned()))
    }

    #[test]
    fn lock_reads_what_it_writes_in_an_order_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("registry.toml");
        let mut lock = Lock::beside(&configuration).unwrap();
        assert_eq!(lock.path(), folder.path().join("registry.lock"));
        for (name, platform, digit) in [("s3", "b", "1"), ("gcs", "z", "2"), ("s3", "a", "3")] {
            lock.insert(name, platform, locked(digit));
        }
        lock.write().unwrap();
        let text = fs::read_to_string(lock.path()).unwrap();
        assert_eq!((Lock::beside(&configuration).unwrap(), text.as_str()), (lock.clone(), lock.to_toml().as_str()));
        let names: Vec<_> = text.lines().filter(|line| line.starts_with("name") || line.starts_with("platform")).collect();
        let in_order = ["name = \"gcs\"", "platform = \"z\"", "name = \"s3\"", "platform = \"a\"", "name = \"s3\"", "platform = \"b\""];
        assert_eq!(names, in_order);
        assert!(text.starts_with("# ") && text.contains("`longshore driver lock`"), "it says what it is: {text}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");
    }

    #[test]
    fn platforms_are_kept_apart() {
        let mut lock = Lock::default();
        lock.insert("s3", "a", locked("1"));
        lock.insert("gcs", "a", locked("1"));
        lock.insert("s3", "b", locked("2"));
        assert_eq!((lock.get("s3", "b").unwrap(), lock.get("s3", "c")), (&locked("2"), None));
        assert_eq!((lock.elsewhere("s3", "a"), lock.elsewhere("gcs", "a")), (vec!["b".to_owned()], vec![]));
        assert_eq!(lock.retain("a", |name| name == "gcs"), ["s3"]);
        assert_eq!((lock.get("s3", "a"), lock.elsewhere("s3", "a")), (None, vec!["b".to_owned()]));
    }

    #[test]
    fn faulty_lock_is_reported_whole() {
        let text = r#"version = 2
colour = 1

[[driver]]
name = "s3"
platfrom = "x86_64-unknown-linux-gnu"
version = 3
sha256 = "12"
size_bytes = -1
seen = "/d/x.so"
"#;
        let expected = r#"registry.lock:1:11: version is 2, this host reads version 1; use a newer one, or remove the file and run `longshore driver lock`
  version = 2
            ^
registry.lock:2:1: unknown key "colour" at the top; the keys are version, driver
  colour = 1
  ^^^^^^
registry.lock:4:1: a driver has no platform; run `longshore driver lock`, which writes all of it
  [[driver]]
  ^^^^^^^^^^
registry.lock:6:1: unknown key "platfrom" in [driver.0]
  platfrom = "x86_64-unknown-linux-gnu"
  ^^^^^^^^ did you mean "platform"?
registry.lock:7:11: version is 3, must be a text
  version = 3
            ^
registry.lock:8:10: sha256 is "12", must be 64 digits of 0-9 and a-f
  sha256 = "12"
           ^^^^
registry.lock:9:14: size_bytes is -1, must be a whole number of bytes
  size_bytes = -1
               ^^
"#;
        assert_eq!(read(text).unwrap_err().render(false), expected);
        let twice =
            "[[driver]]\nname='a'\nplatform='p'\nversion='1'\nsize_bytes=1\nseen='/x'\nsha256='SUM'\n".replace("SUM", &"0".repeat(64));
        let report = read(&format!("version = 1\n{twice}{twice}")).unwrap_err().render(false);
        assert!(report.starts_with("registry.lock:9:1: driver \"a\" is locked twice for p, must be once\n"), "{report}");
        assert_eq!(read("").unwrap_err().render(false), "registry.lock: has no version, must have version = 1 before its first driver\n");
        let report = read("driver = 3\nversion = 1").unwrap_err().render(false);
        assert!(report.starts_with("registry.lock:1:10: driver is a number, must be a list: [[driver]] before each one\n"), "{report}");
    }
}
