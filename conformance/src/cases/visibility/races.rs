//! Readers and writers of one key at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, Upload};
use tokio::task::JoinSet;

use crate::case::{Need, Outcome};
use crate::trial::reader::Paused;
use crate::trial::{CALL, Instance, Random, Subject, drain, get, key};
use crate::verdict::{Stop, hold, same};

/// Each reader reads at least so often, and on until so much was written beside it.
const READS: usize = 40;
const WRITES: usize = 16;
const READS_MAX: usize = 4000;

const SIZES: [usize; 4] = [10, 70_000, 900_000, 4 << 20];

/// The byte that a version is made of; its size tells which it is.
fn version(size: usize) -> Option<u8> {
    (0_u8..).zip(SIZES).find(|(_, known)| *known == size).map(|(number, _)| number)
}

pub(super) async fn readers_see_whole_versions(it: &Subject) -> Outcome {
    it.put("a", vec![0; SIZES[0]]).await?;
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for (number, size) in (0_u8..).zip(SIZES) {
        let (driver, stop, written) = (it.driver.clone(), stop.clone(), written.clone());
        writers.spawn(async move {
            let bytes = Bytes::from(vec![number; size]);
            while !stop.load(Ordering::Relaxed) {
                // In turns, so that each version is written in both ways.
                put(&driver, &bytes).await?;
                upload(&driver, &bytes).await?;
                written.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            Ok::<_, DriverError>(())
        });
    }
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (driver, written) = (it.driver.clone(), written.clone());
        readers.spawn(async move {
            for reads in 1..=READS_MAX {
                see_version(&driver).await?;
                if reads >= READS && written.load(Ordering::Relaxed) >= WRITES {
                    break;
                }
                tokio::task::yield_now().await;
            }
            Ok::<_, Stop>(())
        });
    }
    let seen = readers.join_all().await;
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    seen.into_iter().collect()
}

async fn put(driver: &Instance, bytes: &Bytes) -> Result<(), DriverError> {
    driver.put(&CALL, key("a"), bytes.clone(), Condition::Always).await.map(drop)
}

async fn upload(driver: &Instance, bytes: &Bytes) -> Result<(), DriverError> {
    let mut upload = driver.upload_begin(&CALL, Some(key("a"))).await?;
    for chunk in [bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..)] {
        upload.write(&CALL, chunk).await?;
    }
    upload.commit(&CALL, key("a"), bytes.len() as u64).await.map(drop)
}

async fn see_version(driver: &Instance) -> Outcome {
    let failed = |error| Stop::breach(format!("read of an object that others replace again and again answers: {error}"));
    let read = driver.read(&CALL, key("a"), ByteRange::ALL).await.map_err(failed)?;
    let size = read.info.size;
    let mut got = Vec::new();
    match drain(&mut Body::new(read.body), &mut got).await {
        Err(error) if error.class() == ErrorClass::Broken => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => {
            hold!(got.len() as u64 == size, "while others wrote, a reader was told {size} bytes and got {}", got.len());
            let Some(byte) = version(got.len()) else {
                return Err(Stop::breach(format!("while others wrote, a reader saw {size} bytes, which no writer wrote")));
            };
            same(&vec![byte; got.len()], &got, format_args!("a reader of a version of {size} bytes, while others wrote"))
        }
    }
}

pub(super) async fn open_readers_keep_the_old(it: &Subject) -> Outcome {
    let second = if it.lacks(&[Need::SharedStore]).is_none() { Some(it.second().await?) } else { None };
    let mut random = Random::new(it.seed());
    let old = random.bytes(3 << 20);
    for writer in [Some(&it.driver), second.as_ref()].into_iter().flatten() {
        for (as_put, size) in [(true, 1 << 20), (true, 10), (false, 3 << 20), (false, 0)] {
            let new = Bytes::from(random.bytes(size));
            it.upload("a", &old.chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
            let mut readers = Vec::new();
            for (from, chunks) in [(0, 0), (0, 1), (2 << 20, 1)] {
                readers.push(Paused::begin(&it.driver, "a", from, chunks).await?);
            }
            if as_put {
                put(writer, &new).await?;
            } else {
                upload(writer, &new).await?;
            }
            let what = format!("{} of {size} bytes over the object", if as_put { "a put" } else { "an upload" });
            for reader in readers {
                reader.finish(&old, &what).await?;
            }
            same(&new, &it.get("a").await?, what)?;
        }
    }
    if let Some(second) = second {
        second.close(&CALL).await?;
    }
    Ok(())
}

pub(super) async fn racing_writers_leave_one_whole(it: &Subject) -> Outcome {
    let two = [Bytes::from(vec![1; 1_000_000]), Bytes::from(vec![2; 1_500_001])];
    for round in 0..12 {
        let (first, second) = match round % 3 {
            0 => tokio::join!(put(&it.driver, &two[0]), put(&it.driver, &two[1])),
            1 => tokio::join!(put(&it.driver, &two[0]), upload(&it.driver, &two[1])),
            _ => tokio::join!(upload(&it.driver, &two[0]), upload(&it.driver, &two[1])),
        };
        first.and(second)?;
        let got = get(&it.driver, "a").await?;
        let winner = two.iter().find(|bytes| bytes.len() == got.len());
        let Some(winner) = winner else {
            return Err(Stop::breach(format!("of two writes of 1000000 and 1500001 bytes at once, {} bytes stay", got.len())));
        };
        same(winner, &got, "the write that stays, of two at once")?;
    }
    in_turns(it).await
}

/// Writes in turns, and commits at once.
async fn in_turns(it: &Subject) -> Outcome {
    let begin = || it.driver.upload_begin(&CALL, Some(key("a")));
    let (mut one, mut other) = (begin().await?, begin().await?);
    for _ in 0..10 {
        one.write(&CALL, vec![1; 100_000].into()).await?;
        other.write(&CALL, vec![2; 100_001].into()).await?;
    }
    let committed = tokio::join!(one.commit(&CALL, key("a"), 1_000_000), other.commit(&CALL, key("a"), 1_000_010));
    committed.0.and(committed.1)?;
    let got = it.get("a").await?;
    let byte = if got.len() == 1_000_000 { 1 } else { 2 };
    let size = if byte == 1 { 1_000_000 } else { 1_000_010 };
    same(&vec![byte; size], &got, "the upload that stays, of two that were written in turns and committed at once")
}
