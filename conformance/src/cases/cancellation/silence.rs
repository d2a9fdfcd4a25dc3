//! A back-end that takes everything and does not answer.

use std::time::{Duration, Instant};

use longshore_loader::api::{Condition, Driver, ErrorClass};

use crate::case::Outcome;
use crate::trial::abandon::{STOPS_WITHIN, due_in};
use crate::trial::proxy::{Behaviour, Proxy};
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, Trial, get, key};
use crate::verdict::{Stop, hold};

/// How long a driver may take to find its way back to a service that answers again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn silent_back_end_can_be_left(trial: &Trial) -> Outcome {
    let relay = Proxy::of(trial).await?;
    let driver = relay.open(trial).await?;
    let outcome = in_silence(&driver, &relay).await;
    relay.set(Behaviour::Pass);
    for name in ["silent", "due"] {
        // Most are there, some are not.
        let _ = driver.delete(&CALL, key(name)).await;
    }
    outcome?;
    driver.close(&CALL).await?;
    Ok(())
}

async fn in_silence(driver: &Instance, relay: &Proxy) -> Outcome {
    driver.put(&CALL, key("silent"), signed("silent", 1, 1000), Condition::Always).await?;
    relay.set(Behaviour::Stall);
    let owned = driver.clone();
    let put = tokio::spawn(async move { owned.put(&CALL, key("silent"), signed("silent", 2, 1000), Condition::Always).await });
    let begin = Instant::now();
    while relay.faults() == 0 {
        if begin.elapsed() > Duration::from_secs(5) {
            return Err(Stop::not_testable("a put sent nothing to the service within 5 s"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    put.abort();
    let given_up = tokio::time::timeout(STOPS_WITHIN, put).await;
    hold!(given_up.is_ok(), "a put that the service did not answer could not be given up within 1 s");
    let due = Duration::from_millis(500);
    let call = due_in(500);
    // Without the host's own timer.
    let foreign = driver.handle().foreign();
    let stat = foreign.stat(&call, key("silent"));
    match tokio::time::timeout(due + STOPS_WITHIN, stat).await {
        Err(_) => return Err(Stop::breach("stat with a deadline in 500 ms was not answered 1 s after it, while the service was silent")),
        Ok(Err(error)) => {
            let classes = [ErrorClass::Timeout, ErrorClass::Unreachable, ErrorClass::Throttled, ErrorClass::Broken];
            hold!(classes.contains(&error.class()), "stat, while the service was silent, answers: {error}");
        }
        // From memory, perhaps.
        Ok(Ok(_)) => {}
    }
    relay.set(Behaviour::Pass);
    let begin = Instant::now();
    loop {
        match get(driver, "silent").await {
            Ok(bytes) => return number_of("silent", &bytes).map(drop),
            Err(error) => hold!(
                error.is_retryable() && begin.elapsed() < RECOVERS_WITHIN,
                "after the service was silent and answers again, a read answers: {error}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
