//! The driver for Azure Blob Storage: objects are block blobs in a container.
//!
//! What an upload, a page or a retry is lies in `longshore-bucket`; here are the requests of the blob service:
//!
//! | to learn about | read |
//! |---|---|
//! | what an operator may say | `settings.rs` |
//! | accounts, connection strings and credentials | `account.rs`, `credentials.rs` |
//! | how a request is made, signed and answered | `request.rs` |
//! | what is found out when the driver opens | `opening.rs` |
//! | objects | `objects.rs`, `listing.rs` |
//! | uploads, which are blocks | `blocks.rs` |
//! | copies | `copying.rs` |
//! | URLs for clients | `sas.rs` |
//! | what the store's errors mean | `refusal.rs` |
#![forbid(unsafe_code)]

mod account;
mod blocks;
mod copying;
mod credentials;
mod listing;
mod objects;
mod opening;
mod refusal;
mod request;
mod sas;
mod settings;

use std::sync::Mutex;
use std::time::Duration;

use longshore_bucket::{Bucket, BucketDriver, Facts, Fetched, Mark, Names, Options, Part, Payload, Pending, Query, Span};
use longshore_plugin_api::{DriverError, Host, Method, ObjectInfo, Settings};
use object_store::client::HttpClient;

use credentials::Credentials;
use sas::DelegationKey;

longshore_plugin_api::export_driver! {
    driver: BucketDriver<Azure>,
    name: "azure",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/docs/drivers/azure.md",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Disk,
    settings: include_str!("../settings.schema.json"),
}

/// A container.
pub struct Azure {
    client: HttpClient,
    account: String,
    /// URL of the account's blob service, without a slash at its end.
    endpoint: String,
    container: String,
    credentials: Credentials,
    access_tier: Option<String>,
    encryption_scope: Option<String>,
    /// Larger blobs are copied in blocks of this size, in bytes.
    copy_block_bytes: u64,
    answer_timeout: Duration,
    /// Signs URLs for clients where there is no account key; renewed when it is over.
    delegation: Mutex<Option<DelegationKey>>,
}

impl Bucket for Azure {
    /// The uncommitted blocks of a blob are common to all who write them, and whoever commits some discards the others.
    const BEGINS_AT_KEY: bool = false;

    async fn open(settings: Settings, host: &Host) -> Result<(Self, Options), DriverError> {
        opening::open(settings.parse()?, host).await
    }

    async fn head(&self, name: &str) -> Result<Facts, DriverError> {
        objects::head(self, name).await
    }

    async fn get(&self, name: &str, span: &Span) -> Result<Fetched, DriverError> {
        objects::get(self, name, span).await
    }

    async fn put(&self, name: &str, payload: Payload, only_new: Option<&Mark>) -> Result<ObjectInfo, DriverError> {
        objects::put(self, name, &payload, only_new).await
    }

    async fn list(&self, query: &Query) -> Result<Names, DriverError> {
        listing::list(self, query).await
    }

    async fn delete(&self, name: &str) -> Result<(), DriverError> {
        objects::delete(self, name).await
    }

    async fn delete_all(&self, names: &[String]) -> Result<(), DriverError> {
        objects::delete_all(self, names).await
    }

    async fn copy(&self, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
        copying::copy(self, from, to, size).await
    }

    async fn probe(&self) -> Result<(), DriverError> {
        opening::probe(self).await
    }

    async fn presign(&self, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        sas::presign(self, name, method, expires_ms).await
    }

    async fn begin(&self, _name: &str, _mark: &Mark) -> Result<String, DriverError> {
        Ok(blocks::UPLOAD.to_owned())
    }

    async fn part(&self, name: &str, _upload: &str, number: u32, payload: Payload) -> Result<String, DriverError> {
        blocks::part(self, name, number, &payload).await
    }

    async fn part_copy(&self, name: &str, _upload: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
        copying::part(self, name, number, from, size).await
    }

    async fn parts(&self, name: &str, _upload: &str) -> Result<Vec<Part>, DriverError> {
        blocks::parts(self, name).await
    }

    async fn rewind(&self, name: &str, _upload: &str, parts: u32) -> Result<(), DriverError> {
        blocks::rewind(self, name, parts).await
    }

    async fn complete(&self, name: &str, _upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
        blocks::complete(self, name, parts, size).await
    }

    async fn cancel(&self, name: &str, _upload: &str) -> Result<(), DriverError> {
        blocks::cancel(self, name).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Pending>, DriverError> {
        listing::uploads(self, prefix).await
    }
}
