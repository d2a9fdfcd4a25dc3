//! Another configuration, or other drivers, without a restart: all of it, or nothing.
//!
//! Everything that can fail comes first, beside what serves: the configuration is read and checked, the drivers are checked, probed in another
//! process, loaded, opened and asked for their health. Then the new state is published in one step. What is not used any more is closed when nobody uses it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use longshore_loader::api::Driver;
use longshore_loader::api::metadata::Durability;
use longshore_loader::probe::{PROBE_LIMIT, Probed, probe};
use longshore_loader::{DriverHandle, InUse, Retired};
use serde_json::Value;
use tokio::signal::unix::Signal;

use super::options;
use super::running::{self, Running, State};
use crate::cli::storages::{self, Origin, Ready};
use crate::config::{Config, Faults, Lock, variables};
use crate::control::{Answer, Asked, Change, ControlSocket, Failure, FailureCode, Reloaded, Swapped};
use crate::observe;

/// Reloads at each SIGHUP and for each operator at the socket.
pub(super) async fn on_request(running: Arc<Running>, hang_up: Signal, control: Option<ControlSocket>) {
    let signals = on_signal(running.clone(), hang_up);
    match control {
        None => signals.await,
        Some(socket) => {
            tokio::join!(signals, socket.serve(move |asked| on_asked(running.clone(), asked)));
        }
    }
}

/// A signal has no answer, so it is never turned away: it waits for a reload under way, and those that come meanwhile are one.
async fn on_signal(running: Arc<Running>, mut hang_up: Signal) {
    while hang_up.recv().await.is_some() {
        tracing::info!("SIGHUP: the configuration is read again");
        let mut state = running.state.lock().await;
        log(&running.reload(&mut state).await);
    }
}

async fn on_asked(running: Arc<Running>, asked: Asked) -> Answer {
    let Ok(mut state) = running.state.try_lock() else {
        let message = "a reload is under way; try again when it has ended".to_owned();
        return Answer::Failed(Failure { code: FailureCode::Busy, message });
    };
    let reloaded = match asked {
        Asked::Reload => running.reload(&mut state).await,
        Asked::ReloadDriver { name } => running.reload_driver(&mut state, &name).await,
    };
    log(&reloaded);
    match reloaded {
        Ok(mut done) => {
            done.warnings.iter_mut().for_each(without_secrets);
            Answer::Done(done)
        }
        Err(mut failure) => {
            without_secrets(&mut failure.message);
            Answer::Failed(failure)
        }
    }
}

/// The answer goes to another process, which knows none of the secrets that a driver may have put into its words.
fn without_secrets(text: &mut String) {
    *text = observe::without_secrets(text).into_owned();
}

fn log(reloaded: &Result<Reloaded, Failure>) {
    match reloaded {
        Ok(done) => {
            for Change { key, from, to } in &done.changes {
                tracing::info!(key, from = from.as_deref(), to = to.as_deref(), "changed");
            }
            for Swapped { storage, from, to } in &done.storages {
                tracing::info!(storage, from = from.as_deref(), to = to.as_deref(), "exchanged");
            }
            for warning in &done.warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!(changes = done.changes.len(), storages = done.storages.len(), "reloaded");
        }
        Err(failure) => tracing::error!("nothing was reloaded, what served before goes on: {}", failure.message.trim_end()),
    }
}

fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

fn faulty(faults: &Faults) -> Failure {
    failure(FailureCode::Config, faults.render(false))
}

/// Drivers that were opened beside those that serve.
#[derive(Default)]
struct Opened {
    handles: BTreeMap<String, DriverHandle>,
    warnings: Vec<String>,
}

impl Running {
    /// Reads the configuration again and makes it the one that takes effect.
    async fn reload(&self, state: &mut State) -> Result<Reloaded, Failure> {
        let (config, ready, shown) = tokio::task::block_in_place(|| {
            let (config, ready) = checked(self)?;
            let shown = running::shown(&config);
            Ok((config, ready, shown))
        })?;
        no_restart(&state.config, &config)?;
        let changed: Vec<&Ready> = ready.iter().filter(|one| state.needs_opening(&config, one)).collect();
        let opened = self.open_beside(state, &config, &changed).await?;
        let changes = shown.as_ref().zip(state.shown.as_ref()).map_or_else(Vec::new, |(now, before)| now.changes_from(before));
        let changes = changes.into_iter().map(|change| Change { key: change.key, from: change.from, to: change.to }).collect();
        let deprecated = storages::warnings(&config, &ready);
        let before = std::mem::replace(&mut state.ready, ready);
        (state.config, state.shown) = (config, shown);
        observe::set_level(options::log_level(&state.config));
        let published = self.publish(state, &before, opened).await;
        let warnings = deprecated.into_iter().map(|fault| Faults::from(fault).to_string()).chain(published.warnings).collect();
        Ok(Reloaded { changes, warnings, ..published })
    }

