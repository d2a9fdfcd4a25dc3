//! The real program, started on a free port and stopped as an operator stops it.
//!
//! With the variable `LONGSHORE_TEST_ISOLATION=process`, drivers run in processes of their own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::data::sha256;
use super::wire::{Answer, Connection, Request};

/// How long a test waits for an event before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, in an environment of its own.
pub(crate) fn command() -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_longshore"));
    for driver in ["memory", "filesystem", "count"] {
        let file = program.with_file_name(format!("liblongshore_driver_{driver}.so"));
        assert!(file.exists(), "{} is missing: run `cargo build --workspace` first", file.display());
    }
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LONGSHORE_")) {
        command.env_remove(name);
    }
    command
}

/// Asks until the answer is there: for events that nobody announces, such as a process's reaction to a closed connection.
#[track_caller]
pub(crate) fn in_time<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How a registry is started.
#[derive(Clone, Default)]
pub(crate) struct Start {
    pub(crate) driver: &'static str,
    /// The driver's settings as TOML, in addition to those it needs.
    pub(crate) settings: &'static str,
    /// Keys of the configuration, dotted, a line each.
    pub(crate) keys: &'static str,
    /// Tables of the configuration.
    pub(crate) tables: &'static str,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// The folder of another registry, to share its store.
    pub(crate) folder: Option<Arc<TempDir>>,
    /// The table `[storage.main]` as text, instead of `driver` and `settings`.
    pub(crate) storage: Option<String>,
    /// Whether it listens at the socket `control` in its folder.
    pub(crate) control: bool,
}

/// Who sends requests to an address: a registry's, or that of what stands before several.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

/// A registry that serves.
pub(crate) struct Registry {
    client: Client,
    pub(crate) folder: Arc<TempDir>,
    /// The configuration's file.
    pub(crate) file: PathBuf,
    child: Child,
    log: Arc<Log>,
}

/// How a registry ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: Vec<Value>,
}

/// What came on standard error, line by line.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Log {
    fn collect(self: Arc<Self>, child: &mut Child) {
        let stderr = child.stderr.take().expect("standard error is a pipe");
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                self.lock().0.push(line);
                self.more.notify_all();
            }
            self.lock().1 = true;
            self.more.notify_all();
        });
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a line that `wanted` takes.
    #[track_caller]
    fn wait<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.lock();
        loop {
            if let Some(found) = lines.0.iter().find_map(|line| wanted(line)) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!lines.1 && !left.is_zero(), "{what}; the log is\n{}", lines.0.join("\n"));
            lines = self.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All of it, once the program has ended.
    fn all(&self) -> Vec<String> {
        let mut lines = self.lock();
        while !lines.1 {
            lines = self.more.wait(lines).unwrap_or_else(PoisonError::into_inner);
        }
        lines.0.clone()
    }
}

impl Registry {
    pub(crate) fn memory() -> Self {
        Self::start("memory", "")
    }

    pub(crate) fn filesystem() -> Self {
        Self::start("filesystem", "")
    }

    /// One over each driver, for what both must do; the files are not synced, which nothing here can see and which takes time.
    pub(crate) fn of_each_driver() -> [Self; 2] {
        let settings = "durability = \"process\"";
        [Self::memory(), Self::start_with(Start { driver: "filesystem", settings, ..Start::default() })]
    }

    /// With keys of the configuration, dotted, a line each.
    pub(crate) fn start(driver: &'static str, keys: &'static str) -> Self {
        Self::start_with(Start { driver, keys, ..Start::default() })
    }

    /// A second host on the same store.
    pub(crate) fn start_beside(&self, keys: &'static str) -> Self {
        Self::start_with(Start { driver: "filesystem", keys, folder: Some(self.folder.clone()), ..Start::default() })
    }

