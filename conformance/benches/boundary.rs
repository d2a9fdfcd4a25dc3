//! What the boundary costs: one driver, called directly through its trait, behind the tables of its loaded file, and through the handle
//! that a host uses.
//!
//! ```text
//! cargo build --release --workspace
//! cargo bench -p longshore-conformance --bench boundary                # Criterion's figures, then the table: 5 minutes
//! cargo bench -p longshore-conformance --bench boundary -- promises    # the table alone: 30 seconds
//! ```
//!
//! The driver keeps chunks by reference and answers at once, so nothing hides the cost. Streams are moved in chunks of 256 KiB out of 64 MiB
//! of memory, each copied once, as a socket does. Criterion's figures come first; the table after them is made of interleaved rounds, because a shared
//! machine changes its speed between one benchmark and the next. It ends with the status 3 if a promise is broken.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it has measured")]

use std::cell::RefCell;
use std::future::Future;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Call, Condition, Driver, Host, Key, OpenDriver, Settings, Upload};
use longshore_loader::{DriverHandle, OpenOptions, Policy, inspect, load, verify};
use longshore_specimen_sound::Sound;
use serde_json::json;

const CHUNK: usize = 256 * 1024;
const STREAM: usize = 1 << 30;
/// More than the processor's caches hold: no real stream is of one chunk again and again.
const SOURCE: usize = 64 << 20;
const KEY: &str = "docker/registry/v2/blobs/sha256/9f/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08/data";

/// What the boundary may cost.
const TINY_MAX_NS: f64 = 100.0;
const STREAM_MAX_RATIO: f64 = 1.02;

/// The three ways to one driver. All move the same bytes of memory into the same buffer: where those lie is worth some percent.
struct Ways {
    direct: Sound,
    handle: DriverHandle,
    source: Vec<Bytes>,
    sink: RefCell<Vec<u8>>,
}

fn main() -> ExitCode {
    let ways = Ways::open();
    let mut criterion = Criterion::default().configure_from_args();
    figures(&mut criterion, &ways);
    criterion.final_summary();
    if !table_is_wanted() || promises_are_kept(&ways) { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

/// True for `cargo bench`, and for a filter that asks for the table alone. `cargo test --benches` and other filters want something else.
fn table_is_wanted() -> bool {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    arguments == ["--bench"] || arguments == ["promises", "--bench"]
}

impl Ways {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let inspection = inspect(&driver_file()).expect("the file is a driver");
        let policy = Policy { allow_writable: true, ..Policy::of_this_host() };
        verify(&inspection, &policy).expect("the driver fits this host");
        let options = OpenOptions { open_limit: Duration::from_secs(30), call_limit: Duration::from_secs(30) };
        let loaded = load(&inspection).expect("the driver fits this host");
        let handle = runtime.block_on(loaded.open("bench", &json!({}), &options)).expect("the driver opens");
        let direct = now(pin!(Sound::open(Settings::new(json!({})), Host::detached(), None))).expect("the driver opens");
        let (source, sink) = (source(), RefCell::new(vec![0; CHUNK]));
        fill(&direct, &source, &sink);
        fill(handle.foreign(), &source, &sink);
        Self { direct, handle, source, sink }
    }
}

/// The release build's file, beside the folder of this binary.
fn driver_file() -> PathBuf {
    let bench = std::env::current_exe().expect("a process knows its file");
    let folder = bench.parent().and_then(Path::parent).expect("benchmarks run in target/<profile>/deps");
    let path = folder.join("liblongshore_driver_specimen_streams.so");
    assert!(path.exists(), "{path:?} is missing: run `cargo build --release --workspace` first");
    path
}

/// The answer of a call that does not wait. The future is polled where it was made, as `.await` does.
fn now<T>(work: Pin<&mut impl Future<Output = T>>) -> T {
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the driver answers at once"),
    }
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

const CALL: Call = Call::unbounded();

/// The chunks that streams are made of.
fn source() -> Vec<Bytes> {
    (0..SOURCE / CHUNK).map(|number| Bytes::from(vec![number as u8; CHUNK])).collect()
}

/// A small object and a large one.
fn fill<D: Driver>(driver: &D, source: &[Bytes], sink: &RefCell<Vec<u8>>) {
    now(pin!(driver.put(&CALL, key(KEY), vec![7; 100].into(), Condition::Always))).expect("put works");
    upload(driver, source, sink);
}

fn stat<D: Driver>(driver: &D, key: &Key) {
    black_box(now(pin!(driver.stat(&CALL, key))).expect("stat works"));
}

fn read<D: Driver>(driver: &D, key: &Key) {
    black_box(now(pin!(driver.read(&CALL, key, ByteRange::ALL))).expect("read works"));
}

fn put<D: Driver>(driver: &D, key: &Key, bytes: &Bytes) {
    black_box(now(pin!(driver.put(&CALL, key, bytes.clone(), Condition::Always))).expect("put works"));
}

/// Writes 1 GiB; each chunk is copied once, as it is when it is received.
fn upload<D: Driver>(driver: &D, source: &[Bytes], sink: &RefCell<Vec<u8>>) {
    let sink = &mut *sink.borrow_mut();
    let mut upload = now(pin!(driver.upload_begin(&CALL, None))).expect("an upload begins");
    for chunk in source.iter().cycle().take(STREAM / CHUNK) {
        sink.copy_from_slice(chunk);
        black_box(&mut *sink);
        now(pin!(upload.write(&CALL, chunk.clone()))).expect("write works");
    }
    now(pin!(upload.commit(&CALL, key("large"), STREAM as u64))).expect("commit works");
}

/// Reads 1 GiB into a sink that copies once.
fn stream<D: Driver>(driver: &D, sink: &RefCell<Vec<u8>>) {
    let sink = &mut *sink.borrow_mut();
    let mut body = Body::new(now(pin!(driver.read(&CALL, key("large"), ByteRange::ALL))).expect("read works").body);
    while let Some(chunk) = now(pin!(body.next())).expect("a chunk comes") {
        sink.copy_from_slice(&chunk);
        black_box(&mut *sink);
    }
}

/// One measured piece of work, three ways.
struct Work<'w> {
    name: &'static str,
    bytes: usize,
    direct: Box<dyn FnMut() + 'w>,
    tables: Box<dyn FnMut() + 'w>,
    handle: Box<dyn FnMut() + 'w>,
}

