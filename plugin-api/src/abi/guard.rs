//! Panics of a driver end here, in the driver's own binary: in poll, in drop and in plain calls.

use std::any::Any;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use abi_stable::std_types::RResult::{RErr, ROk};

use super::values::Answer;
use crate::DriverError;

/// The text of a panic. The payload itself is leaked: dropping a foreign payload may panic again.
pub fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "(no text)".to_owned(),
    };
    mem::forget(payload);
    text
}

/// Runs `work`; a panic becomes `internal`.
pub(crate) fn contain<T>(place: &'static str, work: impl FnOnce() -> Result<T, DriverError>) -> Result<T, DriverError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(DriverError::panicked(place, &panic_text(panic))))
}

/// A value whose drop cannot panic outwards; what a panicking drop leaves is leaked.
pub(crate) struct Contained<T>(ManuallyDrop<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }

    pub(crate) fn get(&self) -> &T {
        &self.0
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: this is the only place that drops the value, and `self` is never used after `Drop::drop`.
            unsafe { ManuallyDrop::drop(&mut self.0) }
        }));
        if let Err(payload) = dropped {
            mem::forget(payload);
        }
    }
}

/// A call's future, contained in poll and in drop.
pub(crate) struct Guard<F> {
    place: &'static str,
    future: Option<Contained<F>>,
}

impl<F> Guard<F> {
    pub(crate) fn new(place: &'static str, future: F) -> Self {
        Self { place, future: Some(Contained::new(future)) }
    }
}

impl<F, T> Future for Guard<F>
where
    F: Future<Output = Result<T, DriverError>>,
{
    type Output = Answer<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `future` is pinned with `self`: it is only polled through the pin below, and dropped where it stands.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(future) = this.future.as_mut() else {
            return Poll::Ready(RErr(DriverError::panicked(this.place, "polled again after the end").into()));
        };
        // SAFETY: as above; `future` does not move until `this.future = None` drops it.
        let future = unsafe { Pin::new_unchecked(future.get_mut()) };
        let answer = match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => ROk(value),
            Ok(Poll::Ready(Err(error))) => RErr(error.into()),
            Err(panic) => RErr(DriverError::panicked(this.place, &panic_text(panic)).into()),
        };
        this.future = None;
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("drop");
        }
    }

    #[test]
    fn panics_in_poll_and_in_drop_are_answers() {
        let polled = futures_executor::block_on(Guard::new("stat", async { if true { panic!("poll {}", 1) } else { Ok(()) } }));
        let error: DriverError = polled.into_result().map(|()| ()).err().expect("a panic is an error").into();
        assert_eq!(error.class(), crate::ErrorClass::Internal);
        assert!(error.message().contains("stat") && error.message().contains("poll 1"), "{error}");
        let bomb = Bomb;
        drop(Guard::new("stat", async move {
            let _bomb = bomb;
            Ok::<_, DriverError>(())
        }));
    }
}