    pub(crate) fn start_with(start: Start) -> Self {
        let folder = start.folder.unwrap_or_else(|| Arc::new(tempfile::tempdir().expect("a folder can be made")));
        let root = folder.path().join("data");
        let root = if start.driver == "filesystem" { format!("root = {root:?}\n") } else { String::new() };
        let isolation = std::env::var("LONGSHORE_TEST_ISOLATION").unwrap_or("in-process".into());
        let storage = format!("driver = {:?}\nisolation = {isolation:?}\n[storage.main.settings]\n{root}{}", start.driver, start.settings);
        let storage = start.storage.unwrap_or(storage);
        let control = if start.control { "server.control = \"control\"\n" } else { "" };
        let text = format!("server.listen = \"127.0.0.1:0\"\n{control}{}\n[storage.main]\n{storage}\n{}\n", start.keys, start.tables);
        let file = tempfile::Builder::new().suffix(".toml").tempfile_in(folder.path()).expect("a file can be made");
        let (_, file) = file.keep().expect("the file stays");
        fs::write(&file, text).expect("the file can be written");
        let mut command = command();
        command.arg("serve").arg("--config").arg(&file).envs(start.variables).current_dir(folder.path());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program can be started");
        let log = Arc::new(Log::default());
        log.clone().collect(&mut child);
        let address = log.wait("the registry logs its address", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let serving = line["message"] == "serving";
            serving.then(|| line["address"].as_str().expect("the line has an address").parse().expect("the address is one"))
        });
        Self { client: Client { address }, folder, file, child, log }
    }

    /// Sends the signal that asks for an orderly end.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the process is ours");
    }

    /// Sends the signal that asks for another configuration.
    pub(crate) fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).expect("the process is ours");
    }

    /// Changes the text of the configuration's file, which the registry reads when it is asked to.
    #[track_caller]
    pub(crate) fn rewrite(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(&self.file).expect("the file can be read");
        let changed = change(text.clone());
        assert_ne!(changed, text, "the configuration changes");
        fs::write(&self.file, changed).expect("the file can be written");
    }

    /// Stops it and waits.
    pub(crate) fn stop(mut self) -> Ended {
        self.terminate();
        self.wait()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> Ended {
        let status = self.child.wait().expect("the process is ours");
        let log = self.log.all().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ended { code: status.code(), log }
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// Waits for a line of the log with this message.
    #[track_caller]
    pub(crate) fn logged(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.log.wait(what, |line| serde_json::from_str(line).ok().filter(|line| wanted(line)))
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many files and sockets the process has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the process is ours").count()
    }

    /// The folder of the store.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where a blob's bytes lie.
    pub(crate) fn blob_file(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("blobs lie under sha256");
        self.data().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    }

    /// Every file of the store, relative to its root, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        files(&self.data())
    }
}

impl Deref for Registry {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Client {
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends a request on a connection of its own.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        self.connect().send(request)
    }

    #[track_caller]
    pub(crate) fn get(&self, target: impl Into<String>) -> Answer {
        self.send(&Request::new("GET", target))
    }

    #[track_caller]
    pub(crate) fn head(&self, target: impl Into<String>) -> Answer {
        self.send(&Request::new("HEAD", target))
    }

    #[track_caller]
    pub(crate) fn delete(&self, target: impl Into<String>) -> Answer {
        self.send(&Request::new("DELETE", target))
    }

    #[track_caller]
    pub(crate) fn post(&self, target: impl Into<String>) -> Answer {
        self.send(&Request::new("POST", target))
    }

    /// Begins an upload; where it goes on.
    #[track_caller]
    pub(crate) fn begin(&self, name: &str) -> String {
        self.post(format!("/v2/{name}/blobs/uploads/")).is(202, "an upload begins").location()
    }

    #[track_caller]
    pub(crate) fn patch(&self, location: &str, chunk: &[u8]) -> Answer {
        self.send(&Request::new("PATCH", location).body(chunk))
    }

    /// Finishes an upload with its last bytes.
    #[track_caller]
    pub(crate) fn finish(&self, location: &str, digest: &str, tail: &[u8]) -> Answer {
        self.send(&Request::new("PUT", format!("{location}&digest={digest}")).body(tail))
    }

    /// Pushes a blob in one request; its digest.
    #[track_caller]
    pub(crate) fn push_blob(&self, name: &str, content: &[u8]) -> String {
        let digest = sha256(content);
        let target = format!("/v2/{name}/blobs/uploads/?digest={digest}");
        self.send(&Request::new("POST", target).body(content)).is(201, "a blob is pushed in one request");
        digest
    }

    #[track_caller]
    pub(crate) fn put_manifest(&self, name: &str, reference: &str, media_type: &str, content: &[u8]) -> Answer {
        let target = format!("/v2/{name}/manifests/{reference}");
        self.send(&Request::new("PUT", target).header("content-type", media_type).body(content))
    }

    /// Pushes an image of one small layer with a tag; the manifest.
    #[track_caller]
    pub(crate) fn push_image(&self, name: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
        let manifest = super::image(b"{}", layer).to_string().into_bytes();
        self.push_blob(name, b"{}");
        self.push_blob(name, layer);
        self.put_manifest(name, tag, super::OCI_MANIFEST, &manifest).is(201, "a manifest is pushed");
        manifest
    }
}

/// Every file below a folder, relative to it, in order.
pub(crate) fn files(root: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).expect("it lies below").display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort_unstable();
    found
}

impl Drop for Registry {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        if std::thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            eprintln!("the registry's log:\n{}", self.log.all().join("\n"));
            return;
        }
        self.terminate();
        let ended = self.wait();
        assert_eq!(ended.code, Some(0), "a registry that was told to stop ends with 0: {:?}", ended.log);
    }
}
