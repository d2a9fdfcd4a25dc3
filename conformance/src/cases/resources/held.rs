//! Descriptors, threads, child processes and files.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use longshore_loader::api::{ByteRange, Bytes, Condition, Driver, DriverError, ErrorClass, Upload};
use serde_json::Value;

use crate::case::Outcome;
use crate::config::{Place, schema};
use crate::trial::observe::{GRACE, Held, settle};
use crate::trial::peer::{Content, Peer, PeerOptions, Question};
use crate::trial::{CALL, Instance, Random, Subject, Trial, get, key};
use crate::verdict::{Stop, hold};

/// Does work on a runtime and a thread of its own, which are gone when this returns: what is left is the driver's.
fn apart(work: impl Future<Output = Outcome> + Send) -> Outcome {
    let work = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(16).enable_all().build();
        let runtime = runtime.map_err(|error| Stop::harness("no runtime", error))?;
        let outcome = runtime.block_on(work);
        runtime.shutdown_timeout(GRACE);
        outcome
    };
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err(Stop::harness("a thread", "it panicked")))
}

/// What is held once an instance was opened and closed: with what a library makes once for its process, which may stay (driver contract,
/// section 3, `close`). Whatever else that first instance leaves is found when the case has ended.
fn warmed_up(trial: &Trial) -> Result<Held, Stop> {
    trial.load()?;
    apart(async {
        trial.open().await?.close(&CALL).await?;
        Ok(())
    })?;
    // What is still on its way out is no longer there when the case compares.
    Ok(Held::now())
}

/// `Ok` if nothing is held that was not before.
fn nothing_left(before: &Held, after: &str) -> Outcome {
    let left = settle(before);
    hold!(left.is_empty(), "{after} were left: {}", left.join(", "));
    Ok(())
}

/// One of many kinds of calls, on a few keys; those that must fail are among them.
pub(super) async fn mixed(driver: &Instance, random: &mut Random) -> Result<(), DriverError> {
    let names = ["mixed/a", "mixed/b", "mixed/in/c"];
    let name = *random.one_of(&names);
    let expected = |answer: Result<(), DriverError>| match answer {
        Err(error) if error.class() != ErrorClass::NotFound => Err(error),
        _ => Ok(()),
    };
    match random.below(8) {
        0 | 1 => driver.put(&CALL, key(name), Bytes::from(vec![1; random.below(20_000)]), Condition::Always).await.map(drop),
        2 => expected(get(driver, name).await.map(drop)),
        3 => expected(get(driver, "absent/key").await.map(drop)),
        // A stream that is dropped before its end.
        4 => expected(driver.read(&CALL, key(name), ByteRange::ALL).await.map(drop)),
        5 => expected(driver.delete(&CALL, key(name)).await),
        6 => {
            let mut upload = driver.upload_begin(&CALL, Some(key(name))).await?;
            upload.write(&CALL, Bytes::from(vec![2; 10_000])).await?;
            match random.below(3) {
                0 => upload.abort(&CALL).await,
                1 => upload.commit(&CALL, key(name), 10_000).await.map(drop),
                _ => Ok(()),
            }
        }
        _ => expected(driver.stat(&CALL, key("absent")).await.map(drop)),
    }
}

pub(super) async fn descriptors_return(trial: &Trial) -> Outcome {
    let (early_calls, calls) = (trial.rounds(200), trial.rounds(1000));
    // A pool fills in the first calls; a leak goes on.
    let more_max = trial.rounds(50);
    let before = warmed_up(trial)?;
    apart(async {
        let driver = trial.open().await?;
        let mut random = Random::new(trial.seed());
        for _ in 0..early_calls {
            mixed(&driver, &mut random).await?;
        }
        let early = Held::now().descriptors.len();
        for _ in early_calls..calls {
            mixed(&driver, &mut random).await?;
        }
        let more = Held::now().descriptors.len().saturating_sub(early);
        hold!(more <= more_max, "after {calls} calls {more} descriptors more are open than after {early_calls}");
        driver.close(&CALL).await?;
        Ok(())
    })?;
    nothing_left(&before, &format!("after {calls} calls and close"))
}

