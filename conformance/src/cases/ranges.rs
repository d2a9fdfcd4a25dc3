//! Every range of an object is that of a byte string.

use std::sync::Arc;

use longshore_loader::api::ErrorClass::{InvalidRange, NotFound};
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Driver};
use tokio::task::JoinSet;

use crate::case::{Outcome, cases};
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{self, Stop, hold, refused};

cases! { "ranges":
    store "RNG-01" Must Functional Core [] offset_gives_the_tail, "section 3, read" =
        "a read from an offset on gives the bytes from there to the end";
    store "RNG-02" Must Functional Core [] offset_at_the_end_is_empty, "section 3, read" =
        "a read from offset = size on gives an empty stream and no error";
    store "RNG-03" Must Functional Core [] offset_after_the_end_is_refused, "section 3, read" =
        "a read from an offset after the end on is `invalid_range`, whatever its length";
    store "RNG-04" Must Functional Core [] length_is_cut_at_the_end, "section 3, read" =
        "a length beyond the end is cut at the end, and the info tells where that is";
    store "RNG-05" Must Functional Core [] length_zero_is_empty, "section 3, read" =
        "a read of length 0 gives an empty stream and no error";
    store "RNG-06" Must Functional Core [] overflow_is_refused, "section 3, read" =
        "offset + length beyond 64 bits is `invalid_range`, and is not wrapped";
    store "RNG-07" Must Functional Core [] empty_object_has_one_range, "section 3, read" =
        "an empty object has the empty range, and every offset but 0 is `invalid_range`";
    store "RNG-08" Must Functional Core [] any_range_is_that_of_the_bytes, "section 3, read" =
        "any range of an object that was uploaded in three parts is that of its bytes";
    store "RNG-09" Must Functional Core [] ranges_at_boundaries, "section 3, read" =
        "ranges that begin or end at a boundary of parts or chunks, or a byte beside it, are those of the bytes";
    store "RNG-10" Should Functional Core [] info_tells_the_whole_size, "section 3, read" =
        "the info of a ranged read tells the whole object's size";
    store "RNG-12" Must Concurrent Core [] readers_have_their_own_place, "section 3" =
        "readers of one object at different offsets do not disturb each other";
    store "RNG-13" Must Functional Core [] absent_key_has_no_range, "section 3, read" =
        "a read of an absent key is `not_found`, whatever the range";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("RNG-11", "the contract's read has no suffix range: the host, which knows the size from the info, makes an offset of it")];

const MAX: u64 = u64::MAX;
/// One part of the larger objects, in bytes: no multiple of what drivers read at once.
const PART: usize = 300_007;

/// The range of `bytes`, by the contract.
fn model(bytes: &[u8], range: ByteRange) -> &[u8] {
    let from = usize::try_from(range.offset).unwrap_or(usize::MAX).min(bytes.len());
    let length = usize::try_from(range.length.unwrap_or(MAX)).unwrap_or(usize::MAX).min(bytes.len() - from);
    &bytes[from..from + length]
}

/// Reads `range`, whose bytes must be those of `bytes`.
async fn same(it: &Subject, name: &str, bytes: &[u8], range: ByteRange) -> Outcome {
    let what = format!("{range:?} of the object {name:?} of {} bytes", bytes.len());
    let (_, got) = it.read(name, range).await.map_err(|error| Stop::breach(format!("{what} answers an error: {error}")))?;
    verdict::same(model(bytes, range), &got, what)
}

async fn out_of_range(it: &Subject, name: &str, size: usize, range: ByteRange) -> Outcome {
    let what = format!("{range:?} of the object {name:?} of {size} bytes");
    refused(it.driver.read(&CALL, key(name), range).await, &[InvalidRange], what)
}

/// A small object, which drivers keep in one piece, and one that was uploaded in three parts.
async fn two_objects(it: &Subject) -> Result<[(&'static str, Bytes); 2], Stop> {
    let small = Bytes::from_static(b"0123456789");
    it.put("small", small.clone()).await?;
    let large = Bytes::from(Random::new(it.seed()).bytes(3 * PART));
    it.upload("large", &[large.slice(..PART), large.slice(PART..2 * PART), large.slice(2 * PART..)]).await?;
    Ok([("small", small), ("large", large)])
}

async fn offset_gives_the_tail(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        for offset in [0, 1, size / 2, size - 2, size - 1] {
            same(it, name, &bytes, ByteRange::from(offset)).await?;
        }
    }
    Ok(())
}

