//! Figures, run by hand: `cargo test --release -p longshore-driver-filesystem speed -- --ignored --nocapture --test-threads 1`.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::*;

/// A pool of threads such as a host has.
struct Pool(Mutex<Sender<Box<dyn FnOnce() + Send>>>);

impl Pool {
    fn host(threads: usize) -> Host {
        let (jobs, queue) = channel::<Box<dyn FnOnce() + Send>>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = queue.clone();
            std::thread::spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    job();
                }
            });
        }
        Host::new(Arc::new(Self(Mutex::new(jobs))), "speed")
    }
}

impl longshore_plugin_api::HostServices for Pool {
    fn log(&self, _: longshore_plugin_api::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(job);
    }
}

fn opened(durability: &str) -> (TempDir, Filesystem) {
    let base = std::env::var("LONGSHORE_TEST_FOLDER").unwrap_or_else(|_| ".".to_owned());
    let folder = TempDir::new_in(base).expect("a folder");
    let settings = serde_json::json!({ "root": folder.path(), "durability": durability });
    let driver = block_on(Filesystem::open(Settings::new(settings), Pool::host(16), None)).expect("open");
    (folder, driver)
}

#[test]
#[ignore = "figures, not a judgement"]
fn puts() {
    for durability in ["disk", "process"] {
        let (_folder, driver) = opened(durability);
        for (threads, layout) in [(1, "old"), (1, "new"), (16, "old"), (16, "new"), (16, "one")] {
            let each = if durability == "disk" { 1600 / threads } else { 16_000 / threads };
            let start = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let driver = &driver;
                    scope.spawn(move || {
                        for round in 0..each {
                            let name = match layout {
                                "old" => format!("old/{threads}/{thread}/{}", round % 8),
                                "one" => format!("one/{thread}-{round}"),
                                _ => format!("new/{threads}/{thread}/{round}/link"),
                            };
                            block_on(driver.put(&CALL, key(&name), Bytes::from_static(&[b'x'; 71]), Condition::Always)).expect("put");
                        }
                    });
                }
            });
            let total = (each * threads) as f64;
            say(&format!(
                "put 71 bytes, {durability}, {threads:2} threads, {layout} folders: {:.0}/s",
                total / start.elapsed().as_secs_f64()
            ));
        }
    }
}

#[test]
#[ignore = "figures, not a judgement"]
fn uploads() {
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    for durability in ["disk", "process"] {
        let (_folder, driver) = opened(durability);
        // A registry also receives and hashes: about 800 us for each MiB.
        for (streams, mebibytes, pace_us) in [(1, 64, 800), (1, 64, 800), (1, 64, 0), (4, 64, 800), (1, 512, 800)] {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for stream in 0..streams {
                    let (driver, chunk) = (&driver, &chunk);
                    scope.spawn(move || {
                        let mut upload = block_on(driver.upload_begin(&CALL, None)).expect("begin");
                        for _ in 0..mebibytes {
                            let busy = Instant::now();
                            while busy.elapsed().as_micros() < pace_us {
                                std::hint::spin_loop();
                            }
                            write(&mut upload, chunk.clone());
                        }
                        commit(&mut upload, &format!("a/{stream}")).expect("commit");
                    });
                }
            });
            let total = (streams * mebibytes) as f64 * 1.048_576;
            let rate = total / start.elapsed().as_secs_f64();
            say(&format!("upload {mebibytes} MiB, {durability}, {streams} at once, {pace_us} us a MiB elsewhere: {rate:.0} MB/s"));
        }
    }
}

#[test]
#[ignore = "figures, not a judgement"]
fn reads() {
    let (_folder, driver) = opened("process");
    for (name, size) in [("a/b/c/d/e/f/g", 71), ("a/b/c/d/e/f/ten", 10_000), ("a/b/c/d/e/f/large", 1 << 20)] {
        block_on(driver.put(&CALL, key(name), Bytes::from(vec![1; size]), Condition::Always)).expect("put");
        let time = |what: &str, call: &dyn Fn()| {
            let start = Instant::now();
            (0..100_000).for_each(|_| call());
            say(&format!("{what} of {size} bytes: {:.2} us", start.elapsed().as_secs_f64() * 10.0));
        };
        time("stat", &|| drop(block_on(driver.stat(&CALL, key(name))).expect("stat")));
        time("read", &|| {
            drop(block_on(driver.read(&CALL, key(name), ByteRange::ALL)).expect("read"));
        });
    }
    let tag = |number: usize| format!("tags/v{number}/current/link");
    (0..10_000)
        .for_each(|number| drop(block_on(driver.put(&CALL, key(&tag(number)), Bytes::from_static(b"x"), Condition::Always)).expect("put")));
    for limit in [10, 100, 1000] {
        let start = Instant::now();
        let page = block_on(driver.list(&CALL, &ListRequest::children(prefix("tags"), limit))).expect("list");
        say(&format!("list {} of 10000 folders: {:.2} ms", page.entries.len(), start.elapsed().as_secs_f64() * 1000.0));
    }
}
