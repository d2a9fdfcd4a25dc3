//! The binary boundary between a host and a driver: frozen tables, extension tables, and the two sides that translate them.
//!
//! Nothing here is needed to write a driver. A driver crate contains the *driver side*: [`export_driver!`](crate::export_driver)
//! instantiates it. A host contains the *host side*, [`ForeignDriver`], which is again a [`Driver`](crate::Driver), so that everything
//! written over the trait works on both sides.
//!
//! | file | subject |
//! |---|---|
//! | `tables` | the frozen tables of the major |
//! | `extension` | tables that came later, found by name |
//! | `values`, `bytes` | what crosses in calls |
//! | `future` | a call in progress |
//! | `guard`, `panic_log` | panics end here, and in the host's log |
//! | `driver_side`, `host_side`, `services` | the translators |
//! | `note`, `export` | how a driver file describes and exports itself |
//! | `layout` | the fingerprint that freezes the tables |
//!
//! Rules that every change keeps:
//! 1. No table or value of a released major changes. What comes later is an extension table with a new name.
//! 2. Enums cross as integers with constants, so that an unknown value is legal.
//! 3. Whoever allocated frees: owned values carry the function that releases them.
//! 4. No panic crosses: every entry is wrapped in a guard that lives in the driver's binary.
#![allow(non_local_definitions, non_camel_case_types, reason = "code that abi_stable's macros expand to")]
#![allow(missing_docs, reason = "abi_stable's macros generate public items without docs; what is written by hand has them")]
#![allow(
    unused_qualifications,
    unreachable_pub,
    elided_lifetimes_in_paths,
    clippy::all,
    reason = "code that abi_stable's macros expand to"
)]
#![expect(unsafe_code, reason = "this module and the loader are the two homes of unsafe code")]

mod bytes;
pub(crate) mod cast;
mod driver_side;
#[cfg(test)]
mod driver_side_tests;
mod export;
mod extension;
mod future;
mod guard;
mod host_side;
pub mod layout;
mod note;
mod panic_log;
mod services;
mod tables;
mod values;

pub(crate) use values::AbiCall;

pub use bytes::DrvBytes;
pub use driver_side::{Exports, checked_settings, header, lend, root};
pub use extension::{Extension, Instance};
pub use guard::panic_text;
pub use host_side::{ForeignDriver, ForeignUpload, LowerDriver};
pub use note::{Note, NoteParts, note_length, note_text};
pub use services::HostExtensions;
pub use tables::{CopyTable, DeletePrefixTable, DriverObject, PresignTable, Root, RootRef, UploadListTable};

#[doc(hidden)]
pub mod reexport {
    pub use abi_stable;
    pub use async_ffi;
}

/// The major: equal majors fit. It may still move until the first release, with a note in the changelog.
pub const ABI_MAJOR: u32 = 1;

/// The fingerprint of the major's tables, which each driver's note repeats: a driver with another one was built from changed tables.
pub const ABI_LAYOUT: &str = match std::str::from_utf8(&layout::FINGERPRINT) {
    Ok(text) => text,
    Err(_) => panic!("hexadecimal digits are UTF-8"),
};
