//! What is open, and how it is published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use longshore_loader::{Content, DriverHandle, Generations, Retired};

use super::options;
use crate::api::Api;
use crate::cli::storages::{self, OpenError, Origin, Ready};
use crate::cli::{Exit, say};
use crate::config::{Config, MAIN_STORAGE, Shown};
use crate::server::{Live, ServerOptions};
use crate::store::{Routed, Storage, Store, plan};

/// A registry that serves. A reload holds `state`, so there is one at a time.
pub(super) struct Running {
    pub(super) file: PathBuf,
    pub(super) live: Live,
    pub(super) state: tokio::sync::Mutex<State>,
    pub(super) instances: Arc<Instances>,
}

/// The configuration that takes effect, and what it made.
pub(super) struct State {
    pub(super) config: Config,
    pub(super) shown: Option<Shown>,
    pub(super) ready: Vec<Ready>,
    /// Those that are open.
    pub(super) storages: BTreeMap<String, Arc<Storage>>,
    pub(super) instances: Arc<Instances>,
}

/// The libraries of this process, and every instance that is not closed yet: those that serve and those that are on their way out.
pub(super) struct Instances {
    generations: Generations,
    open: Mutex<Vec<Retired>>,
}

impl Instances {
    /// True if the library of this content is in the process.
    pub(super) fn have_loaded(&self, content: &Arc<Content>) -> bool {
        self.generations.contains(content)
    }

    /// Opens a storage's drivers.
    pub(super) async fn open(&self, config: &Config, ready: &Ready) -> Result<DriverHandle, OpenError> {
        let handle = storages::open(config, ready, &self.generations).await?;
        self.lock().push(handle.retire());
        Ok(handle)
    }

    /// Closes an instance; what still uses it is cut off.
    pub(super) async fn close(&self, retired: &Retired) {
        self.lock().retain(|other| !other.is(retired));
        if let Err(error) = retired.close().await {
            tracing::error!(%error, "a driver did not close");
        }
    }

    async fn close_all(&self) {
        let open = std::mem::take(&mut *self.lock());
        for instance in open {
            self.close(&instance).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Retired>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    pub(super) fn new(file: &Path, live: Live, state: State) -> Self {
        let instances = state.instances.clone();
        Self { file: file.to_owned(), live, state: tokio::sync::Mutex::new(state), instances }
    }

    pub(super) async fn close_all(&self) {
        self.instances.close_all().await;
    }
}

impl State {
    /// The interface over the storages that are open.
    pub(super) fn api(&self) -> Api {
        let (names, storages): (Vec<&str>, Vec<Arc<Storage>>) =
            self.storages.iter().map(|(name, storage)| (name.as_str(), storage.clone())).unzip();
        let place = |storage: &str| names.iter().position(|name| *name == storage).map_or(Routed::Closed, Routed::To);
        let routes: Vec<_> = self.config.routes.iter().map(|route| (route.repository.clone(), place(&route.storage))).collect();
        let main = if self.config.storage.contains_key(MAIN_STORAGE) { place(MAIN_STORAGE) } else { Routed::Nowhere };
        let route = move |repository: &str| routes.iter().find(|(glob, _)| glob.matches(repository)).map_or(main, |(_, place)| *place);
        let closed = self.ready.iter().map(|one| &one.name).filter(|name| !self.storages.contains_key(*name)).cloned().collect();
        Api::new(Arc::new(Store::new(storages, route).with_closed(closed)), options::api(&self.config))
    }

    pub(super) fn server_options(&self) -> ServerOptions {
        options::server(&self.config)
    }

    pub(super) async fn close_all(&mut self) {
        self.instances.close_all().await;
    }
}

/// Opens every storage. One that is not required may fail: repositories on it answer errors until the next reload or start.
pub(super) async fn open_all(config: Config, ready: Vec<Ready>) -> Result<State, Exit> {
    let instances = Arc::new(Instances { generations: Generations::new(), open: Mutex::default() });
    let mut opened = BTreeMap::new();
    for one in &ready {
        match instances.open(&config, one).await {
            Ok(driver) => {
                let storage = storages::storage(&config, &one.name, Origin::Opened(driver));
                log_opened(&one.name, &storage);
                tracing::info!(storage = one.name, calls = plan::summary(storage.driver().capabilities()), "plan");
                opened.insert(one.name.clone(), storage);
            }
            Err(error) if config.storage[&one.name].required => {
                say(&error.to_string());
                instances.close_all().await;
                return Err(Exit::Driver);
            }
            Err(error) => tracing::error!(storage = one.name, "{}", without(&one.name, &error)),
        }
    }
    let shown = shown(&config);
    Ok(State { config, shown, ready, storages: opened, instances })
}

/// A storage that is not required did not open.
pub(super) fn without(storage: &str, error: &impl std::fmt::Display) -> String {
    format!("{error}; going on without it (storage.{storage}.required is false)")
}

/// What takes effect, to be compared with what a later configuration shows. None if a secret or a driver's file went away meanwhile.
pub(super) fn shown(config: &Config) -> Option<Shown> {
    config.show(|instance| storages::readable_schema(config, instance).map(|(_, schema)| schema)).ok()
}

pub(super) fn log_opened(storage: &str, opened: &Storage) {
    let drivers: Vec<_> = opened.driver().stack().map(|driver| (driver.info().name.as_str(), driver.info().version.as_str())).collect();
    if let [layers @ .., (driver, version)] = drivers.as_slice() {
        let layers: Vec<&str> = layers.iter().map(|(name, _)| *name).collect();
        let layers = (!layers.is_empty()).then(|| layers.join(", "));
        tracing::info!(storage, driver, version, layers, "opened");
    }
}
