//! How many driver calls an operation costs, and what two writers of one upload get. In this process, over a loaded driver file.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use longshore::oci::{Algorithm, Digest, Manifest, Page, Reference};
use longshore::store::{Incoming, MissingReferences, PushedManifest, Repository, Routed, Storage, StorageOptions, Store, StoreError};
use longshore_loader::api::{ByteRange, Condition, Driver, KeyBuf};
use longshore_loader::{CallKind, DriverSource, OpenOptions, Policy, inspect, load, locate, verify};

use crate::support::{OCI_MANIFEST, image};

struct Host {
    storage: Arc<Storage>,
    store: Store,
}

impl Host {
    /// A host over the memory driver, that remembers facts for `keep`.
    async fn open(keep: Duration) -> Self {
        let folder = PathBuf::from(env!("CARGO_BIN_EXE_longshore")).parent().expect("a program lies in a folder").to_owned();
        let file = locate(&DriverSource::Name("memory".into()), &[folder]).expect("run `cargo build --workspace` first");
        let inspection = inspect(&file).expect("it is a driver");
        verify(&inspection, &Policy::of_this_host()).expect("it is for this host");
        let options = OpenOptions { open_limit: Duration::from_secs(10), call_limit: Duration::from_secs(10) };
        let settings = serde_json::json!({ "max_bytes": 100_000_000 });
        let driver = load(&inspection).expect("it loads").open("main", &settings, &options).await.expect("it opens");
        let options = StorageOptions {
            blob_max_bytes: 1 << 30,
            manifest_max_bytes: 4 << 20,
            missing_references: MissingReferences::Refuse,
            upload_max: Duration::from_secs(3600),
            facts_max: 1000,
            cached_manifest_max_bytes: 1 << 20,
            facts_keep: keep,
        };
        let storage = Arc::new(Storage::new(driver, options, None));
        let store = Store::new(vec![storage.clone()], |_| Routed::To(0));
        Self { storage, store }
    }

    fn repository(&self, name: &str) -> Repository {
        self.store.repository(name.parse().expect("a name"), 0).expect("every name has a storage")
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        CallKind::ALL.iter().map(|kind| (kind.name(), self.storage.driver().counts().of(*kind))).collect()
    }

    /// What `work` answers, and the calls that it took.
    async fn calls<T>(&self, work: impl Future<Output = T>) -> (T, Vec<(&'static str, u64)>) {
        let before = self.counts();
        let answer = work.await;
        let grown = self.counts().into_iter().map(|(name, count)| (name, count - before[name]));
        (answer, grown.filter(|(_, count)| *count > 0).collect())
    }

    async fn push(&self, name: &str, content: &'static [u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, content);
        self.repository(name).push(body(content), digest).await.expect("it is pushed");
        digest
    }

    /// Pushes an image with the tag `v1`.
    async fn push_image(&self, name: &str) -> Digest {
        self.push(name, b"{}").await;
        self.push(name, b"layer").await;
        let pushed = pushed_image();
        self.repository(name).put_manifest(&pushed).await.expect("it is pushed");
        pushed.digest
    }
}

fn pushed_image() -> PushedManifest {
    let bytes = Bytes::from(image(b"{}", b"layer").to_string());
    PushedManifest {
        manifest: Manifest::parse(&bytes, Some(OCI_MANIFEST)).expect("it is a manifest"),
        digest: Digest::of(Algorithm::Sha256, &bytes),
        tags: vec!["v1".parse().expect("a tag")],
        bytes,
    }
}

fn body(content: &'static [u8]) -> Incoming {
    Incoming::new(Full::new(Bytes::from_static(content)).map_err(|never| match never {}))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

const REMEMBER: Duration = Duration::from_secs(3600);

#[test]
fn calls_of_a_blob_that_is_remembered_are_one_to_read_and_none_to_find() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let digest = host.push("a", b"layer").await;
        let repository = host.repository("a");
        let (blob, found) = host.calls(repository.blob(&digest)).await;
        assert_eq!(found, [], "HEAD of a remembered blob asks no driver");
        let (read, calls) = host.calls(repository.read_blob(&blob.expect("it is there"), ByteRange::ALL)).await;
        read.expect("it is read");
        assert_eq!(calls, [("read", 1)], "GET of a remembered blob is one call");
    });
}

