//! The process: its log, its end, its restart, and a second one on the same folder.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Connection, OCI_MANIFEST, Registry, Request, Start, bytes, command, in_time, sha256};

const PART: usize = 1 << 20;

/// Waits until nobody listens any more: the registry has taken notice of the signal.
fn listens_no_more(registry: &Registry) {
    in_time("a registry that stops takes no new connections", || TcpStream::connect(registry.address).is_err().then_some(()));
}

/// Sends the head of a push and waits until the registry asks for the body: then the request is certainly under way.
fn begin_push(registry: &Registry, content: &[u8]) -> Connection {
    let (digest, length) = (sha256(content), content.len());
    let mut connection = registry.connect();
    connection.write(format!(
        "POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    ));
    assert_eq!(connection.read_line(), "HTTP/1.1 100 Continue", "the registry wants the body");
    connection.read_line();
    connection
}

#[test]
fn process_logs_json_where_nobody_looks() {
    let registry = Registry::start("memory", "log.level = \"debug\"");
    let id = registry.get("/v2/").need("x-request-id").to_owned();
    let line = registry.logged("each request is logged at debug", |line| line["request"] == id.as_str());
    assert_eq!((&line["method"], &line["path"], &line["status"]), (&"GET".into(), &"/v2/".into(), &200.into()), "with what was asked");
    let ended = registry.stop();
    let messages: Vec<_> = ended.log.iter().filter_map(|line| line["message"].as_str()).collect();
    for message in ["opened", "serving", "SIGTERM: no new connections, requests under way may end", "stopped"] {
        assert!(messages.contains(&message), "{message:?} is in the log: {messages:?}");
    }
    assert_eq!(ended.code, Some(0), "an orderly end is 0");
}

#[test]
fn process_logs_lines_for_people_where_that_is_configured() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("registry.toml");
    let text = "server.listen = \"127.0.0.1:0\"\nlog.format = \"human\"\n[storage.main]\ndriver = \"memory\"\n";
    std::fs::write(&file, text).expect("the test may write there");
    let mut child = command().args(["serve", "--config"]).arg(&file).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("serving") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stderr, &mut line).is_ok_and(|count| count > 0), "it serves");
    }
    assert!(line.contains("INFO") && line.contains("serving address=127.0.0.1:"), "a line for people: {line}");
    assert!(!line.contains('\u{1b}'), "without colours where there is no terminal");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is ours");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("it is text");
    assert_eq!(child.wait().expect("it is ours").code(), Some(0), "SIGINT is an orderly end too: {rest}");
}

#[test]
fn process_told_to_stop_ends_at_once_if_nothing_is_under_way() {
    let registry = Registry::start("filesystem", "server.drain_secs = 3600");
    let mut used = registry.connect();
    used.send(&Request::new("GET", "/v2/")).is(200, "a connection that is kept alive");
    let mut unused = registry.connect();
    registry.get("/v2/").is(200, "the registry has accepted those before");
    let ended = registry.stop();
    assert_eq!(ended.code, Some(0), "idle connections are no requests: {:?}", ended.log);
    assert!(used.is_closed() && unused.is_closed(), "they are closed");
}

#[test]
fn process_told_to_stop_lets_a_slow_push_end() {
    for driver in ["memory", "filesystem"] {
        let mut registry = Registry::start(driver, "server.drain_secs = 3600");
        let content = bytes(1, 4 * PART);
        let mut connection = begin_push(&registry, &content);
        connection.write(&content[..PART]);
        registry.terminate();
        listens_no_more(&registry);
        connection.write(&content[PART..]);
        connection.read(false).is(201, "a push that has begun may end");
        assert!(connection.is_closed(), "then the connection is closed");
        let ended = registry.wait();
        assert_eq!(ended.code, Some(0), "nothing was cut off: {:?}", ended.log);
    }
}

