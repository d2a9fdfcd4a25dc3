//! What the contract does not ask, over Ceph's gateway: why a bucket cannot be opened, URLs for clients, copies in parts. Without Ceph a test says
//! that it was skipped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use longshore_bucket::BucketDriver;
use longshore_driver_s3::S3;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Host, Key, Method, OpenDriver, ReadBody, Settings, Upload,
};
use serde_json::{Value, json};

type Store = BucketDriver<S3>;

const CALL: Call = Call::unbounded();

/// A server of the test's own.
struct Ceph {
    folder: tempfile::TempDir,
    settings: Value,
}

impl Ceph {
    /// `None`, with a line that says so, where it is not installed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn start() -> Option<Self> {
        if !script(&["present"]).status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: Ceph is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let place = folder.path().join("server");
        let started = script(&["start", place.to_str().expect("its name is ASCII")]).stderr(Stdio::inherit()).output().expect("bash runs");
        assert!(started.status.success(), "Ceph does not start");
        let told = String::from_utf8(started.stdout).expect("it is text");
        let of = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("the server tells it");
        let settings = json!({ "bucket": of("BUCKET"), "endpoint": of("ENDPOINT"), "access_key": of("ACCESS_KEY"),
            "secret_key": of("SECRET_KEY"), "part_bytes": 5 << 20, "copy_part_bytes": 5 << 20, "sending_max_bytes": 64 << 20, "attempts": 2,
            "requests_max": 16, "connect_timeout_ms": 2000, "answer_timeout_ms": 20_000, "idle_timeout_ms": 20_000 });
        Some(Self { folder, settings })
    }

    async fn open(&self, other: Value) -> Result<Store, DriverError> {
        let mut settings = self.settings.clone();
        for (key, value) in other.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        Store::open(Settings::new(settings), Host::detached(), None).await
    }
}

impl Drop for Ceph {
    fn drop(&mut self) {
        let place = self.folder.path().join("server");
        let _ = script(&["stop", place.to_str().unwrap_or_default()]).status();
    }
}

fn script(arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/ceph.sh"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(test: impl AsyncFnOnce(&Ceph)) {
    if let Some(ceph) = Ceph::start() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(test(&ceph));
    }
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("it is a key")
}

async fn bytes(store: &Store, name: &str) -> Bytes {
    let read = store.read(&CALL, key(name), ByteRange::ALL).await.expect("it is there");
    match read.body {
        ReadBody::Bytes(bytes) => bytes,
        ReadBody::Stream(stream) => {
            futures_util::TryStreamExt::try_collect::<Vec<Bytes>>(stream).await.expect("it can be read").concat().into()
        }
        ReadBody::File(_) => panic!("a remote store has no files"),
    }
}

#[test]
fn what_cannot_be_opened_says_why_with_the_stores_request_id() {
    run(async |ceph| {
        let refused: [(Value, ErrorClass, &str); 4] = [
            (json!({ "secret_key": "wrong" }), ErrorClass::Unauthorized, "is secret_key right?"),
            (json!({ "access_key": "nobody" }), ErrorClass::Unauthorized, "does not know access_key"),
            (json!({ "bucket": "absent" }), ErrorClass::Missing, "is bucket right"),
            (json!({ "credentials": "anonymous", "access_key": null, "secret_key": null }), ErrorClass::Unauthorized, "credentials"),
        ];
        for (settings, class, words) in refused {
            let error = ceph.open(settings.clone()).await.err().expect("it cannot be opened");
            assert_eq!(error.class(), class, "{settings}: {error}");
            assert!(error.message().contains(words), "{settings}: {error}");
            assert!(error.causes().iter().any(|cause| cause.kind == "request_id" && !cause.value.is_empty()), "{settings}: {error}");
        }
    });
}

#[test]
fn what_is_no_store_says_so_in_time() {
    run(async |ceph| {
        let silent = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a free port");
        let at = |address: std::net::SocketAddr| format!("http://{address}");
        let unanswered = at(silent.local_addr().expect("it listens"));
        let error = ceph.open(json!({ "endpoint": unanswered, "answer_timeout_ms": 500 })).await.err().expect("nobody answers");
        assert_eq!(error.class(), ErrorClass::Timeout, "{error}");
        let error = ceph.open(json!({ "endpoint": at(nobody) })).await.err().expect("nobody listens");
        assert_eq!(error.class(), ErrorClass::Unreachable, "{error}");
        assert!(error.message().contains("is the endpoint right?"), "{error}");
        let error = ceph.open(json!({ "ca_file": file!() })).await.err().expect("this file has no certificate");
        assert_eq!(error.class(), ErrorClass::Config, "{error}");
    });
}

/// The status and the body of a plain GET.
fn fetch(url: &str) -> (u16, Vec<u8>) {
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("the store has a plain URL");
    let mut stream = TcpStream::connect(authority).expect("the store listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("it can be asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the answer has a head");
    let status = std::str::from_utf8(&answer[9..12]).ok().and_then(|status| status.parse().ok()).expect("the head has a status");
    (status, answer[end + 4..].to_vec())
}

#[test]
fn a_presigned_url_gives_one_object_until_it_is_over() {
    run(async |ceph| {
        let store = ceph.open(json!({})).await.expect("the store opens");
        for name in ["some/key", "other/key"] {
            store.put(&CALL, key(name), Bytes::from(name.to_owned()), Condition::Always).await.expect("it can be written");
        }
        let url = store.presign(&CALL, key("some/key"), Method::Get, 60_000).await.expect("the store signs");
        assert_eq!(fetch(&url), (200, b"some/key".to_vec()));
        assert_eq!(fetch(&url.replace("some/key", "other/key")).0, 403, "signed for another object");
        assert_eq!(fetch(&url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).0, 403, "made to last longer");
        let too_long = store.presign(&CALL, key("some/key"), Method::Get, 8 * 24 * 3600 * 1000).await;
        assert_eq!(too_long.map_err(|error| error.class()), Err(ErrorClass::InvalidArgument));
    });
}

#[test]
fn large_objects_are_copied_in_parts() {
    run(async |ceph| {
        let store = ceph.open(json!({ "root": "copies" })).await.expect("the store opens");
        let whole: Vec<u8> = (0..12_u32 << 20).map(|at| (at / 7) as u8).collect();
        let mut upload = store.upload_begin(&CALL, Some(key("a"))).await.expect("it begins");
        for chunk in whole.chunks(700_000) {
            upload.write(&CALL, Bytes::copy_from_slice(chunk)).await.expect("it takes bytes");
        }
        upload.commit(&CALL, key("a"), whole.len() as u64).await.expect("it commits");
        let info = store.copy(&CALL, key("a"), key("b")).await.expect("it copies");
        assert_eq!(info.size, whole.len() as u64);
        assert!(bytes(&store, "b").await == whole, "the copy has other bytes");
    });
}
