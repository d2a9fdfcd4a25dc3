//! Drivers in processes of their own: the same files, called through a socket instead of through their tables.
//!
//! | file | what is in it |
//! |---|---|
//! | `supervisor` | starts a child, notices its end, starts the next one within its budget |
//! | `process`, `child` | a child as a process, from the host's side and from its own |
//! | `confine` | what a child may not do |
//! | `link`, `stream`, `driver` | the host's side of the calls; `driver` is what a [`DriverHandle`](crate::DriverHandle) calls |
//! | `serve` | the child's side of the calls |
//! | `frame`, `codec`, `message`, `slots`, `socket` | how calls, answers, bodies and descriptors cross |
//! | `said`, `report` | log lines, what is printed, and what the log says of a child's end |

mod child;
mod codec;
mod confine;
mod driver;
mod frame;
mod link;
mod message;
mod orders;
mod process;
mod report;
mod said;
mod serve;
mod slots;
mod socket;
mod stream;
mod supervisor;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use longshore_plugin_api::abi::{ForeignDriver, lend};
use longshore_plugin_api::schema::Schema;
use longshore_plugin_api::{Capability, DriverError, ErrorClass};
use serde_json::Value;

pub use child::run_if_child;
pub use process::prepare_isolation;
pub(crate) use serve::ToHost;
pub(crate) use supervisor::Supervisor;

use crate::handle::DriverHandle;
use crate::inspect::Inspection;
use crate::open::OpenOptions;
use crate::services::Services;
use confine::Confinement;
use driver::Isolated;
use orders::Orders;
use said::Said;
use supervisor::Recipe;

/// How a driver's process is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// The memory that the driver and what serves it there may use, in bytes.
    pub memory_limit_bytes: u64,
    /// How often it is started again.
    pub budget: Budget,
    /// The program that becomes the process by [`run_if_child`]; this one if it is `None`.
    pub program: Option<PathBuf>,
}

/// How often a driver's process that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// At the most so often,
    pub restarts_max: u32,
    /// within so long.
    pub window: Duration,
}

impl Default for Isolation {
    fn default() -> Self {
        Self { memory_limit_bytes: 1024 * 1024 * 1024, budget: Budget { restarts_max: 5, window: Duration::from_secs(600) }, program: None }
    }
}

/// Whether an instance can be called now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverState {
    /// It can; one in the host's own process always can.
    Serving,
    /// Its process ended, and calls wait for the next one.
    Restarting {
        /// What became of the last process.
        reason: String,
    },
    /// Its process ended too often: calls are answered `unreachable` until the driver is opened anew.
    Degraded {
        /// What became of the last process, and which budget it used up.
        reason: String,
    },
}

/// Opens an instance of a verified file in a process of its own; nothing of the file runs in this one.
///
/// The program has to call [`run_if_child`] before anything else. Needs a tokio runtime with I/O and time, on which it serves from then on.
///
/// # Errors
/// What the driver answers to `open`; `unsupported` for a layer, whose driver below is here; `throttled` if no process can be had; `internal`
/// if the process ends before the driver is open.
pub async fn open_isolated(
    inspection: &Inspection,
    instance: &str,
    settings: &Value,
    options: &OpenOptions,
    isolation: &Isolation,
) -> Result<DriverHandle, DriverError> {
    let info = inspection.info();
    let origin = format!("{}/{instance}", info.name);
    open(inspection, &origin, instance, settings, options, isolation).await.map_err(|error| error.from_instance(&origin))
}

async fn open(
    inspection: &Inspection,
    origin: &str,
    instance: &str,
    settings: &Value,
    options: &OpenOptions,
    isolation: &Isolation,
) -> Result<DriverHandle, DriverError> {
    let info = inspection.info();
    let capabilities = info.known_capabilities();
    if capabilities.has(Capability::Layer) {
        return Err(DriverError::new(ErrorClass::Unsupported, "a layer cannot be isolated from the driver that it stacks on"));
    }
    // The same bytes for every process that follows.
    let content = inspection.content().map_err(|refusal| DriverError::new(ErrorClass::Internal, refusal.to_string()))?;
    let driver = content.file().try_clone().map_err(|error| DriverError::new(ErrorClass::Throttled, error.to_string()))?;
    let confinement = Confinement::of(Schema::from_json(&info.settings).ok().as_ref(), settings, isolation);
    let environment = confinement.environment();
    let orders = Orders { instance: instance.into(), origin: origin.into(), settings: settings.clone(), confinement };
    let recipe = Recipe { orders, driver: driver.into(), environment, program: isolation.program.clone(), open_limit: options.open_limit };
    let services = Arc::new(Services::new(origin));
    let counters = services.counters();
    let said = Said::new(services);
    let supervisor = Supervisor::open(origin, recipe, isolation.budget, said).await?;
    let object = lend(Isolated { supervisor: supervisor.clone() }, capabilities);
    let driver = ForeignDriver::adopt(object, capabilities, origin);
    Ok(DriverHandle::new(driver, Arc::new(info.clone()), options.call_limit, counters, None).in_process(supervisor))
}
