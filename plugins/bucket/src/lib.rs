//! What drivers for object stores share.
//!
//! An object store offers whole-object writes, ranges, pages of names, and multipart uploads, and each store has its own client for them. A
//! driver implements [`Bucket`], a dozen calls that each are one request or a few; [`BucketDriver`] makes a driver of it:
//!
//! | to learn about | read |
//! |---|---|
//! | what a store must offer | `bucket.rs` |
//! | where keys and private objects lie | `names.rs` |
//! | how an upload survives its host | `upload/` |
//! | when a request is made again, and how many are made at once | `tries.rs`, `pace.rs` |
//! | why a broken body goes on | `reading.rs` |
//! | how futures of this crate run below a host's runtime | `reactor.rs` |
//! | which settings all stores have | `settings.rs` |
//! | connections and answers of those that make their requests themselves (feature `http`) | `http/` |
#![forbid(unsafe_code)]

mod blocks;
mod bucket;
mod clocks;
mod driver;
#[cfg(feature = "http")]
pub mod http;
mod listing;
mod names;
mod one_line;
mod options;
mod pace;
mod payload;
mod pieces;
mod reactor;
mod reading;
mod settings;
mod store;
mod trash;
mod tries;
mod upload;

pub use bucket::{Bucket, Facts, Fetched, Mark, Names, Part, Pending, Query, Span};
pub use clocks::clocks_differ;
pub use driver::BucketDriver;
pub use one_line::one_line;
pub use options::{Options, Segments};
pub use payload::Payload;
pub use settings::{Faults, StoreSettings, is_url};
pub use upload::BucketUpload;
