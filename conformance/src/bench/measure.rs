//! The process that measures: opens the driver once and takes a sample of each cell.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longshore_loader::DriverHandle;
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, DriverError, Key, ListRequest, Prefix, Upload};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{Call, Cell};
use crate::trial::{CALL, Random, Setting, Trial};

/// How many objects a cell has, if they are together no larger than [`PREPARED_MAX_BYTES`].
const OBJECTS: usize = 16;
const PREPARED_MAX_BYTES: u64 = 256 << 20;
/// The chunks of an upload.
const CHUNK_BYTES: usize = 1 << 20;
/// How many latencies are kept of a sample.
const LATENCIES_MAX: usize = 200_000;

/// What is measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(super) setting: Setting,
    pub(super) cells: Vec<Cell>,
    pub(super) sample: Duration,
}

/// What a sample of a cell tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many calls ended.
    pub calls: u64,
    /// How many bytes they moved.
    pub bytes: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The median of the calls' latencies, in microseconds.
    pub p50_us: f64,
    /// The latency that 99 of 100 calls stay below, in microseconds.
    pub p99_us: f64,
}

/// Measures, and prints the samples as JSON.
#[expect(clippy::print_stderr, reason = "the parent shows what went wrong")]
pub(crate) fn run(task: &str) -> ExitCode {
    crate::hidden::die_with_the_parent();
    let Ok(task) = serde_json::from_str::<Task>(task) else { return ExitCode::from(2) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured = runtime.map_err(|error| format!("no runtime: {error}")).and_then(|runtime| runtime.block_on(samples(task)));
    let written = measured.and_then(|samples| {
        let line = serde_json::to_string(&samples).map_err(|error| error.to_string())?;
        writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn samples(task: Task) -> Result<Vec<Sample>, String> {
    let trial = Trial::new(task.setting).map_err(|stop| stop.verdict().sentence())?;
    let instance = trial.open().await.map_err(|stop| stop.verdict().sentence())?;
    // Not recorded: that would be measured too.
    let driver = instance.handle().clone();
    let mut samples = Vec::new();
    for (number, cell) in task.cells.iter().enumerate() {
        let name = format!("{} of {} by {} clients", cell.call, cell.size, cell.clients);
        let bench = Bench { driver: driver.clone(), cell: *cell, number, bytes: content(*cell) };
        samples.push(bench.sample(task.sample).await.map_err(|error| format!("{name}: {error}"))?);
    }
    driver.close(&CALL).await.map_err(|error| format!("close: {error}"))?;
    Ok(samples)
}

/// Bytes that no store can make smaller.
fn content(cell: Cell) -> Bytes {
    // The sizes on the command line are far below an address space.
    let size = usize::try_from(cell.size.0).unwrap_or(usize::MAX);
    Random::new(cell.size.0).bytes(if cell.call == Call::List { 16 } else { size }).into()
}

struct Bench {
    driver: DriverHandle,
    cell: Cell,
    number: usize,
    bytes: Bytes,
}

fn key(name: &str) -> Result<&Key, DriverError> {
    Ok(Key::parse(name)?)
}

impl Bench {
    /// How many objects the cell has.
    fn objects(&self) -> usize {
        match self.cell.call {
            Call::List => 1000,
            // At least one; a `usize` holds what is at most 16.
            _ => (PREPARED_MAX_BYTES / self.cell.size.0.max(1)).clamp(1, OBJECTS as u64) as usize,
        }
    }

    fn name(&self, object: usize) -> String {
        format!("bench/{}/{object:04}", self.number)
    }

    async fn prepare(&self) -> Result<(), DriverError> {
        if matches!(self.cell.call, Call::Put | Call::Upload) {
            return Ok(());
        }
        for object in 0..self.objects() {
            self.write(&self.name(object), self.bytes.len() > CHUNK_BYTES).await?;
        }
        Ok(())
    }

    async fn write(&self, name: &str, as_upload: bool) -> Result<(), DriverError> {
        if !as_upload {
            return self.driver.put(&CALL, key(name)?, self.bytes.clone(), Condition::Always).await.map(drop);
        }
        let mut upload = self.driver.upload_begin(&CALL, Some(key(name)?)).await?;
        let mut from = 0;
        while from < self.bytes.len() {
            let to = (from + CHUNK_BYTES).min(self.bytes.len());
            upload.write(&CALL, self.bytes.slice(from..to)).await?;
            from = to;
        }
        upload.commit(&CALL, key(name)?, self.bytes.len() as u64).await.map(drop)
    }

    /// One call; answers how many bytes it moved.
    async fn call(&self, random: &mut Random, client: usize) -> Result<u64, DriverError> {
        let object = self.name(random.below(self.objects()));
        // Each client writes keys of its own, over and over.
        let own = format!("bench/{}/{client:02}-{}", self.number, random.below(4));
        match self.cell.call {
            Call::Stat => self.driver.stat(&CALL, key(&object)?).await.map(|_| 0),
            Call::List => {
                let below = format!("bench/{}", self.number);
                let request = ListRequest::children(Prefix::parse(&below)?, 100).after(Some(&object));
                self.driver.list(&CALL, &request).await.map(|_| 0)
            }
            Call::Put => self.write(&own, false).await.map(|()| self.bytes.len() as u64),
            Call::Upload => self.write(&own, true).await.map(|()| self.bytes.len() as u64),
            Call::Read => {
                let mut body = Body::new(self.driver.read(&CALL, key(&object)?, ByteRange::ALL).await?.body);
                let mut bytes = 0;
                while let Some(chunk) = body.next().await? {
                    bytes += chunk.len() as u64;
                }
                Ok(bytes)
            }
        }
    }

    async fn sample(self, length: Duration) -> Result<Sample, DriverError> {
        self.prepare().await?;
        let bench = Arc::new(self);
        let mut random = Random::new(1);
        // What is done for the first time is slower, and is not what a registry does all day.
        bench.call(&mut random, 0).await?;
        let begin = Instant::now();
        let mut clients = JoinSet::new();
        for client in 0..bench.cell.clients {
            let bench = bench.clone();
            clients.spawn(async move { bench.client(client, begin + length).await });
        }
        let (mut latencies, mut calls, mut bytes) = (Vec::new(), 0, 0);
        while let Some(client) = clients.join_next().await {
            // A panic of the harness is its own.
            let (of_client, called, moved) = client.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
            latencies.extend(of_client);
            calls += called;
            bytes += moved;
        }
        let seconds = begin.elapsed().as_secs_f64();
        latencies.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1))).copied();
        Ok(Sample { calls, bytes, seconds, p50_us: at(0.5).unwrap_or(0.0), p99_us: at(0.99).unwrap_or(0.0) })
    }

    /// Calls until `end`, at least once.
    async fn client(&self, client: usize, end: Instant) -> Result<(Vec<f64>, u64, u64), DriverError> {
        let mut random = Random::new(client as u64 + 2);
        let (mut latencies, mut calls, mut bytes) = (Vec::new(), 0, 0);
        loop {
            let begin = Instant::now();
            bytes += self.call(&mut random, client).await?;
            calls += 1;
            if latencies.len() < LATENCIES_MAX {
                latencies.push(begin.elapsed().as_secs_f64() * 1e6);
            }
            if Instant::now() >= end {
                return Ok((latencies, calls, bytes));
            }
            // A driver that answers at once would let no other client run.
            tokio::task::consume_budget().await;
        }
    }
}
