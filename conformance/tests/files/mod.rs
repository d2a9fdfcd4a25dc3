//! Driver files as the workspace builds them, opened as a host opens them.

// Each test binary uses a part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_loader::api::schema::Schema;
use longshore_loader::{DriverHandle, LoadedDriver, OpenOptions, Policy, inspect, load, verify};
use serde_json::Value;

/// Generous, as other tests run at the same time.
pub(crate) const OPTIONS: OpenOptions = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(30) };

/// The file of a driver of this workspace, beside the folder of the test binary.
pub(crate) fn driver_file(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its file");
    let folder = test.parent().and_then(Path::parent).expect("tests run in target/<profile>/deps");
    let path = folder.join(format!("liblongshore_driver_{}.so", name.replace('-', "_")));
    assert!(path.exists(), "{path:?} is missing: run `cargo build --workspace` first");
    path
}

/// Inspects, verifies and loads a file.
pub(crate) fn loaded_file(path: &Path) -> LoadedDriver {
    let inspection = inspect(path).expect("the file is a driver");
    // Whoever works on this project may have a umask that lets a group write.
    let policy = Policy { allow_writable: true, ..Policy::of_this_host() };
    verify(&inspection, &policy).expect("the driver fits this host");
    load(&inspection).expect("the driver fits this host")
}

pub(crate) fn loaded(name: &str) -> LoadedDriver {
    loaded_file(&driver_file(name))
}

/// Opens an instance, with the schema's defaults filled in.
pub(crate) async fn opened(driver: &LoadedDriver, settings: &Value) -> DriverHandle {
    let schema = Schema::from_json(&driver.info().settings).expect("the driver's schema is readable");
    let settings = schema.check(settings).expect("the settings fit the schema");
    driver.open("test", &settings, &OPTIONS).await.expect("the driver opens")
}
