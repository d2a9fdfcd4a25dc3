//! A driver in C, built by `cc` in a folder of its own with one change or none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use longshore_loader::api::{Call, Driver, DriverError, Key, ObjectInfo};
use longshore_loader::{DriverHandle, LoadedDriver, OpenOptions, Policy, Refusal, inspect, load, verify};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Generous, as other tests run at the same time.
pub(crate) const OPTIONS: OpenOptions = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(30) };

pub(crate) const CALL: Call = Call::unbounded();

pub(crate) struct Specimen {
    folder: TempDir,
    note: Value,
    flags: Vec<String>,
}

impl Specimen {
    /// One without a change, or `None` if it cannot be built here.
    #[expect(clippy::print_stderr, reason = "a test that was not made says so by name")]
    pub(crate) fn new() -> Option<Self> {
        if Command::new("cc").arg("--version").output().is_err() {
            eprintln!("skipped: there is no cc to build a driver in C with");
            return None;
        }
        let note = json!({
            "schema": 1, "name": "specimen-c", "version": "1", "vendor": "", "licence": "Apache-2.0", "documentation": "", "contract": 1,
            "abi": { "kind": "c", "major": 1 }, "consistency": "strong", "durability": "memory",
            "settings": { "type": "object", "properties": { "deep": { "type": "object", "description": "settings below others", "properties": {
                "word": { "type": "string", "minLength": 1, "description": "how `open` goes" },
            } } } },
            "capabilities": ["put_if_absent", "delete_prefix", "copy", "presign", "file_region", "upload_list"],
        });
        Some(Self { folder: tempfile::tempdir().expect("a temporary folder"), note, flags: Vec::new() })
    }

    pub(crate) fn note(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.note);
        self
    }

    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    pub(crate) fn build(&self) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = self.folder.path().join("liblongshore_driver_specimen_c.so");
        let mut cc = Command::new("cc");
        cc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-shared", "-fPIC", "-o"]).arg(&library);
        cc.arg("-I").arg(root.join("../c")).arg(format!("-DNOTE={:?}", self.note.to_string())).args(&self.flags);
        let built = cc.arg(root.join("tests/c_drivers/specimen.c")).output().expect("cc runs");
        assert!(built.status.success(), "cc: {}", String::from_utf8_lossy(&built.stderr));
        // Each specimen has counters of its own, and the same bytes would be the same library.
        let mut bytes = fs::read(&library).expect("cc wrote it");
        bytes.extend_from_slice(self.folder.path().as_os_str().as_encoded_bytes());
        fs::write(&library, bytes).expect("the temporary folder is writable");
        library
    }

    /// Inspects, verifies and loads, as a host does.
    pub(crate) fn load(&self) -> Result<LoadedDriver, Refusal> {
        let inspection = inspect(&self.build())?;
        // Whoever works on this project may have a umask that lets others write.
        verify(&inspection, &Policy { allow_writable: true, ..Policy::of_this_host() })?;
        load(&inspection)
    }

    pub(crate) async fn open(&self, settings: &Value) -> Result<DriverHandle, DriverError> {
        self.load().expect("the specimen fits this host").open("test", settings, &OPTIONS).await
    }
}

/// An instance of the unchanged specimen.
pub(crate) async fn opened() -> Option<DriverHandle> {
    Some(Specimen::new()?.open(&json!({})).await.expect("the specimen opens"))
}

pub(crate) fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

pub(crate) async fn stat(driver: &DriverHandle, name: &str) -> Result<ObjectInfo, DriverError> {
    driver.stat(&CALL, key(name)).await
}

/// One of the specimen's counters.
pub(crate) async fn counter(driver: &DriverHandle, name: &str) -> u64 {
    stat(driver, name).await.expect("counters are told").size
}

/// Waits until a counter has a value, for what happens on other threads.
pub(crate) async fn until(driver: &DriverHandle, name: &str, value: u64) {
    let wait = async {
        while counter(driver, name).await != value {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("{name} never became {value}"));
}
