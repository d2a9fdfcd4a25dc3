//! Times and rates of this machine, for the report; nothing here is judged but the answers.

use std::time::{Duration, Instant};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, Upload};

use super::cost::fill;
use crate::case::Outcome;
use crate::trial::{CALL, Instance, Random, Subject, key};
use crate::verdict::{Stop, hold};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The middle and the slow end of some times.
fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).or(times.last()).map_or(0, Duration::as_micros);
    format!("p50 {} µs, p99 {} µs", at(50), at(99))
}

pub(super) async fn time_of_one_object(it: &Subject) -> Outcome {
    let part = Random::new(it.seed()).bytes(MIB);
    for (name, size, rounds) in [("1 KiB", KIB, 300), ("64 KiB", 64 * KIB, 200), ("1 MiB", MIB, 50), ("64 MiB", 64 * MIB, 3)] {
        let bytes = Bytes::from(part.repeat(size.div_ceil(MIB))).slice(..size);
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let begin = Instant::now();
            write(&it.driver, "timed", &bytes).await?;
            puts.push(begin.elapsed());
            let begin = Instant::now();
            let got = read(&it.driver, "timed").await?;
            gets.push(begin.elapsed());
            hold!(got == size as u64, "an object of {size} bytes delivers {got}");
        }
        it.note(&format!("put {name}"), percentiles(puts));
        it.note(&format!("get {name}"), percentiles(gets));
    }
    Ok(())
}

/// Puts what is small, and uploads what a host would upload.
async fn write(driver: &Instance, name: &str, bytes: &Bytes) -> Result<(), Stop> {
    const PUT_MAX_BYTES: usize = 4 * MIB;
    if bytes.len() <= PUT_MAX_BYTES {
        driver.put(&CALL, key(name), bytes.clone(), Condition::Always).await?;
        return Ok(());
    }
    let mut upload = driver.upload_begin(&CALL, Some(key(name))).await?;
    for start in (0..bytes.len()).step_by(MIB) {
        upload.write(&CALL, bytes.slice(start..(start + MIB).min(bytes.len()))).await?;
    }
    upload.commit(&CALL, key(name), bytes.len() as u64).await?;
    Ok(())
}

/// Reads an object to its end, and answers how many bytes came.
async fn read(driver: &Instance, name: &str) -> Result<u64, Stop> {
    let mut body = Body::new(driver.read(&CALL, key(name), ByteRange::ALL).await?.body);
    let mut size = 0;
    while let Some(chunk) = body.next().await? {
        size += chunk.len() as u64;
    }
    Ok(size)
}

pub(super) async fn throughput_of_streams(it: &Subject) -> Outcome {
    /// Moved in each round by all clients together.
    const TOTAL: usize = 64 * MIB;
    let bytes = Bytes::from(Random::new(it.seed()).bytes(MIB).repeat(TOTAL / MIB));
    for clients in [1, 4, 16] {
        let size = TOTAL / clients;
        let mut rates = Vec::new();
        for reads in [false, true] {
            let begin = Instant::now();
            let mut working = tokio::task::JoinSet::new();
            for client in 0..clients {
                let (driver, part) = (it.driver.clone(), bytes.slice(client * size..(client + 1) * size));
                working.spawn(async move {
                    let name = format!("streams/{client}");
                    if !reads {
                        return write(&driver, &name, &part).await;
                    }
                    let got = read(&driver, &name).await?;
                    hold!(got == part.len() as u64, "an object of {} bytes delivers {got}", part.len());
                    Ok(())
                });
            }
            while let Some(ended) = working.join_next().await {
                ended.map_err(|error| Stop::harness("a client of this case", error))??;
            }
            rates.push(format!("{:.0} MiB/s", 64.0 / begin.elapsed().as_secs_f64()));
        }
        it.note(&format!("{clients} clients"), format!("write {}, read {}", rates[0], rates[1]));
    }
    Ok(())
}

pub(super) async fn rate_of_listing(it: &Subject) -> Outcome {
    for keys in [100_u32, 1000] {
        let names: Vec<String> = (0..keys).map(|number| format!("rate/{number:06}")).collect();
        fill(&it.driver, names.clone()).await?;
        let begin = Instant::now();
        let listed = it.walk("rate", true, 1000).await?;
        let walk = begin.elapsed();
        hold!(listed == names, "{keys} keys were put, {} are listed", listed.len());
        let begin = Instant::now();
        for name in &names {
            it.driver.delete(&CALL, key(name)).await?;
        }
        let delete = begin.elapsed();
        let rate = |took: Duration| format!("{:.0} keys/s", f64::from(keys) / took.as_secs_f64().max(1e-9));
        it.note(&format!("{keys} keys"), format!("list {}, delete {}", rate(walk), rate(delete)));
    }
    Ok(())
}

pub(super) async fn commit_does_not_copy(it: &Subject) -> Outcome {
    let chunk = Bytes::from(Random::new(it.seed()).bytes(MIB));
    for mib in [1_u64, 64] {
        let mut upload = it.driver.upload_begin(&CALL, None).await?;
        for _ in 0..mib {
            upload.write(&CALL, chunk.clone()).await?;
        }
        // What a commit syncs is not what it copies.
        upload.suspend(&CALL).await?;
        let size = upload.offset();
        let begin = Instant::now();
        let info = upload.commit(&CALL, key("committed"), size).await?;
        it.note(&format!("commit of {mib} MiB"), format!("{} µs", begin.elapsed().as_micros()));
        hold!(info.size == size, "a commit of {size} bytes tells {}", info.size);
    }
    Ok(())
}