async fn offset_at_the_end_is_empty(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        for range in [ByteRange::from(size), ByteRange::new(size, 0), ByteRange::new(size, 1), ByteRange::new(size, MAX - size)] {
            same(it, name, &bytes, range).await?;
        }
    }
    Ok(())
}

async fn offset_after_the_end_is_refused(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        for offset in [size + 1, 2 * size, 1 << 31, 1 << 32, (1 << 32) + 1, 1 << 63, MAX] {
            for range in [ByteRange::from(offset), ByteRange::new(offset, 0)] {
                out_of_range(it, name, bytes.len(), range).await?;
            }
        }
        out_of_range(it, name, bytes.len(), ByteRange::new(size + 1, 1)).await?;
    }
    Ok(())
}

async fn length_is_cut_at_the_end(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        for offset in [0, 1, size - 1] {
            for length in [size - offset, size - offset + 1, size + 1, 1 << 32, (1 << 32) + 1, 1 << 63, MAX - offset] {
                let range = ByteRange::new(offset, length);
                same(it, name, &bytes, range).await?;
                let (info, _) = it.read(name, range).await?;
                hold!(info.size == size, "{range:?}, which is cut at the end of {size} bytes, tells a size of {}", info.size);
            }
        }
    }
    Ok(())
}

async fn length_zero_is_empty(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        for offset in [0, 1, size / 2, size - 1] {
            same(it, name, &bytes, ByteRange::new(offset, 0)).await?;
        }
    }
    Ok(())
}

async fn overflow_is_refused(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        for (offset, length) in [(1, MAX), (2, MAX - 1), (size - 1, MAX), (size, MAX), (MAX, 1), (MAX, MAX), (1 << 63, 1 << 63)] {
            out_of_range(it, name, bytes.len(), ByteRange::new(offset, length)).await?;
        }
        // The last sum that fits is no overflow.
        same(it, name, &bytes, ByteRange::new(1, MAX - 1)).await?;
        same(it, name, &bytes, ByteRange::new(0, MAX)).await?;
    }
    Ok(())
}

async fn empty_object_has_one_range(it: &Subject) -> Outcome {
    it.put("put", "").await?;
    it.upload("uploaded", &[]).await?;
    for name in ["put", "uploaded"] {
        for range in [ByteRange::ALL, ByteRange::new(0, 0), ByteRange::new(0, 7), ByteRange::new(0, MAX)] {
            same(it, name, b"", range).await?;
        }
        for range in [ByteRange::from(1), ByteRange::new(1, 0), ByteRange::new(1, 1), ByteRange::new(1, MAX), ByteRange::from(MAX)] {
            out_of_range(it, name, 0, range).await?;
        }
    }
    Ok(())
}

async fn any_range_is_that_of_the_bytes(it: &Subject) -> Outcome {
    const RANGES: usize = 1000;
    let [_, (name, bytes)] = two_objects(it).await?;
    let mut random = Random::new(it.seed());
    let size = bytes.len() as u64;
    for _ in 0..it.rounds(RANGES) {
        let offset = random.number() % (size + 1);
        // Most of them short, so that there can be many.
        let most = *random.one_of(&[16, 5000, 5000, 70_000, 70_000, 70_000, 70_000, size + 100]);
        let length = Some(random.number() % most).filter(|_| random.below(20) > 0);
        same(it, name, &bytes, ByteRange { offset, length }).await?;
    }
    Ok(())
}

async fn ranges_at_boundaries(it: &Subject) -> Outcome {
    const KIB: usize = 1024;
    let bytes = Bytes::from(Random::new(it.seed()).bytes(4 * PART));
    // What was written at once; and again in parts that are powers of two.
    for (name, part) in [("odd parts", PART), ("even parts", 256 * KIB)] {
        let key = name.replace(' ', "-");
        let parts: Vec<_> = (0..bytes.len()).step_by(part).map(|at| bytes.slice(at..(at + part).min(bytes.len()))).collect();
        it.upload(&key, &parts).await?;
        // And what drivers read at once.
        for edge in [part, 2 * part, 3 * part, 4 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, KIB * KIB] {
            let edge = edge as u64;
            for at in [edge - 1, edge, edge + 1] {
                for range in [ByteRange::new(at, 1), ByteRange::new(at, 2), ByteRange::new(at, part as u64), ByteRange::from(at)] {
                    same(it, &key, &bytes, range).await?;
                }
                // Ends there.
                same(it, &key, &bytes, ByteRange::new(at - 10, 10)).await?;
            }
        }
    }
    Ok(())
}

