//! Work that is not needed: measured in bytes read and processor time, never in waiting time, and judged with room to spare.

use std::sync::Arc;
use std::time::Duration;

use longshore_loader::api::{ByteRange, Bytes, Capability, Condition, Driver, ListRequest};

use crate::case::Outcome;
use crate::trial::effort::Effort;
use crate::trial::{CALL, Instance, Random, Subject, key, prefix};
use crate::verdict::{Stop, hold};

const MIB: u64 = 1 << 20;
/// How large the object is of which little is asked.
const LARGE_BYTES: u64 = 64 * MIB;
/// How often it is asked.
const CALLS: u64 = 64;
/// What the harness itself reads meanwhile, and what a driver may read beside the content.
const ASIDE_BYTES: u64 = MIB;
/// How much processor time a call may take that moves nothing to speak of. Moving 64 MiB takes 5 ms on a machine of today.
const CALL_MAX: Duration = Duration::from_millis(3);

async fn large_object(it: &Subject) -> Outcome {
    let chunk = Bytes::from(Random::new(it.seed()).bytes(MIB as usize));
    let chunks: Vec<Bytes> = (0..LARGE_BYTES / MIB).map(|_| chunk.clone()).collect();
    let info = it.upload("large", &chunks).await?;
    hold!(info.size == LARGE_BYTES, "an upload of {LARGE_BYTES} bytes committed {}", info.size);
    Ok(())
}

/// Holds that as many calls as [`CALLS`] read no more than `bytes` and took no more time than so many calls may.
fn little(it: &Subject, before: &Effort, bytes: u64, what: &str) -> Outcome {
    let now = Effort::now();
    let (read, took) = (now.read_since(before), now.processor_since(before));
    it.note("bytes read", read);
    it.note("processor time", format!("{} µs for each of {CALLS} calls", took.as_micros() / u128::from(CALLS)));
    hold!(read <= bytes, "{what} of an object of 64 MiB read {read} bytes in {CALLS} calls, {bytes} are enough");
    let most = CALL_MAX * u32::try_from(CALLS).unwrap_or(u32::MAX);
    hold!(
        took <= most,
        "{what} of an object of 64 MiB took {} ms of the processor in {CALLS} calls, {} are enough",
        took.as_millis(),
        most.as_millis()
    );
    Ok(())
}

pub(super) async fn range_costs_what_it_has(it: &Subject) -> Outcome {
    const RANGE_BYTES: u64 = 16 << 10;
    large_object(it).await?;
    let mut random = Random::new(it.seed());
    let mut offset = || random.number() % (LARGE_BYTES - RANGE_BYTES);
    // What is made once is made before.
    it.read("large", ByteRange::new(0, RANGE_BYTES)).await?;
    let before = Effort::now();
    for _ in 0..CALLS {
        let (_, bytes) = it.read("large", ByteRange::new(offset(), RANGE_BYTES)).await?;
        hold!(bytes.len() as u64 == RANGE_BYTES, "a range of {RANGE_BYTES} bytes has {}", bytes.len());
    }
    // A file region is read by this process, and so are those bytes here.
    little(it, &before, CALLS * 2 * RANGE_BYTES + ASIDE_BYTES, "ranges of 16 KiB")
}

pub(super) async fn stat_reads_no_content(it: &Subject) -> Outcome {
    large_object(it).await?;
    it.driver.stat(&CALL, key("large")).await?;
    let before = Effort::now();
    for _ in 0..CALLS {
        let info = it.driver.stat(&CALL, key("large")).await?;
        hold!(info.size == LARGE_BYTES, "stat tells a size of {}", info.size);
    }
    little(it, &before, ASIDE_BYTES, "stat")
}

/// Puts an object of one byte under each name, by 16 clients: a driver may sync each, and syncs can share the disk's time.
pub(super) async fn fill(driver: &Instance, names: Vec<String>) -> Outcome {
    const CLIENTS: usize = 16;
    let names = Arc::new(names);
    let mut working = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (driver, names) = (driver.clone(), names.clone());
        working.spawn(async move {
            for name in names.iter().skip(client).step_by(CLIENTS) {
                driver.put(&CALL, key(name), Bytes::from_static(b"x"), Condition::Always).await?;
            }
            Ok::<_, Stop>(())
        });
    }
    while let Some(ended) = working.join_next().await {
        ended.map_err(|error| Stop::harness("a client of this case", error))??;
    }
    Ok(())
}

/// What the work on `keys` keys took: a whole walk, ten pages out of the middle, and `delete_prefix`.
struct Grown {
    walk: Duration,
    pages: Duration,
    delete: Option<Duration>,
}

async fn grown(it: &Subject, keys: usize) -> Result<Grown, Stop> {
    let folder = format!("grown/{keys}");
    fill(&it.driver, (0..keys).map(|number| format!("{folder}/{number:08}")).collect()).await?;
    let begin = Effort::now();
    let texts = it.walk(&folder, true, 100).await?;
    let walked = Effort::now();
    hold!(texts.len() == keys, "{keys} keys were put, {} are listed", texts.len());
    for part in 1..=10 {
        let after = &texts[part * keys / 11];
        let request = ListRequest { prefix: prefix(&folder), start_after: Some(after), limit: 10, recursive: true };
        let page = it.page(&request).await?;
        hold!(page.entries.len() == 10, "a page of 10 out of the middle of {keys} keys has {}", page.entries.len());
    }
    let paged = Effort::now();
    let mut delete = None;
    if it.capabilities.has(Capability::DeletePrefix) {
        let begin = Effort::now();
        it.driver.delete_prefix(&CALL, prefix(&folder)).await?;
        delete = Some(Effort::now().processor_since(&begin));
    }
    Ok(Grown { walk: walked.processor_since(&begin), pages: paged.processor_since(&walked), delete })
}

pub(super) async fn work_grows_with_the_keys(it: &Subject) -> Outcome {
    const FEW: usize = 250;
    const MANY: usize = 2000;
    /// 8 times the keys are 11 times the work at N log N and 64 times at N²; what is small is measured badly.
    const GROWTH_MAX: u32 = 30;
    const LEAST: Duration = Duration::from_millis(2);
    // Once for what is made once.
    grown(it, 200).await?;
    let (few, many) = (grown(it, FEW).await?, grown(it, MANY).await?);
    let judge = |what: &str, few: Duration, many: Duration| {
        it.note(what, format!("{} µs at {FEW} keys, {} µs at {MANY}", few.as_micros(), many.as_micros()));
        let most = few.max(LEAST) * GROWTH_MAX;
        hold!(
            many <= most,
            "{what} took {} ms of the processor at {FEW} keys and {} ms at {MANY}: more than {GROWTH_MAX} times for 8 times the keys",
            few.as_millis(),
            many.as_millis()
        );
        Ok(())
    };
    judge("a whole walk", few.walk, many.walk)?;
    judge("ten pages of ten", few.pages, many.pages)?;
    match (few.delete, many.delete) {
        (Some(few), Some(many)) => judge("delete_prefix", few, many),
        _ => Ok(()),
    }
}
