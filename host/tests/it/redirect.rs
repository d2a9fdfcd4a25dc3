//! Redirects: who fetches which blobs from where the driver keeps them, and that what comes from there is the blob.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::support::{Answer, Connection, Registry, Request, Start, bytes, command, sha256, sha512};

/// What the driver's URLs end with, and what must be in no log.
const SIGNATURE: &str = "5ecret51gnature";
const ALL: &str = "[storage.main.redirect]\nmin_bytes = 0\n";

/// Where the driver keeps its blobs, as clients see it: an HTTP server that gives bytes to whoever has a signed URL.
struct Elsewhere {
    address: SocketAddr,
    objects: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Elsewhere {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let objects = Arc::<Mutex<HashMap<_, _>>>::default();
        let known = objects.clone();
        // It ends with the test's process.
        std::thread::spawn(move || listener.incoming().flatten().for_each(|client| serve(&client, &lock(&known))));
        Self { address, objects }
    }

    /// A registry whose driver keeps its blobs here.
    fn registry(&self, keys: &'static str, tables: &'static str) -> Registry {
        let variables = vec![
            ("LONGSHORE_STORAGE__MAIN__SETTINGS__URL", format!("http://{}", self.address)),
            ("LONGSHORE_STORAGE__MAIN__SETTINGS__SIGNATURE", SIGNATURE.to_owned()),
        ];
        Registry::start_with(Start { driver: "specimen-presigns", keys, tables, variables, ..Start::default() })
    }

    /// Pushes a blob, whose bytes the driver then keeps here; its digest.
    fn push(&self, registry: &Registry, name: &str, content: &[u8]) -> String {
        let digest = registry.push_blob(name, content);
        lock(&self.objects).insert(path(&digest), content.to_vec());
        digest
    }

    /// Does what a client does that is sent here: the same request, with the same headers, at the URL's host.
    fn follow(&self, redirect: &Answer, headers: &[(&str, &str)]) -> Answer {
        let url = redirect.location();
        let target = url.strip_prefix(&format!("http://{}", self.address)).expect("the URL leads to the driver's store");
        Connection::open(self.address).send(&with(Request::new("GET", target), headers))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the bytes of a blob lie.
fn path(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").expect("blobs lie under sha256");
    format!("/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2])
}

/// Answers one request: GET with the right signature, in part if there is a range.
fn serve(mut client: &TcpStream, objects: &HashMap<String, Vec<u8>>) {
    let lines: Vec<String> = BufReader::new(client).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let target = lines.first().and_then(|line| line.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or_default();
    let signed = query == format!("method=Get&expires_ms=1200000&signature={SIGNATURE}");
    let range = lines.iter().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
    let range = range.map(|(first, last)| first.parse().expect("a number")..last.parse::<usize>().expect("a number") + 1);
    let (status, body) = match (objects.get(path).filter(|_| signed), range) {
        (None, _) => ("403 Forbidden", b"".as_slice()),
        (Some(object), None) => ("200 OK", object.as_slice()),
        (Some(object), Some(range)) => ("206 Partial Content", &object[range]),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // A client that has gone has seen enough.
    let _ = client.write_all(head.as_bytes()).and_then(|()| client.write_all(body));
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, *value))
}

fn get(registry: &Registry, name: &str, digest: &str, headers: &[(&str, &str)]) -> Answer {
    registry.send(&with(Request::new("GET", format!("/v2/{name}/blobs/{digest}")), headers))
}

#[test]
fn large_blob_is_fetched_from_where_the_driver_keeps_it() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", "[storage.main.redirect]");
    let content = bytes(1, 3 << 20);
    let digest = elsewhere.push(&registry, "a", &content);
    let mut connection = registry.connect();
    let request = Request::new("GET", format!("/v2/a/blobs/{digest}"));
    let sent = connection.send(&request).is(307, "a large blob is elsewhere");
    assert!(sent.location().ends_with(&format!("/data?method=Get&expires_ms=1200000&signature={SIGNATURE}")), "the URL is the driver's");
    assert_eq!(sent.need("docker-content-digest"), digest, "the answer names the digest");
    assert_eq!(sent.need("content-length"), "0", "it has no body, and says so");
    assert_eq!(sent.need("cache-control"), "no-store", "a signed URL is not kept");
    assert_eq!(sent.header("etag"), None, "the blob's entity tag is not the redirect's");
    let fetched = elsewhere.follow(&sent, &[]).is(200, "the URL needs no credentials");
    assert_eq!(sha256(&fetched.body), digest, "what comes from there has the digest that the client verifies");
    connection.send(&request).is(307, "the connection goes on");
}

#[test]
fn blob_is_redirected_from_the_least_size_on() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", "[storage.main.redirect]\nmin_bytes = \"1KiB\"");
    for (size, status) in [(0, 200), (1_023, 200), (1_024, 307), (300_000, 307)] {
        let content = bytes(2, size);
        let digest = elsewhere.push(&registry, "a", &content);
        let answer = get(&registry, "a", &digest, &[]).is(status, &format!("a blob of {size} bytes"));
        let content = if status == 200 { content } else { Vec::new() };
        assert_eq!(answer.body, content, "a small blob is served, a redirect is empty");
    }
}

