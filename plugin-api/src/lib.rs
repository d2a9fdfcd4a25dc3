//! The Longshore driver contract as Rust: what a storage driver implements, and how it becomes a file that the registry loads.
//!
//! A driver receives bytes and returns bytes. It knows keys and objects; repositories, tags and digests are the host's. Implement
//! [`Driver`], [`OpenDriver`] and [`Upload`] (or [`blocking::BlockingDriver`] for code that blocks), then name the type in
//! [`export_driver!`]. The crate stays ordinary safe Rust.
//!
//! | to learn about | read |
//! |---|---|
//! | the calls and their rules | [`Driver`], [`Upload`] |
//! | names of objects | [`Key`], [`Prefix`] |
//! | answers | [`ObjectInfo`], [`Read`], [`ListPage`] |
//! | errors | [`DriverError`], [`ErrorClass`] |
//! | settings and their schema | [`Settings`], [`schema`] |
//! | what the host offers | [`Host`] |
//! | what a file says of itself | [`metadata`] |
//! | the binary boundary | [`abi`] (nothing there is needed to write a driver) |

pub mod abi;
pub mod blocking;
mod call;
mod capability;
pub mod convenience;
mod driver;
mod error;
mod host;
mod key;
mod list;
pub mod metadata;
mod object;
mod range;
mod read;
pub mod schema;
mod settings;
mod upload;

pub use bytes::Bytes;

pub use call::Call;
pub use capability::{Capabilities, Capability};
pub use driver::{Condition, Driver, Method, OpenDriver};
pub use error::{Cause, DriverError, ErrorClass, MESSAGE_MAX_BYTES};
pub use host::{Host, HostServices, Level};
pub use key::{COMPONENT_MAX_BYTES, KEY_MAX_BYTES, Key, KeyBuf, KeyError, Prefix, PrefixBuf};
pub use list::{Entry, LIMIT_MAX, ListPage, ListRequest};
pub use object::ObjectInfo;
pub use range::ByteRange;
pub use read::{ByteStream, FileRegion, Read, ReadBody};
pub use settings::Settings;
pub use upload::{TOKEN_MAX_BYTES, Upload, UploadToken};
