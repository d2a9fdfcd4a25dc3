//! How much memory a large object costs while it passes through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Driver, Upload};

use crate::case::Outcome;
use crate::trial::observe::memory_bytes;
use crate::trial::pattern::Pattern;
use crate::trial::{CALL, Subject, key};
use crate::verdict::hold;

const SIZE: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// What the contract allows, and what the harness and two allocators hold beside it.
const LIMIT: u64 = 16 * MIB + 8 * MIB;

/// The most memory that this process has, while it looks.
struct Watch {
    before: u64,
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks again and again until it is dropped: what is held for a moment only is missed at worst by chance, and what is held from one chunk
    /// to the next is seen by [`Self::look`] for certain.
    fn begin() -> Self {
        let before = memory_bytes("self");
        let (peak, stop) = (Arc::new(AtomicU64::new(before)), Arc::new(AtomicBool::new(false)));
        let (of_thread, ends) = (peak.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                of_thread.fetch_max(memory_bytes("self"), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { before, peak, stop, thread: Some(thread) }
    }

    fn look(&self) {
        self.peak.fetch_max(memory_bytes("self"), Ordering::Relaxed);
    }

    /// How much more than at the beginning there was.
    fn more(&self) -> u64 {
        self.look();
        self.peak.load(Ordering::Relaxed) - self.before
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // It does not panic: it only reads a file.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

pub(super) async fn memory_is_bounded(it: &Subject) -> Outcome {
    let pattern = Pattern::new(it.seed());
    let watch = Watch::begin();
    let mut upload = it.driver.upload_begin(&CALL, Some(key("large"))).await?;
    pattern.write(&mut upload, 0..SIZE, || watch.look()).await?;
    upload.commit(&CALL, key("large"), SIZE).await?;
    let writing = watch.more();
    it.note("memory of an upload of 1 GiB, MiB", writing / MIB);
    hold!(writing <= LIMIT, "an upload of 1 GiB held {} MiB more, {} MiB are allowed", writing / MIB, LIMIT / MIB);
    drop((upload, watch));

    let watch = Watch::begin();
    let read = it.driver.read(&CALL, key("large"), ByteRange::ALL).await?;
    let got = pattern.compare(&mut Body::new(read.body), 0, || watch.look()).await?;
    let reading = watch.more();
    it.note("memory of a read of 1 GiB, MiB", reading / MIB);
    hold!(got == SIZE, "of 1 GiB a reader gets {got} bytes");
    hold!(reading <= LIMIT, "a read of 1 GiB held {} MiB more, {} MiB are allowed", reading / MIB, LIMIT / MIB);
    it.driver.delete(&CALL, key("large")).await?;
    Ok(())
}
