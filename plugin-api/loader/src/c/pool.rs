//! Work on the host's blocking threads.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use longshore_plugin_api::abi::panic_text;
use longshore_plugin_api::{DriverError, ErrorClass, HostServices};
use tokio::sync::oneshot;

use crate::services::Services;

/// Work under way. It begins when this is made, so that a chunk is read while the one before it is consumed, and once a thread has taken it, it
/// runs to its end even if nobody waits for it.
pub(crate) struct Job<T>(oneshot::Receiver<Result<T, DriverError>>);

impl<T: Send + 'static> Job<T> {
    pub(crate) fn begin(services: &Services, work: impl FnOnce() -> Result<T, DriverError> + Send + 'static) -> Self {
        let (answer, answered) = oneshot::channel();
        services.run_blocking(Box::new(move || {
            // Given up while it waited for a thread: nobody expects an effect any more.
            if answer.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|panic| Err(DriverError::panicked("the loader's call of the driver", &panic_text(panic))));
            let _ = answer.send(result);
        }));
        Self(answered)
    }
}

impl<T> Future for Job<T> {
    type Output = Result<T, DriverError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let stopped = |_| Err(DriverError::new(ErrorClass::Cancelled, "the host runs no more blocking work"));
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(stopped))
    }
}
