//! What a registry means, over driver handles: distribution's layout, and the order in which it is written.
//!
//! | file | subject |
//! |---|---|
//! | `layout` | where everything lies |
//! | `storage` | a driver and what is remembered of it |
//! | `facts` | content-addressed facts that need not be asked twice |
//! | `blobs`, `uploads`, `manifests`, `tags`, `referrers` | one resource each, as methods of [`Repository`] |
//! | `purge` | uploads that nobody goes on with |
//! | `redirect` | blobs that clients fetch from where the driver keeps them |
//! | `aliases` | content that is named by sha512 |
//! | `enumerate` | repositories and tags in byte order, page by page |
//! | `health`, `counts` | how the storages are, and what happened to uploads |
//! | `plan`, `cost` | what each operation costs in driver calls |
//! | `error`, `incoming` | what goes wrong, and the bodies that come in |

mod aliases;
mod blobs;
mod cost;
mod counts;
mod enumerate;
mod error;
mod facts;
mod health;
mod incoming;
mod layout;
mod manifests;
pub mod plan;
mod pump;
mod purge;
mod redirect;
mod referrers;
mod storage;
mod tags;
mod uploads;

pub use blobs::Blob;
pub use counts::UploadCounts;
pub use error::StoreError;
pub use health::{HEALTH_KEEP, HEALTH_MAX, StorageHealth, StorageState};
pub use incoming::{Incoming, IncomingError};
pub use manifests::{PushedManifest, StoredManifest};
pub use purge::Purged;
pub use redirect::{Client, Redirect, SignedUrl};
pub use storage::{MissingReferences, Repository, Routed, Storage, StorageOptions, Store};
pub use uploads::Finished;
