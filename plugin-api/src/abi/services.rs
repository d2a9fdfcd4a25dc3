//! The host's services, from both sides.

use std::sync::{Arc, Mutex, PoisonError};

use abi_stable::erased_types::TD_Opaque;
use abi_stable::std_types::{RArc, ROption, RStr};

use super::extension::Extension;
use super::guard::contain;
use super::tables::{AbiHost, AbiHost_TO, AbiJob, AbiJob_TO, HostObject, JobObject};
use crate::{HostServices, Level};

/// Extension tables that a host offers to drivers, by name.
pub type HostExtensions = fn(&str) -> Option<Extension>;

/// The host's side: services as an object for drivers.
pub(crate) fn host_object(services: Arc<dyn HostServices>, extensions: HostExtensions) -> HostObject {
    AbiHost_TO::from_ptr(RArc::new(OwnHost { services, extensions }), TD_Opaque)
}

struct OwnHost {
    services: Arc<dyn HostServices>,
    extensions: HostExtensions,
}

impl AbiHost for OwnHost {
    fn log(&self, level: u32, message: RStr<'_>) {
        let level = match level {
            1 => Level::Error,
            2 => Level::Warn,
            4 => Level::Debug,
            5 => Level::Trace,
            _ => Level::Info,
        };
        let _ = contain("log", || {
            self.services.log(level, message.as_str());
            Ok(())
        });
    }

    fn count(&self, name: RStr<'_>, value: u64) {
        let _ = contain("count", || {
            self.services.count(name.as_str(), value);
            Ok(())
        });
    }

    fn run_blocking(&self, mut job: JobObject) {
        let _ = contain("run_blocking", || {
            self.services.run_blocking(Box::new(move || job.run()));
            Ok(())
        });
    }

    fn extension(&self, name: RStr<'_>) -> ROption<Extension> {
        (self.extensions)(name.as_str()).into()
    }
}

/// The driver's side: the host's object as services.
pub(crate) struct ForeignHost(HostObject);

impl ForeignHost {
    pub(crate) fn new(object: HostObject) -> Self {
        Self(object)
    }
}

impl HostServices for ForeignHost {
    fn log(&self, level: Level, message: &str) {
        self.0.log(level as u32, message.into());
    }

    fn count(&self, name: &str, value: u64) {
        self.0.count(name.into(), value);
    }

    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        self.0.run_blocking(AbiJob_TO::from_value(Job(Mutex::new(Some(job))), TD_Opaque));
    }
}

/// A closure that runs once. The mutex makes the object `Sync` for the table; it is never contended.
struct Job(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl AbiJob for Job {
    fn run(&mut self) {
        let job = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let _ = contain("blocking work", || {
            if let Some(job) = job {
                job();
            }
            Ok(())
        });
    }
}
