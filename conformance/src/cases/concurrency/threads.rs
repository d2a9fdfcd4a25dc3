//! Calls from threads of the system that are none of the runtime's: many, small ones, short-lived ones.

use std::future::Future;

use longshore_loader::api::convenience::Body;
use longshore_loader::api::{ByteRange, Capability, Condition, Driver, Entry, ListRequest, Upload};
use tokio::sync::oneshot;

use crate::case::Outcome;
use crate::trial::observe::{Held, memory_bytes};
use crate::trial::settled::settled;
use crate::trial::signed::{number_of, signed};
use crate::trial::{CALL, Instance, Random, Subject, drain, get, key, prefix};
use crate::verdict::{Stop, hold, same};

/// The stack of a small thread, in bytes.
const SMALL_STACK_BYTES: usize = 256 * 1024;

/// Runs `work` on a new thread and polls it there. The answer comes when the thread is about to end.
fn on_thread<T, F>(stack_bytes: Option<usize>, work: impl FnOnce() -> F + Send + 'static) -> Result<Ended<T>, Stop>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Stop>>,
{
    let (sender, receiver) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let mut builder = std::thread::Builder::new().name("case".into());
    if let Some(bytes) = stack_bytes {
        builder = builder.stack_size(bytes);
    }
    let run = move || {
        // Who asked may have failed meanwhile.
        let _ = sender.send(runtime.block_on(work()));
    };
    let thread = builder.spawn(run).map_err(|error| Stop::harness("a thread does not start", error))?;
    Ok(Ended { thread, receiver })
}

struct Ended<T> {
    thread: std::thread::JoinHandle<()>,
    receiver: oneshot::Receiver<Result<T, Stop>>,
}

impl<T> Ended<T> {
    async fn wait(self) -> Result<T, Stop> {
        let answer = self.receiver.await;
        // It has nothing left to do.
        let ended = self.thread.join();
        match (answer, ended) {
            (Ok(answer), Ok(())) => answer,
            _ => Err(Stop::harness("a thread of the case", "it panicked")),
        }
    }
}

pub(super) async fn keys_do_not_mix(it: &Subject) -> Outcome {
    const THREADS: usize = 64;
    const WRITES: usize = 3;
    // Few folders, so that they are made and filled at the same time.
    let mut names: Vec<_> = (0..THREADS).map(|number| format!("p/{}/{}/{number:02}", number % 3, number % 5)).collect();
    let mut random = Random::new(it.seed());
    let mut threads = Vec::new();
    for name in names.clone() {
        let (driver, mut random) = (it.driver.clone(), Random::new(random.number()));
        threads.push(on_thread(None, move || async move {
            for number in 1..=WRITES {
                let bytes = signed(&name, number, random.below(20_000));
                driver.put(&CALL, key(&name), bytes.clone(), Condition::Always).await?;
                same(&bytes, &get(&driver, &name).await?, format_args!("a read of {name:?} by the thread that wrote it"))?;
            }
            Ok(())
        })?);
    }
    for thread in threads {
        thread.wait().await?;
    }
    names.sort_unstable();
    let listed = it.objects().await?;
    hold!(listed == names, "{THREADS} threads wrote a key each; {} keys are listed: {listed:?}", listed.len());
    for name in names {
        let number = number_of(&name, &it.get(&name).await?)?;
        hold!(number == WRITES, "{name:?} holds its write {number}, the last one was {WRITES}");
    }
    Ok(())
}

pub(super) async fn any_thread_may_call(it: &Subject) -> Outcome {
    const THREADS: usize = 12;
    let mut threads = Vec::new();
    for number in 0..THREADS {
        let driver = it.driver.clone();
        threads.push(on_thread(None, move || async move {
            for round in 0..4 {
                pass_around(&driver, &format!("t/{number:02}"), round).await?;
            }
            Ok(())
        })?);
    }
    for thread in threads {
        thread.wait().await?;
    }
    Ok(())
}

/// An upload and a read of which every step is another thread's.
async fn pass_around(driver: &Instance, name: &str, round: usize) -> Outcome {
    let bytes = signed(name, round, 150_000);
    let mut upload = driver.upload_begin(&CALL, Some(key(name))).await?;
    for part in bytes.chunks(60_000) {
        let part = bytes.slice_ref(part);
        let write = on_thread(None, move || async move {
            upload.write(&CALL, part).await?;
            Ok(upload)
        });
        upload = write?.wait().await?;
    }
    let (owned, size) = (name.to_owned(), bytes.len() as u64);
    on_thread(None, move || async move { Ok(upload.commit(&CALL, key(&owned), size).await?) })?.wait().await?;
    let mut body = Body::new(driver.read(&CALL, key(name), ByteRange::ALL).await?.body);
    let read = on_thread(None, move || async move {
        let mut got = Vec::new();
        drain(&mut body, &mut got).await?;
        Ok(got)
    });
    same(&bytes, &read?.wait().await?, format_args!("a read of {name:?}, begun by one thread and ended by another"))
}

pub(super) async fn small_stacks_are_enough(it: &Subject) -> Outcome {
    let (driver, capabilities) = (it.driver.clone(), it.capabilities);
    let calls = move || async move {
        // On the heap: the stack is for the driver.
        let each: Vec<std::pin::Pin<Box<dyn Future<Output = Outcome> + '_>>> = vec![
            Box::pin(async {
                let bytes = signed("s/a", 1, 300_000);
                driver.put(&CALL, key("s/a"), bytes.clone(), Condition::Always).await?;
                same(&bytes, &get(&driver, "s/a").await?, "a read on a small stack")
            }),
            Box::pin(async { driver.stat(&CALL, key("s/a")).await.map(drop).map_err(Stop::from) }),
            Box::pin(async { pass_around(&driver, "s/b", 1).await }),
            Box::pin(async {
                let mut upload = driver.upload_begin(&CALL, None).await?;
                upload.write(&CALL, signed("s/c", 1, 2_000_000)).await?;
                let token = upload.suspend(&CALL).await?;
                drop(upload);
                let mut upload = driver.upload_resume(&CALL, &token).await?;
                upload.abort(&CALL).await?;
                Ok(())
            }),
            Box::pin(async {
                let page = driver.list(&CALL, &ListRequest::objects(prefix(""), 10)).await?;
                let texts: Vec<_> = page.entries.iter().map(Entry::text).collect();
                hold!(texts == ["s/a", "s/b"], "on a small stack {texts:?} are listed");
                Ok(())
            }),
            Box::pin(async {
                if capabilities.has(Capability::Copy) {
                    driver.copy(&CALL, key("s/a"), key("s/d")).await?;
                }
                Ok(())
            }),
            Box::pin(async { driver.delete(&CALL, key("s/a")).await.map_err(Stop::from) }),
            Box::pin(async {
                if capabilities.has(Capability::DeletePrefix) {
                    driver.delete_prefix(&CALL, prefix("s")).await?;
                }
                Ok(())
            }),
            Box::pin(async { driver.health(&CALL).await.map_err(Stop::from) }),
        ];
        for call in each {
            call.await?;
        }
        Ok(())
    };
    on_thread(Some(SMALL_STACK_BYTES), calls)?.wait().await
}

