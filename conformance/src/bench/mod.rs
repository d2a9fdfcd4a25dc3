//! Measuring a driver: how long its calls take and how much they move, beside another driver or an earlier run.
//!
//! One process for each driver and round opens the driver and measures every cell, a call with a size and a number of clients. Rounds of two
//! drivers take turns, so that what else the machine does meets both.
//!
//! | file | is |
//! |---|---|
//! | `cell` | what is measured |
//! | `measure` | the process that measures |
//! | `figures` | medians and ratios, with how sure they are |
//! | `table`, `page` | the figures for people, as text and as a page with plots |

mod cell;
mod figures;
pub(crate) mod measure;
mod page;
mod table;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use cell::{Call, Cell, Size};
pub use figures::{Interval, Row, rows};
pub use measure::Sample;
pub use page::page;
pub use table::table;

use crate::config::Place;
use crate::run::Session;
use crate::trial::Setting;
use measure::Task;

/// The version of a measurement's JSON.
pub const BENCH_VERSION: u32 = 1;

/// A driver that was measured: each round has a sample for each cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// [`BENCH_VERSION`].
    pub version: u32,
    /// The driver's name and version.
    pub driver: String,
    /// The SHA-256 of its file.
    pub sha256: String,
    /// The kernel's release.
    pub kernel: String,
    /// What was measured, in order.
    pub cells: Vec<Cell>,
    /// The samples of each round, in the order of the cells.
    pub rounds: Vec<Vec<Sample>>,
}

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What is measured, in order.
    pub cells: Vec<Cell>,
    /// How often each cell is measured.
    pub rounds: usize,
    /// How long one sample takes.
    pub sample: Duration,
}

impl Measured {
    /// Nothing measured yet.
    fn of(session: &Session, plan: &Plan) -> Self {
        let info = session.inspection.info();
        Self {
            version: BENCH_VERSION,
            driver: format!("{} {}", info.name, info.version),
            sha256: session.inspection.sha256().map(|digest| digest.to_string()).unwrap_or_default(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cells: plan.cells.clone(),
            rounds: Vec::new(),
        }
    }
}

/// Measures one or two drivers, and tells `progress` which round of which driver begins.
///
/// # Errors
/// That a driver does not open or a call fails, with what it said.
pub async fn measure(
    sessions: &[&Session],
    plan: &Plan,
    work: &Path,
    progress: &mut dyn FnMut(usize, &str),
) -> Result<Vec<Measured>, String> {
    let mut all: Vec<_> = sessions.iter().map(|session| Measured::of(session, plan)).collect();
    for round in 0..plan.rounds {
        let mut order: Vec<_> = (0..sessions.len()).collect();
        // Who comes second finds the machine as the first has left it.
        if round % 2 == 1 {
            order.reverse();
        }
        for number in order {
            progress(round, &all[number].driver);
            let folder = work.join(format!("round-{round}-{number}"));
            let samples = round_of(sessions[number], plan, &folder).await?;
            all[number].rounds.push(samples);
            // The next round begins with an empty disk; what cannot be removed is in the folder that the run removes.
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
    Ok(all)
}

/// Runs one process that measures every cell.
async fn round_of(session: &Session, plan: &Plan, folder: &Path) -> Result<Vec<Sample>, String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    let unique = format!("{:016x}", getrandom::u64().unwrap_or_default());
    let place = Place { folder: folder.to_owned(), unique, proxy: None };
    let setting = Setting { file: session.inspection.path().to_owned(), config: session.config.clone(), place, seed: 1 };
    let task = Task { setting, cells: plan.cells.clone(), sample: plan.sample };
    let task = serde_json::to_string(&task).map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| format!("this program's file is not known: {error}"))?;
    let mut command = tokio::process::Command::new(program);
    command.arg(crate::hidden::BENCH).arg(task).stdin(Stdio::null()).kill_on_drop(true);
    // A cell prepares objects before its sample, and no cell may hang.
    let limit = Duration::from_secs(60) + (plan.sample + Duration::from_secs(20)) * u32::try_from(plan.cells.len()).unwrap_or(u32::MAX);
    let output = tokio::time::timeout(limit, command.output()).await;
    let output = output.map_err(|_| format!("measuring did not end within {} s", limit.as_secs()))?;
    let output = output.map_err(|error| format!("the measuring process does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("measuring failed: {}", String::from_utf8_lossy(&output.stderr).trim_end()));
    }
    // A driver may print, against the contract; the samples are the last line.
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|error| format!("the samples cannot be read: {error}"))
}
