//! What is served now: exchanged as a whole, under connections that stay.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;

use super::ServerOptions;
use crate::api::Api;
use crate::store::Store;

/// The interface and the limits that are served, until others are published; cheap to clone.
#[derive(Clone)]
pub struct Live {
    now: Arc<RwLock<Arc<Serving>>>,
    /// One for each client that may be connected.
    slots: Arc<Semaphore>,
}

/// An interface, and the limits that were published with it.
pub(super) struct Serving {
    pub(super) api: Api,
    pub(super) options: ServerOptions,
}

impl Live {
    pub(super) fn new(api: Api, options: ServerOptions) -> Self {
        let slots = Arc::new(Semaphore::new(options.connections_max));
        Self { now: Arc::new(RwLock::new(Arc::new(Serving { api, options }))), slots }
    }

    /// What is served at this moment. Whoever holds it goes on with it, and with its storages, whatever is published.
    pub(super) fn now(&self) -> Arc<Serving> {
        // What a poisoned lock holds is whole: it is exchanged in one step.
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store that is served at this moment. It is not for keeping: an exchange waits for those who use its drivers.
    pub fn store(&self) -> Arc<Store> {
        self.now().api.store().clone()
    }

    pub(super) fn slots(&self) -> &Arc<Semaphore> {
        &self.slots
    }

    /// Serves this from the next request on, in one step. New limits of a connection hold for those that are made from now on; if there are
    /// more than `connections_max` now, those beyond it may go on.
    pub fn publish(&self, api: Api, options: ServerOptions) {
        let connections_max = options.connections_max;
        let next = Arc::new(Serving { api, options });
        let before = std::mem::replace(&mut *self.now.write().unwrap_or_else(PoisonError::into_inner), next);
        self.resize(before.options.connections_max, connections_max);
    }

    fn resize(&self, from: usize, to: usize) {
        self.slots.add_permits(to.saturating_sub(from));
        // Both are a million at most.
        let fewer = u32::try_from(from.saturating_sub(to)).unwrap_or(u32::MAX);
        if fewer == 0 {
            return;
        }
        let slots = self.slots.clone();
        // Waits for connections to end, before new ones in the semaphore's queue.
        tokio::spawn(async move {
            if let Ok(ended) = slots.acquire_many_owned(fewer).await {
                ended.forget();
            }
        });
    }
}
