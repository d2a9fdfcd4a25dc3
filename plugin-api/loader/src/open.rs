//! Loads a verified file and opens instances. The unsafe steps of loading are here.
#![expect(unsafe_code, reason = "loading a library is unsafe; every step carries its argument")]

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use abi_stable::library::{AbiHeaderRef, LibraryError, ROOT_MODULE_LOADER_NAME, ROOT_MODULE_LOADER_NAME_WITH_NUL, RootModule};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use longshore_plugin_api::abi::{ABI_LAYOUT, ABI_MAJOR, DriverObject, ForeignDriver, RootRef, lend};
use longshore_plugin_api::metadata::{AbiKind, DriverInfo};
use longshore_plugin_api::{Call, Capabilities, Driver, DriverError, ErrorClass};
use serde_json::Value;

use crate::c;
use crate::handle::DriverHandle;
use crate::inspect::Inspection;
use crate::refusal::{Fault, Refusal, RefusalCode, explain_dlopen_error};
use crate::services::Services;
use crate::trust::Trust;
use crate::verify::Policy;

/// A driver file in this process, for ever.
#[derive(Clone)]
pub struct LoadedDriver {
    entry: Entry,
    info: Arc<DriverInfo>,
    path: PathBuf,
}

/// What a file exports.
#[derive(Clone, Copy)]
enum Entry {
    Rust(RootRef),
    C(&'static c::DriverTable),
}

/// How instances are opened and called.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// How long `open` may take.
    pub open_limit: Duration,
    /// How long any other call may take.
    pub call_limit: Duration,
}

impl Policy {
    /// What this host asks of every driver file: its own ABI, its own libc, nothing that others could have written. Nobody has to vouch for it.
    pub fn of_this_host() -> Self {
        Self {
            expected_name: None,
            sha256: None,
            allow_writable: false,
            allow_abort: false,
            trust: Trust::default(),
            host_abi_major: ABI_MAJOR,
            host_layout: ABI_LAYOUT.to_owned(),
            host_extensions: Vec::new(),
            host_glibc: glibc_version(),
            entry_symbol: ROOT_MODULE_LOADER_NAME,
            host_c_major: u32::from(c::values::LONGSHORE_C_MAJOR),
            c_entry_symbol: c::ENTRY_SYMBOL,
        }
    }
}

fn glibc_version() -> (u32, u32) {
    // SAFETY: the function has no arguments and answers a static string.
    let text = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: as above: the string is static and ends in NUL.
    let text = unsafe { CStr::from_ptr(text) };
    let mut numbers = text.to_str().unwrap_or("").split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Loads a file that was inspected and verified: its private copy (see [`Inspection::content`]), so nothing that happens to the file matters.
///
/// All symbols are bound now, so that a missing one is found before anything of the file runs. Loading the same bytes again, from whatever
/// path, answers the same library.
///
/// # Errors
/// What the dynamic linker says, explained; `open-header` or `open-layout` if the file's tables are not what its note says.
pub fn load(inspection: &Inspection) -> Result<LoadedDriver, Refusal> {
    let (path, content) = (inspection.path(), inspection.content()?);
    let copy = content.path();
    let library = open_library(copy.as_os_str()).map_err(|text| {
        let text = text.replace(&copy.display().to_string(), &path.display().to_string());
        explain_dlopen_error(path, &text).named(&inspection.info().name)
    })?;
    content.keep();
    let entry = entry(&library, inspection.info()).map_err(|fault| fault.refuse(path).named(&inspection.info().name))?;
    // Never unloaded: see the crate's own documentation.
    std::mem::forget(library);
    Ok(LoadedDriver { entry, info: Arc::new(inspection.info().clone()), path: path.to_owned() })
}

fn open_library(path: &OsStr) -> Result<Library, String> {
    if path.as_bytes().contains(&0) {
        return Err("the path has a NUL byte".into());
    }
    // RTLD_NODELETE: even if something else closes the library, its code stays.
    let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: opening runs the file's constructors. The file was inspected and verified to be a driver for this host, and a driver does
    // nothing at load time (driver contract, section 8); an operator who installs a file trusts its code as far as this process goes.
    let opened = unsafe { Library::open(Some(path), flags) };
    opened.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        source.unwrap_or_else(|| error.to_string())
    })
}

fn entry(library: &Library, info: &DriverInfo) -> Result<Entry, Fault> {
    match info.abi.kind() {
        Some(AbiKind::C) => c::entry(library, info).map(Entry::C),
        // `verify` has refused all others.
        Some(AbiKind::Rust) | None => root(library).map(Entry::Rust),
    }
}

