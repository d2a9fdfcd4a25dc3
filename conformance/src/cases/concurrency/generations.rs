//! A driver and its successor: the old generation still works while the new one already does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore_loader::api::{Condition, Driver, ErrorClass, Upload, UploadToken};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::case::Outcome;
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, Setting, Subject, Trial, get, key};
use crate::verdict::{Stop, hold};

pub(super) async fn generations_share_a_store(it: &Subject) -> Outcome {
    let old = it.driver.clone();
    let mut old_writer = Writer::start(old.clone(), "old");
    old_writer.wrote_some().await;
    // A copy of the file is another library to the linker: it has statics of its own, as a new version has.
    let next = next_generation(it)?;
    let new = next.open().await?;
    let mut new_writer = Writer::start(new.clone(), "new");
    new_writer.wrote_some().await;
    let begun = begin_upload(&old).await?;
    old_writer.wrote_some().await;
    let old_count = old_writer.end().await?;
    old.close(&CALL).await?;
    new_writer.wrote_some().await;
    let new_count = new_writer.end().await?;
    for (who, count) in [("old", old_count), ("new", new_count)] {
        for number in 0..count {
            let name = format!("{who}/{number:04}");
            let answer = get(&new, &name).await;
            let bytes = answer.map_err(|error| Stop::breach(format!("{name:?}, which the {who} generation wrote, answers: {error}")))?;
            number_of(&name, &bytes)?;
        }
    }
    // What the old one began, the new one ends.
    let mut upload = new.upload_resume(&CALL, &begun).await?;
    hold!(
        upload.offset() == 100_000,
        "an upload that the old generation suspended at 100000 is resumed by the new one at {}",
        upload.offset()
    );
    upload.commit(&CALL, key("upload"), 100_000).await?;
    number_of("upload", &get(&new, "upload").await?)?;
    new.close(&CALL).await?;
    Ok(())
}

fn next_generation(it: &Subject) -> Result<Trial, Stop> {
    let name = it.setting.file.file_name().unwrap_or_default();
    let folder = it.folder().join("next-generation");
    let file = folder.join(name);
    let copied = std::fs::create_dir_all(&folder).and_then(|()| std::fs::copy(&it.setting.file, &file));
    copied.map_err(|error| Stop::harness("the driver's file cannot be copied", error))?;
    let mut next = Trial::new(Setting { file, ..it.setting.clone() })?;
    // What it writes is this case's to remove.
    next.trace = it.trace.clone();
    Ok(next)
}

async fn begin_upload(old: &Instance) -> Result<UploadToken, Stop> {
    let mut upload = old.upload_begin(&CALL, None).await?;
    upload.write(&CALL, signed("upload", 1, 100_000)).await?;
    Ok(upload.suspend(&CALL).await?)
}

/// Writes one key after the other, and now and then a key that both generations write.
struct Writer {
    stop: Arc<AtomicBool>,
    wrote: Arc<Notify>,
    task: JoinHandle<Result<usize, Stop>>,
}

/// The most keys that a writer makes.
const KEYS_MAX: usize = 2000;

impl Writer {
    fn start(driver: Instance, who: &'static str) -> Self {
        let (stop, wrote) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (stopped, written) = (stop.clone(), wrote.clone());
        let task = tokio::spawn(async move {
            // Whoever waits learns of the end too.
            let _last = NotifyOnDrop(written.clone());
            for number in 0..KEYS_MAX {
                if stopped.load(Ordering::Relaxed) {
                    return Ok(number);
                }
                let name = format!("{who}/{number:04}");
                driver.put(&CALL, key(&name), signed(&name, number, 3000), Condition::Always).await?;
                number_of(&name, &get(&driver, &name).await?)?;
                driver.put(&CALL, key("both"), signed("both", number, 50_000), Condition::Always).await?;
                match get(&driver, "both").await {
                    Ok(bytes) => drop(number_of("both", &bytes)?),
                    // The other generation has replaced it meanwhile.
                    Err(error) if error.class() == ErrorClass::Broken => {}
                    Err(error) => return Err(error.into()),
                }
                if number % 10 == 9 {
                    written.notify_one();
                }
                tokio::task::yield_now().await;
            }
            Ok(KEYS_MAX)
        });
        Self { stop, wrote, task }
    }

    /// Returns after some more writes, or when the writer has failed.
    async fn wrote_some(&mut self) {
        if !self.task.is_finished() {
            self.wrote.notified().await;
        }
    }

    /// Stops, and answers how many keys were written.
    async fn end(self) -> Result<usize, Stop> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.map_err(|error| Stop::harness("a writer", error))?
    }
}

struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
