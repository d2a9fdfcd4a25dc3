//! From a file name to a safe driver handle: locate, inspect, verify, load, open.
//!
//! | step | function | does the file's code run? |
//! |---|---|---|
//! | find the file | [`locate()`], [`scan()`] | no |
//! | read what it says and needs | [`inspect()`] | no |
//! | decide whether it may be loaded | [`verify()`] | no |
//! | tell all that is to be said of it | [`examine()`] | no |
//! | load it | [`load()`] | its constructors |
//! | load another version of it beside | [`Generations`] | its constructors |
//! | open an instance | [`LoadedDriver::open`] | yes |
//! | put it out of use, and close it | [`DriverHandle::retire`] | yes |
//!
//! Each refusal is a [`Refusal`]: a stable code and a sentence that says what, where, why and what to do. A loaded library is never
//! unloaded: buffers, futures, wakers and errors that the host still holds have code in it.

mod c;
mod crash;
mod elf;
mod findings;
mod generations;
mod handle;
mod inspect;
mod isolate;
mod locate;
mod note;
mod open;
pub mod probe;
mod refusal;
mod services;
mod swap;
mod trust;
mod verify;

/// The contract's own crate, for those who use drivers through this one.
pub use longshore_plugin_api as api;

pub use crash::report_crashes;
pub use elf::VersionNeed;
pub use findings::{Examination, Finding, FindingCode, FlawCode, Group, Library, Severity, examine};
pub use generations::Generations;
pub use handle::{CallCounts, CallKind, DriverHandle, UploadHandle};
pub use inspect::{Hardening, Inspection, Sha256, Sha256Error, inspect};
pub use isolate::{Budget, DriverState, Isolation, open_isolated, prepare_isolation, run_if_child};
pub use locate::{Candidate, DriverSource, Found, Place, Scan, locate, places, scan};
pub use note::is_driver_name;
pub use open::{LoadedDriver, OpenOptions, load};
pub use refusal::{Refusal, RefusalCode, explain_dlopen_error};
pub use swap::{InUse, Retired};
pub use trust::{
    CONTENT_MAX_BYTES, Check, Content, SIGNATURE_MAX_BYTES, Trust, TrustRule, TrustSource, TrustedKey, TrustedKeyError, checks,
    content_descriptors, platform,
};
pub use verify::{Policy, reasons, verify};
