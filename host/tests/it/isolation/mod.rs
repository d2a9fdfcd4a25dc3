//! Drivers in processes of their own, `isolation = "process"`: `served` asks a registry, `confined` and `ended` a driver alone. `hostile` has
//! drivers that harm the process and the socket that they are given, `crashed` those that harm the host, where they are not isolated.

mod confined;
mod crashed;
mod ended;
mod hostile;
mod served;

use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore_loader::api::{DriverError, Key};
use longshore_loader::{Budget, DriverHandle, Inspection, Isolation, OpenOptions, Policy, inspect, open_isolated, verify};
use serde_json::Value;

use crate::support::{Registry, in_time};

/// The program that drivers are isolated by.
const PROGRAM: &str = env!("CARGO_BIN_EXE_longshore");

fn driver_file(name: &str) -> PathBuf {
    let file = Path::new(PROGRAM).with_file_name(format!("liblongshore_driver_{}.so", name.replace('-', "_")));
    assert!(file.exists(), "{} is missing: run `cargo build --workspace` first", file.display());
    file
}

fn inspected(file: &Path) -> Inspection {
    let inspection = inspect(file).expect("it is a driver");
    verify(&inspection, &Policy { allow_writable: true, allow_abort: true, ..Policy::of_this_host() }).expect("it is for this host");
    inspection
}

/// How instances of tests are kept: small, and started again so often.
fn isolation(restarts_max: u32) -> Isolation {
    let budget = Budget { restarts_max, window: Duration::from_secs(600) };
    Isolation { memory_limit_bytes: 256 * 1024 * 1024, budget, program: Some(PROGRAM.into()) }
}

/// How a function of C begins that is called in the place of the C driver's `reader_open`, which is `__real_reader_open` then.
const READ: &str = "#include \"longshore_driver.h\"\n\
                    int32_t __wrap_reader_open(void *driver, const longshore_call *call, longshore_text key, uint64_t offset, uint64_t length, \
                    longshore_read *answer, longshore_error *error)";

async fn open_file(file: &Path, settings: &Value, isolation: &Isolation, call_limit: Duration) -> Result<DriverHandle, DriverError> {
    let options = OpenOptions { open_limit: Duration::from_secs(30), call_limit };
    open_isolated(&inspected(file), "main", settings, &options, isolation).await
}

/// The specimen that does what its settings say.
async fn dies(settings: &Value, restarts_max: u32) -> DriverHandle {
    let opened = open_file(&driver_file("specimen-dies"), settings, &isolation(restarts_max), Duration::from_secs(60)).await;
    opened.expect("the specimen opens")
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("it is a key")
}

/// The process of a registry's driver.
fn child(registry: &Registry) -> u32 {
    in_time("the driver has a process", || registry.children().first().copied())
}

/// True until a process has ended and was waited for.
fn is_alive(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}
