//! From `[storage.*]` to open storages: everything that can be checked is checked for all of them before any driver runs.

use std::sync::Arc;

use longshore_loader::api::metadata::Consistency;
use longshore_loader::api::schema::Schema;
use longshore_loader::api::{Capabilities, Capability, DriverError, ErrorClass};
use longshore_loader::{
    Content, DriverHandle, Generations, Inspection, Isolation, LoadedDriver, OpenOptions, Refusal, open_isolated, verify,
};
use serde_json::Value;

use super::trust::Subject;
use crate::config::{self, Config, Fault, Faults, Instance, MissingReferences};
use crate::observe;
use crate::oci::SigningKeys;
use crate::store::{self, Redirect, Storage, StorageOptions};

/// A storage whose drivers may be loaded with settings that fit.
pub(super) struct Ready {
    pub(super) name: String,
    /// Its drivers, in the order in which a call goes through them: the layers, then the one that keeps the bytes.
    pub(super) stack: Vec<ReadyDriver>,
    /// Deprecated settings that it uses.
    pub(super) warnings: Faults,
}

/// A driver of a storage.
pub(super) struct ReadyDriver {
    pub(super) inspection: Inspection,
    /// The file's bytes as they were checked.
    pub(super) content: Arc<Content>,
    settings: Value,
    /// How its own process is kept, if it has one.
    pub(super) isolation: Option<Isolation>,
}

impl Ready {
    /// True if it is the same files with the same settings in the same processes, so that instances of both do the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same = |one: &ReadyDriver, other: &ReadyDriver| {
            Arc::ptr_eq(&one.content, &other.content) && (&one.settings, &one.isolation) == (&other.settings, &other.isolation)
        };
        self.stack.len() == other.stack.len() && self.stack.iter().zip(&other.stack).all(|(one, other)| same(one, other))
    }

    /// Its drivers for people: names, versions, and how their digests begin.
    pub(super) fn drivers(&self) -> String {
        let driver = |one: &ReadyDriver| {
            let (info, sha256) = (one.inspection.info(), one.content.sha256());
            let sha256 = sha256.map_or_else(|error| error.to_string(), |sha256| format!("{}…", &sha256.to_string()[..12]));
            format!("{} {} (sha256 {sha256})", info.name, info.version)
        };
        self.stack.iter().map(driver).collect::<Vec<_>>().join(" above ")
    }

    /// The capabilities that all of its drivers have: a layer hands on what the driver below it has, and nothing else.
    pub(super) fn capabilities(&self) -> Capabilities {
        let has = |capability: &Capability| self.stack.iter().all(|one| one.inspection.info().known_capabilities().has(*capability));
        Capability::ALL.into_iter().filter(has).collect()
    }
}

/// Locates, inspects and verifies every driver and checks its settings. Nothing of a driver runs.
///
/// # Errors
/// All faults of all storages together.
pub(super) fn check(config: &Config) -> Result<Vec<Ready>, Faults> {
    observe::hide(config.registry.upload_signing_keys.iter().map(|key| key.expose().to_owned()));
    let (mut ready, mut faults) = (Vec::new(), Faults::default());
    for (name, storage) in &config.storage {
        match check_storage(config, name, storage) {
            Ok(one) => ready.push(one),
            Err(found) => faults.merge(found),
        }
    }
    if faults.is_empty() { Ok(ready) } else { Err(faults) }
}

/// Does the same for one storage of the configuration.
pub(super) fn check_storage(config: &Config, name: &str, storage: &config::Storage) -> Result<Ready, Faults> {
    let (mut stack, mut warnings, mut faults) = (Vec::new(), Faults::default(), Faults::default());
    for instance in storage.stack() {
        match check_driver(config, storage, instance) {
            Ok((one, warned)) => {
                stack.push(one);
                warnings.merge(warned);
            }
            Err(found) => faults.merge(found),
        }
    }
    if faults.is_empty() { Ok(Ready { name: name.to_owned(), stack, warnings }) } else { Err(faults) }
}

