//! Calls that are given up: their future is dropped before it is answered, which is how a host cancels.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_loader::api::Call;

/// How long a driver may go on with a call that was given up (driver contract, section 8).
pub(crate) const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// Lets `call` be polled `polls` times and drops it then. Answers what it answered, or `None` if it had not.
pub(crate) async fn dropped_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut polled = 0;
    poll_fn(|context| {
        polled += 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A call whose deadline lies `milliseconds` from now, or in the past.
pub(crate) fn due_in(milliseconds: i64) -> Call {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    // At least 1: 0 is no deadline.
    Call::new(u64::try_from(now.saturating_add(milliseconds)).unwrap_or(0).max(1), 0)
}
