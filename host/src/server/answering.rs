//! Whether a request is being answered, so that a client which has only stopped to send gets its answer.
//!
//! A client may shut its writing side after its last request. From here that looks like a client that has gone, and hyper drops the request of
//! one that has gone. So the socket keeps the end of the stream from hyper while an answer is under way, but not for long: a client that has
//! really gone shall not keep a driver busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a client that sends nothing more may wait for its answer to end.
pub(super) const HALF_CLOSED_MAX: Duration = Duration::from_secs(5);

/// The answers under way on a connection.
#[derive(Clone, Default)]
pub(super) struct Answering(Arc<State>);

/// An answer under way, until it is dropped.
pub(super) struct Answer(Arc<State>);

#[derive(Default)]
struct State {
    under_way: AtomicUsize,
    /// The last bytes of an answer are with hyper, and not yet with the system.
    unsent: AtomicBool,
}

impl Answering {
    pub(super) fn begin(&self) -> Answer {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        Answer(self.0.clone())
    }

    /// True until hyper has nothing left to write.
    pub(super) fn any(&self) -> bool {
        self.0.under_way.load(Ordering::Relaxed) > 0 || self.0.unsent.load(Ordering::Relaxed)
    }

    /// hyper has written all that it had; true if that was the end of an answer.
    pub(super) fn sent(&self) -> bool {
        self.0.unsent.load(Ordering::Relaxed) && self.0.unsent.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.unsent.store(true, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
