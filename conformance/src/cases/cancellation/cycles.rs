//! Thousands of calls that are given up, and what is left of them.

use std::path::Path;
use std::time::Instant;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Capability, Condition, Driver, DriverError, ListRequest, Upload};
use tokio::task::JoinSet;

use super::ended::purge;
use crate::case::Outcome;
use crate::config::StoreKind;
use crate::trial::abandon::dropped_after;
use crate::trial::observe::{GRACE, Held, memory_bytes};
use crate::trial::settled::settled;
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, Random, Subject, key, prefix};
use crate::verdict::{Stop, hold};

const CYCLES: usize = 10_000;
const CLIENTS: usize = 8;

/// What memory may grow by: a hundredth of what all cycles hand over.
const NOISE_BYTES: u64 = 24 << 20;

/// How many files may be left: a hundredth of the cycles.
const NOISE_FILES: usize = CYCLES / 100;

pub(super) async fn cycles_leave_nothing(it: &Subject) -> Outcome {
    it.put("read", signed("read", 1, 600_000)).await?;
    give_up_all(it, CYCLES / 10).await?;
    let (before, memory_before, files_before) = (Held::now(), memory_bytes("self"), files(it));
    let given_up = give_up_all(it, CYCLES).await?;
    it.note("calls given up", given_up);
    settled(it, &before, &format!("{CYCLES} calls that were given up")).await?;
    if it.capabilities.has(Capability::UploadList) {
        purge(it).await?;
    }
    let begin = Instant::now();
    loop {
        let (memory, left) = (memory_bytes("self").saturating_sub(memory_before), files(it).saturating_sub(files_before));
        if memory <= NOISE_BYTES && left <= NOISE_FILES {
            it.note("memory grown, bytes", memory);
            break;
        }
        hold!(
            begin.elapsed() < GRACE,
            "after {CYCLES} calls that were given up there are {memory} bytes of memory and {left} files of the store more than before"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    number_of("read", &it.get("read").await?)?;
    Ok(())
}

/// Answers how many were given up before they were answered.
async fn give_up_all(it: &Subject, cycles: usize) -> Result<usize, Stop> {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (driver, mut random) = (it.driver.clone(), Random::new(it.seed() ^ number as u64));
        clients.spawn(async move {
            let mut given_up = 0;
            for _ in 0..cycles / CLIENTS {
                given_up += usize::from(give_up(&driver, number, &mut random).await?);
            }
            Ok::<_, DriverError>(given_up)
        });
    }
    let counts = clients.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(counts.into_iter().sum())
}

/// Gives up one call; true if it was not answered by then.
async fn give_up(driver: &Instance, client: usize, random: &mut Random) -> Result<bool, DriverError> {
    let name = format!("k/{client}");
    let answer = match random.below(6) {
        0 => dropped_after(1, driver.put(&CALL, key(&name), signed(&name, 1, 200_000), Condition::Always)).await.map(|put| put.map(drop)),
        1 => dropped_after(1, driver.stat(&CALL, key("read"))).await.map(|stat| stat.map(drop)),
        2 => dropped_after(1, driver.list(&CALL, &ListRequest::objects(prefix(""), 10))).await.map(|page| page.map(drop)),
        3 => {
            let read = async {
                let mut body = Body::new(driver.read(&CALL, key("read"), ByteRange::ALL).await?.body);
                body.next().await.map(drop)
            };
            dropped_after(1, read).await
        }
        4 => dropped_after(1, driver.upload_begin(&CALL, Some(key(&name)))).await.map(|upload| upload.map(drop)),
        _ => {
            let upload = async {
                let mut upload = driver.upload_begin(&CALL, Some(key(&name))).await?;
                upload.write(&CALL, signed(&name, 2, 300_000)).await?;
                upload.suspend(&CALL).await?;
                upload.commit(&CALL, key(&name), upload.offset()).await.map(drop)
            };
            dropped_after(1 + random.below(4), upload).await
        }
    };
    answer.transpose().map(|answer| answer.is_none())
}

/// How many files a store of files has.
fn files(it: &Subject) -> usize {
    fn below(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| if entry.file_type().is_ok_and(|kind| kind.is_dir()) { below(&entry.path()) } else { 1 }).sum()
    }
    if it.setting.config.kind(it.info()) == StoreKind::Files { below(it.folder()) } else { 0 }
}
