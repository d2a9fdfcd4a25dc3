//! Many streams at once, and streams that nobody goes on with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver, Upload};
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::observe::{GRACE, Held};
use crate::trial::reader::Paused;
use crate::trial::{CALL, Instance, Random, Subject, get, key};
use crate::verdict::{Stop, hold, same};

const ABANDONED: usize = 50;
/// What a driver may keep for its next calls, and the host's own threads for blocking work.
const POOLED_MAX: usize = 10;

pub(super) async fn abandoned_readers_hold_nothing(it: &Subject) -> Outcome {
    let chunks: Vec<_> = (0..8_u8).map(|number| Bytes::from(vec![number; 1 << 20])).collect();
    it.upload("large", &chunks).await?;
    // Pools are filled before anything is counted.
    abandon(it, 3).await?;
    let before = Held::now();
    abandon(it, ABANDONED).await?;
    let begin = Instant::now();
    loop {
        let left = Held::now().since(&before);
        if left.len() <= POOLED_MAX {
            return Ok(());
        }
        hold!(begin.elapsed() < GRACE, "{ABANDONED} readers were given up, and 5 s later are left: {}", left.join(", "));
        // Nothing tells when a thread is gone; asking again is all there is.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Reads a chunk of a large object and drops the rest, again and again.
async fn abandon(it: &Subject, times: usize) -> Outcome {
    for _ in 0..times {
        let mut body = Body::new(it.driver.read(&CALL, key("large"), ByteRange::from(1)).await?.body);
        hold!(body.next().await?.is_some(), "a large object has no chunk");
    }
    Ok(())
}

pub(super) async fn nobody_starves(it: &Subject) -> Outcome {
    paused_readers_delay_nobody(it).await?;
    both_sides_progress(it).await
}

const CLIENTS: usize = 32;

async fn paused_readers_delay_nobody(it: &Subject) -> Outcome {
    let whole = Random::new(it.seed()).bytes(4 << 20);
    it.upload("p/large", &whole.chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
    let mut paused = Vec::new();
    for _ in 0..CLIENTS {
        paused.push(Paused::begin(&it.driver, "p/large", 0, 1).await?);
    }
    // A lock that a reader holds for as long as it reads would stop one of these at the limit of every call.
    it.put("p/small", "text").await?;
    hold!(it.get("p/small").await? == "text", "another text came back while readers paused");
    it.upload("p/other", &[Bytes::from_static(b"more")]).await?;
    it.put("p/large", "replaced").await?;
    hold!(it.get("p/large").await? == "replaced", "an object that paused readers have open was not replaced");
    let listed = it.objects().await?;
    hold!(listed == ["p/large", "p/other", "p/small"], "{listed:?} are listed while readers pause");
    it.driver.delete(&CALL, key("p/small")).await?;
    for reader in paused {
        reader.finish(&whole, "the replacement of its object").await?;
    }
    Ok(())
}

/// When each operation of one side was done.
#[derive(Clone, Default)]
struct Side(Arc<Mutex<Vec<Instant>>>);

impl Side {
    fn done(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    /// The longest time in which nobody of this side got anything done.
    fn longest_wait(&self, begin: Instant) -> Duration {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        times.sort_unstable();
        let before = std::iter::once(begin).chain(times.iter().copied());
        before.zip(&times).map(|(before, after)| after.duration_since(before)).max().unwrap_or_default()
    }
}

async fn both_sides_progress(it: &Subject) -> Outcome {
    const OPERATIONS: usize = 8;
    const STARVED: Duration = Duration::from_secs(5);
    let bytes = Bytes::from(Random::new(it.seed()).bytes(600_000));
    for number in 0..CLIENTS {
        it.put(&format!("r/{number}"), bytes.clone()).await?;
    }
    let (writers, readers) = (Side::default(), Side::default());
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (driver, content, side) = (it.driver.clone(), bytes.clone(), writers.clone());
        clients.spawn(async move {
            for _ in 0..OPERATIONS {
                write(&driver, &format!("w/{number}"), &content).await?;
                side.done();
            }
            Ok::<_, Stop>(())
        });
        let (driver, content, side) = (it.driver.clone(), bytes.clone(), readers.clone());
        clients.spawn(async move {
            for _ in 0..OPERATIONS {
                same(&content, &get(&driver, &format!("r/{number}")).await?, "a read beside 63 others")?;
                side.done();
            }
            Ok::<_, Stop>(())
        });
    }
    clients.join_all().await.into_iter().collect::<Outcome>()?;
    for (name, side) in [("writers", writers), ("readers", readers)] {
        let wait = side.longest_wait(begin);
        it.note(&format!("longest wait of 32 {name}, ms"), wait.as_millis());
        hold!(wait < STARVED, "of {CLIENTS} {name} none got anything done for {wait:?}, while as many of the other side worked");
    }
    Ok(())
}

async fn write(driver: &Instance, name: &str, bytes: &Bytes) -> Outcome {
    let mut upload = driver.upload_begin(&CALL, Some(key(name))).await?;
    for from in [0, 200_000, 400_000] {
        upload.write(&CALL, bytes.slice(from..from + 200_000)).await?;
    }
    upload.commit(&CALL, key(name), bytes.len() as u64).await?;
    Ok(())
}
