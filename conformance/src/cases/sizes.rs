//! Objects of every size.

use longshore_loader::api::ErrorClass::{Corrupt, Full, NotFound};
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Bytes, Capability, Driver, DriverError, Entry, ListRequest, Upload};

use crate::case::{Outcome, cases};
use crate::config::StoreKind;
use crate::trial::many::put_many;
use crate::trial::{CALL, Random, Subject, drain, key, prefix};
use crate::verdict::{Stop, hold, refused, same};

cases! { "sizes":
    store "SIZ-01" Must Functional Core [] empty_object_is_an_object, "section 2" =
        "an object of 0 bytes exists, has the size 0, reads as empty and is listed";
    store "SIZ-02" Must Functional Core [] every_size_survives, "section 2" =
        "objects of sizes around every edge come back whole, put or uploaded";
    store "SIZ-03" Should Functional Soak [] beyond_two_gib, "section 2" =
        "an object of more than 2 GiB is uploaded and comes back whole";
    store "SIZ-04" Should Functional Soak [] beyond_four_gib, "section 2" =
        "offsets beyond 4 GiB lead to the bytes that are there";
    store "SIZ-06" Must Functional Core [] every_call_tells_the_same_size, "section 2" =
        "the size that `put`, `commit`, `stat`, `read` and `list` tell is the number of bytes that come";
    store "SIZ-07" Must Functional Core [] wrong_size_is_corrupt, "section 5, commit" =
        "a commit whose size is not what was written is `corrupt`, and nothing becomes visible";
    store "SIZ-08" Should Functional Full [] ten_thousand_objects, "section 4" within 300 =
        "ten thousand objects under one prefix are all there";
}

pub(crate) const LEFT_OUT: &[(&str, &str)] =
    &[("SIZ-05", "a driver declares no largest size: section 2 asks for at least 5 TiB, and what does not fit is `full`")];

const KIB: usize = 1024;
const MIB: usize = KIB * KIB;

/// Sizes at which blocks, buffers and pages end, in bytes.
pub(super) const EDGES: &[usize] = &[
    0,
    1,
    2,
    3,
    511,
    512,
    513,
    4 * KIB - 1,
    4 * KIB,
    4 * KIB + 1,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    256 * KIB - 1,
    256 * KIB,
    256 * KIB + 1,
    MIB - 1,
    MIB,
    MIB + 1,
    2 * MIB,
];
/// The same of parts that services take, and of what a host puts at once.
pub(super) const PARTS: &[usize] =
    &[4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 10 * MIB + 1, 16 * MIB + 1];

fn chunks(bytes: &Bytes, size: usize) -> Vec<Bytes> {
    (0..bytes.len()).step_by(size).map(|at| bytes.slice(at..(at + size).min(bytes.len()))).collect()
}

async fn empty_object_is_an_object(it: &Subject) -> Outcome {
    it.put("e/put", "").await?;
    it.upload("e/uploaded", &[]).await?;
    it.upload("e/written", &[Bytes::new(), Bytes::new()]).await?;
    let mut names = vec!["e/put", "e/uploaded", "e/written"];
    if it.capabilities.has(Capability::Copy) {
        it.driver.copy(&CALL, key("e/put"), key("e/copied")).await?;
        names.insert(0, "e/copied");
    }
    for name in &names {
        let stat = it.driver.stat(&CALL, key(name)).await?;
        hold!(stat.size == 0, "stat of the empty object {name:?} tells {} bytes", stat.size);
        let read = it.driver.read(&CALL, key(name), ByteRange::ALL).await?;
        hold!(read.info.size == 0, "read of the empty object {name:?} tells {} bytes", read.info.size);
        let mut got = Vec::new();
        drain(&mut Body::new(read.body), &mut got).await?;
        same(b"", &got, format!("the empty object {name:?}"))?;
    }
    let listed = it.walk("e", true, 10).await?;
    hold!(listed == names, "{listed:?} are listed of the empty objects {names:?}");
    it.put("e/put", "no longer empty").await?;
    it.put("e/put", "").await?;
    hold!(it.get("e/put").await?.is_empty(), "an object that became empty again has bytes");
    Ok(())
}

async fn every_size_survives(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in EDGES.iter().copied().chain([4 * MIB]) {
        let bytes = Bytes::from(random.bytes(size));
        it.put("put", bytes.clone()).await?;
        it.upload("uploaded", &chunks(&bytes, 100_000)).await?;
        it.upload("at-once", &chunks(&bytes, size.max(1))).await?;
        for name in ["put", "uploaded", "at-once"] {
            let got = it.get(name).await.map_err(|error| Stop::breach(format!("the {name} object of {size} bytes: {error}")))?;
            same(&bytes, &got, format!("the {name} object of {size} bytes"))?;
        }
    }
    Ok(())
}

