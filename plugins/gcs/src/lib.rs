//! The driver for Google Cloud Storage.
//!
//! What an upload, a page or a retry is lies in `longshore-bucket`; here are this store's requests:
//!
//! | to learn about | read |
//! |---|---|
//! | what an operator may say | `settings.rs` |
//! | whose requests they are | `identity.rs`, and `sign.rs` for signed URLs |
//! | how a request is made and answered | `client.rs` |
//! | objects and their pages | `objects.rs`, in `facts.rs` what the store tells of one |
//! | multipart uploads | `multipart.rs` |
//! | what the store's errors mean | `refusal.rs` |
//!
//! The store has two interfaces. Objects are written, listed and copied in the JSON one, which tells an object's type and generation in
//! lists; they are read and deleted in the XML one, whose errors tell a missing bucket from a missing object, and which alone has multipart
//! uploads.
#![forbid(unsafe_code)]

mod client;
mod facts;
mod identity;
mod multipart;
mod objects;
mod refusal;
mod settings;
mod sign;

use std::time::Duration;

use longshore_bucket::{Bucket, BucketDriver, Facts, Fetched, Mark, Names, Options, Part, Payload, Pending, Query, Span};
use longshore_plugin_api::{DriverError, ErrorClass, Host, Method, ObjectInfo, Settings};

use client::Client;
use settings::GcsSettings;
use sign::Signer;

longshore_plugin_api::export_driver! {
    driver: BucketDriver<Gcs>,
    name: "gcs",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/docs/drivers/gcs.md",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Disk,
    settings: include_str!("../settings.schema.json"),
}

/// How long the first request may take: a host waits for no driver much longer.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// A bucket.
pub struct Gcs {
    client: Client,
    signer: Signer,
    /// What new objects are written with.
    storage_class: Option<String>,
    kms_key: Option<String>,
    root: String,
}

impl Bucket for Gcs {
    async fn open(settings: Settings, _: &Host) -> Result<(Self, Options), DriverError> {
        let settings: GcsSettings = settings.parse()?;
        settings.check()?;
        let identity = identity::identity(&settings)?;
        let gcs = Self {
            client: Client::new(&settings, &identity)?,
            signer: Signer::new(&settings, &identity),
            root: settings.store.root(),
            storage_class: settings.storage_class.clone(),
            kms_key: settings.kms_key.clone(),
        };
        // An operator learns now, and not at the first push, that the bucket's name or the credentials are wrong.
        let late = |_| Err(DriverError::new(ErrorClass::Timeout, "the store does not answer; is the endpoint right?"));
        tokio::time::timeout(OPEN_MAX, objects::probe(&gcs)).await.unwrap_or_else(late)?;
        Ok((gcs, settings.store.options()))
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
        objects::list(self, query).await
    }

    async fn delete(&self, name: &str) -> Result<(), DriverError> {
        objects::delete(self, name).await
    }

    async fn delete_all(&self, names: &[String]) -> Result<(), DriverError> {
        objects::delete_all(self, names).await
    }

    async fn copy(&self, from: &str, to: &str, _: u64) -> Result<ObjectInfo, DriverError> {
        objects::copy(self, from, to).await
    }

    async fn probe(&self) -> Result<(), DriverError> {
        objects::probe(self).await
    }

    async fn presign(&self, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        self.signer.url(name, method, expires_ms).await
    }

    async fn begin(&self, name: &str, mark: &Mark) -> Result<String, DriverError> {
        multipart::begin(self, name, mark).await
    }

    async fn part(&self, name: &str, upload: &str, number: u32, payload: Payload) -> Result<String, DriverError> {
        multipart::part(self, name, upload, number, &payload).await
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
