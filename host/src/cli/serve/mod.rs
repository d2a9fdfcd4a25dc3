//! `longshore serve`: from a checked configuration to a registry that listens, and back.
//!
//! | file | subject |
//! |---|---|
//! | `running` | what is open, and how it is published |
//! | `reload` | another configuration, or other drivers, without a restart |
//! | `purge` | uploads that nobody goes on with |
//! | `signals` | what the system tells the process |
//! | `options` | from the configuration to those who keep to it |

mod options;
mod purge;
mod reload;
mod running;
mod signals;

use std::path::Path;
use std::sync::Arc;

use super::storages::{self, Ready};
use super::{Exit, metrics, say};
use crate::config::Config;
use crate::control::ControlSocket;
use crate::observe;
use crate::server::Server;
use running::Running;

/// Serves the checked configuration of `file`, which is read again when the operator asks for it.
pub(super) fn serve(config: Config, ready: Vec<Ready>, file: &Path) -> Result<(), Exit> {
    observe::log_to_stderr(options::log_level(&config), options::log_format(&config));
    if let Err(error) = longshore_loader::report_crashes(options::log_is_json(&config)) {
        tracing::warn!("a crash of a driver will not be reported: {error}");
    }
    let warnings = storages::warnings(&config, &ready);
    if !warnings.is_empty() {
        tracing::warn!("{warnings}");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if config.server.worker_threads > 0 {
        runtime.worker_threads(config.server.worker_threads);
    }
    let runtime = runtime.enable_all().max_blocking_threads(config.drivers.blocking_threads).build();
    let runtime = runtime.map_err(|error| {
        say(&format!("cannot start threads: {error}"));
        Exit::Listen
    })?;
    runtime.block_on(run(config, ready, file))
}

async fn run(config: Config, ready: Vec<Ready>, file: &Path) -> Result<(), Exit> {
    // Asked for first, so that a signal while drivers open is not lost.
    let (stop, hang_up) = (signals::stop()?, signals::hang_up()?);
    let control = config.server.control.clone();
    let (listen, admin) = (config.server.listen, config.server.admin);
    let mut opened = running::open_all(config, ready).await?;
    let server = Server::bind(listen, opened.api(), opened.server_options()).map_err(|error| {
        say(&format!("cannot listen on {listen} (server.listen): {error}"));
        Exit::Listen
    });
    let server = server.and_then(|server| Ok((metrics::listen(admin, &server)?, server)));
    let control = control.map(|path| ControlSocket::bind(&path)).transpose().map_err(|error| {
        say(&error.to_string());
        Exit::Listen
    });
    let (admin, server, control) = match (server, control) {
        (Ok((admin, server)), Ok(control)) => (admin, server, control),
        (Err(exit), _) | (_, Err(exit)) => {
            opened.close_all().await;
            return Err(exit);
        }
    };
    let running = Arc::new(Running::new(file, server.live().clone(), opened));
    let address = server.address().unwrap_or(listen);
    tracing::info!(%address, "serving");
    let reloads = tokio::spawn(reload::on_request(running.clone(), hang_up, control));
    let purges = tokio::spawn(purge::now_and_then(running.clone()));
    let cut_off = server.serve(stop).await;
    for task in [reloads, purges] {
        task.abort();
        // It was told to end, and has no other result.
        let _ = task.await;
    }
    drop(admin);
    running.close_all().await;
    if cut_off > 0 {
        tracing::warn!(connections = cut_off, "requests were cut off (server.drain_secs)");
        return Err(Exit::CutOff);
    }
    tracing::info!("stopped");
    Ok(())
}
