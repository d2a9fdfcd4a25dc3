//! Uploads of more bytes than the store takes blocks: further ones are gathered in private blobs, each of which becomes one block.

use longshore_bucket::{Bucket, BucketDriver, Facts, Fetched, Mark, Names, Options, Part, Payload, Pending, Query, Segments, Span};
use longshore_driver_azure::Azure;
use longshore_plugin_api::{Bytes, Driver, DriverError, Host, Method, ObjectInfo, OpenDriver, Settings, Upload};
use serde_json::json;

use crate::{bytes, call, key, run};

/// A container that gathers after two blocks already.
struct Few(Azure);

impl Bucket for Few {
    const BEGINS_AT_KEY: bool = Azure::BEGINS_AT_KEY;

    async fn open(settings: Settings, host: &Host) -> Result<(Self, Options), DriverError> {
        let (azure, options) = Azure::open(settings, host).await?;
        let segments = Some(Segments { after_parts: 2, bytes: 26 << 20 });
        Ok((Self(azure), Options { segments, ..options }))
    }

    async fn head(&self, name: &str) -> Result<Facts, DriverError> {
        self.0.head(name).await
    }

    async fn get(&self, name: &str, span: &Span) -> Result<Fetched, DriverError> {
        self.0.get(name, span).await
    }

    async fn put(&self, name: &str, payload: Payload, only_new: Option<&Mark>) -> Result<ObjectInfo, DriverError> {
        self.0.put(name, payload, only_new).await
    }

    async fn list(&self, query: &Query) -> Result<Names, DriverError> {
        self.0.list(query).await
    }

    async fn delete(&self, name: &str) -> Result<(), DriverError> {
        self.0.delete(name).await
    }

    async fn delete_all(&self, names: &[String]) -> Result<(), DriverError> {
        self.0.delete_all(names).await
    }

    async fn copy(&self, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
        self.0.copy(from, to, size).await
    }

    async fn probe(&self) -> Result<(), DriverError> {
        self.0.probe().await
    }

    async fn presign(&self, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        self.0.presign(name, method, expires_ms).await
    }

    async fn begin(&self, name: &str, mark: &Mark) -> Result<String, DriverError> {
        self.0.begin(name, mark).await
    }

    async fn part(&self, name: &str, upload: &str, number: u32, payload: Payload) -> Result<String, DriverError> {
        self.0.part(name, upload, number, payload).await
    }

    async fn part_copy(&self, name: &str, upload: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
        self.0.part_copy(name, upload, number, from, size).await
    }

    async fn parts(&self, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
        self.0.parts(name, upload).await
    }

    async fn rewind(&self, name: &str, upload: &str, parts: u32) -> Result<(), DriverError> {
        self.0.rewind(name, upload, parts).await
    }

    async fn complete(&self, name: &str, upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
        self.0.complete(name, upload, parts, size).await
    }

    async fn cancel(&self, name: &str, upload: &str) -> Result<(), DriverError> {
        self.0.cancel(name, upload).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Pending>, DriverError> {
        self.0.uploads(prefix).await
    }
}

type Store = BucketDriver<Few>;

/// Bytes of which no two blocks are alike.
fn content(seed: u8, length: usize) -> Bytes {
    (0..length).map(|at| (at / 4096) as u8 ^ (at / 1_048_576) as u8 ^ at as u8 ^ seed).collect::<Vec<u8>>().into()
}

#[test]
fn block_of_an_upload_can_be_another_blob() {
    run(async |azurite| {
        let (azure, _) = Azure::open(Settings::new(azurite.settings(&json!({}))), &Host::detached()).await.expect("it opens");
        let upload = azure.begin("r/upload", &Mark::random().expect("there are random bytes")).await.expect("it begins");
        azure.put("r/segment", Bytes::from("of another blob").into(), None).await.expect("it is written");
        let one = azure.part("r/upload", &upload, 1, Bytes::from("own, ").into()).await.expect("it is written");
        let two = azure.part_copy("r/upload", &upload, 2, "r/segment", 15).await.expect("it is copied");
        let again = azure.part_copy("r/upload", &upload, 2, "r/segment", 15).await.expect("it is copied again");
        assert_eq!(two, again, "a block that is copied twice is one");
        let parts = azure.parts("r/upload", &upload).await.expect("they are listed");
        assert_eq!(parts.iter().map(|part| (part.number, &*part.tag)).collect::<Vec<_>>(), [(1, &*one), (2, &*two)]);
        azure.complete("r/upload", &upload, &parts, 20).await.expect("it is complete");
        let store = azurite.open(json!({ "root": "r" })).await.expect("it opens");
        assert_eq!(bytes(&store, "upload").await, "own, of another blob");
    });
}

#[test]
fn upload_goes_on_in_segments_over_sessions() {
    run(async |azurite| {
        let store = Store::open(Settings::new(azurite.settings(&json!({ "root": "r" }))), Host::detached(), None).await.expect("it opens");
        let (size, piece) = (77 << 20, 3 << 20);
        let whole = content(1, size);
        let mut upload = store.upload_begin(&call(), Some(key("large"))).await.expect("it begins");
        for (number, start) in (0..size).step_by(piece).enumerate() {
            upload.write(&call(), whole.slice(start..size.min(start + piece))).await.expect("it is written");
            if number % 3 == 2 {
                let token = upload.suspend(&call()).await.expect("it is put down");
                // Of a session that is never heard of again: other bytes, also as blocks of the segment.
                upload.write(&call(), content(2, 23 << 20)).await.expect("it is written");
                drop(upload);
                upload = store.upload_resume(&call(), &token).await.expect("it is taken up");
                assert_eq!(upload.offset() as usize, size.min(start + piece), "it stands where it was put down");
            }
        }
        upload.commit(&call(), key("large"), size as u64).await.expect("it is committed");
        assert!(bytes(&store, "large").await == whole, "the blob has the bytes that were written");
        store.close(&call()).await.expect("it closes");
        let again = Store::open(Settings::new(azurite.settings(&json!({ "root": "r" }))), Host::detached(), None).await.expect("it opens");
        assert!(again.upload_list(&call(), 0).await.expect("it is listed").is_empty(), "nothing is left behind");
    });
}
