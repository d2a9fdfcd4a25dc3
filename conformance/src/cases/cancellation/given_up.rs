//! What a call may still do after its future was dropped.

use std::time::{Duration, Instant};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Capability, Condition, Driver, DriverError, ErrorClass, Upload};

use crate::case::Outcome;
use crate::trial::abandon::{STOPS_WITHIN, dropped_after};
use crate::trial::observe::Held;
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, InstanceUpload, Random, Subject, get, key, prefix};
use crate::verdict::{Stop, hold};

/// What a key holds: the number of a whole write, or nothing.
async fn held(driver: &Instance, name: &str) -> Result<Option<usize>, Stop> {
    match get(driver, name).await {
        Ok(bytes) => number_of(name, &bytes).map(Some),
        Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn all_held(driver: &Instance, names: &[String]) -> Result<Vec<Option<usize>>, Stop> {
    let mut all = Vec::new();
    for name in names {
        all.push(held(driver, name).await?);
    }
    Ok(all)
}

/// The calls that change a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Put,
    Commit,
    Copy,
    Delete,
}

impl Change {
    /// Those that a driver has.
    fn of(it: &Subject) -> Vec<Self> {
        let copy = it.capabilities.has(Capability::Copy).then_some(Self::Copy);
        [Self::Put, Self::Commit, Self::Delete].into_iter().chain(copy).collect()
    }

    /// What the key holds after the call, if it held its write 1 before.
    fn leaves(self) -> Option<usize> {
        (self != Self::Delete).then_some(2)
    }
}

/// A call that is ready to be made.
struct Ready {
    change: Change,
    name: String,
    size: usize,
    driver: Instance,
    upload: Option<InstanceUpload>,
}

impl Ready {
    /// Writes what was there before, and all that the call needs.
    async fn new(it: &Subject, change: Change, name: &str, size: usize) -> Result<Self, DriverError> {
        it.put(name, signed(name, 1, 1000)).await?;
        let new = signed(name, 2, size);
        let upload = match change {
            Change::Commit => {
                let mut upload = it.driver.upload_begin(&CALL, Some(key(name))).await?;
                upload.write(&CALL, new).await?;
                Some(upload)
            }
            Change::Copy => it.put(&format!("{name}-from"), new).await.map(|_| None)?,
            Change::Put | Change::Delete => None,
        };
        Ok(Self { change, name: name.to_owned(), size, driver: it.driver.clone(), upload })
    }

    async fn call(mut self) -> Result<(), DriverError> {
        let name = key(&self.name);
        match (self.change, &mut self.upload) {
            (Change::Commit, Some(upload)) => upload.commit(&CALL, name, upload.offset()).await.map(drop),
            (Change::Copy, _) => self.driver.copy(&CALL, key(&format!("{name}-from")), name).await.map(drop),
            (Change::Delete, _) => self.driver.delete(&CALL, name).await,
            _ => self.driver.put(&CALL, name, signed(&self.name, 2, self.size), Condition::Always).await.map(drop),
        }
    }
}

pub(super) async fn work_stops(it: &Subject) -> Outcome {
    /// From so many bytes on, a call is given up while it works.
    const LARGE: usize = 1_000_000;
    /// By then a thread has taken its work.
    const BEGUN: Duration = Duration::from_millis(20);
    // All are prepared before the first is given up, so that the time from then on is known.
    let mut calls = Vec::new();
    for change in Change::of(it) {
        for (number, size) in [10, 200_000, 3_000_000].into_iter().enumerate() {
            calls.push(Ready::new(it, change, &format!("k/{change:?}-{number}"), size).await?);
        }
    }
    let names: Vec<_> = calls.iter().map(|call| call.name.clone()).collect();
    let many = it.capabilities.has(Capability::DeletePrefix);
    for number in 0..if many { 300 } else { 0 } {
        it.put(&format!("many/{number}"), "x").await?;
    }
    let mut given_up = 0;
    for ready in calls {
        // Small ones before their work has begun, large ones in the middle of it.
        let answered =
            if ready.size < LARGE { dropped_after(1, ready.call()).await } else { tokio::time::timeout(BEGUN, ready.call()).await.ok() };
        match answered {
            None => given_up += 1,
            Some(answer) => answer?,
        }
    }
    if many {
        match dropped_after(1, it.driver.delete_prefix(&CALL, prefix("many"))).await {
            None => given_up += 1,
            Some(answer) => answer?,
        }
    }
    tokio::time::sleep(STOPS_WITHIN).await;
    nothing_changes(it, &names).await?;
    it.note("calls given up", given_up);
    reads_are_freed(it).await
}

/// Watches the keys, and how many objects there are, once all work must have stopped.
async fn nothing_changes(it: &Subject, names: &[String]) -> Outcome {
    /// Long enough for whoever works on as if nothing had been said.
    const WATCHED: Duration = Duration::from_secs(3);
    let begin = Instant::now();
    let (then, listed) = (all_held(&it.driver, names).await?, it.objects().await?.len());
    while begin.elapsed() < WATCHED {
        let now = all_held(&it.driver, names).await?;
        let changed = names.iter().zip(then.iter().zip(&now)).find(|(_, (then, now))| then != now);
        if let Some((name, (then, now))) = changed {
            let late = (STOPS_WITHIN + begin.elapsed()).as_millis();
            let from = shown(*then);
            return Err(Stop::breach(format!(
                "the call of {name:?} was given up; {late} ms later it changed from {from} to {}",
                shown(*now)
            )));
        }
        let count = it.objects().await?.len();
        hold!(count == listed, "a delete_prefix was given up; after 1 s {listed} objects were left, and still later {count}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn shown(held: Option<usize>) -> String {
    held.map_or_else(|| "nothing".to_owned(), |number| format!("its write {number}"))
}

async fn reads_are_freed(it: &Subject) -> Outcome {
    const READERS: usize = 20;
    it.put("large", signed("large", 1, 4_000_000)).await?;
    let before = Held::now();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut body = Body::new(it.driver.read(&CALL, key("large"), ByteRange::ALL).await?.body);
        body.next().await?;
        readers.push(body);
    }
    drop(readers);
    let begin = Instant::now();
    loop {
        let now = Held { threads: before.threads.clone(), ..Held::now() };
        let left = now.since(&before);
        if left.is_empty() {
            return Ok(());
        }
        hold!(begin.elapsed() < STOPS_WITHIN, "1 s after {READERS} reads were dropped half-way there are still {}", left.join(", "));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn never_begun_does_nothing(it: &Subject) -> Outcome {
    /// More than the host has threads for blocking work: the rest waits in front of the driver's.
    const JOBS: usize = 256;
    let mut calls = Vec::new();
    for change in Change::of(it) {
        calls.push(Ready::new(it, change, &format!("k/{change:?}"), 100_000).await?);
    }
    // Each job waits for its sender to be gone.
    let mut senders = Vec::new();
    for _ in 0..JOBS {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || receiver.recv()));
        senders.push(sender);
    }
    let mut given_up = Vec::new();
    for ready in calls {
        let (name, change) = (ready.name.clone(), ready.change);
        match dropped_after(1, ready.call()).await {
            None => given_up.push((name, change)),
            Some(answer) => answer?,
        }
    }
    it.note("calls given up", given_up.len());
    tokio::time::sleep(if given_up.is_empty() { Duration::ZERO } else { STOPS_WITHIN }).await;
    // A driver that works on threads of its own has done by now what it does; one that waits for the host's has done nothing.
    let mut then = Vec::new();
    for (name, _) in &given_up {
        let read = tokio::time::timeout(Duration::from_millis(50), held(&it.driver, name)).await;
        then.push(read.unwrap_or(Ok(Some(1)))?);
    }
    drop(senders);
    // The jobs are taken in order: once this one is, all that were left behind have been.
    tokio::task::spawn_blocking(|| ()).await.map_err(|error| Stop::harness("a thread of the host", error))?;
    for _ in 0..10 {
        for ((name, change), then) in given_up.iter().zip(&then) {
            let now = held(&it.driver, name).await?;
            let (from, to) = (shown(*then), shown(now));
            hold!(
                now == *then,
                "a {change:?} of {name:?} was given up while no thread of the host was free; more than 1 s later, when one was, the key \
                 changed from {from} to {to}"
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub(super) async fn put_is_old_or_new(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    let mut calls = Vec::new();
    let mut given_up = 0;
    for round in 0..10 {
        for change in Change::of(it) {
            let name = format!("k/{change:?}-{round}");
            let size = *random.one_of(&[10, 70_000, 1_500_000]);
            let call = Ready::new(it, change, &name, size).await?.call();
            let answer = match round % 3 {
                0 => dropped_after(1, call).await,
                1 => dropped_after(2, call).await,
                _ => tokio::time::timeout(Duration::from_micros(random.below(3000) as u64), call).await.ok(),
            };
            given_up += usize::from(answer.is_none());
            let answered = answer.transpose()?.is_some();
            // At once, while the work may still go on.
            is_old_or_new(it, change, &name, answered).await?;
            calls.push((name, change, answered));
        }
    }
    it.note("calls given up", given_up);
    tokio::time::sleep(STOPS_WITHIN).await;
    for (name, change, answered) in calls {
        is_old_or_new(it, change, &name, answered).await?;
    }
    Ok(())
}

async fn is_old_or_new(it: &Subject, change: Change, name: &str, answered: bool) -> Outcome {
    let now = held(&it.driver, name).await?;
    let (new, is) = (change.leaves(), shown(now));
    hold!(
        now == new || (!answered && now == Some(1)),
        "a {change:?} of {name:?} was given up (answered: {answered}), and the key holds {is}"
    );
    Ok(())
}