pub(super) async fn threads_return(trial: &Trial) -> Outcome {
    let before = warmed_up(trial)?;
    apart(async {
        let mut instances = Vec::new();
        for number in 0..4 {
            let settings = trial.settings_elsewhere(&format!("instance{number}"))?;
            instances.push(trial.try_open(&settings).await??);
        }
        for driver in &instances {
            driver.put(&CALL, key("a"), Bytes::from_static(b"a"), Condition::Always).await?;
            get(driver, "a").await?;
        }
        for driver in &instances {
            driver.close(&CALL).await?;
        }
        Ok(())
    })?;
    nothing_left(&before, "5 s after four instances were closed")
}

pub(super) async fn cycles_leak_nothing(trial: &Trial) -> Outcome {
    let before = warmed_up(trial)?;
    apart(async {
        for _ in 0..200 {
            let driver = trial.open().await?;
            driver.put(&CALL, key("a"), Bytes::from_static(b"a"), Condition::Always).await?;
            let mut upload = driver.upload_begin(&CALL, None).await?;
            upload.write(&CALL, Bytes::from_static(b"b")).await?;
            driver.close(&CALL).await?;
        }
        Ok(())
    })?;
    nothing_left(&before, "after 200 instances were opened and closed")
}

/// The flag of `open` in the kernel's text about a descriptor, which is octal.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

pub(super) async fn descriptors_are_closed_on_exec(trial: &Trial) -> Outcome {
    trial.load()?;
    let before = Held::now();
    let driver = trial.open().await?;
    driver.put(&CALL, key("a"), Bytes::from(vec![1; 2 << 20]), Condition::Always).await?;
    let reading = driver.read(&CALL, key("a"), ByteRange::ALL).await?;
    let mut upload = driver.upload_begin(&CALL, Some(key("b"))).await?;
    upload.write(&CALL, Bytes::from(vec![2; 2 << 20])).await?;
    let token = upload.suspend(&CALL).await?;
    let mut inherited = Vec::new();
    let mut seen = 0;
    for (number, target) in Held::now().descriptors.iter().filter(|(number, target)| before.descriptors.get(number) != Some(target)) {
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = text.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
        // It may have been closed meanwhile.
        let Some(flags) = flags else { continue };
        seen += 1;
        if flags & CLOSE_ON_EXEC == 0 {
            inherited.push(format!("{number} of {}", target.display()));
        }
    }
    trial.note("descriptors", seen);
    drop((reading, upload, token));
    driver.close(&CALL).await?;
    hold!(inherited.is_empty(), "every program that the host starts gets the descriptors {}", inherited.join(", "));
    Ok(())
}

pub(super) async fn temporaries_are_gone(trial: &Trial) -> Outcome {
    let made = |name: &str| {
        let folder = trial.folder().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| Stop::harness("a folder cannot be made", error))?;
        Ok::<_, Stop>(folder)
    };
    let (temporary, working) = (made("temporary")?, made("working")?);
    let environment = ["TMPDIR", "TMP", "TEMP"].map(|name| (name.to_owned(), temporary.to_string_lossy().into_owned())).to_vec();
    let settings = trial.settings_elsewhere("store of it")?;
    let store = trial.folder().join("store of it");
    let options = PeerOptions { settings: Some(settings), environment, folder: Some(working.clone()), ..PeerOptions::default() };
    let (peer, opened) = Peer::start_with(trial, options).await?;
    opened?;
    let content = Content::Random { seed: trial.seed(), size: 3 << 20 };
    peer.ask(Question::Put { key: "a".into(), content: Content::Text("small".into()), if_absent: false }).await?;
    for upload in 0..4 {
        peer.ask(Question::Begin { upload, destination: Some("b".into()) }).await?;
        peer.ask(Question::Write { upload, content: content.clone() }).await?;
    }
    peer.ask(Question::Abort { upload: 0 }).await?;
    peer.ask(Question::Drop { upload: 1 }).await?;
    // The others are open when the instance is closed.
    peer.end().await?;
    // 12 MiB were written; what a store needs for itself is far less than one of the uploads.
    within_grace(|| bytes_below(&store) < 2 << 20).await.map_err(|()| {
        Stop::breach(format!("after uploads without a commit and close {} bytes are left in the store", bytes_below(&store)))
    })?;
    for (folder, what) in [(&temporary, "the folder for temporary files of the machine"), (&working, "the working folder of the process")] {
        let entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
        hold!(entries.is_empty(), "after close {what} has {entries:?}");
    }
    Ok(())
}

