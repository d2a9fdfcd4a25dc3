//! Nobody ever sees something half-made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, ListRequest, Upload};
use tokio::task::JoinSet;

use crate::check::{checks, hold};
use crate::subject::{CALL, drain, get, key, prefix};
use crate::{Breach, Random, Subject};

checks! {
    readers_see_whole_versions = "while writers race, a reader sees one whole version, or fails with `broken`";
    readers_have_their_own_place = "readers of one object at different offsets do not disturb each other";
    deletes_race_to_one_winner = "among racing deletes of one key exactly one succeeds";
}

const SIZES: [usize; 4] = [10, 70_000, 300_000, 900_000];

/// A version is told by its size and is made of one byte.
fn is_version(bytes: &[u8]) -> bool {
    let number = SIZES.iter().position(|size| *size == bytes.len());
    number.is_some_and(|number| bytes.iter().all(|byte| usize::from(*byte) == number))
}

async fn readers_see_whole_versions<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("a", vec![0; SIZES[0]]).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for (number, size) in SIZES.into_iter().enumerate() {
        let (driver, stop) = (it.driver.clone(), stop.clone());
        writers.spawn(async move {
            let bytes = Bytes::from(vec![number as u8; size]);
            while !stop.load(Ordering::Relaxed) {
                write_version(&*driver, &bytes, number).await?;
                tokio::task::yield_now().await;
            }
            Ok::<_, DriverError>(())
        });
    }
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let driver = it.driver.clone();
        readers.spawn(async move {
            for _ in 0..40 {
                see_version(&*driver).await?;
                tokio::task::yield_now().await;
            }
            Ok::<_, Breach>(())
        });
    }
    let seen = readers.join_all().await;
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    seen.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(())
}

/// Even versions are put, odd ones uploaded.
async fn write_version<D: Driver>(driver: &D, bytes: &Bytes, number: usize) -> Result<(), DriverError> {
    if number.is_multiple_of(2) {
        return driver.put(&CALL, key("a"), bytes.clone(), Condition::Always).await.map(drop);
    }
    let mut upload = driver.upload_begin(&CALL, Some(key("a"))).await?;
    for chunk in [bytes.slice(..bytes.len() / 2), bytes.slice(bytes.len() / 2..)] {
        upload.write(&CALL, chunk).await?;
    }
    upload.commit(&CALL, key("a"), bytes.len() as u64).await.map(drop)
}

async fn see_version<D: Driver>(driver: &D) -> Result<(), Breach> {
    let read = driver.read(&CALL, key("a"), ByteRange::ALL).await?;
    let size = read.info.size;
    let mut got = Vec::new();
    match drain(&mut Body::new(read.body), &mut got).await {
        Err(error) if error.class() == ErrorClass::Broken => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => {
            hold!(got.len() as u64 == size, "a reader was told {size} bytes and got {}", got.len());
            hold!(is_version(&got), "a reader saw {} bytes that no writer wrote", got.len());
            Ok(())
        }
    }
}

async fn readers_have_their_own_place<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let bytes = Bytes::from(Random::new(it.seed).bytes(2_000_003));
    it.upload("a", &bytes.chunks(400_000).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
    let mut readers = JoinSet::new();
    for number in 0..8_u64 {
        let (driver, bytes) = (it.driver.clone(), bytes.clone());
        readers.spawn(async move {
            let offset = number * 250_000;
            let mut got = Vec::new();
            let mut body = Body::new(driver.read(&CALL, key("a"), ByteRange::from(offset)).await?.body);
            while let Some(chunk) = body.next().await? {
                got.extend_from_slice(&chunk);
                tokio::task::yield_now().await;
            }
            // The offset lies within the bytes.
            hold!(got == bytes[offset as usize..], "the reader at {offset} got {} other bytes", got.len());
            Ok::<_, Breach>(())
        });
    }
    readers.join_all().await.into_iter().collect()
}

async fn deletes_race_to_one_winner<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    for _ in 0..20 {
        it.put("a/b", "x").await?;
        let mut racers = JoinSet::new();
        for _ in 0..8 {
            let driver = it.driver.clone();
            racers.spawn(async move { driver.delete(&CALL, key("a/b")).await });
        }
        let mut winners = 0;
        for deleted in racers.join_all().await {
            match deleted {
                Ok(()) => winners += 1,
                Err(error) => hold!(error.class() == ErrorClass::NotFound, "a lost delete is `not_found`, not: {error}"),
            }
        }
        hold!(winners == 1, "{winners} of 8 deletes of one key succeeded");
    }
    Ok(())
}