    /// Opens the drivers of a storage again, or those of all storages that use a driver, as the configuration that takes effect has them. The lock
    /// is read again: whoever installs another file locks it.
    async fn reload_driver(&self, state: &mut State, name: &str) -> Result<Reloaded, Failure> {
        let names = state.storages_of(name)?;
        let lock = tokio::task::block_in_place(|| Lock::beside(&self.file)).map_err(|faults| faulty(&faults))?;
        let lock_before = state.config.exchange_lock(lock);
        let (fresh, opened) = match self.open_again(state, &names).await {
            Ok(opened) => opened,
            Err(why) => {
                state.config.exchange_lock(lock_before);
                return Err(why);
            }
        };
        let mut before = Vec::new();
        for one in fresh {
            let place = state.ready.iter_mut().find(|old| old.name == one.name);
            before.extend(place.map(|old| std::mem::replace(old, one)));
        }
        Ok(self.publish(state, &before, opened).await)
    }

    async fn open_again(&self, state: &State, names: &[String]) -> Result<(Vec<Ready>, Opened), Failure> {
        let fresh = tokio::task::block_in_place(|| checked_again(&state.config, names)).map_err(|faults| faulty(&faults))?;
        let opened = self.open_beside(state, &state.config, &fresh.iter().collect::<Vec<_>>()).await?;
        Ok((fresh, opened))
    }

    /// Opens drivers and asks them for their health, while others serve. If one fails, all are closed again.
    async fn open_beside(&self, state: &State, config: &Config, ready: &[&Ready]) -> Result<Opened, Failure> {
        let mut opened = Opened::default();
        for one in ready {
            match self.open_one(state, config, one).await {
                Ok(handle) => drop(opened.handles.insert(one.name.clone(), handle)),
                Err(why) if !config.storage[&one.name].required && !state.storages.contains_key(&one.name) => {
                    opened.warnings.push(running::without(&one.name, &why.message));
                }
                Err(why) => {
                    for handle in opened.handles.values() {
                        self.instances.close(&handle.retire()).await;
                    }
                    return Err(why);
                }
            }
        }
        Ok(opened)
    }

    async fn open_one(&self, state: &State, config: &Config, ready: &Ready) -> Result<DriverHandle, Failure> {
        if state.loses_its_bytes(ready) {
            let driver = &ready.stack[ready.stack.len() - 1].inspection.info().name;
            let message = format!(
                "storage {:?}: the driver {driver:?} keeps everything in this process, and another instance of it would begin empty; \
                 restart the registry, or undo the change",
                ready.name
            );
            return Err(failure(FailureCode::Restart, message));
        }
        tokio::task::block_in_place(|| self.probe(ready))?;
        let handle = self.instances.open(config, ready).await.map_err(|error| failure(FailureCode::Driver, error.to_string()))?;
        if let Err(error) = handle.health(&handle.call(0)).await {
            self.instances.close(&handle.retire()).await;
            let message = format!("storage {:?} opens, and is not healthy: {error}", ready.name);
            return Err(failure(FailureCode::Driver, message));
        }
        Ok(handle)
    }

    /// Loads what is new to this process in another one first: what its code does at load time, it does there. An isolated driver is never
    /// loaded here.
    fn probe(&self, ready: &Ready) -> Result<(), Failure> {
        for one in ready.stack.iter().filter(|one| one.isolation.is_none() && !self.instances.have_loaded(&one.content)) {
            let (name, path) = (&one.inspection.info().name, one.inspection.path());
            let failed = |why: String| failure(FailureCode::Driver, format!("the probe of driver {name:?} from {path:?}: {why}"));
            let probed = probe(&[Probed { inspection: &one.inspection, settings: &Value::Null }], None, PROBE_LIMIT);
            let probed = probed.map_err(|error| failed(format!("its process cannot be started: {error}")))?;
            if let Some(worst) = probed.findings.first().filter(|_| !probed.passed()) {
                return Err(failed(worst.to_string()));
            }
        }
        Ok(())
    }

