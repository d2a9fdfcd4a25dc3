//! One case on one driver: the file, a folder of its own, and what a case makes of them.
//!
//! | file | is |
//! |---|---|
//! | `subject` | an open instance on an empty store, and the calls that every case makes |
//! | `instance` | an instance whose calls are recorded |
//! | `peer` | another process that has the driver |
//! | `pattern` | large contents that are known by their offset |
//! | `reader` | a reader that pauses while others write |
//! | `strace` | system calls that fail, and processes that die at one |
//! | `power` | stores after a power loss |
//! | `change` | changes of a store that are interrupted, and what may be there afterwards |
//! | `proxy` | a relay in front of a service, which fails on purpose |
//! | `observe` | what this process holds: descriptors, threads, memory |
//! | `settled` | what may be held while an instance is open |
//! | `abandon` | calls that are given up |
//! | `signed` | contents that tell which key they belong to |
//! | `random` | choices that can be repeated |
//! | `files` | what lies in a folder, and a store with a fence around it |
//! | `many` | objects in numbers |
//! | `effort` | what this process worked: processor time, bytes read |
//! | `said` | what the driver printed and logged |
//! | `workload` | calls of every kind, and every call that fails |

pub(crate) mod abandon;
pub(crate) mod change;
pub(crate) mod effort;
pub(crate) mod files;
mod instance;
pub(crate) mod many;
pub(crate) mod observe;
pub(crate) mod pattern;
pub(crate) mod peer;
pub(crate) mod power;
pub(crate) mod proxy;
mod random;
pub(crate) mod reader;
pub(crate) mod said;
pub(crate) mod settled;
pub(crate) mod signed;
pub(crate) mod strace;
mod subject;
pub(crate) mod workload;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longshore_loader::api::metadata::{AbiKind, Consistency, DriverInfo, Durability};
use longshore_loader::api::{DriverError, ObjectInfo};
use longshore_loader::{Inspection, LoadedDriver, OpenOptions, Policy, inspect, load, open_isolated, verify};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::case::Need;
use crate::config::{DriverConfig, Isolation, Place, StoreKind, schema};
use crate::verdict::{Stop, hold};

pub(crate) use instance::{Instance, InstanceUpload, Trace};
pub(crate) use random::Random;
pub use random::seed;
pub(crate) use subject::Subject;
pub(crate) use subject::{CALL, drain, get, key, prefix, walk};

/// How long a driver may take to open, and to answer a call, here.
pub(crate) const LIMITS: OpenOptions = OpenOptions { open_limit: Duration::from_secs(20), call_limit: Duration::from_secs(20) };

/// What a process of the harness must know to try a case; it crosses to the child as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) file: PathBuf,
    pub(crate) config: DriverConfig,
    pub(crate) place: Place,
    pub(crate) seed: u64,
}

/// One case on one driver. The folder is the case's own.
pub(crate) struct Trial {
    pub(crate) setting: Setting,
    pub(crate) inspection: Inspection,
    pub(crate) trace: Arc<Trace>,
    loaded: Mutex<Option<LoadedDriver>>,
    /// Measured values that the report shows, name and text.
    pub(crate) notes: Mutex<Vec<(String, String)>>,
}

impl Trial {
    /// Reads the driver's file; nothing of it runs.
    pub(crate) fn new(setting: Setting) -> Result<Self, Stop> {
        let inspection = inspect(&setting.file).map_err(|refusal| Stop::breach(refusal.to_string()))?;
        Ok(Self { setting, inspection, trace: Arc::default(), loaded: Mutex::default(), notes: Mutex::default() })
    }

    /// What the file says of itself.
    pub(crate) fn info(&self) -> &DriverInfo {
        self.inspection.info()
    }

    /// The folder of the case: the store, and whatever else it needs.
    pub(crate) fn folder(&self) -> &Path {
        &self.setting.place.folder
    }

    pub(crate) fn seed(&self) -> u64 {
        self.setting.seed
    }

    /// The settings of the case's store, as its author wrote them.
    pub(crate) fn settings(&self) -> Value {
        self.setting.config.settings(&self.setting.place)
    }

