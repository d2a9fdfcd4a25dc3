//! An open instance with its readers and uploads, and the order in which they end.
//!
//! A driver in C is promised that `close` comes last: no call runs, every reader and upload was given back. So each call holds the instance
//! open with a shared lock, and closing takes the lock alone. Whatever could block happens on the host's blocking threads, dropping too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use longshore_plugin_api::{DriverError, HostServices};

use super::calls::{Calls, Driver, Opaque, Reader, Upload};
use super::lend::OwnSettings;
use super::services::OwnHost;

/// The open instances of all drivers in C, which may share their stores.
static INSTANCES: Mutex<Vec<Weak<Instance>>> = Mutex::new(Vec::new());

/// An instance of a driver in C.
pub(crate) struct Instance {
    calls: Calls,
    /// `None` once it was closed.
    open: RwLock<Option<Open>>,
    /// Children that were dropped and are not given back yet.
    dropped: Mutex<Vec<u64>>,
    /// Held while they are given back.
    sweeping: Mutex<()>,
    /// Dropped last: the driver uses the host's table until `close` has returned.
    host: OwnHost,
}

struct Open {
    driver: Opaque<Driver>,
    children: Mutex<HashMap<u64, Arc<dyn AnySlot>>>,
    next_child: AtomicU64,
}

impl Instance {
    /// Opens an instance; blocks.
    pub(crate) fn open(calls: Calls, host: OwnHost, settings: &OwnSettings) -> Result<Arc<Self>, DriverError> {
        let driver = calls.open(&host, settings)?;
        let open = Open { driver, children: Mutex::default(), next_child: AtomicU64::new(0) };
        let instance = Arc::new(Self { calls, open: RwLock::new(Some(open)), dropped: Mutex::default(), sweeping: Mutex::default(), host });
        let mut all = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&instance));
        Ok(instance)
    }

    pub(crate) fn host(&self) -> &OwnHost {
        &self.host
    }

    /// Makes a call; blocks.
    pub(crate) fn call<T>(&self, work: impl FnOnce(Calls, &Opaque<Driver>) -> Result<T, DriverError>) -> Result<T, DriverError> {
        self.while_open(|open| work(self.calls, &open.driver))
    }

    fn while_open<T>(&self, work: impl FnOnce(&Open) -> Result<T, DriverError>) -> Result<T, DriverError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        work(open.as_ref().ok_or_else(DriverError::closed)?)
    }

    /// Makes a call that answers a reader or an upload, and keeps account of it; blocks.
    pub(crate) fn begin<K: Child, T>(
        self: &Arc<Self>,
        work: impl FnOnce(Calls, &Opaque<Driver>) -> Result<(T, Option<Opaque<K>>), DriverError>,
    ) -> Result<(T, Option<Handle<K>>), DriverError> {
        self.while_open(|open| {
            let (answer, child) = work(self.calls, &open.driver)?;
            Ok((answer, child.map(|child| self.keep(open, child))))
        })
    }

    fn keep<K: Child>(self: &Arc<Self>, open: &Open, child: Opaque<K>) -> Handle<K> {
        let slot = Arc::new(Slot(Mutex::new(Some(child))));
        let id = open.next_child.fetch_add(1, Ordering::Relaxed);
        open.children.lock().unwrap_or_else(PoisonError::into_inner).insert(id, slot.clone());
        Handle { instance: Some(self.clone()), id, slot }
    }

    /// Gives back what was dropped so far, by this instance and the others of the same driver; blocks. Whoever looks for an upload by its token
    /// calls it first: one that was dropped just now is in use no more. Other drivers are left out, so that one that hangs holds up none.
    pub(crate) fn sweep_all(&self) {
        let all = INSTANCES.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let same = all.iter().filter_map(Weak::upgrade).filter(|other| other.calls.is_of_the_driver_of(self.calls));
        same.for_each(|instance| instance.sweep());
    }

    /// Gives back what was dropped so far; blocks.
    fn sweep(&self) {
        let _others_wait = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(id) = self.next_dropped() {
            self.give_back(id);
        }
    }

    fn next_dropped(&self) -> Option<u64> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, id: u64) {
        let _ = self.while_open(|open| {
            let slot = open.children.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Some(slot) = slot {
                slot.give_back(self.calls);
            }
            Ok(())
        });
    }

    /// Waits for the calls that run, gives every reader and upload back, and closes; blocks. Once is enough.
    pub(crate) fn close(&self) {
        let open = self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(open) = open {
            // The lock is free again, but nobody finds the driver's pointer in it.
            for (_, slot) in open.children.into_inner().unwrap_or_else(PoisonError::into_inner) {
                slot.give_back(self.calls);
            }
            self.calls.close(open.driver);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.close();
    }
}

/// What an instance gives and takes back.
pub(crate) trait Child: Sized + Send + Sync + 'static {
    /// The pointer's end.
    fn give_back(calls: Calls, pointer: Opaque<Self>);
}

impl Child for Reader {
    fn give_back(calls: Calls, pointer: Opaque<Self>) {
        calls.read_close(pointer);
    }
}

impl Child for Upload {
    fn give_back(calls: Calls, pointer: Opaque<Self>) {
        calls.upload_drop(pointer);
    }
}

/// A reader or an upload; `None` once it was given back. The lock keeps a call that the host gave up from running beside the next one.
struct Slot<K>(Mutex<Option<Opaque<K>>>);

trait AnySlot: Send + Sync {
    fn give_back(&self, calls: Calls);
}

impl<K: Child> AnySlot for Slot<K> {
    fn give_back(&self, calls: Calls) {
        if let Some(pointer) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            K::give_back(calls, pointer);
        }
    }
}

/// A reader or an upload of an instance, given back when dropped.
pub(crate) struct Handle<K: Child> {
    /// `None` while it is dropped.
    instance: Option<Arc<Instance>>,
    id: u64,
    slot: Arc<Slot<K>>,
}

impl<K: Child> Handle<K> {
    /// Makes a call; blocks. Calls on one handle run one after the other.
    pub(crate) fn call<T>(&self, work: impl FnOnce(Calls, &Opaque<K>) -> Result<T, DriverError>) -> Result<T, DriverError> {
        let instance = self.instance()?;
        instance.while_open(|_| {
            let child = self.slot.0.lock().unwrap_or_else(PoisonError::into_inner);
            work(instance.calls, child.as_ref().ok_or_else(DriverError::closed)?)
        })
    }

    pub(crate) fn instance(&self) -> Result<&Arc<Instance>, DriverError> {
        self.instance.as_ref().ok_or_else(DriverError::closed)
    }

    /// Gives it back now, on this thread; blocks.
    pub(crate) fn end(mut self) {
        if let Some(instance) = self.instance.take() {
            instance.give_back(self.id);
        }
    }
}

impl<K: Child> Drop for Handle<K> {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
            let services = instance.host.services().clone();
            services.run_blocking(Box::new(move || instance.sweep()));
        }
    }
}
