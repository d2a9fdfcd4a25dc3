//! Deadlines that have passed, that pass, that are far away. The driver is called without the host's own timer.

use std::future::Future;
use std::time::{Duration, Instant};

use longshore_loader::api::{Bytes, Call, Condition, Driver, DriverError, ErrorClass, ListRequest, Upload};

use crate::case::Outcome;
use crate::trial::abandon::{STOPS_WITHIN, due_in};
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Subject, key, prefix};
use crate::verdict::{Stop, hold};

pub(super) async fn deadlines_are_kept(it: &Subject) -> Outcome {
    it.put("a", signed("a", 1, 100_000)).await?;
    let hour = 3_600_000;
    for (what, call) in [("in an hour", due_in(hour)), ("at the end of time", Call::new(u64::MAX, 0))] {
        for (name, answer) in every_call(it, &call, 1).await? {
            answer.map_err(|error| Stop::breach(format!("{name} with a deadline {what} answers: {error}")))?;
        }
        whole(it).await?;
    }
    let mut timeouts = 0;
    for (what, call) in [("1970", Call::new(1, 0)), ("an hour ago", due_in(-hour)), ("1 ms from now", due_in(1))] {
        for (name, answer) in every_call(it, &call, 2).await? {
            match answer {
                Ok(()) => {}
                Err(error) if error.class() == ErrorClass::Timeout => timeouts += 1,
                Err(error) => return Err(Stop::breach(format!("{name} with the deadline {what} answers: {error}"))),
            }
        }
        whole(it).await?;
    }
    it.note("calls that answer timeout", timeouts);
    // The instance is as good as before. A service may do after this write what was asked before it.
    let asked_ends = Instant::now() + it.asked_ends_within();
    loop {
        it.put("a", signed("a", 3, 10)).await?;
        let number = number_of("a", &it.get("a").await?)?;
        if number == 3 {
            return Ok(());
        }
        hold!(Instant::now() < asked_ends, "after calls whose deadline had passed, a put of write 3 is read as write {number}");
    }
}

/// What is there is whole, whatever came of the calls.
async fn whole(it: &Subject) -> Outcome {
    match it.get("a").await {
        Ok(bytes) => number_of("a", &bytes).map(drop),
        Err(error) => Err(error.into()),
    }
}

/// Makes every call with the context `call`; each must be answered within 1 s, as none has much to do.
async fn every_call(it: &Subject, call: &Call, number: usize) -> Result<Vec<(&'static str, Result<(), DriverError>)>, Stop> {
    let driver = it.driver.handle().foreign();
    let bytes: Bytes = signed("a", number, 100_000);
    let a = key("a");
    let mut answers = Vec::new();
    answers.push(("stat", soon("stat", driver.stat(call, a)).await?.map(drop)));
    answers.push(("read", soon("read", driver.read(call, a, longshore_loader::api::ByteRange::ALL)).await?.map(drop)));
    answers.push(("put", soon("put", driver.put(call, a, bytes.clone(), Condition::Always)).await?.map(drop)));
    answers.push(("list", soon("list", driver.list(call, &ListRequest::objects(prefix(""), 10))).await?.map(drop)));
    answers.push(("health", soon("health", driver.health(call)).await?));
    answers.push(("upload_begin", soon("upload_begin", driver.upload_begin(call, None)).await?.map(drop)));
    let mut upload = soon("upload_begin", driver.upload_begin(&CALL, None)).await??;
    let written = soon("write", upload.write(call, bytes.clone())).await?;
    let offset = upload.offset();
    let expected = if written.is_ok() { bytes.len() as u64 } else { offset };
    hold!(offset == expected, "a write that answers ok leaves the upload at {offset}, not at {expected}");
    if written.is_err() {
        hold!(offset <= bytes.len() as u64, "a write that failed leaves the upload at {offset}");
    }
    answers.push(("write", written));
    answers.push(("suspend", soon("suspend", upload.suspend(call)).await?.map(drop)));
    if upload.offset() == bytes.len() as u64 {
        answers.push(("commit", soon("commit", upload.commit(call, a, bytes.len() as u64)).await?.map(drop)));
    }
    soon("put", driver.put(&CALL, key("d"), "x".into(), Condition::Always)).await??;
    answers.push(("delete", soon("delete", driver.delete(call, key("d"))).await?));
    Ok(answers)
}

/// The answer, which must come within the time in which a call that was given up ends.
async fn soon<T>(what: &str, call: impl Future<Output = T>) -> Result<T, Stop> {
    // For a busy machine, whose disk is slower than the driver.
    let limit = STOPS_WITHIN + Duration::from_secs(2);
    tokio::time::timeout(limit, call).await.map_err(|_| Stop::breach(format!("{what} was not answered within {} s", limit.as_secs())))
}