    /// Serves what the state's configuration says, on these drivers and on those that stay, in one step. Then waits for what has no place any
    /// more. `before` is what the storages were.
    async fn publish(&self, state: &mut State, before: &[Ready], mut opened: Opened) -> Reloaded {
        let (mut storages, mut swapped, mut retired) = (BTreeMap::new(), Vec::new(), Vec::new());
        let was = |name: &str| before.iter().find(|one| one.name == name).map(Ready::drivers);
        for one in &state.ready {
            let old = state.storages.remove(&one.name);
            let origin = match (opened.handles.remove(&one.name), &old) {
                (Some(driver), Some(old)) => Origin::After(old, driver),
                (Some(driver), None) => Origin::Opened(driver),
                (None, Some(old)) => Origin::Kept(old),
                (None, None) => continue,
            };
            if let Origin::After(old, _) = &origin {
                retired.push((one.name.clone(), old.driver().retire()));
            }
            if !matches!(origin, Origin::Kept(_)) {
                let from = old.as_ref().and_then(|_| was(&one.name));
                swapped.push(Swapped { storage: one.name.clone(), from, to: Some(one.drivers()) });
            }
            storages.insert(one.name.clone(), storages::storage(&state.config, &one.name, origin));
        }
        for (name, old) in std::mem::replace(&mut state.storages, storages) {
            retired.push((name.clone(), old.driver().retire()));
            swapped.push(Swapped { from: was(&name), storage: name, to: None });
        }
        self.live.publish(state.api(), state.server_options());
        if !retired.is_empty() {
            tracing::info!(storages = retired.len(), "the new drivers serve; the old ones are closed when nobody uses them");
        }
        let limit = state.config.drivers.drain;
        let cut_off = join_all(retired.iter().map(|(name, retired)| self.let_go(name, retired, limit))).await;
        opened.warnings.extend(cut_off.into_iter().flatten());
        Reloaded { changes: Vec::new(), storages: swapped, warnings: opened.warnings }
    }

    /// Closes an instance when nobody uses it any more; the sentence about those who are cut off.
    async fn let_go(&self, storage: &str, retired: &Retired, limit: Duration) -> Option<String> {
        let cut_off = retired.drain(limit).await.err();
        self.instances.close(retired).await;
        let InUse { uploads, readers } = cut_off?;
        let (secs, used) = (limit.as_secs(), format!("{uploads} uploads, {readers} readers and any call under way"));
        Some(format!("storage {storage:?}: what used the old drivers for {secs} s more was cut off (drivers.drain_secs): {used}"))
    }
}

impl State {
    /// The storage of this name, else those that use the driver of this name.
    fn storages_of(&self, name: &str) -> Result<Vec<String>, Failure> {
        if self.ready.iter().any(|one| one.name == name) {
            return Ok(vec![name.to_owned()]);
        }
        let uses = |one: &&Ready| one.stack.iter().any(|driver| driver.inspection.info().name == name);
        let names: Vec<String> = self.ready.iter().filter(uses).map(|one| one.name.clone()).collect();
        if names.is_empty() {
            let known = self.ready.iter().map(|one| format!("{} ({})", one.name, one.drivers())).collect::<Vec<_>>().join(", ");
            let message = format!("no storage and no driver in use is called {name:?}; the storages are {known}");
            return Err(failure(FailureCode::Unknown, message));
        }
        Ok(names)
    }

    /// True unless the storage is open and would be opened in the same way.
    fn needs_opening(&self, config: &Config, ready: &Ready) -> bool {
        let same = self.ready.iter().any(|old| old.name == ready.name && old.is_like(ready));
        // A handle has the deadline of its calls for life.
        !same || !self.storages.contains_key(&ready.name) || self.config.drivers.call != config.drivers.call
    }

    fn loses_its_bytes(&self, ready: &Ready) -> bool {
        let in_memory = |one: &Ready| one.stack.last().is_some_and(|last| last.inspection.info().durability == Durability::Memory);
        self.storages.contains_key(&ready.name) && in_memory(ready) && self.ready.iter().any(|old| old.name == ready.name && in_memory(old))
    }
}

/// The configuration as it is now, and its drivers.
fn checked(running: &Running) -> Result<(Config, Vec<Ready>), Failure> {
    let (config, mut faults) = Config::examine(&running.file, variables()).map_err(|faults| faulty(&faults))?;
    match storages::check(&config) {
        Ok(ready) if faults.is_empty() => Ok((config, ready)),
        Ok(_) => Err(faulty(&faults)),
        Err(found) => {
            faults.merge(found);
            Err(faulty(&faults))
        }
    }
}

/// Storages of a configuration that takes effect, with the files and secrets of now.
fn checked_again(config: &Config, names: &[String]) -> Result<Vec<Ready>, Faults> {
    let (mut ready, mut faults) = (Vec::new(), Faults::default());
    for name in names {
        match storages::check_storage(config, name, &config.storage[name]) {
            Ok(one) => ready.push(one),
            Err(found) => faults.merge(found),
        }
    }
    if faults.is_empty() { Ok(ready) } else { Err(faults) }
}

/// Refuses what only a start can change.
fn no_restart(now: &Config, next: &Config) -> Result<(), Failure> {
    let changed = now.changed_for_a_restart(next);
    if changed.is_empty() {
        return Ok(());
    }
    let (keys, verb) = (changed.join(", "), if changed.len() == 1 { "needs" } else { "need" });
    Err(failure(FailureCode::Restart, format!("a change of {keys} {verb} a restart; restart the registry, or undo the change")))
}
