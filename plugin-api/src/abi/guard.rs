//! Panics of a driver end here, in the driver's own binary: in poll, in drop and in plain calls.

use std::any::Any;
use std::future::Future;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use abi_stable::std_types::RResult::{RErr, ROk};

use super::future::{AbiFuture, Work};
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
#[inline(always)]
pub(crate) fn answer<'a, F, T, A>(place: &'static str, work: F, convert: impl Fn(T) -> A + Send + 'a) -> AbiFuture<'a, A>
where
    F: Future<Output = Result<T, DriverError>> + Send + 'a,
{
    AbiFuture::new(Guard { place, work: Some(Contained::new(work)), convert })
}

struct Guard<F, C> {
    place: &'static str,
    /// `None` after the end.
    work: Option<Contained<F>>,
    convert: C,
}

// SAFETY: every path that says `Ready` has written the answer just before. What may unwind runs inside of `catch_unwind` or `Contained`.
unsafe impl<F, T, A, C> Work<A> for Guard<F, C>
where
    F: Future<Output = Result<T, DriverError>> + Send,
    C: Fn(T) -> A + Send,
{
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, answer: &mut MaybeUninit<Answer<A>>) -> Poll<()> {
        // SAFETY: `work` is pinned with `self`: it is only polled through the pin below, and dropped where it stands.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(work) = this.work.as_mut() else {
            answer.write(RErr(DriverError::panicked(this.place, "polled again after the end").into()));
            return Poll::Ready(());
        };
        // SAFETY: as above; `work` does not move until `this.work = None` drops it.
        let work = unsafe { Pin::new_unchecked(work.get_mut()) };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            match work.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(value)) => answer.write(ROk((this.convert)(value))),
                Poll::Ready(Err(error)) => answer.write(RErr(error.into())),
            };
            Poll::Ready(())
        }));
        let polled = polled.unwrap_or_else(|panic| {
            answer.write(RErr(DriverError::panicked(this.place, &panic_text(panic)).into()));
            Poll::Ready(())
        });
        if polled.is_ready() {
            this.work = None;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::super::future::finish;
    use super::*;
    use crate::ErrorClass;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("drop");
        }
    }

    #[test]
    fn panics_in_poll_and_in_drop_are_answers() {
        let error =
            finish(answer("stat", async { if true { panic!("poll {}", 1) } else { Ok(()) } }, |()| ())).expect_err("a panic is an error");
        assert_eq!(error.class(), ErrorClass::Internal);
        assert!(error.message().contains("stat") && error.message().contains("poll 1"), "{error}");
        let error = finish(answer("read", async { Ok(()) }, |()| -> u64 { panic!("conversion") })).expect_err("a panic is an error");
        assert!(error.message().contains("read") && error.message().contains("conversion"), "{error}");
        let bomb = Bomb;
        let never_polled = async move {
            let _bomb = bomb;
            Ok(())
        };
        drop(answer("stat", never_polled, |()| ()));
    }

    #[test]
    fn future_answers_once_and_wakes_whoever_waits() {
        let mut polls = 0;
        let twice = poll_fn(move |context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls < 3 { Poll::Pending } else { Poll::Ready(Ok("done".to_owned())) }
        });
        let mut future = answer("stat", twice, String::into_bytes);
        let mut poll = || futures_executor::block_on(poll_fn(|context| future.poll(context, super::super::values::take)));
        assert_eq!(poll().expect("a number of the table").ok(), Some(b"done".to_vec()));
        assert!(poll().expect("a number of the table").is_err(), "a host that polls on is told so");
    }
}