fn works(ways: &Ways) -> Vec<Work<'_>> {
    let (direct, tables, handle) = (&ways.direct, ways.handle.foreign(), &ways.handle);
    macro_rules! work {
        ($name:literal, $bytes:expr, |$driver:ident| $call:expr, $setup:pat = $with:expr) => {
            Work {
                name: $name,
                bytes: $bytes,
                direct: Box::new({
                    let ($driver, $setup) = (direct, $with);
                    move || $call
                }),
                tables: Box::new({
                    let ($driver, $setup) = (tables, $with);
                    move || $call
                }),
                handle: Box::new({
                    let ($driver, $setup) = (handle, $with);
                    move || $call
                }),
            }
        };
    }
    vec![
        work!("stat", 0, |driver| stat(driver, key), key = key(KEY)),
        work!("read of 100 B", 0, |driver| read(driver, key), key = key(KEY)),
        work!("put of 100 B", 0, |driver| put(driver, key, &bytes), (key, bytes) = (key(KEY), Bytes::from(vec![7; 100]))),
        work!("upload of 1 GiB", STREAM, |driver| upload(driver, source, sink), (source, sink) = (&ways.source, &ways.sink)),
        work!("stream of 1 GiB", STREAM, |driver| stream(driver, sink), sink = &ways.sink),
    ]
}

fn figures(criterion: &mut Criterion, ways: &Ways) {
    for mut work in works(ways) {
        let mut group = criterion.benchmark_group(work.name);
        if work.bytes > 0 {
            group.throughput(Throughput::Bytes(work.bytes as u64)).sample_size(10);
        }
        group.bench_function("direct", |bencher| bencher.iter(&mut work.direct));
        group.bench_function("tables", |bencher| bencher.iter(&mut work.tables));
        group.bench_function("handle", |bencher| bencher.iter(&mut work.handle));
        group.finish();
    }
}

/// Nanoseconds for one call, out of `calls`.
fn time(calls: u32, work: &mut dyn FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..calls {
        work();
    }
    begin.elapsed().as_nanos() as f64 / f64::from(calls)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The median of what each round of `these` says beside the same round of `those`: a round is short, and the machine's speed is its own.
fn compared(these: &[f64], those: &[f64], compare: impl Fn(f64, f64) -> f64) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| compare(*this, *that)).collect())
}

/// Prints medians of interleaved rounds, and of what the rounds cost more, and tells whether the boundary costs as little as promised.
fn promises_are_kept(ways: &Ways) -> bool {
    let mut kept = true;
    println!("\n{:<16} {:>14} {:>14} {:>14}   boundary, handle", "ns", "direct", "tables", "handle");
    for mut work in works(ways) {
        let (rounds, calls) = if work.bytes > 0 { (21, 1) } else { (101, 5_000) };
        let mut times = [const { Vec::new() }; 3];
        for round in 0..rounds {
            // Turned about, so that no way is always the first after another.
            for turn in 0..3 {
                match (round + turn) % 3 {
                    0 => times[0].push(time(calls, &mut work.direct)),
                    1 => times[1].push(time(calls, &mut work.tables)),
                    _ => times[2].push(time(calls, &mut work.handle)),
                }
            }
        }
        let [direct, tables, handle] = &times;
        let more = [tables, handle].map(|way| compared(way, direct, |way, direct| way - direct));
        let (verdict, good) = if work.bytes > 0 {
            let ratio = [tables, handle].map(|way| compared(way, direct, |way, direct| way / direct));
            let a_chunk = more.map(|more| more / (work.bytes / CHUNK) as f64);
            let text = format!("x {:.4}, x {:.4} ({:+.0} ns and {:+.0} ns a chunk)", ratio[0], ratio[1], a_chunk[0], a_chunk[1]);
            (text, ratio[1] <= STREAM_MAX_RATIO)
        } else {
            (format!("{:+.0} ns, {:+.0} ns", more[0], more[1]), more[1] <= TINY_MAX_NS)
        };
        let [direct, tables, handle] = times.map(median);
        println!("{:<16} {direct:>14.0} {tables:>14.0} {handle:>14.0}   {verdict}{}", work.name, if good { "" } else { "  BROKEN" });
        kept &= good;
    }
    kept
}
