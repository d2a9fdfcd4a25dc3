//! Runs one operation again and again on several connections, and says how fast it was.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::http::Connection;
use crate::server::Server;

/// With more failures than this a workload ends: its figures would mean nothing.
const FAILURES_MAX: u64 = 100;

/// When to stop.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Elapsed(Duration),
    Done(u64),
}

impl Until {
    fn reached(self, number: u64, started: Instant) -> bool {
        match self {
            Self::Elapsed(limit) => started.elapsed() >= limit,
            Self::Done(operations) => number >= operations,
        }
    }
}

/// What a workload did.
pub(crate) struct Measured {
    operations: u64,
    bytes: u64,
    elapsed: Duration,
    /// In order, shortest first.
    latencies: Vec<Duration>,
    pub(crate) failures: u64,
    pub(crate) first_failure: Option<Failure>,
    /// What the server used.
    cpu: Duration,
}

/// One connection's part.
#[derive(Default)]
struct Part {
    bytes: u64,
    latencies: Vec<Duration>,
}

/// Runs `operation`, which gets a number that no other run of it has and returns how many bytes of content it moved.
///
/// All connections are open before the clock starts.
pub(crate) fn measure(
    server: &Server,
    connections: usize,
    until: Until,
    operation: impl Fn(&mut Connection, u64) -> Result<u64, Failure> + Sync,
) -> Result<Measured, Failure> {
    let connections: Vec<Connection> = (0..connections).map(|_| Connection::open(&server.address)).collect::<Result<_, _>>()?;
    let (next, failures, broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let first_failure = Mutex::new(None);
    let cpu_before = server.cpu();
    let started = Instant::now();

    let work = |mut connection: Connection| {
        let mut part = Part::default();
        while !broken.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if until.reached(number, started) {
                break;
            }
            let begun = Instant::now();
            match operation(&mut connection, number) {
                Ok(bytes) => {
                    part.bytes += bytes;
                    part.latencies.push(begun.elapsed());
                }
                Err(failure) => {
                    first_failure.lock().expect("no thread panicked with it").get_or_insert(failure);
                    broken.store(failures.fetch_add(1, Ordering::Relaxed) >= FAILURES_MAX, Ordering::Relaxed);
                }
            }
        }
        part
    };
    let parts: Vec<Part> = thread::scope(|scope| {
        let threads: Vec<_> = connections.into_iter().map(|connection| scope.spawn(|| work(connection))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an operation returns its failures")).collect()
    });

    let elapsed = started.elapsed();
    // A child that ended takes its time with it.
    let cpu = server.cpu().saturating_sub(cpu_before);
    let bytes = parts.iter().map(|part| part.bytes).sum();
    let mut latencies: Vec<Duration> = parts.into_iter().flat_map(|part| part.latencies).collect();
    latencies.sort_unstable();
    let first_failure = first_failure.into_inner().expect("no thread panicked with it");
    Ok(Measured { operations: latencies.len() as u64, bytes, elapsed, latencies, failures: failures.into_inner(), first_failure, cpu })
}

impl Measured {
    /// The latency that this share of the operations did not exceed, in milliseconds.
    fn quantile_ms(&self, share: f64) -> f64 {
        let Some(last) = self.latencies.len().checked_sub(1) else {
            return 0.0;
        };
        millis(self.latencies[(last as f64 * share) as usize])
    }
}

/// A workload's line, without its name and the server's memory.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.elapsed.as_secs_f64();
        let (operations, bytes) = (self.operations as f64, self.bytes as f64);
        let gib = bytes / f64::from(1 << 30);
        write!(
            f,
            "{:>9.1} op/s {:>8.1} MB/s  p50 {:>8.2} ms  p99 {:>8.2} ms  cpu/op {:>7.3} ms  cpu/GiB {:>6.2} s",
            operations / secs,
            bytes / 1e6 / secs,
            self.quantile_ms(0.5),
            self.quantile_ms(0.99),
            if self.operations > 0 { millis(self.cpu) / operations } else { 0.0 },
            // So few bytes say nothing about the cost of bytes.
            if gib > 0.01 { self.cpu.as_secs_f64() / gib } else { 0.0 },
        )
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
