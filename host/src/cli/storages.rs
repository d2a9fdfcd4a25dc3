//! From `[storage.*]` to open storages: everything that can be checked is checked for all of them before any driver runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use longshore_loader::api::metadata::Consistency;
use longshore_loader::api::schema::Schema;
use longshore_loader::api::{Capability, DriverError, ErrorClass};
use longshore_loader::{DriverHandle, DriverSource, Inspection, OpenOptions, Policy, Refusal, Sha256, inspect, load, locate, verify};
use serde_json::Value;

use crate::config::{self, Config, DriverFile, Fault, Faults, MissingReferences};
use crate::oci::SigningKeys;
use crate::store::{self, Redirect, Storage, StorageOptions};

/// A storage whose driver may be loaded with settings that fit.
pub(super) struct Ready {
    pub(super) name: String,
    inspection: Inspection,
    settings: Value,
    /// Deprecated settings that it uses.
    pub(super) warnings: Faults,
}

/// Locates, inspects and verifies every driver and checks its settings. Nothing of a driver runs.
///
/// # Errors
/// All faults of all storages together.
pub(super) fn check(config: &Config) -> Result<Vec<Ready>, Faults> {
    let (mut ready, mut faults) = (Vec::new(), Faults::default());
    for name in config.storage.keys() {
        match check_one(config, name) {
            Ok(one) => ready.push(one),
            Err(found) => faults.merge(found),
        }
    }
    if faults.is_empty() { Ok(ready) } else { Err(faults) }
}

fn check_one(config: &Config, name: &str) -> Result<Ready, Faults> {
    let inspection = verified(config, name).map_err(|refusal| Faults::from(refused(config, name, &refusal)))?;
    let schema = schema(config, name, &inspection)?;
    let cannot_sign = unsigned_redirect(config, name, &inspection);
    let settings = match (config.check_settings(name, &schema), cannot_sign) {
        (Ok(settings), None) => settings,
        (settings, cannot_sign) => return Err(settings.err().into_iter().flatten().chain(cannot_sign).collect()),
    };
    if inspection.info().consistency == Consistency::Eventual && !config.storage[name].accept_eventual {
        let message = "the driver does not promise that a write is seen at once by everyone, and a registry needs that";
        let fault = config.fault_at_driver(name, message).hint("set accept_eventual = true to use it all the same");
        return Err(fault.into());
    }
    Ok(Ready { name: name.to_owned(), inspection, settings, warnings: config.setting_warnings(name, &schema) })
}

/// Redirects over a driver that signs no URLs: served from here all the same, they would be a saving that the operator believes to have.
fn unsigned_redirect(config: &Config, name: &str, inspection: &Inspection) -> Option<Fault> {
    if config.storage[name].redirect.is_none() || inspection.info().known_capabilities().has(Capability::Presign) {
        return None;
    }
    let driver = &inspection.info().name;
    let fault =
        config.fault_at_redirect(name, format!("driver {driver:?} cannot sign URLs (it does not declare the capability \"presign\")"));
    Some(fault.hint("leave redirect out, or use a driver that declares it"))
}

/// The schemas of all storages whose drivers can be read, for showing their settings.
pub(super) fn schemas(config: &Config) -> BTreeMap<String, Schema> {
    let schema_of = |name: &String| {
        let inspection = verified(config, name).ok()?;
        Some((name.clone(), schema(config, name, &inspection).ok()?))
    };
    config.storage.keys().filter_map(schema_of).collect()
}

fn verified(config: &Config, name: &str) -> Result<Inspection, Refusal> {
    let storage = &config.storage[name];
    let mut policy = Policy::of_this_host();
    policy.sha256 = storage.sha256.map(Sha256);
    let source = match &storage.driver {
        DriverFile::Name(driver) => {
            policy.expected_name = Some(driver.clone());
            DriverSource::Name(driver.clone())
        }
        DriverFile::Path(path) => DriverSource::Path(path.clone()),
    };
    let inspection = inspect(&locate(&source, &config.drivers.path)?)?;
    verify(&inspection, &policy)?;
    Ok(inspection)
}

fn schema(config: &Config, name: &str, inspection: &Inspection) -> Result<Schema, Faults> {
    Schema::from_json(&inspection.info().settings).map_err(|error| {
        let message = format!("the settings' schema in {:?} cannot be used: {error}", inspection.path());
        config.fault_at_driver(name, message).hint("ask the driver's vendor for a file whose schema is right").into()
    })
}

fn refused(config: &Config, name: &str, refusal: &Refusal) -> Fault {
    config.fault_at_driver(name, format!("{refusal} [{}]", refusal.code))
}

/// Why a storage could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot open storage {name:?}: {source}")]
    Driver { name: String, source: DriverError },
}

/// Loads a storage's driver and opens it.
pub(super) async fn open(config: &Config, ready: &Ready) -> Result<Arc<Storage>, OpenError> {
    let options = OpenOptions { open_limit: config.drivers.open, call_limit: config.drivers.call };
    let loaded = load(&ready.inspection)?;
    let driver = |source| OpenError::Driver { name: ready.name.clone(), source };
    if !loaded.describes_itself(&ready.inspection) {
        let message = "the loaded driver describes itself otherwise than its file's note does; rebuild it";
        return Err(driver(DriverError::new(ErrorClass::Internal, message)));
    }
    let handle: DriverHandle = loaded.open(&ready.name, &ready.settings, &options).await.map_err(driver)?;
    let redirect = config.storage[&ready.name].redirect.as_ref().map(redirect);
    Ok(Arc::new(Storage::new(handle, storage_options(config), signing_keys(config)).with_redirect(redirect)))
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
