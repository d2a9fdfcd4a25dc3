//! A write in place of an older object.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use longshore_loader::api::{Bytes, Driver, DriverError, ObjectInfo};

use crate::case::{Outcome, cases};
use crate::config::StoreKind;
use crate::trial::observe::memory_bytes;
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{Stop, hold, same};

cases! { "overwrite":
    store "OVW-01" Must Functional Core [] shorter_leaves_no_tail, "section 3, put" =
        "a shorter object in place of a longer one has no tail";
    store "OVW-02" Must Functional Core [] any_size_replaces_any, "section 3, put" =
        "an object of any size, empty too, replaces one of any size";
    store "OVW-03" Must Functional Core [] same_bytes_again_succeed, "section 3, put" =
        "writing the same bytes again succeeds and leaves the same object";
    store "OVW-04" Should Resource Full [] space_of_the_old_is_given_back, "section 2" =
        "of 100 writes to one key the last stays, and the space of the others is given back";
    store "OVW-05" Should Functional Core [] version_and_time_move_on, "section 2, ObjectInfo" =
        "a write in place of another changes the version, where there is one, and never takes back the time";
    store "OVW-06" Must Functional Core [] put_and_upload_are_alike, "section 3" =
        "a put over an upload and an upload over a put give the same object as a put over a put";
}

/// Rules of the catalogue that the contract has no place for.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[];

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Put,
    Upload,
}

const BOTH: [How; 2] = [How::Put, How::Upload];

async fn write(it: &Subject, how: How, name: &str, bytes: &[u8]) -> Result<ObjectInfo, DriverError> {
    match how {
        How::Put => it.put(name, bytes.to_vec()).await,
        How::Upload => it.upload(name, &bytes.chunks(100_000).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await,
    }
}

/// Writes two objects under one name; the second is there, whole.
async fn replaces(it: &Subject, (how, old): (How, &[u8]), (then, new): (How, &[u8])) -> Outcome {
    write(it, how, "a", old).await?;
    let info = write(it, then, "a", new).await?;
    let what = || format!("{new} bytes by {then:?} over {old} bytes by {how:?}", new = new.len(), old = old.len());
    hold!(info.size == new.len() as u64, "{}: the answer tells a size of {}", what(), info.size);
    let stat = it.driver.stat(&CALL, key("a")).await?;
    it.told_as_stat(&info, &stat, format_args!("{}: the answer", what()))?;
    same(new, &it.get("a").await?, what())
}

async fn every_way(it: &Subject, old: &[u8], new: &[u8]) -> Outcome {
    for how in BOTH {
        for then in BOTH {
            replaces(it, (how, old), (then, new)).await?;
        }
    }
    Ok(())
}

async fn shorter_leaves_no_tail(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for (longer, shorter) in [(2, 1), (4097, 4096), (70_000, 3), (1 << 20, 262_145)] {
        every_way(it, &random.bytes(longer), &random.bytes(shorter)).await?;
    }
    Ok(())
}

async fn any_size_replaces_any(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for (old, new) in [(0, 5), (5, 0), (0, 0), (1, 1), (100, 300_000), (4096, 4097), (70_000, 70_000), (300_000, 0)] {
        every_way(it, &random.bytes(old), &random.bytes(new)).await?;
    }
    let listed = it.objects().await?;
    hold!(listed == ["a"], "after many writes to \"a\", {listed:?} are listed");
    Ok(())
}

async fn same_bytes_again_succeed(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in [0, 10, 300_000] {
        let bytes = random.bytes(size);
        every_way(it, &bytes, &bytes).await?;
        write(it, How::Put, "a", &bytes).await?;
        same(&bytes, &it.get("a").await?, format_args!("{size} bytes that were written three times"))?;
        let listed = it.objects().await?;
        hold!(listed == ["a"], "the same bytes were written again, and {listed:?} are listed");
    }
    Ok(())
}

async fn space_of_the_old_is_given_back(it: &Subject) -> Outcome {
    const WRITES: u64 = 100;
    const SIZE: usize = 1 << 20;
    let last = Random::new(it.seed()).bytes(SIZE);
    it.put("a", last.clone()).await?;
    let before = used(it)?;
    for number in 0..WRITES {
        let mut bytes = last.clone();
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        let bytes = if number == WRITES - 1 { &last } else { &bytes };
        write(it, BOTH[number as usize % 2], "a", bytes).await?;
    }
    same(&last, &it.get("a").await?, format_args!("the last of {WRITES} writes to one key"))?;
    if let (Some(before), Some(after)) = (before, used(it)?) {
        // As much as ten of them is no growth without bound.
        let grown = after.saturating_sub(before);
        it.note("space after 100 overwrites of 1 MiB, KiB more", grown / 1024);
        hold!(grown <= 10 * SIZE as u64, "after {WRITES} writes of {SIZE} bytes to one key the store holds {grown} bytes more");
    }
    Ok(())
}

/// What the store holds, where it can be seen from here.
fn used(it: &Subject) -> Result<Option<u64>, Stop> {
    match it.setting.config.kind(it.info()) {
        StoreKind::Memory => Ok(Some(memory_bytes("self"))),
        StoreKind::Files => {
            let used = disk_bytes(it.folder()).map_err(|error| Stop::harness("the store's folder cannot be measured", error))?;
            Ok(Some(used))
        }
        StoreKind::Service => Ok(None),
    }
}

fn disk_bytes(folder: &Path) -> std::io::Result<u64> {
    /// The unit of `st_blocks`.
    const BLOCK_BYTES: u64 = 512;
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        sum += if facts.is_dir() { disk_bytes(&entry.path())? } else { facts.blocks() * BLOCK_BYTES };
    }
    Ok(sum)
}

