//! From a file name to a safe driver handle: locate, inspect, verify, load, open.
//!
//! | step | function | does the file's code run? |
//! |---|---|---|
//! | find the file | [`locate()`], [`scan()`] | no |
//! | read what it says and needs | [`inspect()`] | no |
//! | decide whether it may be loaded | [`verify()`] | no |
//! | tell all that is to be said of it | [`examine()`] | no |
//! | load it | [`load()`] | its constructors |
//! | open an instance | [`LoadedDriver::open`] | yes |
//!
//! Each refusal is a [`Refusal`]: a stable code and a sentence that says what, where, why and what to do. A loaded library is never
//! unloaded: buffers, futures, wakers and errors that the host still holds have code in it.

mod c;
mod elf;
mod findings;
mod handle;
mod inspect;
mod locate;
mod note;
mod open;
pub mod probe;
mod refusal;
mod services;
mod verify;

/// The contract's own crate, for those who use drivers through this one.
pub use longshore_plugin_api as api;

pub use elf::VersionNeed;
pub use findings::{Examination, Finding, FindingCode, FlawCode, Group, Library, Severity, examine};
pub use handle::{CallCounts, CallKind, DriverHandle, UploadHandle};
pub use inspect::{Hardening, Inspection, Sha256, Sha256Error, inspect};
pub use locate::{Candidate, DriverSource, Found, Place, Scan, locate, places, scan};
pub use note::is_driver_name;
pub use open::{LoadedDriver, OpenOptions, load};
pub use refusal::{Refusal, RefusalCode, explain_dlopen_error};
pub use verify::{Policy, reasons, verify};
