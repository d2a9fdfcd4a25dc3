//! What a process of its own costs a driver: calls beside a bare round trip over a socket pair, and streams beside the same driver in this process.
//!
//! ```text
//! cargo build --release -p longshore-driver-specimen-streams -p longshore-driver-filesystem
//! cargo bench -p longshore-loader --bench isolation
//! ```
//!
//! The bare round trip is what any protocol over a socket has to do: frames with ids, of which many are under way, written in batches and read by
//! one task on either side. Rounds are interleaved, because a shared machine changes its speed. It ends with the status 3 if a promise is broken.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it has measured")]

use std::collections::HashMap;
use std::future::poll_fn;
use std::hint::black_box;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longshore_loader::api::{ByteRange, Bytes, Call, Condition, Driver, Key, ReadBody, Upload};
use longshore_loader::{DriverHandle, Inspection, Isolation, OpenOptions, Policy, inspect, load, open_isolated, run_if_child, verify};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

const CHUNK: usize = 256 * 1024;
/// An object, read again and again.
const OBJECT: usize = 64 << 20;
const PAYLOAD: usize = 100;
const KEY: &str = "docker/registry/v2/blobs/sha256/9f/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08/data";
/// The first argument of the process that answers bare frames.
const ECHO: &str = "--echo";

const LONE_MAX_RATIO: f64 = 1.3;
const MANY: usize = 64;
const MANY_MAX_NS: f64 = 3000.0;
const STREAM_MIN_RATIO: f64 = 0.5;
/// Of a descriptor that is handed over; what is measured is the same work twice.
const FILE_MIN_RATIO: f64 = 0.9;

const OPTIONS: OpenOptions = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(30) };
const CALL: Call = Call::unbounded();

