//! What the contract does not ask, over Azurite: URLs for clients, copies by blocks, names of distribution. Without Azurite a test says that it was
//! skipped.

mod segments;

use std::path::Path;
use std::process::{Command, Stdio};

use longshore_bucket::BucketDriver;
use longshore_driver_azure::Azure;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Host, Key, Method, OpenDriver, ReadBody, Settings, Upload,
};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use serde_json::{Value, json};

type Store = BucketDriver<Azure>;

/// A server of the test's own.
struct Azurite {
    folder: tempfile::TempDir,
    endpoint: String,
    container: String,
    account: String,
    key: String,
}

impl Azurite {
    /// `None`, with a line that says so, where it is not installed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn start() -> Option<Self> {
        if !script(&["present"]).status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: Azurite is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let place = folder.path().join("server");
        let started = script(&["start", place.to_str().expect("its name is ASCII")]).stderr(Stdio::inherit()).output().expect("bash runs");
        assert!(started.status.success(), "Azurite does not start");
        let told = String::from_utf8(started.stdout).expect("it is text");
        let of =
            |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).expect("the server tells it").to_owned();
        Some(Self { folder, endpoint: of("ENDPOINT"), container: of("BUCKET"), account: of("ACCESS_KEY"), key: of("SECRET_KEY") })
    }

    async fn open(&self, more: Value) -> Result<Store, DriverError> {
        Store::open(Settings::new(self.settings(&more)), Host::detached(), None).await
    }

    fn settings(&self, more: &Value) -> Value {
        let mut settings = json!({ "account": self.account, "account_key": self.key, "endpoint": self.endpoint, "container": self.container,
            "part_bytes": 5 << 20, "copy_block_bytes": 256 << 20, "sending_max_bytes": 64 << 20, "attempts": 3, "requests_max": 16, "parallel_reads": 1,
            "connect_timeout_ms": 3000, "answer_timeout_ms": 20_000, "idle_timeout_ms": 20_000 });
        for (key, value) in more.as_object().into_iter().flatten() {
            settings[key] = value.clone();
        }
        settings
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let place = self.folder.path().join("server");
        let _ = script(&["stop", place.to_str().unwrap_or_default()]).status();
    }
}

fn script(arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/azurite.sh"));
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(test: impl AsyncFnOnce(&Azurite)) {
    if let Some(azurite) = Azurite::start() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        runtime.block_on(test(&azurite));
    }
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("it is a key")
}

fn call() -> Call {
    Call::unbounded()
}

async fn bytes(store: &impl Driver, name: &str) -> Bytes {
    let read = store.read(&call(), key(name), ByteRange::ALL).await.expect("it is there");
    match read.body {
        ReadBody::Bytes(bytes) => bytes,
        ReadBody::Stream(stream) => {
            futures_util::TryStreamExt::try_collect::<Vec<Bytes>>(stream).await.expect("it can be read").concat().into()
        }
        ReadBody::File(_) => panic!("a remote store has no files"),
    }
}

/// The status and the body that a client without credentials gets.
async fn fetched(method: http::Method, url: &str) -> (u16, Bytes) {
    let client = HttpClient::new(reqwest::Client::new());
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    (*request.method_mut(), *request.uri_mut()) = (method, url.parse().expect("it is a URL"));
    let answer = client.execute(request).await.expect("the server answers");
    (answer.status().as_u16(), answer.into_body().bytes().await.expect("the body ends"))
}

#[test]
fn presigned_url_is_for_reading_one_blob_for_a_while() {
    run(async |azurite| {
        let store = azurite.open(json!({ "root": "r" })).await.expect("it opens");
        let name = "a b/%41+,@=~".replace(' ', "-");
        store.put(&call(), key(&name), "bytes".into(), Condition::Always).await.expect("it is written");
        store.put(&call(), key("other"), "secret".into(), Condition::Always).await.expect("it is written");
        let url = store.presign(&call(), key(&name), Method::Get, 60_000).await.expect("it is signed");
        assert_eq!(fetched(http::Method::GET, &url).await, (200, "bytes".into()));
        assert_eq!(fetched(http::Method::HEAD, &url).await.0, 200);
        assert_eq!(fetched(http::Method::DELETE, &url).await.0, 403);
        let signature = url.split_once('?').expect("a signature is in the query").1;
        let other = format!("{}/{}/r/other", azurite.endpoint, azurite.container);
        assert_eq!(fetched(http::Method::GET, &format!("{other}?{signature}")).await.0, 403);
        let over = store.presign(&call(), key(&name), Method::Get, 0).await.expect("it is signed");
        assert_eq!(fetched(http::Method::GET, &over).await.0, 403);
        let put = store.presign(&call(), key(&name), Method::Put, 60_000).await;
        assert_eq!(put.map_err(|error| error.class()), Err(ErrorClass::Unsupported));
        let forever = store.presign(&call(), key(&name), Method::Get, u64::MAX).await;
        assert_eq!(forever.map_err(|error| error.class()), Err(ErrorClass::InvalidArgument));
    });
}

