//! A service behind a relay that fails: refused, reset, stalled, slow and cut connections, and answers that are no answers.

use std::time::{Duration, Instant, SystemTime};

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Call, Capability, Condition, Driver, DriverError, ErrorClass, Upload};

use crate::case::Outcome;
use crate::trial::proxy::{Behaviour, Proxy};
use crate::trial::{CALL, Instance, Random, Trial, drain, get, key};
use crate::verdict::{Stop, hold, same};

/// The deadline of a call under a fault.
const DEADLINE: Duration = Duration::from_secs(4);
/// How much later than its deadline a call may end (driver contract, section 8).
const LATE_MAX: Duration = Duration::from_secs(1);
const SIZE: usize = 3000;

/// A call that ends in [`DEADLINE`].
fn limited() -> Call {
    let end = SystemTime::now() + DEADLINE;
    let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Call::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), 0)
}

/// `Ok` if a failure says that the back-end could not be talked to.
fn is_remote(error: &DriverError, what: &str) -> Outcome {
    use ErrorClass::{Broken, Throttled, Timeout, Unreachable};
    let class = error.class();
    hold!(
        [Broken, Throttled, Timeout, Unreachable].contains(&class),
        "{what} must answer unreachable, timeout, throttled or broken, and answers {error}"
    );
    hold!(error.is_retryable(), "{what} answers {error}, which is not marked as retryable");
    Ok(())
}

/// An object as the driver delivers it. Whoever counts the bytes in its place does not see that it takes a part for the whole.
async fn read_to_end(driver: &Instance) -> Result<Vec<u8>, DriverError> {
    let mut got = Vec::new();
    drain(&mut Body::new(driver.read(&limited(), key("a"), ByteRange::ALL).await?.body), &mut got).await?;
    Ok(got)
}

/// The bytes before, and those that a put under faults writes.
struct Versions {
    old: Bytes,
    new: Bytes,
}

impl Versions {
    fn of(trial: &Trial, size: usize) -> Self {
        let mut random = Random::new(trial.seed());
        Self { old: random.bytes(size).into(), new: random.bytes(size).into() }
    }

    async fn put_old(&self, driver: &Instance) -> Outcome {
        driver.put(&CALL, key("a"), self.old.clone(), Condition::Always).await?;
        Ok(())
    }

    /// Reads and writes under a fault.
    async fn under(&self, driver: &Instance, what: &str) -> Outcome {
        let begin = Instant::now();
        match read_to_end(driver).await {
            Ok(got) => same(&self.old, &got, format!("a read {what}"))?,
            Err(error) => is_remote(&error, &format!("a read {what}"))?,
        }
        let took = begin.elapsed();
        hold!(took < DEADLINE + LATE_MAX, "a read {what} with a deadline of 4 s took {} ms", took.as_millis());
        let begin = Instant::now();
        let put = driver.put(&limited(), key("a"), self.new.clone(), Condition::Always).await;
        let took = begin.elapsed();
        hold!(took < DEADLINE + LATE_MAX, "a put {what} with a deadline of 4 s took {} ms", took.as_millis());
        put.map(drop).or_else(|error| is_remote(&error, &format!("a put {what}")))
    }

    /// The instance works again, and has one of the two.
    async fn after(&self, driver: &Instance, what: &str) -> Outcome {
        let got = get(driver, "a").await.map_err(|error| Stop::breach(format!("after a fault ({what}) a read answers {error}")))?;
        hold!(got == self.old || got == self.new, "after a fault ({what}) the object is neither the old nor the new one");
        Ok(())
    }
}