fn main() -> ExitCode {
    run_if_child();
    if std::env::args().nth(1).is_some_and(|first| first == ECHO) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(echo());
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` only wants to know that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts");
    // In a task, so that nothing is handed from a thread that waits to one that works.
    let kept = runtime.block_on(runtime.spawn(promises_are_kept())).expect("the benchmark ends");
    if kept { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

fn verified(name: &str) -> Inspection {
    let bench = std::env::current_exe().expect("a process knows its file");
    let folder = bench.parent().and_then(Path::parent).expect("benchmarks run in target/<profile>/deps");
    let path: PathBuf = folder.join(format!("liblongshore_driver_{}.so", name.replace('-', "_")));
    let inspection = inspect(&path).unwrap_or_else(|refusal| panic!("{refusal}; build it first, as this file's first lines say"));
    verify(&inspection, &Policy { allow_writable: true, ..Policy::of_this_host() }).expect("the driver fits this host");
    inspection
}

/// A driver twice: here, and in a process of its own.
async fn both(name: &str, settings: &Value) -> [DriverHandle; 2] {
    let inspection = verified(name);
    let loaded = load(&inspection).expect("the driver fits this host");
    let here = loaded.open("bench", settings, &OPTIONS).await.expect("the driver opens");
    let there = open_isolated(&inspection, "bench", settings, &OPTIONS, &Isolation::default()).await.expect("the driver opens");
    for driver in [&here, &there] {
        driver.put(&CALL, key(KEY), vec![7; PAYLOAD].into(), Condition::Always).await.expect("put works");
        let mut upload = driver.upload_begin(&CALL, None).await.expect("an upload begins");
        for number in 0..OBJECT / CHUNK {
            upload.write(&CALL, Bytes::from(vec![number as u8; CHUNK])).await.expect("write works");
        }
        upload.commit(&CALL, key("large"), OBJECT as u64).await.expect("commit works");
    }
    [here, there]
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

async fn promises_are_kept() -> bool {
    let settings = json!({});
    let [here, there] = both("specimen-streams", &settings).await;
    let folder = tempfile::tempdir().expect("a folder can be made");
    // One folder for both, so that both read the same pages of the same file.
    let root = json!({ "root": folder.path(), "durability": "process" });
    let files = both("filesystem", &root).await;
    let bare = Bare::start();
    let mut kept = lone(&bare, &there).await;
    kept &= many(&bare, &there).await;
    kept &= streams("stream of 256 KiB chunks", &here, &there, STREAM_MIN_RATIO).await;
    kept &= streams("descriptor handed over", &files[0], &files[1], FILE_MIN_RATIO).await;
    kept
}

async fn lone(bare: &Arc<Bare>, driver: &DriverHandle) -> bool {
    let (rounds, calls) = (31, 1000);
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        times[0].push(
            per_call(calls, Instant::now(), async {
                for _ in 0..calls {
                    bare.ask().await;
                }
            })
            .await,
        );
        times[1].push(
            per_call(calls, Instant::now(), async {
                for _ in 0..calls {
                    stat(driver).await;
                }
            })
            .await,
        );
    }
    let ratio = compared(&times[1], &times[0]);
    let [bare, isolated] = times.map(median);
    report("lone call", &format!("bare {bare:.0} ns, isolated {isolated:.0} ns, x {ratio:.2}"), ratio <= LONE_MAX_RATIO)
}

async fn many(bare: &Arc<Bare>, driver: &DriverHandle) -> bool {
    let (rounds, calls) = (21, 200);
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        times[0].push(
            at_once(calls, {
                let bare = bare.clone();
                move || {
                    let bare = bare.clone();
                    async move { bare.ask().await }
                }
            })
            .await,
        );
        times[1].push(
            at_once(calls, {
                let driver = driver.clone();
                move || {
                    let driver = driver.clone();
                    async move { stat(&driver).await }
                }
            })
            .await,
        );
    }
    let [bare, isolated] = times.map(median);
    report(&format!("{MANY} calls in flight"), &format!("bare {bare:.0} ns, isolated {isolated:.0} ns each"), isolated <= MANY_MAX_NS)
}

async fn streams(name: &str, here: &DriverHandle, there: &DriverHandle, least: f64) -> bool {
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..21 {
        for (driver, times) in [here, there].into_iter().zip(&mut times) {
            let begin = Instant::now();
            for _ in 0..4 {
                read(driver).await;
            }
            times.push(begin.elapsed().as_nanos() as f64 / 4.0);
        }
    }
    let ratio = compared(&times[0], &times[1]);
    let [here, there] = times.map(|times| OBJECT as f64 / median(times));
    report(name, &format!("in-process {here:.1} GB/s, isolated {there:.1} GB/s, x {ratio:.2}"), ratio >= least)
}

fn report(name: &str, text: &str, good: bool) -> bool {
    println!("{name:<26} {text}{}", if good { "" } else { "  BROKEN" });
    good
}

async fn stat(driver: &DriverHandle) {
    black_box(driver.stat(&CALL, key(KEY)).await.expect("stat works"));
}

/// Reads the object into a sink that copies once, as a socket does.
async fn read(driver: &DriverHandle) {
    let mut sink = vec![0; CHUNK];
    let read = driver.read(&CALL, key("large"), ByteRange::ALL).await.expect("read works");
    let mut length = 0;
    match read.body {
        ReadBody::Stream(mut chunks) => {
            while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
                let chunk = chunk.expect("a chunk comes");
                sink[..chunk.len()].copy_from_slice(&chunk);
                length += chunk.len();
                black_box(&mut sink);
            }
        }
        ReadBody::File(region) => {
            while let count @ 1.. = rustix::io::pread(&region.file, &mut sink, region.offset + length as u64).expect("the file is read") {
                length += count;
                black_box(&mut sink);
            }
        }
        ReadBody::Bytes(bytes) => length = bytes.len(),
    }
    assert_eq!(length, OBJECT, "the object is whole");
}

async fn per_call(calls: usize, begin: Instant, work: impl Future<Output = ()>) -> f64 {
    work.await;
    begin.elapsed().as_nanos() as f64 / calls as f64
}

/// Nanoseconds for each of many calls, of which 64 are under way at a time.
async fn at_once<F: Future<Output = ()> + Send + 'static>(calls: usize, call: impl Fn() -> F + Clone + Send + Sync + 'static) -> f64 {
    let begin = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let call = call.clone();
        workers.spawn(async move {
            for _ in 0..calls {
                call().await;
            }
        });
    }
    workers.join_all().await;
    begin.elapsed().as_nanos() as f64 / (calls * MANY) as f64
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn compared(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}

/// The bare round trip.
struct Bare {
    waiting: Mutex<HashMap<u64, oneshot::Sender<[u8; PAYLOAD]>>>,
    queue: Mutex<Vec<u8>>,
    filled: Notify,
    next: AtomicU64,
    _process: Process,
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An id and a payload.
const FRAME: usize = 8 + PAYLOAD;

impl Bare {
    fn start() -> Arc<Self> {
        let (ours, theirs) = StdStream::pair().expect("sockets can be made");
        let program = std::env::current_exe().expect("a process knows its file");
        let process = Command::new(program).arg(ECHO).stdin(Stdio::from(OwnedFd::from(theirs))).spawn().expect("the program starts");
        ours.set_nonblocking(true).expect("a socket may not block");
        let socket = Arc::new(UnixStream::from_std(ours).expect("a runtime is here"));
        let (waiting, queue, filled, next) = (Mutex::default(), Mutex::default(), Notify::new(), AtomicU64::new(0));
        let this = Arc::new(Self { waiting, queue, filled, next, _process: Process(process) });
        tokio::spawn(this.clone().receive(socket.clone()));
        tokio::spawn(this.clone().send(socket));
        this
    }

    async fn ask(&self) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().expect("nobody panics").insert(id, sender);
        {
            let mut queue = self.queue.lock().expect("nobody panics");
            queue.extend_from_slice(&id.to_le_bytes());
            queue.extend_from_slice(&[7; PAYLOAD]);
        }
        self.filled.notify_one();
        black_box(answer.await.expect("the answer comes"));
    }

    async fn send(self: Arc<Self>, socket: Arc<UnixStream>) {
        loop {
            let batch = std::mem::take(&mut *self.queue.lock().expect("nobody panics"));
            if batch.is_empty() {
                self.filled.notified().await;
            } else {
                write(&socket, &batch).await;
            }
        }
    }

    async fn receive(self: Arc<Self>, socket: Arc<UnixStream>) {
        let mut frames = Frames::default();
        while Box::pin(frames.fill(&socket)).await {
            while let Some(frame) = frames.next() {
                let (id, payload) = frame.split_first_chunk::<8>().expect("a frame begins with its id");
                let waiting = self.waiting.lock().expect("nobody panics").remove(&u64::from_le_bytes(*id)).expect("it was asked");
                let _ = waiting.send(payload.try_into().expect("a payload's length"));
            }
        }
    }
}

async fn write(socket: &UnixStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match socket.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => socket.writable().await.expect("the socket is open"),
        }
    }
}

#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    start: usize,
}

impl Frames {
    async fn fill(&mut self, socket: &UnixStream) -> bool {
        self.bytes.drain(..self.start);
        self.start = 0;
        let mut piece = [0; 64 * 1024];
        loop {
            match socket.try_read(&mut piece) {
                Ok(0) => return false,
                Ok(count) => {
                    self.bytes.extend_from_slice(&piece[..count]);
                    return true;
                }
                Err(_) => socket.readable().await.expect("the socket is open"),
            }
        }
    }

    fn next(&mut self) -> Option<&[u8]> {
        let frame = self.bytes.get(self.start..self.start + FRAME)?;
        self.start += FRAME;
        Some(frame)
    }
}

/// Answers what comes on standard input.
async fn echo() {
    let socket = StdStream::from(std::io::stdin().as_fd().try_clone_to_owned().expect("standard input is open"));
    socket.set_nonblocking(true).expect("a socket may not block");
    let socket = UnixStream::from_std(socket).expect("a runtime is here");
    let mut frames = Frames::default();
    while Box::pin(frames.fill(&socket)).await {
        let mut batch = Vec::new();
        while let Some(frame) = frames.next() {
            batch.extend_from_slice(frame);
        }
        write(&socket, &batch).await;
    }
}