#[test]
fn large_blob_is_copied_block_by_block() {
    run(async |azurite| {
        let store = azurite.open(json!({ "root": "r", "copy_block_bytes": 1 << 20 })).await.expect("it opens");
        let content: Bytes = (0..(5 << 20) + 7).map(|at: u32| (at / 4096) as u8 ^ at as u8).collect::<Vec<u8>>().into();
        store.put(&call(), key("from"), content.clone(), Condition::Always).await.expect("it is written");
        store.put(&call(), key("to"), "older".into(), Condition::Always).await.expect("it is written");
        let info = store.copy(&call(), key("from"), key("to")).await.expect("it is copied");
        assert_eq!(info, store.stat(&call(), key("to")).await.expect("it is there"));
        assert!(bytes(&store, "to").await == content, "the copy has the same bytes");
        // An upload of more than a part is published in the same way.
        let mut upload = store.upload_begin(&call(), Some(key("uploaded"))).await.expect("it begins");
        upload.write(&call(), content.clone()).await.expect("it is written");
        upload.write(&call(), content.clone()).await.expect("it is written");
        upload.commit(&call(), key("uploaded"), 2 * content.len() as u64).await.expect("it is committed");
        assert!(bytes(&store, "uploaded").await == [&content[..], &content].concat(), "the upload has its bytes");
        assert_eq!(store.upload_list(&call(), 0).await.expect("they are listed").len(), 0, "nothing is left of the upload");
    });
}

#[test]
fn blocks_of_a_session_that_was_not_heard_of_again_are_let_go() {
    run(async |azurite| {
        let store = azurite.open(json!({ "root": "r" })).await.expect("it opens");
        let some = |byte: u8| Bytes::from(vec![byte; 6 << 20]);
        let mut upload = store.upload_begin(&call(), None).await.expect("it begins");
        upload.write(&call(), some(b'a')).await.expect("it is written");
        let token = upload.suspend(&call()).await.expect("it is put down");
        drop(upload);
        // Whoever went on did not get its answer to anybody: the token before stays good.
        let mut lost = store.upload_resume(&call(), &token).await.expect("it goes on");
        lost.write(&call(), some(b'x')).await.expect("it is written");
        lost.suspend(&call()).await.expect("it is put down");
        drop(lost);
        let mut upload = store.upload_resume(&call(), &token).await.expect("it goes on again");
        upload.write(&call(), some(b'b')).await.expect("it is written");
        let token = upload.suspend(&call()).await.expect("it is put down");
        drop(upload);
        let mut upload = store.upload_resume(&call(), &token).await.expect("it goes on");
        assert_eq!(upload.offset(), 12 << 20);
        upload.commit(&call(), key("done"), 12 << 20).await.expect("it is committed");
        assert!(bytes(&store, "done").await == [some(b'a'), some(b'b')].concat(), "only what was written last is there");
    });
}

#[test]
fn leading_slash_is_part_of_every_name() {
    run(async |azurite| {
        let slashed = azurite.open(json!({ "root": "", "leading_slash": true })).await.expect("it opens");
        slashed.put(&call(), key("docker/registry/v2/x"), "bytes".into(), Condition::Always).await.expect("it is written");
        assert_eq!(bytes(&slashed, "docker/registry/v2/x").await, "bytes");
        let url = slashed.presign(&call(), key("docker/registry/v2/x"), Method::Get, 60_000).await.expect("it is signed");
        assert!(url.contains("/longshore//docker/registry/v2/x?"), "{url}");
        assert_eq!(fetched(http::Method::GET, &url).await, (200, "bytes".into()));
        let plain = azurite.open(json!({ "root": "" })).await.expect("it opens");
        let absent = plain.stat(&call(), key("docker/registry/v2/x")).await;
        assert_eq!(absent.map_err(|error| error.class()), Err(ErrorClass::NotFound), "the name without the slash is another one");
    });
}

#[test]
fn failures_to_open_tell_what_is_wrong() {
    run(async |azurite| {
        for (settings, class, words) in [
            (json!({ "account_key": "AAAA" }), ErrorClass::Unauthorized, "are account and its credentials right"),
            (json!({ "container": "absent" }), ErrorClass::Missing, "is container right, and was it made?"),
            (json!({ "endpoint": "http://127.0.0.1:9/x" }), ErrorClass::Unreachable, "are account and endpoint right?"),
            (json!({ "account_key": "%" }), ErrorClass::Config, "account_key: is not base64"),
        ] {
            let Err(error) = azurite.open(settings.clone()).await else { panic!("{settings} opens") };
            assert_eq!(error.class(), class, "{error}");
            assert!(error.message().contains(words), "{error}");
            let answered = matches!(class, ErrorClass::Unauthorized | ErrorClass::Missing);
            assert_eq!(error.causes().iter().any(|cause| cause.kind == "request_id"), answered, "{error}");
        }
    });
}
