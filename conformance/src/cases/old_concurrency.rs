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
    readers_have_their_own_place = "readers of one object at different offsets do not disturb each other";
    parallel_writes_are_all_kept = "writes to different keys in parallel are all kept";
    walk_is_steady_while_others_write = "a walk has each key that is there all the time once, while others come and go";
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

async fn parallel_writes_are_all_kept<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut writers = JoinSet::new();
    let mut names = Vec::new();
    for number in 0..48 {
        // Few folders, so that they are made and filled at the same time.
        let name = format!("p/{}/{}/{number:02}", number % 3, number % 5);
        names.push(name.clone());
        let driver = it.driver.clone();
        writers.spawn(async move { driver.put(&CALL, key(&name), name.clone().into(), Condition::Always).await });
    }
    writers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    let listed = it.objects().await?;
    hold!(listed == names, "{listed:?} are listed, {names:?} were written");
    for name in names {
        let got = it.get(&name).await?;
        hold!(got == name, "{name:?} holds {got:?}");
    }
    Ok(())
}

async fn walk_is_steady_while_others_write<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let steady: Vec<_> = (0..40).map(|number| format!("p/{number:02}/steady")).collect();
    for name in &steady {
        it.put(name, "x").await?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for number in 0..3 {
        let (driver, stop) = (it.driver.clone(), stop.clone());
        others.spawn(async move {
            let mut random = Random::new(number);
            while !stop.load(Ordering::Relaxed) {
                let name = format!("p/{:02}/{}-{number}", random.below(40), random.below(3));
                driver.put(&CALL, key(&name), "y".into(), Condition::Always).await?;
                get(&*driver, &name).await?;
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

async fn walks<D: Driver>(it: &Subject<D>, steady: &[String]) -> Result<(), Breach> {
    for limit in [1, 3, 7, 100].repeat(3) {
        let walked = it.walk("p", true, limit).await?;
        hold!(walked.is_sorted(), "pages of {limit} are not in order");
        let seen: Vec<_> = walked.iter().filter(|text| text.ends_with("steady")).collect();
        hold!(seen.iter().copied().eq(steady), "pages of {limit} have {} of {} steady keys", seen.len(), steady.len());
        let levels = it.page(&ListRequest::children(prefix("p"), 100)).await?;
        hold!(levels.entries.len() == 40, "{} of 40 levels are listed", levels.entries.len());
    }
    Ok(())
}