/// Waits until something holds, at most as long as something may outlive `close`.
async fn within_grace(holds: impl Fn() -> bool) -> Result<(), ()> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > GRACE {
            return Err(());
        }
        // Nothing tells when a file is gone; asking again is all there is.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let about = entry.metadata().ok()?;
        Some(if about.is_dir() { bytes_below(&entry.path()) } else { about.len() })
    });
    sizes.sum()
}

pub(super) async fn children_end_with_the_host(trial: &Trial) -> Outcome {
    let peer = Peer::start(trial).await?;
    peer.ask(Question::Put { key: "a".into(), content: Content::Text("a".into()), if_absent: false }).await?;
    peer.ask(Question::Get { key: "a".into() }).await?;
    let children = children(peer.id());
    trial.note("child processes", children.len());
    let zombies: Vec<_> = children.iter().filter(|id| state(**id) == Some('Z')).collect();
    hold!(zombies.is_empty(), "the child processes {zombies:?} have ended and were not waited for");
    peer.kill();
    let left = || children.iter().any(|id| state(*id).is_some_and(|state| state != 'Z'));
    within_grace(|| !left())
        .await
        .map_err(|()| Stop::breach(format!("the child processes {children:?} run 5 s after their host was killed")))
}

fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let texts = tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    texts.flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The letter that the kernel has for what a process does.
fn state(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// How many opens fail.
const OPENS: usize = 100;
const OPENS_AT_ONCE: usize = 10;
/// When no more of them begin.
const OPENS_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn failed_opens_leak_nothing(trial: &Trial) -> Outcome {
    let settings = refused_settings(trial)?;
    let before = warmed_up(trial)?;
    let files = bytes_below(trial.folder());
    let mut failed = 0;
    apart(async {
        let begin = Instant::now();
        // A driver of a service may try for a while before it says no: some at a time, and fewer than all if that takes long.
        while failed < OPENS && (failed == 0 || begin.elapsed() < OPENS_WITHIN) {
            failed += fail_to_open(trial, &settings).await?;
        }
        Ok(())
    })?;
    trial.note("failed opens", failed);
    nothing_left(&before, &format!("after {failed} failed opens"))?;
    let more = bytes_below(trial.folder()) - files;
    hold!(more == 0, "{failed} failed opens left {more} bytes of files");
    Ok(())
}

/// Opens some instances at the same time, all of which must fail; answers how many that were.
async fn fail_to_open(trial: &Trial, settings: &Value) -> Result<usize, Stop> {
    let opening = (0..OPENS_AT_ONCE).map(|_| trial.try_open(settings));
    let opened: Vec<_> = try_join_all(opening).await?.into_iter().flatten().collect();
    for driver in &opened {
        driver.close(&CALL).await?;
    }
    if opened.is_empty() {
        return Ok(OPENS_AT_ONCE);
    }
    Err(Stop::not_testable("the driver opens with a folder below a file and an address at which nobody listens"))
}

/// Settings that fit the schema and name a place where no store can be.
fn refused_settings(trial: &Trial) -> Result<Value, Stop> {
    let file = trial.folder().join("file");
    std::fs::write(&file, "no folder").map_err(|error| Stop::harness("a file cannot be made", error))?;
    let unique = trial.setting.place.unique.clone();
    // Port 9 is that of a service that nobody has run for decades.
    let nowhere = Place { folder: file.join("below"), unique, proxy: Some("127.0.0.1:9".into()) };
    let schema = schema(trial.info()).map_err(|error| Stop::breach(error.to_string()))?;
    schema
        .check(&trial.setting.config.settings(&nowhere))
        .map_err(|_| Stop::not_testable("the settings of a store that is nowhere do not fit"))
}

pub(super) async fn deleted_store_is_empty(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for number in 0..60 {
        let name = format!("empty/{}/{}/{number}", random.below(5), random.below(3));
        it.put(&name, vec![1; random.below(2000)]).await?;
    }
    for name in it.objects().await? {
        it.driver.delete(&CALL, key(&name)).await?;
    }
    let left = it.objects().await?;
    hold!(left.is_empty(), "after every listed key was deleted the list has {left:?}");
    let entries = it.walk("", false, 100).await?;
    hold!(entries.is_empty(), "after every listed key was deleted the root lists {entries:?}");
    Ok(())
}