fn root(library: &Library) -> Result<RootRef, Fault> {
    let missing = |error: libloading::Error| {
        let why = format!("it has no entry {ROOT_MODULE_LOADER_NAME:?}: {error}");
        Fault::new(RefusalCode::EntryMissing, why, "build the driver with longshore-plugin-api's export macro")
    };
    // SAFETY: the symbol's address is the header; `AbiHeaderRef` is a pointer to it, and `upgrade` compares its magic before more is read.
    let symbol = unsafe { library.get::<AbiHeaderRef>(ROOT_MODULE_LOADER_NAME_WITH_NUL.as_bytes()) }.map_err(missing)?;
    let header: AbiHeaderRef = *symbol;
    let foreign = |error: LibraryError| {
        let why = format!("its entry is not a table of the driver ABI: {}", summary(&error));
        Fault::new(RefusalCode::OpenHeader, why, "build the driver with a released longshore-plugin-api")
    };
    let changed = |error: LibraryError| {
        tracing::debug!(report = %error, "the layout report of a refused driver");
        let why = format!("its tables differ from what its note says: {}", summary(&error));
        Fault::new(RefusalCode::OpenLayout, why, "build the driver with a released longshore-plugin-api of this host's time")
    };
    let header = header.upgrade().map_err(foreign)?;
    header.init_root_module::<RootRef>().map_err(changed)
}

/// abi_stable's reports are kilobytes long; people need the first differences only.
fn summary(error: &LibraryError) -> String {
    match error {
        LibraryError::InvalidAbiHeader(_) => "its abi_stable header has another version".into(),
        LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. } => {
            format!("version {actual_version} instead of {expected_version}")
        }
        LibraryError::RootModule { .. } => format!("its constructor failed ({} {})", RootRef::NAME, env!("CARGO_PKG_VERSION")),
        other => {
            let report = other.to_string();
            let errors: Vec<_> = report.lines().filter(|line| line.trim_start().starts_with("Error:")).map(str::trim).take(3).collect();
            if errors.is_empty() { report.lines().next().unwrap_or("no report").trim().to_owned() } else { errors.join(", ") }
        }
    }
}

/// What a driver can do where it stands: a layer hands on what the driver below it has, and nothing else.
fn stacked(declared: Capabilities, lower: Option<&DriverHandle>) -> Capabilities {
    match lower {
        Some(lower) => declared.iter().filter(|capability| lower.capabilities().has(*capability)).collect(),
        None => declared,
    }
}

impl LoadedDriver {
    /// What the file says of itself.
    pub fn info(&self) -> &DriverInfo {
        &self.info
    }

    /// Where it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if `describe` answers what the file's note says (driver contract, section 3). A driver in C has the note alone.
    pub fn describes_itself(&self, inspection: &Inspection) -> bool {
        match self.entry {
            Entry::Rust(root) => (root.describe())().as_str() == inspection.raw_note(),
            Entry::C(_) => true,
        }
    }

    /// Opens an instance. `settings` were checked against the driver's schema; they are again, whatever kind the driver is of. Needs a tokio runtime: the driver's blocking work runs there.
    ///
    /// # Errors
    /// What the driver answers; `timeout` after `open_limit`.
    pub async fn open(&self, instance: &str, settings: &Value, options: &OpenOptions) -> Result<DriverHandle, DriverError> {
        self.open_over(None, instance, settings, options).await
    }

    /// Opens an instance of a layer on top of `lower`, or of any other driver without one. Closing the layer's handle closes the lower one too,
    /// and a lower one is closed if the layer does not open.
    ///
    /// The stack has the capabilities that both have.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_over(
        &self,
        lower: Option<DriverHandle>,
        instance: &str,
        settings: &Value,
        options: &OpenOptions,
    ) -> Result<DriverHandle, DriverError> {
        let opened = self.open_instance(lower.clone(), instance, settings, options).await;
        if let (Err(_), Some(lower)) = (&opened, &lower) {
            // Why the layer did not open is what the operator must know.
            let _ = lower.close(&lower.call(0)).await;
        }
        opened
    }

    async fn open_instance(
        &self,
        lower: Option<DriverHandle>,
        instance: &str,
        settings: &Value,
        options: &OpenOptions,
    ) -> Result<DriverHandle, DriverError> {
        let origin = format!("{}/{instance}", self.info.name);
        let services = Arc::new(Services::new(&origin));
        let counters = services.counters();
        let capabilities = stacked(self.info.known_capabilities(), lower.as_ref());
        let names = (instance, origin.as_str());
        let lent = lower.clone().map(|lower| lend(lower.clone(), lower.capabilities()));
        let opening = self.instance(settings, names, capabilities, services, lent);
        match tokio::time::timeout(options.open_limit, opening).await {
            Ok(driver) => Ok(DriverHandle::new(driver?, self.info.clone(), options.call_limit, counters, lower)),
            Err(_) => {
                let message = format!("open did not answer within {} s (drivers.open_secs)", options.open_limit.as_secs());
                Err(DriverError::new(ErrorClass::Timeout, message).from_instance(&origin))
            }
        }
    }

    /// An instance without a handle around it, and without a limit to how long it may take to open.
    pub(crate) async fn instance(
        &self,
        settings: &Value,
        names: (&str, &str),
        capabilities: Capabilities,
        services: Arc<Services>,
        lower: Option<DriverObject>,
    ) -> Result<ForeignDriver, DriverError> {
        match self.entry {
            Entry::Rust(root) => ForeignDriver::open(root, settings, names, capabilities, (services, |_| None), lower).await,
            // Its table has no place for a lower one, and a note that says otherwise was refused.
            Entry::C(table) => c::open(table, settings, names, &self.info, services).await,
        }
    }

    /// A call context without trace, for calls outside of a request.
    pub fn call(options: &OpenOptions) -> Call {
        crate::handle::call(options.call_limit, 0)
    }
}
