//! How the storages are. Drivers are asked seldom, and whoever asks in between gets the last answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use longshore_loader::DriverState;
use longshore_loader::api::{Driver, DriverError, ErrorClass};

use super::storage::{Storage, Store};

/// How long an answer of a driver counts: a crowd of load balancers costs one call in this time.
pub const HEALTH_KEEP: Duration = Duration::from_secs(3);
/// How long a driver may take to say how it is, less than a load balancer waits.
pub const HEALTH_MAX: Duration = Duration::from_secs(5);

/// How a storage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageState {
    /// Its drivers say that they are well.
    Serving,
    /// Open, but its drivers fail when they are asked how they are, for this reason.
    Degraded(ErrorClass),
    /// It could not be opened, and the registry goes on without it.
    Closed,
}

impl StorageState {
    /// The names of all states, for programs.
    pub const NAMES: [&'static str; 3] = ["serving", "degraded", "closed"];

    /// The state's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => Self::NAMES[0],
            Self::Degraded(_) => Self::NAMES[1],
            Self::Closed => Self::NAMES[2],
        }
    }

    /// Why it is not serving, as one word. What the driver said is in the log: it may tell a stranger too much.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Serving => None,
            Self::Degraded(class) => Some(class.name()),
            Self::Closed => Some("not_opened"),
        }
    }
}

/// How one storage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageHealth {
    /// The storage's name.
    pub name: String,
    /// Whether the registry is of no use without it.
    pub required: bool,
    /// Its state.
    pub state: StorageState,
}

/// The last answer of a driver, and when it was given.
pub(super) type LastHealth = Arc<tokio::sync::Mutex<Option<(Instant, StorageState)>>>;

impl Store {
    /// How every storage is, asked at the same time: it takes at most [`HEALTH_MAX`].
    pub async fn health(&self) -> Vec<StorageHealth> {
        let ask = async |storage: &Arc<Storage>| StorageHealth {
            name: storage.name().to_owned(),
            required: storage.required,
            state: storage.state().await,
        };
        let mut all = join_all(self.storages().iter().map(ask)).await;
        all.extend(self.closed().iter().map(|name| StorageHealth { name: name.clone(), required: false, state: StorageState::Closed }));
        all
    }
}

impl Storage {
    /// The state, at most [`HEALTH_KEEP`] old.
    async fn state(self: &Arc<Self>) -> StorageState {
        let mut last = self.last_health.clone().lock_owned().await;
        if let Some((_, state)) = last.filter(|(at, _)| at.elapsed() < HEALTH_KEEP) {
            return state;
        }
        let storage = self.clone();
        // A task of its own: whoever asked may go away, and the next one shall not ask the driver again for that.
        let asking = tokio::spawn(async move {
            let before = last.map(|(_, state)| state);
            let state = storage.ask(before).await;
            *last = Some((Instant::now(), state));
            state
        });
        // It can only fail with the runtime.
        asking.await.unwrap_or(StorageState::Degraded(ErrorClass::Cancelled))
    }

    async fn ask(&self, before: Option<StorageState>) -> StorageState {
        // A driver whose process ended too often is not asked: every call fails until it is opened anew, and the log has said why.
        if self.driver().stack().any(|driver| matches!(driver.state(), DriverState::Degraded { .. })) {
            return StorageState::Degraded(ErrorClass::Unreachable);
        }
        let (driver, name) = (self.driver(), self.name());
        let call = driver.call(0);
        let late = || DriverError::new(ErrorClass::Timeout, format!("health did not answer within {} s", HEALTH_MAX.as_secs()));
        let answer = tokio::time::timeout(HEALTH_MAX, driver.health(&call)).await.unwrap_or_else(|_| Err(late()));
        let state = answer.as_ref().map_or_else(|error| StorageState::Degraded(error.class()), |()| StorageState::Serving);
        match answer {
            Err(error) if before != Some(state) => tracing::warn!(storage = name, %error, "the storage is degraded"),
            Ok(()) if before.is_some_and(|before| before != state) => tracing::info!(storage = name, "the storage is well again"),
            _ => {}
        }
        state
    }
}