#[test]
fn calls_of_a_blob_that_is_not_remembered_are_two_to_find() {
    run(async {
        let host = Host::open(Duration::ZERO).await;
        let digest = host.push("a", b"layer").await;
        let repository = host.repository("a");
        let (blob, found) = host.calls(repository.blob(&digest)).await;
        assert_eq!(found, [("read", 1), ("stat", 1)], "the link is read and the size is asked for");
        let (read, calls) = host.calls(repository.read_blob(&blob.expect("it is there"), ByteRange::new(0, 1))).await;
        read.expect("it is read");
        assert_eq!(calls, [("read", 1)], "then a part of it is read");
        let (whole, calls) = host.calls(repository.whole_blob(&digest)).await;
        whole.expect("it is read");
        assert_eq!(calls, [("read", 2)], "a cold GET of all of it is two calls: its link and its bytes");
    });
}

#[test]
fn calls_of_a_blob_that_is_not_there_are_one() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let digest = host.push("a", b"layer").await;
        let repository = host.repository("b");
        let (blob, calls) = host.calls(repository.blob(&digest)).await;
        assert!(matches!(blob, Err(StoreError::BlobUnknown { .. })), "the repository does not link it");
        assert_eq!(calls, [("read", 1)], "no link, nothing else to ask");
    });
}

#[test]
fn calls_of_a_manifest_that_is_remembered_are_one_by_tag_and_none_by_digest() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let digest = host.push_image("a").await;
        let repository = host.repository("a");
        let tag = Reference::Tag("v1".parse().expect("a tag"));
        repository.manifest(&tag).await.expect("it is there");
        let (manifest, calls) = host.calls(repository.manifest(&tag)).await;
        assert_eq!(manifest.expect("it is there").digest, digest, "the tag means the image");
        assert_eq!(calls, [("read", 1)], "a tag is always asked for, and nothing else");
        let (manifest, calls) = host.calls(repository.manifest(&Reference::Digest(digest))).await;
        manifest.expect("it is there");
        assert_eq!(calls, [], "what a digest names is remembered");
    });
}

/// A listing that tells sizes tells that, too, without a call more.
#[test]
fn calls_of_a_manifest_whose_link_is_none_end_with_the_listing() {
    run(async {
        let host = Host::open(Duration::ZERO).await;
        let digest = host.push_image("a").await;
        let link = format!("docker/registry/v2/repositories/a/_manifests/revisions/sha256/{}/link", digest.encoded());
        let (driver, key) = (host.storage.driver(), KeyBuf::new(link).expect("a key"));
        for text in ["", "sha256:"] {
            driver.put(&driver.call(0), &key, text.into(), Condition::Always).await.expect("it is written");
            let (manifest, calls) = host.calls(host.repository("a").manifest(&Reference::Digest(digest))).await;
            assert!(
                matches!(manifest, Err(StoreError::ManifestUnknown { .. })),
                "{text:?} is no link: distribution reads no digest from it"
            );
            assert_eq!(calls, [("list", 1)], "its size says so");
        }
    });
}

#[test]
fn calls_of_a_small_push_are_two_puts() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let digest = Digest::of(Algorithm::Sha256, b"layer");
        let repository = host.repository("a");
        let (pushed, calls) = host.calls(repository.push(body(b"layer"), digest)).await;
        pushed.expect("it is pushed");
        assert_eq!(calls, [("put", 2)], "the blob and its link");
        let (state, calls) = host.calls(async { repository.begin_upload(Algorithm::Sha256) }).await;
        assert_eq!(calls, [], "beginning an upload asks no driver");
        let state = state.expect("it begins");
        let (pushed, calls) = host.calls(repository.finish(state, body(b"layer"), None, digest)).await;
        pushed.expect("it is pushed");
        assert_eq!(calls, [("put", 2)], "the same: no body of it broke, so nothing is looked for");
    });
}

#[test]
fn calls_of_the_key_that_seals_uploads_come_with_the_first_one() {
    run(async {
        let host = Host::open(REMEMBER).await;
        assert!(host.counts().values().all(|count| *count == 0), "a start asks no driver: {:?}", host.counts());
        let repository = host.repository("a");
        let (keys, calls) = host.calls(repository.keys()).await;
        keys.expect("the store has a key");
        assert_eq!(calls, [("put", 1), ("read", 1)], "no key yet: one is written if there is still none");
        let (_, calls) = host.calls(repository.keys()).await;
        assert_eq!(calls, [], "after that it is known");
    });
}

#[test]
fn calls_of_a_mount_are_two() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let digest = host.push("a", b"layer").await;
        let (mounted, calls) = host.calls(host.repository("b").mount(&digest, Some(host.repository("a")))).await;
        assert!(mounted.expect("the driver answers"), "it is mounted");
        assert_eq!(calls, [("put", 1), ("stat", 1)], "are the bytes there, then the link");
    });
}

