//! What a child may not do, decided by the host from the driver's schema and settings, and applied by the child before it loads the driver.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;

use longshore_plugin_api::metadata::DriverInfo;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Isolation;

/// What a child may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Confinement {
    memory_limit_bytes: u64,
}

impl Confinement {
    pub(super) fn of(_info: &DriverInfo, _settings: &Value, isolation: &Isolation) -> Self {
        Self { memory_limit_bytes: isolation.memory_limit_bytes }
    }

    /// All of the child's environment.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        Vec::new()
    }

    /// Confines this process, for ever; answers what this kernel cannot do.
    ///
    /// # Errors
    /// That the system refuses what it can do.
    pub(super) fn apply(&self, _driver: &OwnedFd) -> io::Result<Vec<&'static str>> {
        let limit = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(Resource::Data, limit(self.memory_limit_bytes))?;
        setrlimit(Resource::Core, limit(0))?;
        rustix::thread::set_no_new_privs(true)?;
        Ok(Vec::new())
    }
}
