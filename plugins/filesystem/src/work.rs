//! Work that may block: how it reaches the host's threads, and how it learns that nobody waits for it any more.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use longshore_plugin_api::{Call, DriverError, ErrorClass, Host};

/// Asked between the steps of long work.
#[derive(Clone)]
pub(crate) struct Stop {
    call: Call,
    abandoned: Arc<AtomicBool>,
}

impl Stop {
    /// For one call, whose deadline it watches.
    pub(crate) fn new(call: &Call) -> Self {
        Self { call: *call, abandoned: Arc::default() }
    }

    /// For work of the instance's own, which ends when `closed` is set.
    pub(crate) fn when(closed: &Arc<AtomicBool>) -> Self {
        Self { call: Call::unbounded(), abandoned: closed.clone() }
    }

    /// # Errors
    /// `cancelled` once the call's future was dropped, `timeout` once its deadline has passed.
    pub(crate) fn check(&self) -> Result<(), DriverError> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(DriverError::new(ErrorClass::Cancelled, "nobody waits for this call any more"));
        }
        check_deadline(&self.call)
    }
}

/// # Errors
/// `timeout` if the call's deadline has passed.
pub(crate) fn check_deadline(call: &Call) -> Result<(), DriverError> {
    if call.remaining().is_some_and(|rest| rest.is_zero()) {
        return Err(DriverError::new(ErrorClass::Timeout, "the call's deadline has passed"));
    }
    Ok(())
}

/// Sets the flag when the future that holds it is dropped.
struct AbandonOnDrop(Arc<AtomicBool>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `job` on one of the host's threads. It is not begun if the call is over by then, and is told while it runs.
///
/// # Errors
/// Those of the job and of [`Stop::check`].
pub(crate) async fn run<T, F>(host: &Host, call: &Call, job: F) -> Result<T, DriverError>
where
    T: Send + 'static,
    F: FnOnce(&Stop) -> Result<T, DriverError> + Send + 'static,
{
    let stop = Stop::new(call);
    let _abandon = AbandonOnDrop(stop.abandoned.clone());
    host.blocking(move || {
        stop.check()?;
        job(&stop)
    })
    .await
}

/// Hands `job` to one of the host's threads and does not wait for it. If the host takes no more work, the job is dropped.
pub(crate) fn start(host: &Host, job: impl FnOnce() + Send + 'static) {
    let work = pin!(host.blocking(move || {
        job();
        Ok(())
    }));
    // The first poll submits the work; dropping the future abandons only its answer.
    let _ = work.poll(&mut Context::from_waker(Waker::noop()));
}