async fn every_call_tells_the_same_size(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for &size in EDGES {
        let bytes = Bytes::from(random.bytes(size));
        let told = size as u64;
        let put = it.put("s/put", bytes.clone()).await?;
        let uploaded = it.upload("s/uploaded", &chunks(&bytes, 77_777)).await?;
        for (name, info) in [("s/put", put), ("s/uploaded", uploaded)] {
            hold!(info.size == told, "{name} of {size} bytes: the write tells a size of {}", info.size);
            let stat = it.driver.stat(&CALL, key(name)).await?;
            hold!(stat.size == told, "{name} of {size} bytes: stat tells {}", stat.size);
            let read = it.driver.read(&CALL, key(name), ByteRange::ALL).await?;
            hold!(read.info.size == told, "{name} of {size} bytes: read tells {}", read.info.size);
            let mut got = Vec::new();
            drain(&mut Body::new(read.body), &mut got).await?;
            hold!(got.len() == size, "{name} of {size} bytes: {} came", got.len());
        }
        for entry in it.page(&ListRequest::objects(prefix("s"), 10)).await?.entries {
            let Entry::Object(name, Some(info)) = entry else { continue };
            hold!(info.size == told, "{name} of {size} bytes: list tells {}", info.size);
        }
    }
    Ok(())
}

async fn wrong_size_is_corrupt(it: &Subject) -> Outcome {
    it.put("old", "old").await?;
    for (written, size) in [(5, 0), (5, 4), (5, 6), (5, u64::MAX), (0, 1), (100_000, 65_536), (4096, 4095), (1 << 20, 1 << 32)] {
        for name in ["old", "new"] {
            let mut upload = it.driver.upload_begin(&CALL, Some(key(name))).await?;
            upload.write(&CALL, vec![7; written].into()).await?;
            let what = format!("a commit of {written} bytes as {size} to {name:?}");
            refused(upload.commit(&CALL, key(name), size).await, &[Corrupt], &what)?;
            hold!(it.get("old").await? == "old", "{what} was refused and changed the object");
            refused(it.driver.stat(&CALL, key("new")).await, &[NotFound], format!("stat of the new key after {what}"))?;
            upload.abort(&CALL).await?;
            let listed = it.objects().await?;
            hold!(listed == ["old"], "after {what} {listed:?} are listed");
        }
    }
    Ok(())
}

async fn ten_thousand_objects(it: &Subject) -> Outcome {
    const OBJECTS: usize = 10_000;
    let names: Vec<_> = (0..OBJECTS).map(|number| format!("many/{number:05}")).collect();
    put_many(&it.driver, names.iter().cloned()).await?;
    for limit in [1000, 10_000] {
        let listed = it.walk("many", true, limit).await?;
        let missing = names.iter().filter(|name| listed.binary_search(name).is_err()).count();
        hold!(listed == names, "of {OBJECTS} objects {} are listed by pages of {limit}, {missing} are missing", listed.len());
    }
    for name in names.iter().step_by(OBJECTS / it.rounds(OBJECTS)) {
        let stat = it.driver.stat(&CALL, key(name)).await?;
        hold!(stat.size == 1, "stat of {name:?} tells {} bytes, one was put", stat.size);
    }
    Ok(())
}

/// The unit of the huge objects: many times the same random bytes, the number of the block at the beginning of each.
const BLOCK: u64 = 1 << 20;

/// An object that is too large to be kept: every byte of it can be made again.
struct Huge {
    size: u64,
    common: Vec<u8>,
}

impl Huge {
    fn block(&self, number: u64) -> Bytes {
        let mut bytes = self.common.clone();
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        // At most a block, which fits.
        bytes.truncate((self.size - number * BLOCK).min(BLOCK) as usize);
        bytes.into()
    }

    /// The bytes of a short range.
    fn range(&self, offset: u64, length: u64) -> Vec<u8> {
        let end = (offset + length).min(self.size);
        let blocks = (offset / BLOCK..=end.saturating_sub(1) / BLOCK).flat_map(|number| self.block(number));
        // Both lie within the first block and what follows it.
        blocks.skip((offset % BLOCK) as usize).take((end - offset) as usize).collect()
    }

