//! Everything at once, for a while: every call is answered, and what is read is whole.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Capability, Condition, Driver, DriverError, ErrorClass, ListRequest, Upload};
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::abandon::dropped_after;
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, Random, Subject, drain, key, prefix};
use crate::verdict::{Stop, hold, same};

/// How long one call may take under load. None here is large.
const WATCHDOG: Duration = Duration::from_secs(10);

/// How many clients call at the same time, each on keys of its own and on some that all share.
const CLIENTS: usize = 16;

/// An object that is read very slowly: more than any read-ahead, so that its reader is still there while others work.
const SLOW_BYTES: usize = 24 << 20;

pub(super) async fn ten_seconds(it: &Subject) -> Outcome {
    mixed_load(it, Duration::from_secs(10)).await
}

pub(super) async fn five_minutes(it: &Subject) -> Outcome {
    mixed_load(it, Duration::from_secs(300)).await
}

async fn mixed_load(it: &Subject, time: Duration) -> Outcome {
    let slow = signed("slow", 1, SLOW_BYTES);
    it.upload("slow", &slow.chunks(1 << 20).map(|part| slow.slice_ref(part)).collect::<Vec<_>>()).await?;
    // Nobody reads on from these two until the load is over.
    let readers = [open_slowly(it).await?, open_slowly(it).await?];
    let end = Instant::now() + time;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client {
            driver: it.driver.clone(),
            number,
            random: Random::new(it.seed() ^ number as u64),
            written: 0,
            stop: stop.clone(),
            calls: calls.clone(),
        };
        clients.spawn(client.work_until(end));
    }
    let mut outcome = Ok(());
    while let Some(worked) = clients.join_next().await {
        let worked = worked.map_err(|error| Stop::harness("a client of the load", error)).flatten();
        if worked.is_err() && outcome.is_ok() {
            // The first failure explains the others.
            stop.store(true, Ordering::Relaxed);
            outcome = worked;
        }
    }
    outcome?;
    let calls = calls.load(Ordering::Relaxed);
    it.note("calls", calls);
    // A load of nothing proves nothing.
    hold!(calls > 0, "no call of the load was made");
    for (mut body, mut got) in readers {
        watched("the rest of a slow read", drain(&mut body, &mut got)).await??;
        same(&slow, &got, "an object that was read over the whole time of the load")?;
    }
    Ok(())
}

async fn open_slowly(it: &Subject) -> Result<(Body, Vec<u8>), Stop> {
    let mut body = Body::new(it.driver.read(&CALL, key("slow"), ByteRange::ALL).await?.body);
    let first = body.next().await?.unwrap_or_default();
    Ok((body, first.to_vec()))
}

/// The answer of a call, which must come.
async fn watched<T>(what: &str, call: impl Future<Output = T>) -> Result<T, Stop> {
    let answer = tokio::time::timeout(WATCHDOG, call).await;
    answer.map_err(|_| Stop::breach(format!("{what} was not answered within {} s under a mixed load", WATCHDOG.as_secs())))
}

struct Client {
    driver: Instance,
    number: usize,
    random: Random,
    written: usize,
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
}

