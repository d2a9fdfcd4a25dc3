//! Objects in numbers: written several at a time, because a store that syncs each of them takes its time.

use longshore_loader::api::{Bytes, Condition, Driver, DriverError};
use tokio::task::JoinSet;

use super::{CALL, Instance, key};
use crate::verdict::Stop;

/// How many are written at a time.
const AT_ONCE: usize = 16;

/// Puts an object of one byte under each name.
pub(crate) async fn put_many(driver: &Instance, names: impl IntoIterator<Item = String>) -> Result<(), Stop> {
    let mut writing = JoinSet::new();
    for name in names {
        if writing.len() == AT_ONCE {
            end_one(&mut writing).await?;
        }
        let driver = driver.clone();
        writing.spawn(async move { driver.put(&CALL, key(&name), Bytes::from_static(b"x"), Condition::Always).await.map(drop) });
    }
    while !writing.is_empty() {
        end_one(&mut writing).await?;
    }
    Ok(())
}

async fn end_one(writing: &mut JoinSet<Result<(), DriverError>>) -> Result<(), Stop> {
    match writing.join_next().await {
        None => Ok(()),
        Some(Ok(written)) => Ok(written?),
        Some(Err(error)) => Err(Stop::harness("a task that writes objects", error)),
    }
}