#[test]
fn process_told_to_stop_lets_a_slow_pull_end() {
    let mut registry = Registry::start("filesystem", "server.drain_secs = 3600");
    let content = bytes(2, 48 * PART);
    let digest = registry.push_blob("a", &content);
    let mut connection = registry.connect();
    connection.write(Request::new("GET", format!("/v2/a/blobs/{digest}")).encode());
    connection.stream().peek(&mut [0]).expect("the answer has begun");
    registry.terminate();
    listens_no_more(&registry);
    assert!(connection.read(false).is(200, "a pull that has begun may end").body == content, "it is whole");
    assert_eq!(registry.wait().code, Some(0), "nothing was cut off");
}

#[test]
fn process_told_to_stop_cuts_off_what_takes_too_long() {
    let mut registry = Registry::start("filesystem", "server.drain_secs = 1");
    let content = bytes(3, PART);
    let connection = begin_push(&registry, &content);
    connection.write(&content[..PART / 2]);
    registry.terminate();
    let ended = registry.wait();
    assert_eq!(ended.code, Some(6), "a request that was cut off shows in the exit code");
    let cut = ended.log.iter().find(|line| line["level"] == "WARN").expect("it is logged");
    assert_eq!(cut["connections"], 1, "how many were cut off");
    assert!(cut["message"].as_str().is_some_and(|text| text.contains("server.drain_secs")), "and by which key: {cut}");
    let left: Vec<_> = registry.files().into_iter().filter(|file| !file.ends_with("/upload-key")).collect();
    assert_eq!(left, Vec::<String>::new(), "nothing half-made is left");
}

#[test]
fn process_that_starts_again_serves_what_was_there() {
    let first = Registry::filesystem();
    let manifest = first.push_image("a", "v1", b"layer");
    let content = bytes(4, 2 * PART);
    let location = first.patch(&first.begin("a"), &content[..PART]).is(202, "a chunk is appended").location();
    let folder = first.folder.clone();
    assert_eq!(first.stop().code, Some(0), "an orderly end");
    let second = Registry::start_with(Start { driver: "filesystem", folder: Some(folder), ..Start::default() });
    assert_eq!(second.get("/v2/a/manifests/v1").is(200, "the image is there").body, manifest, "byte for byte");
    second.finish(&location, &sha256(&content), &content[PART..]).is(201, "an upload goes on after a restart");
}

#[test]
fn process_that_was_killed_leaves_everything_that_was_answered() {
    let first = Registry::filesystem();
    let manifest = first.push_image("a", "v1", b"layer");
    let content = bytes(5, 4 * PART);
    let whole = Request::new("POST", format!("/v2/a/blobs/uploads/?digest={}", sha256(&content))).body(content.clone()).encode();
    let connection = first.connect();
    connection.write(&whole[..2 * PART]);
    let folder = first.folder.clone();
    first.kill();
    let second = Registry::start_with(Start { driver: "filesystem", folder: Some(folder), ..Start::default() });
    assert_eq!(second.get("/v2/a/manifests/v1").is(200, "the image is there").body, manifest, "byte for byte");
    second.head(format!("/v2/a/blobs/{}", sha256(&content))).is(404, "what was under way is not");
    second.push_blob("a", &content);
}

#[test]
fn process_beside_another_one_serves_the_same_store() {
    let one = Registry::filesystem();
    let other = one.start_beside("");
    let manifest = one.push_image("a", "v1", b"layer");
    assert_eq!(other.get("/v2/a/manifests/v1").is(200, "the other host serves it").body, manifest, "byte for byte");
    let moved = other.push_image("a", "v1", b"another layer");
    assert_eq!(one.get("/v2/a/manifests/v1").body, moved, "a tag that moved there has moved here at once");
    other.put_manifest("a", "v2", OCI_MANIFEST, &manifest).is(201, "the first image gets another tag there");
    assert_eq!(one.get("/v2/a/tags/list").json()["tags"], serde_json::json!(["v1", "v2"]), "the list follows at once");
    one.delete("/v2/a/manifests/v2").is(202, "a tag is deleted here");
    other.get("/v2/a/manifests/v2").is(404, "it is gone there at once");
    assert_eq!(one.stop().code, Some(0), "one host goes");
    assert_eq!(other.get("/v2/a/manifests/v1").is(200, "the other stays").body, moved, "and serves");
}

