//! When a request is made again: after a passing failure, later each time, within the call's deadline and the store's patience.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longshore_plugin_api::{Call, DriverError, ErrorClass};

use crate::pace::Pace;

/// What the first pause is at the most; it doubles each time.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// What a pause is at the most, unless the store asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How many retries a store that fails all the time gets at once; a success earns a part of one back.
const BUDGET: u32 = 100;
/// Successes that earn a retry.
const EARNED_BY: u32 = 10;

/// Attempts at requests, for all calls of an instance together.
pub(crate) struct Tries {
    attempts: u32,
    pace: Pace,
    /// In tenths of a retry.
    budget: AtomicU32,
}

/// Which attempt it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt(u32);

impl Attempt {
    /// True if an earlier attempt may have been carried out without our knowing.
    pub(crate) fn is_again(self) -> bool {
        self.0 > 1
    }
}

impl Tries {
    pub(crate) fn new(attempts: u32, requests_max: usize) -> Self {
        Self { attempts: attempts.max(1), pace: Pace::new(requests_max.max(1)), budget: AtomicU32::new(BUDGET * EARNED_BY) }
    }

    /// Makes a request until it succeeds, fails for good, or there is no time, budget or attempt left.
    ///
    /// # Errors
    /// The last attempt's; `timeout` at the call's deadline.
    pub(crate) async fn run<T, F>(&self, call: &Call, mut request: impl FnMut(Attempt) -> F) -> Result<T, DriverError>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        let mut attempt = 1;
        loop {
            // Boxed: a client's future is large, and would be a part of each of ours around it.
            let error = match within(call, self.once(Box::pin(request(Attempt(attempt))))).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = pause(attempt, error.retry_after());
            let time_left = call.remaining().is_none_or(|left| left > pause);
            if !error.is_retryable() || attempt >= self.attempts || !time_left || !self.spend() {
                return Err(if attempt == 1 { error } else { error.caused_by("attempts", attempt) });
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn once<T>(&self, request: impl Future<Output = Result<T, DriverError>>) -> Result<T, DriverError> {
        let permit = self.pace.permit().await;
        let answer = request.await;
        match &answer {
            // An answer that refuses is an answer: the store is well.
            Err(error) if error.is_retryable() => self.pace.failed(permit, error.class() == ErrorClass::Throttled),
            _ => {
                self.pace.succeeded(permit);
                self.earn();
            }
        }
        answer
    }

    fn spend(&self) -> bool {
        self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |budget| budget.checked_sub(EARNED_BY)).is_ok()
    }

    fn earn(&self) {
        let earned = |budget: u32| (budget < BUDGET * EARNED_BY).then_some(budget + 1);
        let _ = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
    }
}

/// Waits for work until the call's deadline.
///
/// # Errors
/// `timeout`, or the work's.
pub(crate) async fn within<T>(call: &Call, work: impl Future<Output = Result<T, DriverError>>) -> Result<T, DriverError> {
    match call.remaining() {
        None => work.await,
        Some(left) => tokio::time::timeout(left, work)
            .await
            .unwrap_or_else(|_| Err(DriverError::new(ErrorClass::Timeout, "the store did not answer before the call's deadline"))),
    }
}

/// A random part of a pause that doubles, so that those who failed together do not return together.
fn pause(attempt: u32, asked_ms: Option<u32>) -> Duration {
    let most = PAUSE_FIRST.saturating_mul(1 << attempt.min(10).saturating_sub(1)).min(PAUSE_MAX);
    let mut random = [0; 2];
    // Without random bytes it is the whole pause, which is no less right.
    let part = getrandom::fill(&mut random).map_or(1.0, |()| f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX));
    let jittered = most.mul_f64(0.5 + part / 2.0);
    asked_ms.map_or(jittered, |asked| jittered.max(Duration::from_millis(asked.into())))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime with a clock can be made").block_on(work)
    }

    fn failing(class: ErrorClass, times: u32, made: &Cell<u32>) -> impl FnMut(Attempt) -> std::future::Ready<Result<u32, DriverError>> {
        move |_| {
            made.set(made.get() + 1);
            std::future::ready(if made.get() > times { Ok(made.get()) } else { Err(DriverError::new(class, "no")) })
        }
    }

    #[test]
    fn passing_failures_are_tried_again_and_others_are_not() {
        run(async {
            let (tries, call) = (Tries::new(4, 8), Call::unbounded());
            for (class, expected) in [(ErrorClass::Throttled, Ok(4)), (ErrorClass::NotFound, Err(1)), (ErrorClass::Unauthorized, Err(1))] {
                let made = Cell::new(0);
                let answer = tries.run(&call, failing(class, 3, &made)).await;
                assert_eq!(answer.map_err(|_| made.get()), expected, "{class}");
            }
            let made = Cell::new(0);
            let error = tries.run(&call, failing(ErrorClass::Broken, 9, &made)).await.err();
            assert_eq!(made.get(), 4, "no more attempts than configured");
            assert!(error.is_some_and(|error| error.causes().iter().any(|cause| cause.kind == "attempts" && cause.value == "4")));
        });
    }

    #[test]
    fn the_budget_ends_and_is_earned_back() {
        run(async {
            let (tries, call) = (Tries::new(2, 8), Call::unbounded());
            let made = Cell::new(0);
            for _ in 0..BUDGET + 10 {
                let _ = tries.run(&call, failing(ErrorClass::Unreachable, u32::MAX, &made)).await;
            }
            assert_eq!(made.get(), 2 * BUDGET + 10, "when the budget is spent, a call is one request");
            for _ in 0..EARNED_BY {
                let _ = tries.run(&call, failing(ErrorClass::Unreachable, 0, &made)).await;
            }
            made.set(0);
            let _ = tries.run(&call, failing(ErrorClass::Unreachable, u32::MAX, &made)).await;
            assert_eq!(made.get(), 2);
        });
    }

    #[test]
    fn the_store_may_ask_for_a_longer_pause() {
        for attempt in 1..40 {
            let pause = pause(attempt, None);
            assert!(pause >= PAUSE_FIRST / 2 && pause <= PAUSE_MAX, "attempt {attempt}: {pause:?}");
        }
        assert_eq!(pause(1, Some(60_000)), Duration::from_secs(60));
    }
}