pub(super) async fn ended_threads_leave_nothing(it: &Subject) -> Outcome {
    const THREADS: usize = 200;
    /// The allocator's own noise, well below a buffer of 64 KiB for each thread.
    const NOISE_BYTES: u64 = 8 << 20;
    one_after_the_other(it, THREADS / 4).await?;
    let (before, memory_before) = (Held::now(), memory_bytes("self"));
    one_after_the_other(it, THREADS).await?;
    settled(it, &before, &format!("{THREADS} threads had called and ended")).await?;
    let grown = memory_bytes("self").saturating_sub(memory_before);
    it.note("memory grown by 200 threads, bytes", grown);
    hold!(grown <= NOISE_BYTES, "after {THREADS} threads had called and ended, {grown} bytes of memory more are in use");
    Ok(())
}

async fn one_after_the_other(it: &Subject, threads: usize) -> Outcome {
    for _ in 0..threads {
        let driver = it.driver.clone();
        let calls = move || async move {
            driver.put(&CALL, key("t/a"), signed("t/a", 1, 1000), Condition::Always).await?;
            number_of("t/a", &get(&driver, "t/a").await?)?;
            driver.delete(&CALL, key("t/a")).await?;
            Ok(())
        };
        on_thread(None, calls)?.wait().await?;
    }
    Ok(())
}
