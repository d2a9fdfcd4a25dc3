//! Partners that take their time: here the waiting itself is what is tried.

use std::time::Duration;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver, Upload};
use tokio::time::sleep;

use crate::case::Outcome;
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::same;

/// Longer than most idle timeouts of clients and servers, taken together.
const CONSUMER_PAUSES: usize = 13;
const CONSUMER_PAUSE: Duration = Duration::from_secs(10);
const PRODUCER_GAP: Duration = Duration::from_secs(31);

pub(super) async fn slow_consumer_gets_all(it: &Subject) -> Outcome {
    // Chunks are of 1 MiB at the most, as a rule: there is one left to wait for at each pause.
    let whole = Random::new(it.seed()).bytes(16 << 20);
    it.upload("a", &whole.chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
    let mut body = Body::new(it.driver.read(&CALL, key("a"), ByteRange::ALL).await?.body);
    let mut got = Vec::new();
    let mut pauses = 0;
    while let Some(chunk) = body.next().await? {
        got.extend_from_slice(&chunk);
        if pauses < CONSUMER_PAUSES && got.len() < whole.len() {
            sleep(CONSUMER_PAUSE).await;
            pauses += 1;
        }
    }
    same(&whole, &got, format_args!("a reader that paused {pauses} times for {CONSUMER_PAUSE:?}"))
}

pub(super) async fn slow_producer_goes_on(it: &Subject) -> Outcome {
    let whole = Random::new(it.seed()).bytes(3 << 20);
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    for (number, chunk) in whole.chunks(1 << 20).enumerate() {
        if number > 0 {
            sleep(PRODUCER_GAP).await;
        }
        upload.write(&CALL, Bytes::copy_from_slice(chunk)).await?;
    }
    upload.commit(&CALL, key("a"), whole.len() as u64).await?;
    same(&whole, &it.get("a").await?, format_args!("an upload with gaps of {PRODUCER_GAP:?}"))
}
