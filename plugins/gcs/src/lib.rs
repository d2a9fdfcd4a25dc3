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
//! | multipart uploads | `multipart.rs`, and `composed.rs` for objects of more parts than one has |
//! | what the store's errors mean | `refusal.rs` |
//!
//! The store has two interfaces. Objects are written, listed and copied in the JSON one, which tells an object's type and generation in
//! lists; they are read and deleted in the XML one, whose errors tell a missing bucket from a missing object, and which alone has multipart
//! uploads.
#![forbid(unsafe_code)]

mod client;
mod composed;
mod facts;
mod identity;
mod multipart;
mod objects;
mod refusal;
mod settings;
mod sign;

use std::time::Duration;

use longshore_bucket::{Bucket, BucketDriver, Facts, Fetched, Mark, Names, Options, Part, Payload, Pending, Query, Segments, Span};
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
    /// How many parts an upload has itself; further ones are composed with them.
    own_parts: u32,
}

impl Gcs {
    /// Uses a bucket so that further parts of an upload are objects that gather as `segments` say. Such an object is an upload too: it must
    /// be full with fewer parts than an upload has before.
    pub fn gather(&mut self, options: &mut Options, segments: Segments) {
        self.own_parts = segments.after_parts;
        options.segments = Some(segments);
    }
}

impl Bucket for Gcs {
    /// An upload may turn out to be one that is composed of several objects: no key is to show the first of them.
    const BEGINS_AT_KEY: bool = false;

    async fn open(settings: Settings, _: &Host) -> Result<(Self, Options), DriverError> {
        let settings: GcsSettings = settings.parse()?;
        settings.check()?;
        let identity = identity::identity(&settings)?;
        let mut gcs = Self {
            client: Client::new(&settings, &identity)?,
            signer: Signer::new(&settings, &identity),
            root: settings.store.root(),
            storage_class: settings.storage_class.clone(),
            kms_key: settings.kms_key.clone(),
            own_parts: 0,
        };
        let mut options = settings.store.options();
        gcs.gather(&mut options, Segments::default());
        // An operator learns now, and not at the first push, that the bucket's name or the credentials are wrong.
        let late = |_| Err(DriverError::new(ErrorClass::Timeout, "the store does not answer; is the endpoint right?"));
        tokio::time::timeout(OPEN_MAX, objects::probe(&gcs)).await.unwrap_or_else(late)?;
        Ok((gcs, options))
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
        if number > self.own_parts {
            return composed::part(self, name, number, &payload).await;
        }
        multipart::part(self, name, upload, number, &payload).await
    }

    async fn part_copy(&self, name: &str, _upload: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
        composed::part_copy(self, name, number, from, size).await
    }

    async fn parts(&self, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
        composed::parts(self, name, upload).await
    }

    async fn complete(&self, name: &str, upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
        composed::complete(self, name, upload, parts, size).await
    }

    async fn cancel(&self, name: &str, upload: &str) -> Result<(), DriverError> {
        composed::cancel(self, name, upload).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Pending>, DriverError> {
        multipart::uploads(self, prefix).await
    }
}
