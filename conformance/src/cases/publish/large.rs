//! An object that is larger than what object stores copy by one call.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Call, Capability, Driver, Upload};

use crate::case::{Need, Outcome};
use crate::trial::pattern::Pattern;
use crate::trial::{CALL, Subject, key};
use crate::verdict::{Stop, hold};

const GIB: u64 = 1 << 30;
/// The limit of one copy in S3 is 5 GiB.
const SIZE: u64 = 5 * GIB + 1;
/// Two such objects, and something for everybody else.
const FREE: u64 = 2 * SIZE + 2 * GIB;

/// How long a back-end may take to move or copy all of it by one call: 10 MiB a second.
const PATIENCE: Duration = Duration::from_secs(SIZE / (10 << 20));

/// The context of a call that takes as long as the object is large.
fn patient() -> Call {
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
    // As milliseconds it fits for millions of years.
    Call::new(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX), 0)
}

pub(super) async fn large_object_is_published(it: &Subject) -> Outcome {
    if it.lacks(&[Need::Files]).is_none() {
        let free = rustix::fs::statvfs(it.folder()).map_err(|error| Stop::harness("the free space is not known", error))?;
        if free.f_bavail.saturating_mul(free.f_frsize) < FREE {
            return Err(Stop::not_testable(format!("{} GiB of free space are needed; --work names another folder", FREE / GIB)));
        }
    }
    let pattern = Pattern::new(it.seed());
    let mut upload = it.driver.upload_begin(&CALL, Some(key("large"))).await?;
    pattern.write(&mut upload, 0..SIZE, || ()).await?;
    // Elsewhere than it was begun for, so that a driver that wrote to the destination has to move it.
    let info = upload.commit(&patient(), key("moved/large"), SIZE).await?;
    hold!(info.size == SIZE, "a commit of {SIZE} bytes tells a size of {}", info.size);
    is_whole(it, &pattern, "moved/large").await?;
    if it.capabilities.has(Capability::Copy) {
        it.driver.copy(&patient(), key("moved/large"), key("copied/large")).await?;
        it.driver.delete(&CALL, key("moved/large")).await?;
        is_whole(it, &pattern, "copied/large").await?;
        it.driver.delete(&CALL, key("copied/large")).await?;
    } else {
        it.driver.delete(&CALL, key("moved/large")).await?;
    }
    Ok(())
}

async fn is_whole(it: &Subject, pattern: &Pattern, name: &str) -> Outcome {
    let read = it.driver.read(&CALL, key(name), ByteRange::ALL).await?;
    let got = pattern.compare(&mut Body::new(read.body), 0, || ()).await?;
    hold!(got == SIZE, "of {SIZE} bytes at {name:?} a reader gets {got}");
    Ok(())
}
