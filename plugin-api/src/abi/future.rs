//! The future of a call as it crosses: polled by the host, dropped to cancel, its answer written where the host wants it.
//!
//! async-ffi's future hands its answer from layer to layer by value, five times for one call. Answers are 100 to 170 bytes, and a move of what
//! was just written in other pieces stalls the processor: together that cost more than all the rest of a tiny call. Here it is written once.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use abi_stable::StableAbi;
use async_ffi::{ContextExt, FfiContext};

use super::values::Answer;

/// A call in progress. `poll` answers one of [`polled`]; after `READY`, `answer` was written and `poll` is called no more.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiFuture<'a, T> {
    work: *mut (),
    poll: unsafe extern "C" fn(work: *mut (), context: &mut FfiContext<'_>, answer: *mut Answer<T>) -> u32,
    release: unsafe extern "C" fn(work: *mut ()),
    lifetime: PhantomData<&'a ()>,
}

/// What `poll` of an [`AbiFuture`] answers. Any other number is a driver's fault.
mod polled {
    pub(super) const PENDING: u32 = 0;
    pub(super) const READY: u32 = 1;
}

// SAFETY: `new` takes work that is `Send` only, and whoever holds the future has it alone.
unsafe impl<T> Send for AbiFuture<'_, T> {}

/// Work whose panics end in itself, in poll and in drop.
///
/// # Safety
/// `poll` writes `answer` whenever it says `Ready`. Neither `poll` nor drop unwinds.
pub(super) unsafe trait Work<T>: Send {
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>, answer: &mut MaybeUninit<Answer<T>>) -> Poll<()>;
}

impl<'a, T> AbiFuture<'a, T> {
    /// The driver's side.
    #[inline(always)]
    pub(super) fn new<W: Work<T> + 'a>(work: W) -> Self {
        // Room first: the work is then put together in it, where it can be.
        let room = Box::write(Box::new_uninit(), work);
        Self { work: Box::into_raw(room).cast(), poll: poll::<T, W>, release: release::<W>, lifetime: PhantomData }
    }

    /// The host's side: what `take` finds in the answer once it is there, or `None` if `poll` says something that it cannot.
    #[inline]
    pub(super) fn poll<U>(&mut self, context: &mut Context<'_>, take: impl FnOnce(&mut Answer<T>) -> U) -> Poll<Option<U>> {
        let mut answer = MaybeUninit::uninit();
        // SAFETY: `poll` and `work` belong together since `new`, `work` is alive until `drop`, and `answer` is room for one.
        match context.with_ffi_context(|context| unsafe { (self.poll)(self.work, context, answer.as_mut_ptr()) }) {
            polled::PENDING => Poll::Pending,
            polled::READY => {
                // SAFETY: the other side has written it, as `READY` says.
                let taken = take(unsafe { answer.assume_init_mut() });
                // SAFETY: as above, and this is the one end of it.
                unsafe { answer.assume_init_drop() };
                Poll::Ready(Some(taken))
            }
            _ => Poll::Ready(None),
        }
    }
}

impl<T> Drop for AbiFuture<'_, T> {
    fn drop(&mut self) {
        // SAFETY: `release` and `work` belong together since `new`, and this is the one end of it.
        unsafe { (self.release)(self.work) }
    }
}

unsafe extern "C" fn poll<T, W: Work<T>>(work: *mut (), context: &mut FfiContext<'_>, answer: *mut Answer<T>) -> u32 {
    // SAFETY: `work` came from `Box::into_raw` of a `W` in `new`; the holder of the future polls it alone.
    let work = unsafe { &mut *work.cast::<W>() };
    // SAFETY: it stays in its box until `release` drops it there.
    let work = unsafe { Pin::new_unchecked(work) };
    // SAFETY: the caller gives room for an answer; `MaybeUninit` is laid out as what it may hold.
    let answer = unsafe { &mut *answer.cast::<MaybeUninit<Answer<T>>>() };
    match context.with_context(|context| work.poll(context, answer)) {
        Poll::Pending => polled::PENDING,
        Poll::Ready(()) => polled::READY,
    }
}

unsafe extern "C" fn release<W>(work: *mut ()) {
    // SAFETY: `work` came from `Box::into_raw` of a `W` in `new`, and `Drop` calls this once.
    drop(unsafe { Box::from_raw(work.cast::<W>()) });
}

/// Waits for a call, in tests of this crate.
#[cfg(test)]
pub(super) fn finish<T>(mut future: AbiFuture<'_, T>) -> Result<T, crate::DriverError> {
    let answer = futures_executor::block_on(std::future::poll_fn(|context| future.poll(context, super::values::take)));
    answer.expect("our side answers with the numbers of the table")
}
