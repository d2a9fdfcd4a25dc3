//! How many requests run at once: as many as configured, fewer after the store has asked for fewer.
//!
//! Additive increase, multiplicative decrease, as networks do it: a `throttled` answer halves the limit, a limit's worth of successes raises it
//! by one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Answers of requests that ran at the same time count as one wish for fewer.
const ONE_WISH: Duration = Duration::from_millis(200);

/// The gate through which every request goes.
pub(crate) struct Pace {
    gate: Semaphore,
    state: Mutex<State>,
    max: usize,
}

struct State {
    limit: usize,
    /// How many permits must still disappear for the limit to hold.
    surplus: usize,
    /// Successes since the limit was raised.
    successes: usize,
    halved: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(max: usize) -> Self {
        let state = State { limit: max, surplus: 0, successes: 0, halved: None };
        Self { gate: Semaphore::new(max), state: Mutex::new(state), max }
    }

    /// Waits until a request may run; it runs as long as the permit lives.
    pub(crate) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // `None` only if the gate were closed, which nobody does; a request then runs without a permit.
        self.gate.acquire().await.ok()
    }

    /// Takes back the permit of a request that succeeded.
    pub(crate) fn succeeded(&self, permit: Option<SemaphorePermit<'_>>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.limit < self.max {
            state.successes += 1;
            if state.successes >= state.limit {
                state.successes = 0;
                state.limit += 1;
                match state.surplus.checked_sub(1) {
                    Some(less) => state.surplus = less,
                    None => self.gate.add_permits(1),
                }
            }
        }
        Self::give_back(&mut state, permit);
    }

    /// Takes back the permit of a request that failed, which is to run less often if `throttled`.
    pub(crate) fn failed(&self, permit: Option<SemaphorePermit<'_>>, throttled: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if throttled && state.halved.is_none_or(|at| at.elapsed() > ONE_WISH) {
            let limit = (state.limit / 2).max(1);
            state.surplus += state.limit - limit;
            (state.limit, state.successes, state.halved) = (limit, 0, Some(Instant::now()));
        }
        Self::give_back(&mut state, permit);
    }

    fn give_back(state: &mut State, permit: Option<SemaphorePermit<'_>>) {
        if let Some(permit) = permit
            && let Some(less) = state.surplus.checked_sub(1)
        {
            state.surplus = less;
            permit.forget();
        }
    }

    #[cfg(test)]
    fn limit(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(pace: &Pace) -> Vec<SemaphorePermit<'_>> {
        std::iter::from_fn(|| pace.gate.try_acquire().ok()).collect()
    }

    #[test]
    fn a_throttled_answer_halves_and_successes_restore() {
        let pace = Pace::new(8);
        let mut permits = running(&pace);
        assert_eq!(permits.len(), 8);
        pace.failed(permits.pop(), true);
        pace.failed(permits.pop(), true);
        assert_eq!(pace.limit(), 4, "two answers at the same time are one wish");
        permits.into_iter().for_each(|permit| pace.failed(Some(permit), false));
        assert_eq!(running(&pace).len(), 4, "half of the permits are gone");
        for _ in 0..4 + 5 + 6 + 7 {
            let permit = pace.gate.try_acquire().ok();
            assert!(permit.is_some());
            pace.succeeded(permit);
        }
        assert_eq!((pace.limit(), running(&pace).len()), (8, 8));
    }

    #[test]
    fn one_request_always_runs() {
        let pace = Pace::new(1);
        let permit = pace.gate.try_acquire().ok();
        pace.failed(permit, true);
        assert_eq!((pace.limit(), running(&pace).len()), (1, 1));
    }
}
