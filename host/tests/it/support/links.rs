//! What a store holds, seen by its driver alone: every link leads to bytes that have its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use longshore_loader::api::{ByteRange, Driver, Entry, ErrorClass, Key, ListRequest, Prefix, convenience};
use longshore_loader::{DriverHandle, DriverSource, OpenOptions, Policy, inspect, load, locate, verify};
use serde_json::Value;

use super::data::sha256;
use super::hosts::SharedStorage;

const REPOSITORIES: &str = "docker/registry/v2/repositories";
const LINK_MAX_BYTES: u64 = 256;
/// How long a call may take.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// What is wrong with the links of a store, a sentence each, and how many links there are.
pub(crate) fn broken_links(storage: &SharedStorage) -> (Vec<String>, usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let driver = open(storage).await;
        let links = links(&driver).await;
        let mut faults = Vec::new();
        let mut sound = BTreeMap::new();
        for (key, digest) in &links {
            if !sound.contains_key(digest) {
                sound.insert(digest.clone(), stored(&driver, digest).await);
            }
            if let Err(fault) = &sound[digest] {
                faults.push(format!("{key} leads to {digest}, {fault}"));
            }
        }
        faults.extend(tags_without_manifest(&links));
        driver.close(&driver.call(0)).await.expect("the driver closes");
        (faults, links.len())
    })
}

/// The driver of the hosts, opened once more, in this process.
async fn open(storage: &SharedStorage) -> DriverHandle {
    let table: Value = toml::from_str(&storage.table).expect("the storage's table is TOML");
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_longshore")).parent().expect("a program lies in a folder").to_owned();
    let source = match (table["driver"].as_str(), table["path"].as_str()) {
        (Some(name), _) => DriverSource::Name(name.into()),
        (None, path) => DriverSource::Path(path.expect("a storage has a driver or a path").into()),
    };
    let file = locate(&source, &[folder]).expect("run `cargo build --workspace` first");
    let inspection = inspect(&file).expect("it is a driver");
    verify(&inspection, &Policy::of_this_host()).expect("it is for this host");
    let options = OpenOptions { open_limit: CALL_LIMIT, call_limit: CALL_LIMIT };
    let settings = revealed(table["settings"].clone());
    load(&inspection).expect("it loads").open("main", &settings, &options).await.expect("it opens")
}

/// Settings with their secrets, which are variables.
fn revealed(mut settings: Value) -> Value {
    for value in settings.as_object_mut().into_iter().flat_map(|settings| settings.values_mut()) {
        if let Some(name) = value["env"].as_str() {
            *value = std::env::var(name).unwrap_or_else(|_| panic!("the storage's secret is in the variable {name}")).into();
        }
    }
    settings
}

/// Every link of every repository: its key, and the digest in it.
async fn links(driver: &DriverHandle) -> BTreeMap<String, String> {
    let prefix = Prefix::parse(REPOSITORIES).expect("the text is a prefix");
    let (mut links, mut after) = (BTreeMap::new(), None::<String>);
    loop {
        let request = ListRequest::objects(prefix, 1000).after(after.as_deref());
        let page = match driver.list(&driver.call(0), &request).await {
            Err(error) if error.class() == ErrorClass::NotFound => return links,
            page => page.expect("the store can be listed"),
        };
        for key in page.entries.iter().filter_map(|entry| if let Entry::Object(key, _) = entry { Some(key) } else { None }) {
            if key.as_str().ends_with("/link") {
                let digest = convenience::get_text(driver, &driver.call(0), key, LINK_MAX_BYTES).await.expect("a link can be read");
                links.insert(key.as_str().to_owned(), digest);
            }
        }
        after = page.entries.last().map(Entry::text);
        if !page.more {
            return links;
        }
    }
}

/// Whether the bytes are there and have their digest. All links of these tests are to sha256.
async fn stored(driver: &DriverHandle, digest: &str) -> Result<(), String> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or("which is no digest")?;
    let key = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    let key = Key::parse(&key).map_err(|error| error.to_string())?;
    let read = driver.read(&driver.call(0), key, ByteRange::ALL).await.map_err(|error| format!("whose bytes cannot be read: {error}"))?;
    let size = read.info.size;
    let bytes = convenience::collect(read, size).await.map_err(|error| format!("whose bytes cannot be read: {error}"))?;
    if sha256(&bytes) == digest { Ok(()) } else { Err(format!("whose {size} bytes have another digest")) }
}

/// Tags that mean a manifest which their repository does not hold.
fn tags_without_manifest(links: &BTreeMap<String, String>) -> Vec<String> {
    let keys: BTreeSet<&str> = links.keys().map(String::as_str).collect();
    let tags = links.iter().filter(|(key, _)| key.ends_with("/current/link"));
    let missing = tags.filter(|(key, digest)| {
        let repository = key.split("/_manifests/").next().unwrap_or_default();
        let revision = format!("{repository}/_manifests/revisions/{}/link", digest.replace(':', "/"));
        !keys.contains(revision.as_str())
    });
    missing.map(|(key, digest)| format!("{key} means {digest}, which the repository does not hold")).collect()
}
