//! The S3 driver: objects in a bucket of AWS S3, Ceph RGW, Garage, MinIO, or another store with that protocol.
//!
//! What an upload, a page or a retry is lies in `longshore-bucket`; here are S3's requests:
//!
//! | to learn about | read |
//! |---|---|
//! | what an operator may say | `settings.rs` |
//! | credentials, TLS, proxy and time limits | `client.rs` |
//! | encryption and other headers | `headers.rs` |
//! | what is found out when the driver opens | `opening.rs` |
//! | objects | `objects.rs` |
//! | multipart uploads and copies | `multipart.rs` |
//! | what the store's errors mean | `refusal.rs`, `clocks.rs` for those of time |
#![forbid(unsafe_code)]

mod body;
mod client;
mod clocks;
mod headers;
mod identity;
mod multipart;
mod objects;
mod opening;
mod refusal;
mod settings;

use aws_sdk_s3::Client;
use longshore_bucket::{Bucket, BucketDriver, Facts, Fetched, Mark, Names, Options, Part, Payload, Pending, Query, Span};
use longshore_plugin_api::{DriverError, Host, Method, ObjectInfo, Settings};

use opening::Seen;

longshore_plugin_api::export_driver! {
    driver: BucketDriver<S3>,
    name: "s3",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/docs/drivers/s3.md",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Disk,
    settings: include_str!("../settings.schema.json"),
}

/// A bucket.
pub struct S3 {
    client: Client,
    bucket: String,
    /// Signs what clients of the registry get; `None` if that cannot be done.
    signer: Option<Client>,
    /// Whether the store creates an object only where there is none.
    creates: bool,
    sign_payloads: bool,
    /// Objects above this size are copied in parts of it, in bytes.
    copy_part_bytes: u64,
    /// When the bucket was last known to be there.
    seen: Seen,
}

impl Bucket for S3 {
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
        objects::put(self, name, payload, only_new).await
    }

    async fn list(&self, query: &Query) -> Result<Names, DriverError> {
        objects::list(self, query).await
    }

    async fn delete(&self, name: &str) -> Result<(), DriverError> {
        objects::delete(self, name).await
    }

    async fn delete_all(&self, names: &[String]) -> Result<(), DriverError> {
        objects::delete_all(self, names).await
    }

    async fn copy(&self, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
        multipart::copy(self, from, to, size).await
    }

    async fn probe(&self) -> Result<(), DriverError> {
        opening::probe(self).await
    }

    async fn presign(&self, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        objects::presign(self, name, method, expires_ms).await
    }

    async fn begin(&self, name: &str, mark: &Mark) -> Result<String, DriverError> {
        multipart::begin(self, name, mark).await
    }

    async fn part(&self, name: &str, upload: &str, number: u32, payload: Payload) -> Result<String, DriverError> {
        multipart::part(self, name, upload, number, payload).await
    }

    async fn part_copy(&self, name: &str, upload: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
        multipart::part_copy(self, name, upload, number, (from, size)).await
    }

    async fn parts(&self, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
        multipart::parts(self, name, upload).await
    }

    async fn complete(&self, name: &str, upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
        multipart::complete(self, name, upload, parts, size).await
    }

    async fn cancel(&self, name: &str, upload: &str) -> Result<(), DriverError> {
        multipart::cancel(self, name, upload).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Pending>, DriverError> {
        multipart::uploads(self, prefix).await
    }
}
