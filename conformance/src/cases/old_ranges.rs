//! Every range of an object is that of a byte string.

use longshore_loader::api::ErrorClass::{Broken, InvalidRange, NotFound};
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, drain, key};
use crate::{Breach, Random, Subject};

checks! {
    ranges_of_a_small_object = "a range is cut at the end; one that begins at the end is empty, one that begins after it `invalid_range`";
    ranges_of_an_empty_object = "an empty object has one range, the empty one";
    ranges_of_an_absent_object = "an absent key is `not_found`, whatever the range";
    ranges_of_a_large_object = "any range of a large object is that of its bytes, and tells the whole object's size";
    reader_survives_an_overwrite = "a reader that began before an overwrite delivers the old bytes to the end or fails with `broken`";
    reader_survives_a_delete = "a reader that began before a delete delivers the old bytes to the end or fails with `broken`";
}

const MAX: u64 = u64::MAX;

/// The range of `bytes`, by the contract.
fn model(bytes: &[u8], range: ByteRange) -> &[u8] {
    let from = usize::try_from(range.offset).unwrap_or(usize::MAX).min(bytes.len());
    let length = usize::try_from(range.length.unwrap_or(MAX)).unwrap_or(usize::MAX).min(bytes.len() - from);
    &bytes[from..from + length]
}

/// Reads `range` and compares it with that of `bytes`.
async fn same<D: Driver>(it: &Subject<D>, name: &str, bytes: &[u8], range: ByteRange) -> Result<(), Breach> {
    let (info, got) = it.read(name, range).await?;
    hold!(got == model(bytes, range), "{range:?} of {} bytes: {} other bytes came", bytes.len(), got.len());
    hold!(info.size == bytes.len() as u64, "{range:?} of {} bytes tells a size of {}", bytes.len(), info.size);
    Ok(())
}

async fn ranges_of_a_small_object<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let bytes = b"0123456789";
    it.put("a", &bytes[..]).await?;
    for offset in 0..=10 {
        same(it, "a", bytes, ByteRange::from(offset)).await?;
        for length in [0, 1, 2, 9, 10, 11, 1 << 32, MAX - offset] {
            same(it, "a", bytes, ByteRange::new(offset, length)).await?;
        }
    }
    let bad = [ByteRange::from(11), ByteRange::new(11, 0), ByteRange::from(1 << 40), ByteRange::from(MAX)];
    for range in bad.into_iter().chain([ByteRange::new(1, MAX), ByteRange::new(MAX, 1), ByteRange::new(MAX, MAX)]) {
        refused(it.driver.read(&CALL, key("a"), range).await, &[InvalidRange], format_args!("{range:?} of 10 bytes"))?;
    }
    Ok(())
}

async fn ranges_of_an_empty_object<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("put", "").await?;
    it.upload("uploaded", &[]).await?;
    for name in ["put", "uploaded"] {
        for range in [ByteRange::ALL, ByteRange::new(0, 0), ByteRange::new(0, 7), ByteRange::new(0, MAX)] {
            same(it, name, b"", range).await?;
        }
        for range in [ByteRange::from(1), ByteRange::new(1, 0), ByteRange::new(1, MAX)] {
            refused(it.driver.read(&CALL, key(name), range).await, &[InvalidRange], format_args!("{range:?} of an empty object"))?;
        }
    }
    Ok(())
}

async fn ranges_of_an_absent_object<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    for range in [ByteRange::ALL, ByteRange::new(0, 0), ByteRange::from(MAX), ByteRange::new(1, MAX)] {
        refused(it.driver.read(&CALL, key("a"), range).await, &[NotFound], format_args!("{range:?} of nothing"))?;
    }
    Ok(())
}

async fn ranges_of_a_large_object<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    const CHUNK: usize = 300_007;
    let mut random = Random::new(it.seed);
    let bytes = random.bytes(5 * CHUNK + 1);
    let chunks: Vec<_> = bytes.chunks(CHUNK).map(Bytes::copy_from_slice).collect();
    it.upload("a", &chunks).await?;
    let size = bytes.len() as u64;
    // Around what was written at once, and around what drivers read at once.
    for edge in [CHUNK, 2 * CHUNK, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20] {
        for from in [edge as u64 - 1, edge as u64, edge as u64 + 1] {
            for length in [1, 2, CHUNK as u64, MAX - from] {
                same(it, "a", &bytes, ByteRange::new(from, length)).await?;
            }
        }
    }
    for _ in 0..200 {
        let offset = random.number() % (size + 1);
        let length = Some(random.number() % (size + 100)).filter(|_| random.below(5) > 0);
        same(it, "a", &bytes, ByteRange { offset, length }).await?;
    }
    Ok(())
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
