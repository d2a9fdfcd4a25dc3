//! Publishing beside readers and beside each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore_loader::api::ErrorClass::{Broken, Conflict, NotFound};
use longshore_loader::api::{Bytes, Capability, Driver, Upload, UploadToken};
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::{CALL, Instance, Random, Subject, get, key};
use crate::verdict::{Stop, hold, refused, same};

pub(super) async fn destination_is_never_absent(it: &Subject) -> Outcome {
    const ROUNDS: usize = 30;
    let mut random = Random::new(it.seed());
    let versions = [Bytes::from(random.bytes(400_000)), Bytes::from(random.bytes(600_001))];
    it.put("a", versions[0].clone()).await?;
    it.put("source", versions[1].clone()).await?;
    let published = Arc::new(AtomicUsize::new(0));
    let mut readers = JoinSet::new();
    for number in 0..4 {
        let (driver, versions, published) = (it.driver.clone(), versions.clone(), published.clone());
        readers.spawn(async move {
            while published.load(Ordering::Relaxed) < ROUNDS {
                finds_one(&driver, &versions, number).await?;
                tokio::task::yield_now().await;
            }
            Ok::<_, Stop>(())
        });
    }
    let has_copy = it.capabilities.has(Capability::Copy);
    let publishes = async {
        for round in 0..ROUNDS {
            match round % 2 {
                1 if has_copy => drop(it.driver.copy(&CALL, key("source"), key("a")).await?),
                _ => drop(it.upload("a", &[versions[round % 2].clone()]).await?),
            }
            published.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<_, Stop>(())
    };
    let done = publishes.await;
    published.store(ROUNDS, Ordering::Relaxed);
    let read: Outcome = readers.join_all().await.into_iter().collect();
    read.and(done)
}

async fn finds_one(driver: &Instance, versions: &[Bytes], number: usize) -> Outcome {
    if number.is_multiple_of(2) {
        let info = driver.stat(&CALL, key("a")).await;
        let info = info.map_err(|error| Stop::breach(format!("stat of an object that is being replaced answers: {error}")))?;
        hold!(versions.iter().any(|bytes| bytes.len() as u64 == info.size), "stat tells {} bytes, which nobody wrote", info.size);
        return Ok(());
    }
    match get(driver, "a").await {
        Ok(got) => {
            let expected = versions.iter().find(|bytes| bytes.len() == got.len()).unwrap_or(&versions[0]);
            same(expected, &got, "an object that is being replaced")
        }
        Err(error) if error.class() == Broken => Ok(()),
        Err(error) => Err(Stop::breach(format!("read of an object that is being replaced answers: {error}"))),
    }
}

pub(super) async fn two_destinations_lose_nothing(it: &Subject) -> Outcome {
    let bytes = Random::new(it.seed()).bytes(300_000);
    for _ in 0..12 {
        let mut upload = it.driver.upload_begin(&CALL, None).await?;
        upload.write(&CALL, bytes.clone().into()).await?;
        let token = upload.suspend(&CALL).await?;
        drop(upload);
        let ends = tokio::join!(publish(it, &token, "one", &bytes), publish(it, &token, "p/other", &bytes));
        let published = [("one", ends.0?), ("p/other", ends.1?)];
        let won: Vec<_> = published.iter().filter(|(_, won)| *won).map(|(name, _)| *name).collect();
        hold!(!won.is_empty(), "an upload was resumed twice at once and committed to two keys, and neither commit succeeded");
        for name in &won {
            same(&bytes, &it.get(name).await?, format_args!("{name:?}, to which an upload that was resumed twice was committed"))?;
        }
        let listed = it.objects().await?;
        hold!(listed == won, "an upload that was resumed twice was committed to {won:?}, and {listed:?} are listed");
        for name in won {
            it.driver.delete(&CALL, key(name)).await?;
        }
    }
    Ok(())
}

/// Resumes and commits; false if another was first.
async fn publish(it: &Subject, token: &UploadToken, name: &str, bytes: &[u8]) -> Result<bool, Stop> {
    let mut upload = match it.driver.upload_resume(&CALL, token).await {
        Ok(upload) => upload,
        Err(error) => {
            // In use, or committed already.
            refused(Err::<(), _>(error), &[Conflict, NotFound], "resuming a token that another resumes at the same time")?;
            return Ok(false);
        }
    };
    let offset = upload.offset();
    hold!(offset == bytes.len() as u64, "{} bytes were suspended, an upload that is resumed twice goes on at {offset}", bytes.len());
    tokio::task::yield_now().await;
    match upload.commit(&CALL, key(name), offset).await {
        Ok(_) => Ok(true),
        Err(error) => {
            refused(Err::<(), _>(error), &[Conflict, NotFound], "the second of two commits of one upload")?;
            Ok(false)
        }
    }
}