    async fn upload(&self, it: &Subject) -> Outcome {
        self.needs_room(it)?;
        let full = |error: DriverError| match it.setting.config.kind(it.info()) {
            StoreKind::Service if error.class() == Full => Stop::not_testable(format!("the store has no room for it: {error}")),
            _ => error.into(),
        };
        let mut upload = it.driver.upload_begin(&CALL, Some(key("huge"))).await?;
        for number in 0..self.size.div_ceil(BLOCK) {
            upload.write(&CALL, self.block(number)).await.map_err(full)?;
        }
        let info = upload.commit(&CALL, key("huge"), self.size).await.map_err(full)?;
        hold!(info.size == self.size, "commit of {} bytes tells a size of {}", self.size, info.size);
        let stat = it.driver.stat(&CALL, key("huge")).await?;
        hold!(stat.size == self.size, "stat of {} bytes tells a size of {}", self.size, stat.size);
        Ok(())
    }

    fn needs_room(&self, it: &Subject) -> Outcome {
        const SPARE_BYTES: u64 = 2 << 30;
        match it.setting.config.kind(it.info()) {
            StoreKind::Memory => Err(Stop::not_testable(format!("an object of {} bytes is too large for the memory here", self.size))),
            StoreKind::Service => Ok(()),
            StoreKind::Files => {
                let disk = rustix::fs::statvfs(it.folder()).map_err(|error| Stop::harness("asking for free space", error))?;
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                if free >= self.size + SPARE_BYTES {
                    return Ok(());
                }
                Err(Stop::not_testable(format!("an object of {} bytes needs more than the {free} bytes that are free", self.size)))
            }
        }
    }

    async fn compare(&self, it: &Subject, offset: u64, length: u64) -> Outcome {
        let what = format!("{length} bytes from {offset} on of an object of {} bytes", self.size);
        let (_, got) = it.read("huge", ByteRange::new(offset, length)).await.map_err(|error| Stop::breach(format!("{what}: {error}")))?;
        same(&self.range(offset, length), &got, what)
    }
}

async fn beyond_two_gib(it: &Subject) -> Outcome {
    let huge = Huge { size: (2 << 30) + 4097, common: Random::new(it.seed()).bytes(MIB) };
    huge.upload(it).await?;
    let mut body = Body::new(it.driver.read(&CALL, key("huge"), ByteRange::ALL).await?.body);
    let (mut window, mut number) = (Vec::new(), 0);
    loop {
        let chunk = body.next().await?;
        window.extend_from_slice(chunk.as_deref().unwrap_or_default());
        while window.len() as u64 >= BLOCK || (chunk.is_none() && !window.is_empty()) {
            hold!(number * BLOCK < huge.size, "more bytes come than the {} that were uploaded", huge.size);
            let expected = huge.block(number);
            let length = expected.len().min(window.len());
            // Comparing bytes one by one is for the block that differs.
            if window[..length] != expected {
                same(&expected, &window[..length], format!("block {number} of 1 MiB of an object of {} bytes", huge.size))?;
            }
            window.drain(..length);
            number += 1;
        }
        if chunk.is_none() {
            break;
        }
    }
    hold!(number == huge.size.div_ceil(BLOCK), "{number} MiB of an object of {} bytes came", huge.size);
    it.driver.delete(&CALL, key("huge")).await?;
    Ok(())
}

async fn beyond_four_gib(it: &Subject) -> Outcome {
    let huge = Huge { size: (4 << 30) + BLOCK + 4097, common: Random::new(it.seed()).bytes(MIB) };
    huge.upload(it).await?;
    for edge in [1_u64 << 31, 1 << 32, huge.size - 1] {
        for offset in [edge - 1, edge, edge + 1] {
            for length in [1, 40, 5000] {
                huge.compare(it, offset.min(huge.size), length).await?;
            }
        }
    }
    // A range of more than 4 GiB, of which only the beginning is read, and one that begins in the last block.
    let read = it.driver.read(&CALL, key("huge"), ByteRange::new(5, (4 << 30) + 5)).await?;
    hold!(read.info.size == huge.size, "read of {} bytes tells a size of {}", huge.size, read.info.size);
    let chunk = Body::new(read.body).next().await?.unwrap_or_default();
    let shown = chunk.len().min(4096);
    same(&huge.range(5, shown as u64), &chunk[..shown], "the beginning of a range of more than 4 GiB")?;
    huge.compare(it, huge.size - 4097, 4097).await?;
    it.driver.delete(&CALL, key("huge")).await?;
    Ok(())
}
