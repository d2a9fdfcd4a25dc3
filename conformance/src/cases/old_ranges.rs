//! Every range of an object is that of a byte string.

use longshore_loader::api::ErrorClass::{Broken, InvalidRange, NotFound};
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, drain, key};
use crate::{Breach, Random, Subject};

checks! {
    reader_survives_an_overwrite = "a reader that began before an overwrite delivers the old bytes to the end or fails with `broken`";
    reader_survives_a_delete = "a reader that began before a delete delivers the old bytes to the end or fails with `broken`";
}

async fn reader_survives_an_overwrite<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    survives(it, "overwrite").await
}

async fn reader_survives_a_delete<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    survives(it, "delete").await
}

async fn survives<D: Driver>(it: &Subject<D>, change: &str) -> Result<(), Breach> {
    let old = vec![1_u8; 3 << 20];
    it.upload("a", &old.chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
    let mut body = Body::new(it.driver.read(&CALL, key("a"), ByteRange::ALL).await?.body);
    let mut got = body.next().await?.unwrap_or_default().to_vec();
    match change {
        "overwrite" => drop(it.upload("a", &[vec![2; 1 << 20].into(), vec![3; 4 << 20].into()]).await?),
        _ => it.driver.delete(&CALL, key("a")).await?,
    }
    match drain(&mut body, &mut got).await {
        Ok(()) => hold!(got == old, "a reader across the {change} delivered {} bytes that are not the old ones", got.len()),
        Err(error) => {
            hold!(error.class() == Broken, "a reader across the {change} fails with `broken`, not: {error}");
            hold!(old.starts_with(&got), "a reader across the {change} delivered other bytes before it failed");
        }
    }
    Ok(())
}