pub(super) async fn bad_networks_are_told(trial: &Trial) -> Outcome {
    let proxy = Proxy::of(trial).await?;
    let driver = proxy.open(trial).await?;
    let versions = Versions::of(trial, SIZE);
    for behaviour in [
        Behaviour::Refuse,
        Behaviour::ResetAfter(0),
        Behaviour::ResetAfter(100),
        Behaviour::ResetAfter(1500),
        Behaviour::Delay(Duration::from_secs(2)),
        Behaviour::Throttle(1024),
        Behaviour::Stall,
    ] {
        versions.put_old(&driver).await?;
        let (what, before) = (format!("over a network of {behaviour:?}"), proxy.faults());
        proxy.set(behaviour);
        let outcome = versions.under(&driver, &what).await;
        proxy.set(Behaviour::Pass);
        outcome?;
        reached(&proxy, before, &what)?;
        versions.after(&driver, &what).await?;
    }
    cancelled_in_a_stall(&proxy, &driver, &versions).await?;
    driver.close(&CALL).await?;
    Ok(())
}

fn reached(proxy: &Proxy, before: usize, what: &str) -> Outcome {
    if proxy.faults() == before { Err(Stop::not_testable(format!("no fault {what} was reached"))) } else { Ok(()) }
}

/// A call that was given up holds up neither the next one nor the end.
async fn cancelled_in_a_stall(proxy: &Proxy, driver: &Instance, versions: &Versions) -> Outcome {
    versions.put_old(driver).await?;
    let before = proxy.faults();
    proxy.set(Behaviour::Stall);
    let given_up = tokio::time::timeout(Duration::from_millis(300), get(driver, "a")).await;
    proxy.set(Behaviour::Pass);
    hold!(given_up.is_err(), "a read over a network that says nothing answered");
    reached(proxy, before, "of a stall")?;
    versions.after(driver, "a read given up while nothing answered").await
}

pub(super) async fn busy_services_are_asked_again(trial: &Trial) -> Outcome {
    const REQUESTS_MAX: usize = 100;
    let proxy = Proxy::of(trial).await?;
    let driver = proxy.open(trial).await?;
    let versions = Versions::of(trial, SIZE);
    for code in [500, 503] {
        versions.put_old(&driver).await?;
        let before = proxy.faults();
        proxy.set(Behaviour::Status(code, 1));
        let got = read_to_end(&driver).await;
        let what = format!("after one answer {code}");
        proxy.set(Behaviour::Pass);
        reached(&proxy, before, &what)?;
        match got {
            Ok(got) => same(&versions.old, &got, format!("a read {what}"))?,
            Err(error) => is_remote(&error, &format!("a read {what}"))?,
        }
        let before = proxy.faults();
        proxy.set(Behaviour::Status(code, usize::MAX));
        let what = format!("while every answer is {code}");
        let outcome = versions.under(&driver, &what).await;
        let asked = proxy.faults() - before;
        proxy.set(Behaviour::Pass);
        outcome?;
        hold!(asked <= REQUESTS_MAX, "{what}, with a Retry-After of 1 s, the service was asked {asked} times in at most 10 s");
        versions.after(&driver, &what).await?;
    }
    trial.note("connections", proxy.connections());
    driver.close(&CALL).await?;
    Ok(())
}

pub(super) async fn lost_answers_apply_once(trial: &Trial) -> Outcome {
    let proxy = Proxy::of(trial).await?;
    let driver = proxy.open(trial).await?;
    let mut random = Random::new(trial.seed());
    for lost_at in 0..5 {
        let name = format!("lost/{lost_at}");
        let chunks: Vec<Bytes> = (0..3).map(|_| random.bytes(SIZE).into()).collect();
        let before = proxy.faults();
        let answer = uploaded(&proxy, &driver, &name, &chunks, lost_at).await;
        proxy.set(Behaviour::Pass);
        let what = format!("an upload of which answer {lost_at} was lost");
        let whole = chunks.concat();
        match (answer, get(&driver, &name).await) {
            (Ok(()), Ok(got)) => same(&whole, &got, what)?,
            (Ok(()), Err(error)) => return Err(Stop::breach(format!("{what} succeeded, and a read answers {error}"))),
            (Err(error), Err(read)) if read.class() == ErrorClass::NotFound => is_remote(&error, &what)?,
            (Err(error), got) => {
                return Err(Stop::breach(format!(
                    "{what} failed with {error}, and its object can be read: {:?}",
                    got.map(|got| got.len())
                )));
            }
        }
        // A write that a driver keeps in memory asks the service nothing.
        trial.note(&format!("faults at answer {lost_at}"), proxy.faults() - before);
    }
    if proxy.faults() == 0 {
        return Err(Stop::not_testable("no answer could be lost"));
    }
    for change in ["put", "put if absent", "copy", "delete"] {
        answered_once(&proxy, &driver, change, &random.bytes(SIZE).into()).await?;
    }
    driver.close(&CALL).await?;
    Ok(())
}

