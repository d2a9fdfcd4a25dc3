//! Which driver file is meant, and what this host asks of it before it is loaded.

use std::path::{Path, PathBuf};

use longshore_loader::{DriverSource, Inspection, Policy, Refusal, Sha256, Trust, inspect, locate, platform};

use crate::config::{Config, DriverFile, Instance};

/// A driver that a command is about.
pub(super) struct Subject {
    source: DriverSource,
    /// `sha256` of the configuration.
    pub(super) pin: Option<Sha256>,
    /// Whether it runs in a process of its own.
    isolated: bool,
}

impl Subject {
    /// The driver of an instance.
    pub(super) fn of(instance: &Instance) -> Self {
        let source = match &instance.file {
            DriverFile::Name(name) => DriverSource::Name(name.clone()),
            DriverFile::Path(path) => DriverSource::Path(absolute(path)),
        };
        Self { source, pin: instance.sha256.map(Sha256), isolated: instance.isolation.is_some() }
    }

    /// The driver that is called `text`, which is a path if it has a `/` or ends in `.so`; what the configuration says of it holds.
    pub(super) fn called(config: &Config, text: &str) -> Self {
        let is_path = text.contains('/') || text.ends_with(".so");
        let source = if is_path { DriverSource::Path(absolute(Path::new(text))) } else { DriverSource::Name(text.to_owned()) };
        Self::all(config).into_iter().find(|subject| subject.source == source).unwrap_or(Self { source, pin: None, isolated: false })
    }

    /// Every driver of the configuration, each once.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let mut subjects: Vec<Self> = Vec::new();
        for subject in config.storage.values().flat_map(crate::config::Storage::stack).map(Self::of) {
            if !subjects.iter().any(|other| other.source == subject.source && other.pin == subject.pin) {
                subjects.push(subject);
            }
        }
        subjects
    }

    /// Those that are called so, or all of the configuration if none is.
    pub(super) fn chosen(config: &Config, called: &[String]) -> Vec<Self> {
        if called.is_empty() { Self::all(config) } else { called.iter().map(|text| Self::called(config, text)).collect() }
    }

    /// As it was asked for.
    pub(super) fn name(&self) -> String {
        match &self.source {
            DriverSource::Name(name) => name.clone(),
            DriverSource::Path(path) => path.display().to_string(),
        }
    }

    /// Reads its file. Nothing of it runs.
    pub(super) fn inspect(&self, config: &Config) -> Result<Inspection, Refusal> {
        inspect(&locate(&self.source, &config.drivers.path)?)
    }

    /// What this host asks of the file before it is loaded.
    pub(super) fn policy(&self, config: &Config, inspection: &Inspection) -> Policy {
        let (name, platform, lock) = (&inspection.info().name, platform(), config.lock());
        let expected_name = match &self.source {
            DriverSource::Name(name) => Some(name.clone()),
            DriverSource::Path(_) => None,
        };
        let trust = Trust {
            rule: config.drivers.trust.rule,
            // Where it cannot be told, no file came with it.
            program: std::env::current_exe().ok(),
            lock_file: lock.path().to_owned(),
            locked: lock.get(name, &platform).map(|locked| locked.sha256),
            locked_elsewhere: lock.elsewhere(name, &platform),
            keys: config.drivers.trust.keys.clone(),
            isolated: self.isolated,
            pin_command: config.pin_command(&self.name()),
        };
        Policy { expected_name, sha256: self.pin, allow_abort: self.isolated, trust, ..Policy::of_this_host() }
    }
}

/// So that the same file is called the same.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
