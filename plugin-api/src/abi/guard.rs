//! Panics of a driver end here, in the driver's own binary: in poll, in drop and in plain calls.

use std::any::Any;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use abi_stable::std_types::RResult::{RErr, ROk};
use async_ffi::FutureExt;

use super::tables::AbiFuture;
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

/// A call's work as it crosses: contained in poll and in drop, its answer made of what the work answers by `convert`.
pub(crate) fn answer<'a, F, T, A>(place: &'static str, work: F, convert: impl Fn(T) -> A + Send + 'a) -> AbiFuture<'a, A>
where
    F: Future<Output = Result<T, DriverError>> + Send + 'a,
{
    Guard { place, work: Some(Contained::new(work)), convert }.into_ffi()
}

struct Guard<F, C> {
    place: &'static str,
    /// `None` after the end.
    work: Option<Contained<F>>,
    convert: C,
}

impl<F, T, A, C> Future for Guard<F, C>
where
    F: Future<Output = Result<T, DriverError>>,
    C: Fn(T) -> A,
{
    type Output = Answer<A>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `work` is pinned with `self`: it is only polled through the pin below, and dropped where it stands.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(work) = this.work.as_mut() else {
            return Poll::Ready(RErr(DriverError::panicked(this.place, "polled again after the end").into()));
        };
        // SAFETY: as above; `work` does not move until `this.work = None` drops it.
        let work = unsafe { Pin::new_unchecked(work.get_mut()) };
        // Written where it is answered from: values are large, and each move of one is a good part of what a tiny call costs.
        let mut answer = Poll::Pending;
        let polled = catch_unwind(AssertUnwindSafe(|| match work.poll(context) {
            Poll::Pending => {}
            Poll::Ready(Ok(value)) => answer = Poll::Ready(ROk((this.convert)(value))),
            Poll::Ready(Err(error)) => answer = Poll::Ready(RErr(error.into())),
        }));
        if let Err(panic) = polled {
            answer = Poll::Ready(RErr(DriverError::panicked(this.place, &panic_text(panic)).into()));
        }
        if answer.is_ready() {
            this.work = None;
        }
        answer
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
        let polled = futures_executor::block_on(answer("stat", async { if true { panic!("poll {}", 1) } else { Ok(()) } }, |()| ()));
        let error: DriverError = polled.into_result().map(|()| ()).err().expect("a panic is an error").into();
        assert_eq!(error.class(), crate::ErrorClass::Internal);
        assert!(error.message().contains("stat") && error.message().contains("poll 1"), "{error}");
        let bomb = Bomb;
        let never_polled = async move {
            let _bomb = bomb;
            Ok(())
        };
        drop(answer("stat", never_polled, |()| ()));
        let converted = answer("read", async { Ok(()) }, |()| -> u64 { panic!("conversion") });
        assert!(futures_executor::block_on(converted).is_err(), "an answer that cannot be converted is an error too");
    }
}