fn check_driver(config: &Config, storage: &config::Storage, instance: &Instance) -> Result<(ReadyDriver, Faults), Faults> {
    let inspection = verified(config, instance).map_err(|refusal| Faults::from(refused(config, instance, &refusal)))?;
    fits_its_place(config, instance, &inspection, std::ptr::eq(instance, &storage.driver))?;
    let schema = schema(config, instance, &inspection)?;
    observe::hide(config.secrets(instance, &schema));
    let settings = match (config.check_settings(instance, &schema), unsigned_redirect(config, storage, &inspection)) {
        (Ok(settings), None) => settings,
        (settings, cannot_sign) => return Err(settings.err().into_iter().flatten().chain(cannot_sign).collect()),
    };
    if inspection.info().consistency == Consistency::Eventual && !storage.accept_eventual {
        let message = "the driver does not promise that a write is seen at once by everyone, and a registry needs that";
        let fault = config.fault_at_driver(instance, message).hint("set accept_eventual = true to use it all the same");
        return Err(fault.into());
    }
    let content = inspection.content().map_err(|refusal| refused(config, instance, &refusal))?.clone();
    let isolation = instance.isolation.clone();
    Ok((ReadyDriver { inspection, content, settings, isolation }, config.setting_warnings(instance, &schema)))
}

/// A layer needs a driver below it, and what is no layer would never call one.
fn fits_its_place(config: &Config, instance: &Instance, inspection: &Inspection, keeps_the_bytes: bool) -> Result<(), Faults> {
    let info = inspection.info();
    let (message, hint) = match (info.known_capabilities().has(Capability::Layer), keeps_the_bytes) {
        (true, true) => ("is a layer and keeps nothing itself", "name it in layers, above a driver that keeps the bytes"),
        (false, false) => ("is no layer: it would never call the driver below it", "name it as the storage's driver, or take it out"),
        _ => return Ok(()),
    };
    Err(config.fault_at_driver(instance, format!("the driver {:?} {message}", info.name)).hint(hint).into())
}

/// Redirects over a driver that signs no URLs: served from here all the same, they would be a saving that the operator believes to have.
fn unsigned_redirect(config: &Config, storage: &config::Storage, inspection: &Inspection) -> Option<Fault> {
    if storage.redirect.is_none() || inspection.info().known_capabilities().has(Capability::Presign) {
        return None;
    }
    let message = format!("driver {:?} cannot sign URLs (it does not declare the capability \"presign\")", inspection.info().name);
    Some(config.fault_at_redirect(storage, message).hint("leave redirect out, or use a driver that declares it"))
}

/// What a start or a check warns of.
pub(super) fn warnings(config: &Config, ready: &[Ready]) -> Faults {
    config.warnings(ready.iter().map(|one| &one.warnings))
}

/// The driver's name and the schema of an instance whose driver can be read, for showing its settings.
pub(super) fn readable_schema(config: &Config, instance: &Instance) -> Option<(String, Schema)> {
    let inspection = verified(config, instance).ok()?;
    let schema = schema(config, instance, &inspection).ok()?;
    Some((inspection.info().name.clone(), schema))
}

fn verified(config: &Config, instance: &Instance) -> Result<Inspection, Refusal> {
    let subject = Subject::of(instance);
    let inspection = subject.inspect(config)?;
    verify(&inspection, &subject.policy(config, &inspection))?;
    Ok(inspection)
}

fn schema(config: &Config, instance: &Instance, inspection: &Inspection) -> Result<Schema, Faults> {
    Schema::from_json(&inspection.info().settings).map_err(|error| {
        let message = format!("the settings' schema in {:?} cannot be used: {error}", inspection.path());
        config.fault_at_driver(instance, message).hint("ask the driver's vendor for a file whose schema is right").into()
    })
}

fn refused(config: &Config, instance: &Instance, refusal: &Refusal) -> Fault {
    config.fault_at_driver(instance, format!("{refusal} [{}]", refusal.code))
}

/// Why a storage could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot open storage {name:?}: {source}")]
    Driver { name: String, source: DriverError },
}

