//! An upload in somebody's hands: one step at a time, until it ends or the instance closes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_plugin_api::{DriverError, ErrorClass};

use crate::growing::Growing;
use crate::work::Stop;

/// The upload, shared with work that outlives a cancelled call and with the instance, which ends it on close.
pub(crate) struct Held(Mutex<Phase>);

enum Phase {
    Open(Box<Growing>),
    Ended(&'static str),
    Closed,
}

impl Held {
    /// Takes hold of an upload; the instance remembers it until it is dropped.
    pub(crate) fn new(growing: Growing) -> Arc<Self> {
        let store = growing.store().clone();
        let held = Arc::new(Self(Mutex::new(Phase::Open(Box::new(growing)))));
        store.remember(&held);
        held
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a few bytes into memory; false if they have to be written by a thread that may block.
    pub(crate) fn gather(&self, bytes: &[u8], offset: u64) -> Result<bool, DriverError> {
        // Locked only while a cancelled call still works.
        let Ok(mut phase) = self.0.try_lock() else { return Ok(false) };
        Ok(phase.open()?.gather(bytes, offset))
    }

    /// Does one step of an upload that its caller knows to have `offset` bytes. With `ends`, it has ended in that way if the step succeeds.
    pub(crate) fn step<T>(
        &self,
        stop: &Stop,
        offset: u64,
        ends: Option<&'static str>,
        step: impl FnOnce(&mut Growing) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        let mut phase = self.lock();
        // Behind the lock: a call that was given up must not run after the one that followed it.
        stop.check()?;
        let growing = phase.open()?;
        growing.settle()?;
        growing.take_back(offset)?;
        let answer = step(growing);
        match (&answer, ends) {
            // What was written before the fault gives its space back now; if that fails too, the next step tries again.
            (Err(_), _) => drop(growing.take_back(offset)),
            (Ok(_), Some(how)) => *phase = Phase::Ended(how),
            (Ok(_), None) => {}
        }
        answer
    }

    /// The token that was made last reaches the caller.
    pub(crate) fn answered(&self) {
        if let Phase::Open(growing) = &mut *self.lock() {
            growing.answered();
        }
    }

    /// Lets go of the file; what was suspended stays.
    pub(crate) fn close(&self) {
        *self.lock() = Phase::Closed;
    }
}

impl Phase {
    fn open(&mut self) -> Result<&mut Growing, DriverError> {
        match self {
            Self::Open(growing) => Ok(growing),
            Self::Ended(how) => Err(DriverError::new(ErrorClass::InvalidState, format!("the upload was {how}"))),
            Self::Closed => Err(DriverError::closed()),
        }
    }
}