/// Loses the answer to one change. A driver that asks again must not take what it did itself for somebody else's doing.
async fn answered_once(proxy: &Proxy, driver: &Instance, change: &str, bytes: &Bytes) -> Outcome {
    let (from, to) = (key("once/from"), key(if change == "delete" { "once/from" } else { "once/to" }));
    if change == "copy" && !driver.capabilities().has(Capability::Copy)
        || change == "put if absent" && !driver.capabilities().has(Capability::PutIfAbsent)
    {
        return Ok(());
    }
    driver.put(&CALL, from, bytes.clone(), Condition::Always).await?;
    proxy.set(Behaviour::LoseAnswer);
    let answer = match change {
        "put" => driver.put(&limited(), to, bytes.clone(), Condition::Always).await.map(drop),
        "put if absent" => driver.put(&limited(), to, bytes.clone(), Condition::IfAbsent).await.map(drop),
        "copy" => driver.copy(&limited(), from, to).await.map(drop),
        _ => driver.delete(&limited(), to).await,
    };
    proxy.set(Behaviour::Pass);
    let what = format!("a {change} whose answer was lost");
    // Whoever does not ask again does not know what became of it, and says so.
    if let Err(error) = answer {
        return is_remote(&error, &what);
    }
    match (change, get(driver, to.as_str()).await) {
        ("delete", Ok(_)) => return Err(Stop::breach(format!("{what} succeeded, and its object can be read"))),
        ("delete", Err(error)) if error.class() == ErrorClass::NotFound => {}
        (_, got) => {
            same(bytes, &got?, what)?;
            driver.delete(&CALL, to).await?;
        }
    }
    Ok(())
}

/// Uploads, and has the answer to the call of that number lost: begin, three writes, commit.
async fn uploaded(proxy: &Proxy, driver: &Instance, name: &str, chunks: &[Bytes], lost_at: usize) -> Result<(), DriverError> {
    let lose = |at: usize| proxy.set(if at == lost_at { Behaviour::LoseAnswer } else { Behaviour::Pass });
    lose(0);
    let mut upload = driver.upload_begin(&limited(), Some(key(name))).await?;
    for (number, chunk) in chunks.iter().enumerate() {
        lose(number + 1);
        upload.write(&limited(), chunk.clone()).await?;
    }
    lose(chunks.len() + 1);
    let size = upload.offset();
    upload.commit(&limited(), key(name), size).await.map(drop)
}

pub(super) async fn cut_answers_are_found_out(trial: &Trial) -> Outcome {
    let proxy = Proxy::of(trial).await?;
    let driver = proxy.open(trial).await?;
    // One that a driver may read at once, and one that it may hand on as it comes.
    for size in [SIZE, 1_000_000] {
        cut_answers_of(size, trial, &proxy, &driver).await?;
    }
    driver.close(&CALL).await?;
    Ok(())
}

async fn cut_answers_of(size: usize, trial: &Trial, proxy: &Proxy, driver: &Instance) -> Outcome {
    let versions = Versions::of(trial, size);
    versions.put_old(driver).await?;
    for limit in [0, 1, 50, 500, size / 2, size - size / 6, size - 1] {
        let before = proxy.faults();
        proxy.set(Behaviour::EndAfter(limit));
        let what = format!("a read of {size} bytes whose answer ended after {limit} bytes");
        match read_to_end(driver).await {
            Ok(got) => same(&versions.old, &got, &what)?,
            Err(error) => is_remote(&error, &what)?,
        }
        proxy.set(Behaviour::Pass);
        reached(proxy, before, &what)?;
        versions.after(driver, &what).await?;
    }
    Ok(())
}