/// Loads a storage's drivers and opens them, from the one that keeps the bytes to the outermost layer.
pub(super) async fn open(config: &Config, ready: &Ready, generations: &Generations) -> Result<DriverHandle, OpenError> {
    let options = OpenOptions { open_limit: config.drivers.open, call_limit: config.drivers.call };
    let load = |one: &ReadyDriver| load_here(ready, one, generations, config.drivers.generations_max);
    // Loaded before any is opened, so that one that is refused leaves none behind. What is isolated is loaded in its own process only.
    // Reading, hashing and linking block this thread.
    let loaded = tokio::task::block_in_place(|| ready.stack.iter().map(load).collect::<Result<Vec<_>, OpenError>>())?;
    let mut opened: Option<DriverHandle> = None;
    for (driver, one) in loaded.iter().zip(&ready.stack).rev() {
        let over = match (driver, &one.isolation) {
            (Some(driver), _) => driver.open_over(opened.take(), &ready.name, &one.settings, &options).await,
            (None, isolation) => {
                let isolation = isolation.clone().unwrap_or_default();
                open_isolated(&one.inspection, &ready.name, &one.settings, &options, &isolation).await
            }
        };
        opened = Some(over.map_err(|source| OpenError::Driver { name: ready.name.clone(), source })?);
    }
    Ok(opened.expect("a storage has a driver, or its configuration was refused"))
}

/// The driver in this process, unless it has one of its own.
fn load_here(ready: &Ready, one: &ReadyDriver, generations: &Generations, max: usize) -> Result<Option<LoadedDriver>, OpenError> {
    if one.isolation.is_some() {
        return Ok(None);
    }
    let loaded = generations.load(&one.inspection, max)?;
    if !loaded.describes_itself(&one.inspection) {
        let message = "the loaded driver describes itself otherwise than its file's note does; rebuild it";
        let source = DriverError::new(ErrorClass::Internal, message).from_instance(&one.inspection.info().name);
        return Err(OpenError::Driver { name: ready.name.clone(), source });
    }
    Ok(Some(loaded))
}

/// Where a storage's driver comes from.
pub(super) enum Origin<'s> {
    /// It was opened for the storage, and nothing is remembered.
    Opened(DriverHandle),
    /// It was opened for a storage that takes the place of this one.
    After(&'s Storage, DriverHandle),
    /// It is that of a storage which has other options now.
    Kept(&'s Storage),
}

/// A storage of the configuration on an open driver.
pub(super) fn storage(config: &Config, name: &str, origin: Origin<'_>) -> Arc<Storage> {
    let (options, keys) = (storage_options(config), signing_keys(config));
    let storage = match origin {
        Origin::Opened(driver) => Storage::new(driver, options, keys),
        Origin::After(before, driver) => before.succeeded(driver, options, keys),
        Origin::Kept(before) => before.reconfigured(options, keys),
    };
    let settings = &config.storage[name];
    Arc::new(storage.with_redirect(settings.redirect.as_ref().map(redirect)).with_required(settings.required))
}

/// The configured keys; the configuration has checked that each is long enough.
fn signing_keys(config: &Config) -> Option<SigningKeys> {
    let keys = &config.registry.upload_signing_keys;
    SigningKeys::new(keys.iter().map(config::Secret::expose)).ok()
}

fn redirect(rules: &config::Redirect) -> Redirect {
    let (min_bytes, expires, rules) = (rules.min_bytes, rules.expires, rules.clone());
    Redirect::new(min_bytes, expires, move |repository, client| rules.takes(repository, client.address, client.user_agent))
}

fn storage_options(config: &Config) -> StorageOptions {
    StorageOptions {
        blob_max_bytes: config.registry.blob_max_bytes,
        manifest_max_bytes: config.registry.manifest_max_bytes as u64,
        missing_references: match config.registry.missing_references {
            MissingReferences::Refuse => store::MissingReferences::Refuse,
            MissingReferences::Accept => store::MissingReferences::Accept,
        },
        upload_max: config.registry.upload_max,
        facts_max: config.cache.facts_max,
        cached_manifest_max_bytes: config.cache.manifests_max_bytes,
        facts_keep: config.cache.ttl,
    }
}