#[test]
fn answers_without_bytes_of_the_blob_come_from_the_registry() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", ALL);
    let digest = elsewhere.push(&registry, "a", &bytes(3, 5_000));
    let head = registry.head(format!("/v2/a/blobs/{digest}")).is(200, "HEAD is answered here");
    assert_eq!(head.need("content-length"), "5000", "HEAD tells the size");
    let tag = format!("\"{digest}\"");
    get(&registry, "a", &digest, &[("if-none-match", &tag)]).is(304, "who has the blob fetches it nowhere");
    get(&registry, "a", &digest, &[("range", "bytes=5000-")]).is(416, "a range outside of the blob leads nowhere");
    assert!(!signed(&registry.stop().log), "nothing of that was signed");
}

#[test]
fn range_goes_with_the_client() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", ALL);
    let content = bytes(4, 5_000);
    let digest = elsewhere.push(&registry, "a", &content);
    let range = ("range", "bytes=1000-1009");
    let sent = get(&registry, "a", &digest, &[range]).is(307, "a part of a blob is elsewhere too");
    assert_eq!(sent.header("content-range"), None, "the redirect itself is no part");
    let part = elsewhere.follow(&sent, &[range]).is(206, "the client repeats its range");
    assert_eq!(part.body, content[1000..1010], "the bytes are those of the range");
    let tag = format!("\"{digest}\"");
    let part = get(&registry, "a", &digest, &[range, ("if-range", &tag)]).is(206, "our entity tag is known only here");
    assert_eq!(part.body, content[1000..1010], "the bytes are those of the range");
}

#[test]
fn blob_that_was_pushed_by_sha512_is_fetched_where_it_lies() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", ALL);
    let content = bytes(5, 5_000);
    let digest = sha512(&content);
    registry.finish(&registry.begin("a"), &digest, &content).is(201, "a blob is pushed by sha512");
    lock(&elsewhere.objects).insert(path(&sha256(&content)), content.clone());
    let sent = get(&registry, "a", &digest, &[]).is(307, "it is elsewhere");
    assert_eq!(sent.need("docker-content-digest"), digest, "the answer names the digest that was asked for");
    assert_eq!(elsewhere.follow(&sent, &[]).is(200, "the URL is right").body, content, "the bytes are those that were pushed");
}

#[test]
fn repositories_and_clients_that_the_rules_except_are_served_here() {
    let elsewhere = Elsewhere::start();
    let rules = "[storage.main.redirect]\nmin_bytes = 0\nexcept_repositories = [\"here/**\"]\nexcept_user_agents = [\"oldtool/*\"]";
    let registry = elsewhere.registry("", rules);
    let content = bytes(6, 5_000);
    for name in ["there/a", "here/a"] {
        elsewhere.push(&registry, name, &content);
    }
    let digest = sha256(&content);
    get(&registry, "there/a", &digest, &[("user-agent", "newtool/1.0")]).is(307, "no rule excepts it");
    get(&registry, "here/a", &digest, &[]).is(200, "the repository is served here");
    let served = get(&registry, "there/a", &digest, &[("user-agent", "oldtool/1.0")]).is(200, "the client is served here");
    assert_eq!(served.body, content, "with all the bytes");
}

#[test]
fn clients_of_other_networks_are_served_here_whatever_they_say() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", "[storage.main.redirect]\nmin_bytes = 0\nnetworks = [\"10.0.0.0/8\"]");
    let digest = elsewhere.push(&registry, "a", &bytes(7, 5_000));
    get(&registry, "a", &digest, &[]).is(200, "127.0.0.1 is in no network that is sent away");
    get(&registry, "a", &digest, &[("x-forwarded-for", "10.1.2.3")]).is(200, "the connection's other end counts");
}

