//! `longshore serve`: from a checked configuration to a registry that listens, and back.

use std::sync::Arc;

use longshore_loader::api::Driver;
use tokio::signal::unix::{SignalKind, signal};

use super::storages::{self, Ready};
use super::{Exit, metrics, say};
use crate::api::{Api, ApiOptions};
use crate::config::{Config, LogFormat, LogLevel, MAIN_STORAGE};
use crate::observe;
use crate::server::{Server, ServerOptions};
use crate::store::{Routed, Storage, Store, plan};

/// The largest piece of a body that is received at once, in bytes. Larger pieces are fewer system calls and more memory per connection.
const RECEIVE_MAX_BYTES: usize = 512 * 1024;

pub(super) fn serve(config: &Config, ready: &[Ready]) -> Result<(), Exit> {
    log(config);
    let warnings = storages::warnings(config, ready);
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
    runtime.block_on(run(config, ready))
}

fn log(config: &Config) {
    let level = match config.log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let format = match config.log.format {
        LogFormat::Auto => None,
        LogFormat::Human => Some(observe::LogFormat::Human),
        LogFormat::Json => Some(observe::LogFormat::Json),
    };
    observe::log_to_stderr(level, format);
}

async fn run(config: &Config, ready: &[Ready]) -> Result<(), Exit> {
    // Asked for first, so that a signal while drivers open is not lost.
    let stop = stop_signal()?;
    let (store, opened) = open_all(config, ready).await?;
    let api = Arc::new(Api::new(Arc::new(store), api_options(config)));
    let server = Server::bind(config.server.listen, api.clone(), server_options(config)).map_err(|error| {
        say(&format!("cannot listen on {} (server.listen): {error}", config.server.listen));
        Exit::Listen
    })?;
    let address = server.address().unwrap_or(config.server.listen);
    let admin = metrics::listen(config, &api, server.traffic())?;
    tracing::info!(%address, "serving");
    let cut_off = server.serve(stop).await;
    drop(admin);
    close_all(&opened).await;
    if cut_off > 0 {
        tracing::warn!(connections = cut_off, "requests were cut off (server.drain_secs)");
        return Err(Exit::CutOff);
    }
    tracing::info!("stopped");
    Ok(())
}

/// Opens every storage. One that is not required may fail: repositories on it answer errors until the next start.
async fn open_all(config: &Config, ready: &[Ready]) -> Result<(Store, Vec<Arc<Storage>>), Exit> {
    let mut opened: Vec<(String, Arc<Storage>)> = Vec::new();
    for one in ready {
        match storages::open(config, one).await {
            Ok(storage) => {
                log_opened(&one.name, &storage);
                tracing::info!(storage = one.name, calls = plan::summary(storage.driver().capabilities()), "plan");
                opened.push((one.name.clone(), storage));
            }
            Err(error) if config.storage[&one.name].required => {
                say(&error.to_string());
                close_all(&opened.into_iter().map(|(_, storage)| storage).collect::<Vec<_>>()).await;
                return Err(Exit::Driver);
            }
            Err(error) => tracing::error!(storage = one.name, "{error}; going on without it (storage.{}.required is false)", one.name),
        }
    }
    let (names, storages): (Vec<String>, Vec<Arc<Storage>>) = opened.into_iter().unzip();
    let closed = ready.iter().map(|one| &one.name).filter(|name| !names.contains(name)).cloned().collect();
    let place = |storage: &str| names.iter().position(|name| name == storage).map_or(Routed::Closed, Routed::To);
    let routes: Vec<_> = config.routes.iter().map(|route| (route.repository.clone(), place(&route.storage))).collect();
    let main = if config.storage.contains_key(MAIN_STORAGE) { place(MAIN_STORAGE) } else { Routed::Nowhere };
    let route = move |repository: &str| routes.iter().find(|(glob, _)| glob.matches(repository)).map_or(main, |(_, place)| *place);
    Ok((Store::new(storages.clone(), route).with_closed(closed), storages))
}

fn log_opened(storage: &str, opened: &Storage) {
    let drivers: Vec<_> = opened.driver().stack().map(|driver| (driver.info().name.as_str(), driver.info().version.as_str())).collect();
    if let [layers @ .., (driver, version)] = drivers.as_slice() {
        let layers: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
        let layers = (!layers.is_empty()).then(|| layers.join(", "));
        tracing::info!(storage, driver, version, layers, "opened");
    }
}

async fn close_all(storages: &[Arc<Storage>]) {
    for storage in storages {
        let driver = storage.driver();
        if let Err(error) = driver.close(&driver.call(0)).await {
            tracing::error!(%error, "a driver did not close");
        }
    }
}

/// Completes on SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()>, Exit> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            say(&format!("cannot wait for signals: {error}"));
            Exit::Listen
        })
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: no new connections, requests under way may end"),
            _ = interrupt.recv() => tracing::info!("SIGINT: no new connections, requests under way may end"),
        }
    })
}

fn api_options(config: &Config) -> ApiOptions {
    let registry = &config.registry;
    ApiOptions {
        delete: registry.delete,
        tags_page_max: registry.tags_page_max,
        catalog_page_max: registry.catalog_page_max,
        catalog_page_default: registry.catalog_page_default,
        referrers_page_max: registry.referrers_page_max,
        push_tags_max: registry.push_tags_max,
    }
}

fn server_options(config: &Config) -> ServerOptions {
    let server = &config.server;
    ServerOptions {
        connections_max: server.connections_max,
        header_max_bytes: server.header_max_bytes,
        receive_max_bytes: RECEIVE_MAX_BYTES,
        keep_alive_idle: server.keep_alive_idle,
        body_idle: server.body_idle,
        drain: server.drain,
    }
}