#[test]
fn processes_that_begin_uploads_together_on_a_new_folder_agree_on_the_key() {
    let folder = std::sync::Arc::new(tempfile::tempdir().expect("a folder"));
    let start = || Registry::start_with(Start { driver: "filesystem", folder: Some(folder.clone()), ..Start::default() });
    let registries: Vec<Registry> = (0..4).map(|_| start()).collect();
    let locations: Vec<String> = std::thread::scope(|scope| {
        let begun: Vec<_> = registries.iter().map(|registry| scope.spawn(|| registry.begin("a"))).collect();
        begun.into_iter().map(|thread| thread.join().expect("it begins")).collect()
    });
    for registry in &registries {
        for location in &locations {
            registry.get(location).is(204, "every host opens what any of them has sealed");
        }
    }
}

/// A folder that nobody may write to, until this is dropped; `None` where the test may not mount.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn mount(folder: &Path) -> Option<Self> {
        let mount = |options: &str| {
            let mounted = Command::new("mount").args(["-o", options]).args([folder, folder]).stderr(Stdio::null()).status();
            mounted.is_ok_and(|status| status.success())
        };
        if !mount("bind") {
            return None;
        }
        let bound = Self(folder.to_owned());
        mount("remount,ro,bind").then_some(bound)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn process_on_a_store_that_nobody_may_write_to_serves_pulls_and_refuses_pushes() {
    let first = Registry::filesystem();
    let manifest = first.push_image("a", "v1", b"layer");
    let (folder, data) = (first.folder.clone(), first.data());
    assert_eq!(first.stop().code, Some(0), "an orderly end");
    // Only root may mount.
    let Some(_read_only) = ReadOnly::mount(&data) else { return };
    let second = Registry::start_with(Start { driver: "filesystem", folder: Some(folder), ..Start::default() });
    assert_eq!(second.get("/v2/a/manifests/v1").is(200, "the image is there").body, manifest, "byte for byte");
    second.post("/v2/a/blobs/uploads/").expect_error(403, "DENIED", "the key of a first upload cannot be written");
    second.put_manifest("a", "v2", OCI_MANIFEST, &manifest).expect_error(403, "DENIED", "nor can a tag");
}

/// A command that must end by itself: its exit code and what it says.
fn ends(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().expect("it can be run");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn process_that_cannot_listen_says_so() {
    let registry = Registry::memory();
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("server.listen = \"{}\"\n[storage.main]\ndriver = \"memory\"\n", registry.address);
    std::fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
    let (code, said) = ends(command().arg("serve").current_dir(folder.path()));
    assert_eq!(code, Some(5), "the address is taken: {said}");
    let sentence = format!("cannot listen on {} (server.listen): ", registry.address);
    assert!(said.contains(&sentence), "address, key and reason: {said}");
}

#[test]
fn process_whose_driver_cannot_be_opened_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "server.listen = \"127.0.0.1:0\"\n[storage.main]\ndriver = \"filesystem\"\nsettings = { root = \"no/such/folder\" }\n";
    std::fs::write(folder.path().join("registry.toml"), text).expect("the test may write there");
    let (code, said) = ends(command().arg("serve").current_dir(folder.path()));
    assert_eq!(code, Some(4), "the root cannot be made: {said}");
    assert!(said.contains("cannot open storage \"main\"") && said.contains("no/such/folder"), "storage and reason: {said}");
}

#[test]
fn process_goes_on_without_a_storage_that_is_not_required() {
    let tables = "[storage.other]\ndriver = \"filesystem\"\nrequired = false\nsettings = { root = \"no/such/folder\" }\n\
                  [[route]]\nrepository = \"other/**\"\nstorage = \"other\"\n";
    let registry = Registry::start_with(Start { driver: "memory", tables, ..Start::default() });
    let line = registry.logged("the operator is told", |line| line["level"] == "ERROR" && line["storage"] == "other");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("storage.other.required is false")), "and why it goes on: {line}");
    registry.push_image("a", "v1", b"layer");
    for request in [Request::new("GET", "/v2/other/a/manifests/v1"), Request::new("POST", "/v2/other/a/blobs/uploads/")] {
        let answer = registry.send(&request);
        assert_eq!(answer.status, 503, "what the missing storage holds is not available, and not gone");
    }
}