    /// The settings of another, empty store.
    pub(crate) fn settings_elsewhere(&self, name: &str) -> Result<Value, Stop> {
        let place = &self.setting.place;
        let folder = place.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| Stop::harness("a folder for another store cannot be made", error))?;
        // Of the same form: 16 hexadecimal digits, which follow from every letter of the name.
        let unique = u64::from_str_radix(&place.unique, 16).unwrap_or(0);
        let number = name.bytes().fold(unique, |number, byte| Random::new(number ^ u64::from(byte)).number());
        Ok(self.setting.config.settings(&Place { folder, unique: format!("{number:016x}"), proxy: place.proxy.clone() }))
    }

    /// True if the store is a service, for which the contract asks less in a few places.
    pub(crate) fn is_service(&self) -> bool {
        self.setting.config.kind(self.info()) == StoreKind::Service
    }

    /// How long what was asked for may still happen after its call was given up, or its process killed (driver contract, section 2).
    pub(crate) fn asked_ends_within(&self) -> Duration {
        Duration::from_secs(if self.is_service() { 5 } else { 0 })
    }

    /// How often something is done that is done `most` times on this machine: less, where every call goes over a network.
    pub(crate) fn rounds(&self, most: usize) -> usize {
        const FEWER: usize = 4;
        if self.is_service() { most.div_ceil(FEWER) } else { most }
    }

    /// Holds what a write has told of its object to what `stat` tells right after it (driver contract, section 2, `ObjectInfo`).
    pub(crate) fn told_as_stat(&self, told: &ObjectInfo, stat: &ObjectInfo, what: impl std::fmt::Display) -> Result<(), Stop> {
        /// A service may not answer a write with its time, and tells it in whole seconds later.
        const MODIFIED_OFF_MAX_MS: u64 = 2000;
        let both = || told.version.as_ref().zip(stat.version.as_ref());
        let alike = if self.is_service() {
            told.size == stat.size
                && told.modified.abs_diff(stat.modified) <= MODIFIED_OFF_MAX_MS
                && both().is_none_or(|(told, stat)| told == stat)
        } else {
            told == stat
        };
        hold!(alike, "{what} tells {told:?}, stat right after it {stat:?}");
        Ok(())
    }

    /// Adds a measured value to the report.
    pub(crate) fn note(&self, name: &str, value: impl std::fmt::Display) {
        let mut notes = self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        notes.push((name.to_owned(), value.to_string()));
    }

    /// What the driver lacks of what a case needs.
    pub(crate) fn lacks(&self, needs: &[Need]) -> Option<Need> {
        needs.iter().copied().find(|need| !has(*need, self.info(), &self.setting.config))
    }

    /// What the harness asks of a file before it loads it.
    pub(crate) fn policy(&self) -> Policy {
        policy(&self.setting.config)
    }

    /// Loads the file into this process.
    pub(crate) fn load(&self) -> Result<LoadedDriver, Stop> {
        let mut loaded = self.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(loaded) = &*loaded {
            return Ok(loaded.clone());
        }
        verify(&self.inspection, &self.policy()).map_err(|refusal| Stop::breach(refusal.to_string()))?;
        let driver = load(&self.inspection).map_err(|refusal| Stop::breach(refusal.to_string()))?;
        *loaded = Some(driver.clone());
        Ok(driver)
    }

    /// Opens an instance on the case's store.
    pub(crate) async fn open(&self) -> Result<Instance, Stop> {
        self.try_open(&self.settings()).await?.map_err(|error| Stop::breach(format!("the driver does not open: {error}")))
    }

    /// Opens an instance with `settings`, after the schema has filled in its defaults and found nothing wrong.
    pub(crate) async fn try_open(&self, settings: &Value) -> Result<Result<Instance, DriverError>, Stop> {
        let schema = schema(self.info()).map_err(|error| Stop::breach(error.to_string()))?;
        let settings = schema.check(settings).map_err(|faults| {
            Stop::harness("the settings do not fit", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let opened = match self.setting.config.isolation {
            Isolation::InProcess => self.load()?.open("trial", &settings, &LIMITS).await,
            Isolation::Process => {
                open_isolated(&self.inspection, "trial", &settings, &LIMITS, &longshore_loader::Isolation::default()).await
            }
        };
        Ok(opened.map(|handle| Instance::new(handle, &self.setting.config, self.trace.clone())))
    }
}

/// What the harness asks of a file before it loads it, wherever that is: a case has a process of its own in any mode.
pub(crate) fn policy(config: &DriverConfig) -> Policy {
    let allow_abort = config.isolation == Isolation::Process;
    // Whoever builds a driver may have a umask that lets a group write; that is for an operator to decide.
    Policy { allow_writable: true, allow_abort, ..Policy::of_this_host() }
}

/// True if a driver has what a case needs.
pub(crate) fn has(need: Need, info: &DriverInfo, config: &DriverConfig) -> bool {
    let any = |test: fn(&longshore_loader::api::schema::Property) -> bool| {
        schema(info).is_ok_and(|schema| schema.properties().any(|(_, property)| test(property)))
    };
    match need {
        Need::Has(capability) => config.capabilities(info.known_capabilities()).has(capability),
        Need::Lacks(capability) => !config.capabilities(info.known_capabilities()).has(capability),
        Need::SharedStore => config.is_shared(info),
        Need::Durable => info.durability != Durability::Memory,
        Need::OnDisk => info.durability == Durability::Disk,
        Need::Files => config.kind(info) == StoreKind::Files,
        Need::Service => config.kind(info) == StoreKind::Service && config.store.address.is_some(),
        Need::Strong => info.consistency == Consistency::Strong,
        Need::SecretSetting => any(|property| property.secret),
        Need::RequiredSetting => any(|property| property.required),
        Need::AnySetting => any(|_| true),
        Need::DeprecatedSetting => any(|property| property.deprecated.is_some()),
        Need::Rust => info.abi.kind() == Some(AbiKind::Rust),
    }
}