async fn version_and_time_move_on(it: &Subject) -> Outcome {
    const VERSION_MAX_BYTES: usize = 128;
    let mut versions = std::collections::HashSet::new();
    let mut before: Option<ObjectInfo> = None;
    for number in 0..20_usize {
        // Of one size, so that a version made of size and time has to tell them apart by the time.
        let info = write(it, BOTH[number % 2], "a", format!("text {number:02}").as_bytes()).await?;
        let stat = it.driver.stat(&CALL, key("a")).await?;
        it.told_as_stat(&info, &stat, format_args!("write {number}"))?;
        // What the writes themselves tell may be less exact.
        let info = stat;
        if let Some(version) = &info.version {
            hold!(versions.insert(version.clone()), "write {number} to one key has the version {version:?} of an earlier one");
            hold!(version.len() <= VERSION_MAX_BYTES, "the version {version:?} has more than {VERSION_MAX_BYTES} bytes");
        }
        if let Some(before) = &before {
            let (then, now) = (before.modified, info.modified);
            hold!(then <= now, "write {number} is of {now} ms, the write before it was of {then} ms");
            hold!(before.version.is_some() == info.version.is_some(), "of two writes one has a version and one has none");
        }
        before = Some(info);
    }
    Ok(())
}

async fn put_and_upload_are_alike(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in [0, 1, 4096, 300_000] {
        let bytes = random.bytes(size);
        let mut sizes = Vec::new();
        for (name, how, then) in [
            ("p/put-put", How::Put, How::Put),
            ("p/put-upload", How::Put, How::Upload),
            ("p/upload-put", How::Upload, How::Put),
            ("p/upload-upload", How::Upload, How::Upload),
        ] {
            write(it, how, name, &random.bytes(size + 1)).await?;
            sizes.push(write(it, then, name, &bytes).await?.size);
            same(&bytes, &it.get(name).await?, name)?;
        }
        hold!(sizes == [size as u64; 4], "the same {size} bytes, written in four ways, have the sizes {sizes:?}");
        let listed = it.objects().await?;
        hold!(listed == ["p/put-put", "p/put-upload", "p/upload-put", "p/upload-upload"], "{listed:?} are listed");
        for name in &listed {
            it.driver.delete(&CALL, key(name)).await?;
        }
        hold!(it.objects().await?.is_empty(), "objects that were written twice are there after a delete");
    }
    Ok(())
}