#[test]
fn blob_that_the_client_may_not_read_is_never_signed() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("", ALL);
    let digest = elsewhere.push(&registry, "a", &bytes(8, 5_000));
    let missing = sha256(b"nobody pushed this");
    let answers = [("a", &missing), ("b", &digest)].map(|(name, digest)| get(&registry, name, digest, &[]));
    registry.delete(format!("/v2/a/blobs/{digest}")).is(202, "the link is deleted, the bytes stay");
    for answer in answers.into_iter().chain([get(&registry, "a", &digest, &[])]) {
        let answer = answer.is(404, "the repository does not link it");
        assert_eq!(answer.header("location"), None, "so there is no URL");
    }
    assert!(!signed(&registry.stop().log), "the driver was not asked to sign");
}

#[test]
fn signed_urls_are_in_no_log() {
    let elsewhere = Elsewhere::start();
    let registry = elsewhere.registry("log.level = \"trace\"", ALL);
    let digest = elsewhere.push(&registry, "a", &bytes(9, 5_000));
    get(&registry, "a", &digest, &[]).is(307, "it is elsewhere");
    let log = registry.stop().log;
    assert!(signed(&log), "the log is the whole one");
    let told: Vec<_> = log.iter().map(ToString::to_string).filter(|line| line.contains(SIGNATURE)).collect();
    assert_eq!(told, [""; 0], "a signed URL is a secret");
}

/// Whether the driver says that it signed a URL.
fn signed(log: &[serde_json::Value]) -> bool {
    log.iter().any(|line| line.to_string().contains("signed Get of docker/registry/v2/blobs/"))
}

/// One driver answers nonsense, one panics, and one never answers.
#[test]
fn blob_is_served_here_when_the_driver_cannot_sign() {
    let cases = [
        ("specimen-streams", "", "no http or https URL"),
        ("specimen-panics", "at = \"presign\"", "panics at presign"),
        ("specimen-stalls", "at = \"presign\"", "presign"),
    ];
    for (driver, settings, why) in cases {
        let registry = Registry::start_with(Start { driver, settings, keys: "drivers.call_secs = 1", tables: ALL, ..Start::default() });
        let content = bytes(10, 5_000);
        let digest = registry.push_blob("a", &content);
        let served = get(&registry, "a", &digest, &[]).is(200, driver);
        assert_eq!(served.body, content, "{driver}: the bytes are those that were pushed");
        let warning = registry.logged("the operator is told", |line| line["level"] == "WARN" && line["blob"] == digest.as_str());
        let message = warning["message"].as_str().expect("it is a text");
        assert!(message.contains(why) && message.contains("serving the blob instead of a redirect"), "{driver}: {message}");
        assert!(!message.contains("sound://"), "{driver}: what the driver answered may be a secret");
        assert_eq!(warning["request"], served.need("x-request-id"), "{driver}: the warning is joined to its request");
    }
}

/// The same file has another fault, and both are told.
#[test]
fn redirect_over_a_driver_that_cannot_sign_is_a_fault() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let text = "[storage.main]\ndriver = \"memory\"\nredirect = true\nsettings = { max_byte = 1 }\n[storage.other]\ndriver = \"memory\"\n[storage.other.redirect]\nmin_bytes = 0\n";
    let file = folder.path().join("registry.toml");
    std::fs::write(&file, text).expect("the test may write there");
    let expected = r#"registry.toml:3:12: driver "memory" cannot sign URLs (it does not declare the capability "presign")
  redirect = true
             ^^^^ leave redirect out, or use a driver that declares it
registry.toml:4:14: max_byte is not a setting
  settings = { max_byte = 1 }
               ^^^^^^^^ did you mean "max_bytes"?
registry.toml:7:16: driver "memory" cannot sign URLs (it does not declare the capability "presign")
  [storage.other.redirect]
                 ^^^^^^^^ leave redirect out, or use a driver that declares it
"#;
    for arguments in [["config", "check"].as_slice(), &["serve"]] {
        let output = command().args(arguments).current_dir(folder.path()).output().expect("it can be run");
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected, "both faults, in their order");
        assert_eq!(output.status.code(), Some(3), "faults in the configuration end with 3");
    }
}
