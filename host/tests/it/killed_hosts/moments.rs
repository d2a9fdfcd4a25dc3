//! What clients and the one who kills tell each other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Kills, and the requests that are the best moment for one: those that publish something.
#[derive(Default)]
pub(super) struct Moments {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Default)]
struct SoFar {
    kills: usize,
    last_requests: usize,
    ended: bool,
}

impl Moments {
    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: impl FnOnce(&mut SoFar)) {
        change(&mut self.so_far());
        self.more.notify_all();
    }

    /// A host is dead.
    pub(super) fn kill(&self) {
        self.tell(|so_far| so_far.kills += 1);
    }

    /// No host dies any more.
    pub(super) fn end(&self) {
        self.tell(|so_far| so_far.ended = true);
    }

    /// A client is about to send the last request of a blob or an image.
    pub(super) fn last_request(&self) {
        self.tell(|so_far| so_far.last_requests += 1);
    }

    pub(super) fn kills(&self) -> usize {
        self.so_far().kills
    }

    /// Waits until another host is dead, or no more will be.
    pub(super) fn wait_for_kill(&self) {
        let so_far = self.so_far();
        let before = so_far.kills;
        let waits = |so_far: &mut SoFar| so_far.kills == before && !so_far.ended;
        drop(self.more.wait_while(so_far, waits).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for a client's last request, at most for `longest`.
    pub(super) fn wait_for_last_request(&self, longest: Duration) {
        let so_far = self.so_far();
        let before = so_far.last_requests;
        let waits = |so_far: &mut SoFar| so_far.last_requests == before;
        drop(self.more.wait_timeout_while(so_far, longest, waits).unwrap_or_else(PoisonError::into_inner));
    }
}
