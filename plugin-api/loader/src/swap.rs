//! Taking an instance out of use while others use it: who does, waiting for them, closing it.
//!
//! Whoever exchanges an instance publishes the new one first, so that nobody begins anything with the old one, and then waits here.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use longshore_plugin_api::{ByteStream, Bytes, Driver, DriverError, ReadBody};
use tokio::sync::watch;

use crate::handle::{DriverHandle, Inner};

/// Everything that uses one instance: each handle, upload and reader holds it.
pub(crate) struct Users {
    uploads: AtomicUsize,
    readers: AtomicUsize,
    /// Nothing is ever sent: its end is the event.
    present: watch::Sender<()>,
}

impl Default for Users {
    fn default() -> Self {
        Self { uploads: AtomicUsize::new(0), readers: AtomicUsize::new(0), present: watch::Sender::new(()) }
    }
}

/// One upload's or reader's use of an instance.
pub(crate) struct Use {
    users: Arc<Users>,
    counter: fn(&Users) -> &AtomicUsize,
}

impl Use {
    pub(crate) fn by_upload(users: &Arc<Users>) -> Self {
        Self::new(users, |users| &users.uploads)
    }

    fn new(users: &Arc<Users>, counter: fn(&Users) -> &AtomicUsize) -> Self {
        counter(users).fetch_add(1, Ordering::Relaxed);
        Self { users: users.clone(), counter }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        (self.counter)(&self.users).fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that uses its instance until it is dropped or has ended.
struct UsingStream {
    /// `None` after the end. Dropped before the use ends.
    stream: Option<(ByteStream, Use)>,
}

/// Makes a body that streams a user of its instance. Other bodies need the instance no more.
pub(crate) fn keep_open(body: &mut ReadBody, users: &Arc<Users>) {
    if let ReadBody::Stream(stream) = body {
        let empty: ByteStream = Box::pin(UsingStream { stream: None });
        let stream = std::mem::replace(stream, empty);
        *body = ReadBody::Stream(Box::pin(UsingStream { stream: Some((stream, Use::new(users, |users| &users.readers))) }));
    }
}

impl Stream for UsingStream {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some((stream, _)) = &mut self.stream else { return Poll::Ready(None) };
        let polled = stream.as_mut().poll_next(context);
        // An error is the last item too.
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.stream = None;
        }
        polled
    }
}

/// What still uses an instance beside calls, of which handles are not counted one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// Uploads that are written to.
    pub uploads: usize,
    /// Bodies that are read.
    pub readers: usize,
}

/// An instance that is on its way out: held without using it, so that its users can be waited for.
#[derive(Clone)]
pub struct Retired {
    instance: Arc<Inner>,
    users: Weak<Users>,
}

impl Retired {
    pub(crate) fn new(instance: Arc<Inner>, users: &Arc<Users>) -> Self {
        Self { instance, users: Arc::downgrade(users) }
    }

    /// True for two that are of the same instance.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.instance, &other.instance)
    }

    /// Waits until no handle, upload or reader of the instance is left, at most for `limit`. Needs a tokio runtime.
    ///
    /// # Errors
    /// What uses it still.
    pub async fn drain(&self, limit: Duration) -> Result<(), InUse> {
        let Some(mut present) = self.users.upgrade().map(|users| users.present.subscribe()) else { return Ok(()) };
        // The only change is that the last user has gone, and the sender with it.
        match tokio::time::timeout(limit, present.changed()).await {
            Ok(_) => Ok(()),
            Err(_) => self.in_use().map_or(Ok(()), Err),
        }
    }

    /// What uses the instance now; `None` if nobody has even a handle.
    pub fn in_use(&self) -> Option<InUse> {
        let users = self.users.upgrade()?;
        Some(InUse { uploads: users.uploads.load(Ordering::Relaxed), readers: users.readers.load(Ordering::Relaxed) })
    }

    /// Closes the instance and those below it. What still uses it fails with `closed` from now on.
    ///
    /// # Errors
    /// The driver's; `timeout` if it does not answer.
    pub async fn close(&self) -> Result<(), DriverError> {
        let handle = DriverHandle::of(self.instance.clone());
        handle.close(&handle.call(0)).await
    }
}