impl Client {
    async fn work_until(mut self, end: Instant) -> Outcome {
        while Instant::now() < end && !self.stop.load(Ordering::Relaxed) {
            let name = match self.random.below(3) {
                0 => format!("load/shared/{}", self.random.below(4)),
                _ => format!("load/{:02}/{}", self.number, self.random.below(8)),
            };
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.call(&name).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn content(&mut self, name: &str) -> Bytes {
        self.written += 1;
        let size = *self.random.one_of(&[0, 0, 1000, 20_000, 300_000]);
        signed(name, self.written, size)
    }

    async fn call(&mut self, name: &str) -> Outcome {
        let driver = self.driver.clone();
        let capabilities = driver.capabilities();
        match self.random.below(12) {
            0..=2 => {
                let bytes = self.content(name);
                watched("put", driver.put(&CALL, key(name), bytes, Condition::Always)).await??;
            }
            3..=5 => watched("a read", read(&driver, name)).await??,
            6 => tolerated(watched("stat", driver.stat(&CALL, key(name))).await?)?,
            7 => {
                let request = ListRequest { prefix: prefix("load"), start_after: None, limit: 20, recursive: self.random.below(2) == 0 };
                tolerated(watched("list", driver.list(&CALL, &request)).await?)?;
            }
            8 => tolerated(watched("delete", driver.delete(&CALL, key(name))).await?)?,
            9 => watched("an upload", self.upload(name)).await??,
            10 => {
                let bytes = self.content(name);
                let put = dropped_after(1, driver.put(&CALL, key(name), bytes, Condition::Always));
                if let Some(answer) = watched("a put that is given up", put).await? {
                    answer?;
                }
            }
            // On keys of its own: what others wait for does not vanish.
            _ if self.random.below(4) == 0 && capabilities.has(Capability::DeletePrefix) => {
                let own = format!("load/{:02}", self.number);
                tolerated(watched("delete_prefix", driver.delete_prefix(&CALL, prefix(&own))).await?)?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn upload(&mut self, name: &str) -> Outcome {
        let bytes = self.content(name);
        let (first, rest) = (bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..));
        let mut upload = self.driver.upload_begin(&CALL, Some(key(name))).await?;
        upload.write(&CALL, first).await?;
        if self.random.below(2) == 0 {
            let token = upload.suspend(&CALL).await?;
            drop(upload);
            upload = self.driver.upload_resume(&CALL, &token).await?;
        }
        upload.write(&CALL, rest).await?;
        match self.random.below(4) {
            0 => upload.abort(&CALL).await?,
            _ => drop(upload.commit(&CALL, key(name), bytes.len() as u64).await?),
        }
        Ok(())
    }
}

async fn read(driver: &Instance, name: &str) -> Outcome {
    let read = driver.read(&CALL, key(name), ByteRange::ALL).await;
    let read = match read {
        Ok(read) => read,
        Err(error) => return tolerated::<()>(Err(error)),
    };
    let size = read.info.size;
    let mut got = Vec::new();
    match drain(&mut Body::new(read.body), &mut got).await {
        Ok(()) => {
            hold!(got.len() as u64 == size, "a read of {name:?} tells a size of {size} and delivers {} bytes", got.len());
            number_of(name, &got).map(drop)
        }
        Err(error) => tolerated::<()>(Err(error)),
    }
}

/// What may happen where others write and delete at the same time.
fn tolerated<T>(answer: Result<T, DriverError>) -> Outcome {
    match answer {
        Err(error) if ![ErrorClass::NotFound, ErrorClass::Broken].contains(&error.class()) => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) async fn walk_is_steady(it: &Subject) -> Outcome {
    const LEVELS: usize = 40;
    let steady: Vec<_> = (0..LEVELS).map(|number| format!("p/{number:02}/steady")).collect();
    for name in &steady {
        it.put(name, "x").await?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for number in 0..3 {
        let (driver, stop, mut random) = (it.driver.clone(), stop.clone(), Random::new(it.seed() ^ number));
        others.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let name = format!("p/{:02}/{}-{number}", random.below(LEVELS), random.below(3));
                driver.put(&CALL, key(&name), "y".into(), Condition::Always).await?;
                tokio::task::yield_now().await;
                driver.delete(&CALL, key(&name)).await?;
                tokio::task::yield_now().await;
            }
            Ok::<_, DriverError>(())
        });
    }
    let walked = walks(it, &steady).await;
    stop.store(true, Ordering::Relaxed);
    others.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    walked
}

async fn walks(it: &Subject, steady: &[String]) -> Outcome {
    for limit in [1, 3, 7, 100].repeat(2) {
        let walked = it.walk("p", true, limit).await?;
        hold!(walked.is_sorted(), "a walk in pages of {limit} is not in order: {walked:?}");
        let seen: Vec<_> = walked.iter().filter(|text| text.ends_with("steady")).collect();
        let count = steady.len();
        hold!(
            seen.iter().copied().eq(steady),
            "a walk in pages of {limit} has {} of {count} keys that were there all the time",
            seen.len()
        );
        let foreign = walked.iter().find(|text| !text.ends_with("steady") && !text.contains('-'));
        hold!(foreign.is_none(), "a walk in pages of {limit} has {foreign:?}, which nobody wrote");
        let levels = it.page(&ListRequest::children(prefix("p"), 100)).await?;
        hold!(levels.entries.len() == count, "{} of {count} levels that were there all the time are listed", levels.entries.len());
    }
    Ok(())
}