#[test]
fn calls_of_a_tagged_push_are_four_puts() {
    run(async {
        let host = Host::open(REMEMBER).await;
        host.push("a", b"{}").await;
        host.push("a", b"layer").await;
        let (pushed, calls) = host.calls(async { host.repository("a").put_manifest(&pushed_image()).await }).await;
        pushed.expect("it is pushed");
        assert_eq!(calls, [("put", 4)], "bytes, revision, index entry and tag, as distribution writes them");
        let (pushed, calls) = host.calls(async { host.repository("b").put_manifest(&pushed_image()).await }).await;
        assert!(matches!(pushed, Err(StoreError::MissingReferences(_))), "another repository has not got its blobs");
        assert_eq!(calls, [("read", 2)], "their links were looked for");
        let (pushed, calls) = host.calls(async { host.repository("a").put_manifest(&pushed_image()).await }).await;
        pushed.expect("it is pushed again");
        assert_eq!(calls, [("list", 1), ("put", 5)], "bytes that are there are replaced, and may have another digest");
    });
}

#[test]
fn calls_of_a_page_do_not_grow_with_the_list() {
    run(async {
        let host = Host::open(REMEMBER).await;
        host.push_image("a").await;
        let repository = host.repository("a");
        let mut counted = Vec::new();
        for upto in [10, 500] {
            let tags = (0..upto).map(|number| format!("t{number:04}").parse().expect("a tag"));
            repository.put_manifest(&PushedManifest { tags: tags.collect(), ..pushed_image() }).await.expect("it is pushed");
            let page = Page { limit: 3, after: Some("t0004".parse().expect("a tag")) };
            let (listed, calls) = host.calls(repository.tags(&page)).await;
            assert_eq!(listed.expect("they are listed"), (vec!["t0005".into(), "t0006".into(), "t0007".into()], true), "the page");
            counted.push(calls);
        }
        assert_eq!(counted, [vec![("list", 1)], vec![("list", 1)]], "a page of plain tags is one call, however many there are");
    });
}

#[test]
fn calls_of_a_catalog_page_are_one_for_each_folder_on_it() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let mut counted = Vec::new();
        for upto in [10, 200] {
            for number in 0..upto {
                host.push_image(&format!("r{number:04}")).await;
            }
            let page = Page { limit: 3, after: Some("r0004".parse().expect("a name")) };
            let (listed, calls) = host.calls(host.store.catalog(&page, 0)).await;
            assert_eq!(listed.expect("they are listed"), (vec!["r0005".into(), "r0006".into(), "r0007".into()], true), "the page");
            counted.push(calls);
        }
        // The folder that holds them, the one that the page follows, the three, and one that tells that more follow.
        assert_eq!(counted, [vec![("list", 6)], vec![("list", 6)]], "however many repositories there are");
    });
}

#[test]
fn upload_with_two_writers_at_once_refuses_the_second() {
    run(async {
        let host = Host::open(REMEMBER).await;
        let repository = host.repository("a");
        let state = repository.append(repository.begin_upload(Algorithm::Sha256).expect("it begins"), body(b"first"), None).await;
        let state = state.expect("it is appended");
        // A body that has sent something and waits for the test.
        let (more, rest) = tokio::sync::oneshot::channel::<()>();
        let first = futures_util::stream::once(async { Ok(http_body::Frame::data(Bytes::from(vec![1; 200_000]))) });
        let last = futures_util::stream::once(async move {
            let _ = rest.await;
            Ok(http_body::Frame::data(Bytes::from_static(b"last")))
        });
        let stalled = Incoming::new(StreamBody::new(futures_util::StreamExt::chain(first, last)));
        let mut slow = std::pin::pin!(repository.append(state.clone(), stalled, None));
        let (busy, calls) = host
            .calls(async {
                let polled = poll_fn(|context| Poll::Ready(slow.as_mut().poll(context))).await;
                assert!(polled.is_pending(), "the first writer holds the upload and waits for its client");
                repository.append(state.clone(), body(b"second"), None).await
            })
            .await;
        assert!(matches!(busy, Err(StoreError::UploadBusy { .. })), "the second writer is refused: {:?}", busy.map(|state| state.offset));
        assert_eq!(calls.iter().find(|(name, _)| *name == "upload_resume"), Some(&("upload_resume", 2)), "the driver was asked by both");
        more.send(()).expect("the first writer still waits");
        assert_eq!(slow.await.expect("the first writer goes on").offset, 5 + 200_000 + 4, "it was not disturbed");
    });
}
