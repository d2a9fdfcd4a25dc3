//! Several hosts on one store, and a plain round robin before them.
//!
//! The store is the filesystem driver on a folder, or what the file named by `LONGSHORE_TEST_STORAGE` says: the text of a table
//! `[storage.main]`, in which `{folder}` stands for a folder of the test's own and `{unique}` for a word that no other test has, e.g.
//! `driver = "s3"` and `settings = { bucket = "test", prefix = "{unique}", … }`. Secrets are variables, as in any `registry.toml`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::registry::{Client, Registry, Start};
use super::round_robin::RoundRobin;

/// What the hosts share.
#[derive(Clone)]
pub(crate) struct SharedStorage {
    pub(crate) folder: Arc<TempDir>,
    /// The table `[storage.main]` as text.
    pub(crate) table: String,
}

impl SharedStorage {
    pub(crate) fn empty() -> Self {
        static TESTS: AtomicUsize = AtomicUsize::new(0);
        let folder = Arc::new(tempfile::tempdir().expect("a folder can be made"));
        let unique = format!("test-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::Relaxed));
        let template = match std::env::var_os("LONGSHORE_TEST_STORAGE").map(PathBuf::from) {
            Some(file) => std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())),
            None => "driver = \"filesystem\"\nsettings = { root = \"{folder}/data\" }\n".to_owned(),
        };
        let path = folder.path().to_str().expect("the path of a temporary folder is text");
        let table = template.replace("{folder}", path).replace("{unique}", &unique);
        Self { folder, table }
    }
}

/// Hosts that serve, and the address that stands for all of them.
pub(crate) struct Hosts {
    pub(crate) storage: SharedStorage,
    /// Through the round robin: each request is another host's.
    pub(crate) front: Client,
    start: Start,
    running: Vec<Option<Registry>>,
    round_robin: RoundRobin,
}

impl Hosts {
    /// `count` hosts with keys of the configuration, dotted, a line each.
    pub(crate) fn start(count: usize, keys: &'static str) -> Self {
        Self::start_with(count, Start { keys, ..Start::default() })
    }

    /// As [`start`](Self::start), with variables; the storage is the shared one.
    pub(crate) fn start_with(count: usize, start: Start) -> Self {
        let storage = SharedStorage::empty();
        let start = Start { folder: Some(storage.folder.clone()), storage: Some(storage.table.clone()), ..start };
        let running: Vec<_> = (0..count).map(|_| Some(Registry::start_with(start.clone()))).collect();
        let round_robin = RoundRobin::start(running.iter().flatten().map(|host| Some(host.address)).collect());
        Self { storage, front: Client { address: round_robin.address }, start, running, round_robin }
    }

    pub(crate) fn count(&self) -> usize {
        self.running.len()
    }

    /// A host, past the round robin.
    #[track_caller]
    pub(crate) fn host(&self, index: usize) -> &Registry {
        self.running[index].as_ref().expect("the host runs")
    }

    /// Every host that runs.
    pub(crate) fn each(&self) -> impl Iterator<Item = &Registry> {
        self.running.iter().flatten()
    }

    /// Which host gets the next request, if nobody else sends one and all hosts run.
    pub(crate) fn turn(&self) -> usize {
        self.round_robin.turn()
    }

    /// Kills a host as a crash would. The round robin finds out by itself.
    pub(crate) fn kill(&mut self, index: usize) {
        self.running[index].take().expect("the host runs").kill();
    }

    /// Starts a host again after a kill.
    pub(crate) fn revive(&mut self, index: usize) {
        let host = Registry::start_with(self.start.clone());
        self.round_robin.set(index, Some(host.address));
        self.running[index] = Some(host);
    }

    /// Stops a host as an operator does, out of the round robin first, and starts it with another configuration.
    pub(crate) fn restart(&mut self, index: usize, keys: &'static str) {
        self.round_robin.set(index, None);
        let ended = self.running[index].take().expect("the host runs").stop();
        assert_eq!(ended.code, Some(0), "a host that is out of the round robin has nothing under way");
        self.start.keys = keys;
        self.revive(index);
    }
}
