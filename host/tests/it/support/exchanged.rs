//! A registry whose driver's file and configuration change while it serves.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::registry::{Registry, Start, command};

/// Each version would have to be pinned otherwise; that is another test's business.
const TRUST: (&str, &str) = ("LONGSHORE_DRIVERS__TRUST", "any");

/// A registry on the filesystem driver, from a file of its own, that an operator can speak to.
pub(crate) struct Exchanged {
    pub(crate) registry: Registry,
    /// The driver's file as it was built.
    built: Vec<u8>,
    versions: usize,
}

impl Exchanged {
    /// With keys of the configuration, dotted, a line each.
    pub(crate) fn start(keys: &'static str) -> Self {
        Self::start_with(Start { keys, ..Start::default() })
    }

    pub(crate) fn start_with(start: Start) -> Self {
        let folder = start.folder.unwrap_or_else(|| std::sync::Arc::new(tempfile::tempdir().expect("a folder can be made")));
        let built = fs::read(PathBuf::from(command().get_program()).with_file_name("liblongshore_driver_filesystem.so"));
        let built = built.expect("the driver can be read");
        let file = folder.path().join("driver.so");
        fs::write(&file, &built).expect("the folder is ours");
        // Not synced: nothing here can see it.
        let storage = format!("path = {file:?}\nsettings = {{ root = \"data\", durability = \"process\" }}");
        let variables = [start.variables, vec![(TRUST.0, TRUST.1.to_owned())]].concat();
        let start = Start {
            variables,
            driver: "filesystem",
            folder: Some(folder),
            storage: Some(start.storage.unwrap_or(storage)),
            control: true,
            ..start
        };
        Self { registry: Registry::start_with(start), built, versions: 0 }
    }

    /// Where the driver's file lies.
    pub(crate) fn file(&self) -> PathBuf {
        self.registry.folder.path().join("driver.so")
    }

    /// Installs another version of the driver, which works as the one before: what follows an ELF file's tables is no part of it.
    pub(crate) fn renew(&mut self) {
        self.versions += 1;
        let version = [self.built.clone(), format!("version {}", self.versions).into_bytes()].concat();
        self.install(&version);
    }

    /// Puts other bytes in the place of the driver's file.
    pub(crate) fn install(&self, bytes: &[u8]) {
        let next = self.registry.folder.path().join("driver.so.next");
        fs::write(&next, bytes).expect("the folder is ours");
        fs::rename(next, self.file()).expect("the folder is ours");
    }

    /// The driver's file as it was built.
    pub(crate) fn built(&self) -> &[u8] {
        &self.built
    }

    /// Runs a command beside the registry, with its configuration.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Asked {
        Asked(self.command(arguments).output().expect("the program can be started"))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.env(TRUST.0, TRUST.1).args(arguments).arg("--config").arg(&self.registry.file).current_dir(self.registry.folder.path());
        command
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Asked(Output);

impl Asked {
    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    /// What it says to people, good or bad.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&[self.0.stdout.as_slice(), &self.0.stderr].concat()).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|error| panic!("the output is JSON ({error}): {}", self.text()))
    }

    /// Fails unless the command ended with `code`, naming the rule.
    #[track_caller]
    pub(crate) fn ends(self, code: i32, rule: &str) -> Self {
        assert_eq!(self.code(), Some(code), "{rule}: {}", self.text());
        self
    }
}
