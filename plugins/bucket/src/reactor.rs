//! The driver's own runtime, below futures that the host polls.
//!
//! Host and driver each have a copy of tokio that knows nothing of the other. The host polls our futures where it likes; each poll enters our
//! runtime first, so that sockets and timers find their reactor. No task, and no hop from thread to thread, is needed for that.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use longshore_plugin_api::{DriverError, ErrorClass};
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that ends when it is told to.
pub(crate) struct Reactor {
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
}

impl Reactor {
    /// Starts the runtime: one thread that waits for sockets, sends what is on its way, and lends itself to look-ups of names.
    pub(crate) fn start(instance: &str) -> Result<Self, DriverError> {
        let built = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(4).thread_name(instance).enable_all().build();
        let runtime =
            built.map_err(|error| DriverError::new(ErrorClass::Internal, format!("no thread for the network can be started: {error}")))?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Mutex::new(Some(runtime)), handle })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// `work` as the host may poll it.
    pub(crate) fn enter<F: Future>(&self, work: F) -> Entered<F> {
        Entered { work: Some(Box::pin(work)), handle: self.handle.clone() }
    }

    /// `stream` as the host may poll it.
    pub(crate) fn enter_stream<S: Stream>(&self, stream: S) -> Entered<S> {
        Entered { work: Some(Box::pin(stream)), handle: self.handle.clone() }
    }

    /// Ends the runtime: what runs on it is dropped, and its thread with it. Does not wait.
    pub(crate) fn stop(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Work that enters the runtime at each poll, and when it is dropped: timers and sockets leave the reactor that they are in.
pub(crate) struct Entered<W> {
    /// `None` only while it is dropped.
    work: Option<Pin<Box<W>>>,
    handle: Handle,
}

impl<F: Future> Future for Entered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { work: Some(work), handle } = &mut *self else { return Poll::Pending };
        let _entered = handle.enter();
        work.as_mut().poll(context)
    }
}

impl<S: Stream> Stream for Entered<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let Self { work: Some(work), handle } = &mut *self else { return Poll::Ready(None) };
        let _entered = handle.enter();
        work.as_mut().poll_next(context)
    }
}

impl<W> Drop for Entered<W> {
    fn drop(&mut self) {
        // A connection that goes back to its pool may start the pool's clock.
        let _entered = self.handle.enter();
        self.work = None;
    }
}