async fn info_tells_the_whole_size(it: &Subject) -> Outcome {
    for (name, bytes) in two_objects(it).await? {
        let size = bytes.len() as u64;
        let stat = it.driver.stat(&CALL, key(name)).await?;
        for range in [ByteRange::new(0, 1), ByteRange::new(1, 5), ByteRange::from(size - 1), ByteRange::from(size), ByteRange::new(3, 0)] {
            let (info, _) = it.read(name, range).await?;
            hold!(info.size == size, "{range:?} of {size} bytes tells a size of {}", info.size);
            hold!(info == stat, "{range:?} tells {info:?}, stat tells {stat:?}");
        }
    }
    Ok(())
}

/// Reads from `offset` on, by an open body, up to `most` chunks; true if the body ended.
async fn read_on(body: &mut Body, most: usize, into: &mut Vec<u8>) -> Result<bool, Stop> {
    for _ in 0..most {
        match body.next().await? {
            Some(chunk) => into.extend_from_slice(&chunk),
            None => return Ok(true),
        }
    }
    Ok(false)
}

async fn readers_have_their_own_place(it: &Subject) -> Outcome {
    const SIZE: usize = 4 << 20;
    let bytes = Arc::new(Random::new(it.seed()).bytes(SIZE));
    it.upload("a", &bytes.chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
    // In turns, chunk by chunk: the last to begin is the first to go on.
    let offsets = [0, 1, 700_000, 2 << 20, SIZE - 1];
    let mut readers = Vec::new();
    for offset in offsets {
        let body = it.driver.read(&CALL, key("a"), ByteRange::from(offset as u64)).await?.body;
        readers.push((offset, Body::new(body), Vec::new(), false));
    }
    while readers.iter().any(|(.., ended)| !ended) {
        for (_, body, got, ended) in readers.iter_mut().rev().filter(|(.., ended)| !ended) {
            *ended = read_on(body, 1, got).await?;
        }
    }
    for (offset, _, got, _) in &readers {
        verdict::same(&bytes[*offset..], got, format!("a reader from {offset} on, in turns with four others"))?;
    }
    drop(readers);
    at_the_same_time(it, &bytes).await
}

async fn at_the_same_time(it: &Subject, bytes: &Arc<Vec<u8>>) -> Outcome {
    const READERS: usize = 8;
    const ROUNDS: usize = 5;
    let mut random = Random::new(it.seed());
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (driver, bytes) = (it.driver.clone(), bytes.clone());
        let offsets: Vec<_> = (0..ROUNDS).map(|_| random.below(bytes.len())).collect();
        readers.spawn(async move {
            for offset in offsets {
                let range = ByteRange::new(offset as u64, 600_000);
                let mut body = Body::new(driver.read(&CALL, key("a"), range).await?.body);
                let mut got = Vec::new();
                read_on(&mut body, usize::MAX, &mut got).await?;
                verdict::same(model(&bytes, range), &got, format!("{range:?}, read beside seven others"))?;
            }
            Ok::<_, Stop>(())
        });
    }
    while let Some(ended) = readers.join_next().await {
        ended.map_err(|error| Stop::harness("a task that reads", error))??;
    }
    Ok(())
}

async fn absent_key_has_no_range(it: &Subject) -> Outcome {
    it.put("there/is", "one").await?;
    for name in ["a", "there/isnt", "there"] {
        for range in [ByteRange::ALL, ByteRange::new(0, 0), ByteRange::from(1), ByteRange::from(MAX), ByteRange::new(1, MAX)] {
            refused(it.driver.read(&CALL, key(name), range).await, &[NotFound], format_args!("{range:?} of the absent key {name:?}"))?;
        }
    }
    Ok(())
}
