//! What the system does to a driver, and what the driver makes of it.

use longshore_loader::api::{Condition, Driver, DriverError, ErrorClass, ListRequest, Upload};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::case::Outcome;
use crate::cases::configuration::{first_answer, unusable};
use crate::config::StoreKind;
use crate::trial::peer::{Content, Peer, Question, Unanswered};
use crate::trial::proxy::{Behaviour, Proxy};
use crate::trial::strace::{Fault, Scene, Site, sites, with_fault};
use crate::trial::{CALL, Instance, Subject, Trial, get, key, prefix};
use crate::verdict::{Stop, hold, same};

fn put(name: &str, size: usize) -> Question {
    Question::Put { key: name.to_owned(), content: Content::Random { seed: 7, size }, if_absent: false }
}

/// An object, and a call on it of each kind that opens files; only its own calls are faulted.
fn questions() -> Vec<(&'static str, Question)> {
    let name = || "a/b/there".to_owned();
    vec![
        ("stat", Question::Stat { key: name() }),
        ("get", Question::Get { key: name() }),
        ("put", put("a/b/there", 100)),
        ("delete", Question::Delete { key: name() }),
        ("list", Question::List),
    ]
}

/// The places in a question's work where a file is looked for or changed.
async fn places(it: &Subject, scene: &Scene<'_>) -> Result<Vec<Site>, Stop> {
    const LOOKING: [&str; 13] = [
        "statx",
        "newfstatat",
        "stat",
        "lstat",
        "open",
        "openat",
        "openat2",
        "mkdirat",
        "unlinkat",
        "renameat",
        "renameat2",
        "linkat",
        "rename",
    ];
    let all = sites(it, scene, false).await?;
    let mut found: Vec<Site> = Vec::new();
    for site in all.into_iter().filter(|site| LOOKING.contains(&site.call.as_str())) {
        if !found.iter().any(|known| known.call == site.call) {
            found.push(site);
        }
    }
    Ok(found)
}

/// Asks each question while `errno` is answered, once for each kind of system call, and hands the failures to `look`.
async fn under(it: &Subject, fault: Fault, mut look: impl FnMut(&str, &Site, &Unanswered) -> Outcome) -> Result<Vec<Retried>, Stop> {
    let before = [put("a/b/there", 5000)];
    let mut reached = 0;
    let mut retried = Vec::new();
    for (what, question) in questions() {
        let asked = [question.clone()];
        let scene = Scene { before: &before, asked: &asked, ..Scene::default() };
        for site in places(it, &scene).await? {
            let faulted = with_fault(it, &scene, &site, fault).await?;
            reached += usize::from(faulted.reached);
            if let (Err(unanswered), true) = (&faulted.answer, faulted.reached) {
                look(what, &site, unanswered)?;
                let again = faulted.peer.ask(question.clone()).await;
                let Unanswered::Failed(failure) = unanswered else { continue };
                retried.push(Retried {
                    what,
                    site: site.clone(),
                    retryable: failure.retryable,
                    class: failure.class(),
                    again: again.err(),
                });
            }
            // Not killed: it may still hold what the next one wants.
            faulted.peer.end().await?;
        }
    }
    if reached == 0 {
        return Err(Stop::not_testable("no fault reached a call on the store"));
    }
    it.note("faults reached", reached);
    Ok(retried)
}

/// A question that failed, and what it answered once the fault was gone.
struct Retried {
    what: &'static str,
    site: Site,
    retryable: bool,
    class: ErrorClass,
    again: Option<Unanswered>,
}

pub(super) async fn refused_permission_is_unauthorized(it: &Subject) -> Outcome {
    let look = |what: &str, site: &Site, unanswered: &Unanswered| {
        let class = unanswered.class();
        hold!(class.is_some(), "{what} ended the process when {} answered EACCES", site.call);
        let right = class == Some(ErrorClass::Unauthorized);
        hold!(right, "{what} must answer unauthorized when {} answers EACCES, and answered {unanswered:?}", site.call);
        Ok(())
    };
    let failed = under(it, Fault::FromThere("EACCES"), look).await?;
    hold!(!failed.is_empty(), "every call succeeded although the system refused permission");
    Ok(())
}

pub(super) async fn retryable_is_honest(it: &Subject) -> Outcome {
    for errno in ["EIO", "EAGAIN", "ENOSPC"] {
        for retried in under(it, Fault::FromThere(errno), |_, _, _| Ok(())).await? {
            let Retried { what, site, retryable, class, again } = retried;
            let gone = matches!(again, Some(Unanswered::Gone));
            hold!(!gone, "{what} again, after {} had answered {errno}, ended the process", site.call);
            hold!(
                !(retryable && again.is_some()),
                "{what} failed retryably as {class} when {} answered {errno}, and once that was over: {again:?}",
                site.call
            );
        }
    }
    for provoked in crate::trial::workload::provoke(&it.driver).await? {
        let Some(error) = provoked.error else { continue };
        hold!(!error.is_retryable(), "{} answers {}, which no retry can help, as retryable", provoked.what, error.class());
    }
    Ok(())
}

pub(super) async fn cause_is_kept_as_data(it: &Subject) -> Outcome {
    const EIO: &str = "5";
    let look = |what: &str, site: &Site, unanswered: &Unanswered| {
        let Unanswered::Failed(failure) = unanswered else {
            return Err(Stop::breach(format!("{what} ended the process when {} answered EIO", site.call)));
        };
        let errno = failure.causes.iter().find(|(kind, _)| kind == "errno").map(|(_, value)| value.as_str());
        let kept = errno.is_some_and(|errno| errno.split(' ').any(|word| word == EIO || word == "EIO"));
        hold!(kept, "{what} failed because {} answered EIO, and its causes are {:?}: {failure}", site.call, failure.causes);
        Ok(())
    };
    let failed = under(it, Fault::FromThere("EIO"), look).await?;
    hold!(!failed.is_empty(), "every call succeeded although the disk failed");
    Ok(())
}

pub(super) async fn lost_service_is_retryable(it: &Trial) -> Outcome {
    let all = unusable(it)?;
    if all.is_empty() || it.setting.config.kind(it.info()) != StoreKind::Service {
        return Err(Stop::not_testable("the settings have no {proxy}, so that the harness cannot stand in front of the service"));
    }
    for unusable in all {
        let what = unusable.what;
        let Some(error) = first_answer(it, &unusable.settings).await? else {
            return Err(Stop::breach(format!("{what} is healthy")));
        };
        let right = [ErrorClass::Unreachable, ErrorClass::Timeout].contains(&error.class());
        hold!(right, "{what} must answer unreachable or timeout, and answered: {error}");
        hold!(error.is_retryable(), "{what} may be back later, and its error is not retryable: {error}");
    }
    Ok(())
}

pub(super) async fn refused_by_the_service_is_unauthorized(it: &Trial) -> Outcome {
    /// More for one call would be asking again.
    const REQUESTS_MAX: usize = 5;
    let proxy = Proxy::of(it).await?;
    let driver = proxy.open(it).await?;
    driver.put(&CALL, key("there"), "bytes".into(), Condition::Always).await?;
    for status in [401, 403] {
        for (what, question) in ["stat", "read", "put", "delete", "list", "an upload"].into_iter().zip(0..) {
            let before = proxy.faults();
            proxy.set(Behaviour::Status(status, usize::MAX));
            let answer = asked(&driver, question).await;
            proxy.set(Behaviour::Pass);
            let requests = proxy.faults() - before;
            match answer {
                // What needs no answer of the service is not refused.
                Ok(()) if requests == 0 => continue,
                Ok(()) => return Err(Stop::breach(format!("{what} succeeds while the service answers {status}"))),
                Err(error) if error.class() == ErrorClass::Broken && !error.to_string().contains(&status.to_string()) => {
                    return Err(Stop::not_testable("the driver takes an HTTP answer for nonsense: its service speaks something else"));
                }
                Err(error) => {
                    let right = error.class() == ErrorClass::Unauthorized;
                    hold!(right, "{what} must answer unauthorized while the service answers {status}, and answers: {error}");
                    hold!(!error.is_retryable(), "{what} answers {error}, which no retry can help, as retryable");
                }
            }
            hold!(requests <= REQUESTS_MAX, "the service answered {status} to {what}, and was asked {requests} times");
        }
    }
    let got = get(&driver, "there").await?;
    hold!(got == "bytes", "calls that the service refused have changed an object");
    driver.close(&CALL).await?;
    Ok(())
}

/// One call of each kind, by its number.
async fn asked(driver: &Instance, question: usize) -> Result<(), DriverError> {
    match question {
        0 => driver.stat(&CALL, key("there")).await.map(drop),
        1 => get(driver, "there").await.map(drop),
        2 => driver.put(&CALL, key("there"), "other".into(), Condition::Always).await.map(drop),
        3 => driver.delete(&CALL, key("there")).await,
        4 => driver.list(&CALL, &ListRequest::objects(prefix(""), 10)).await.map(drop),
        _ => {
            let mut upload = driver.upload_begin(&CALL, None).await?;
            upload.write(&CALL, "bytes".into()).await?;
            // Where it needs no answer before.
            upload.suspend(&CALL).await.map(drop)
        }
    }
}

/// How much address space a process has, in bytes.
fn address_space_bytes(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

pub(super) async fn short_memory_corrupts_nothing(it: &Subject) -> Outcome {
    /// What is left of it: more than one upload may hold.
    const LEFT_BYTES: u64 = 24 << 20;
    const CHUNK: usize = 1 << 20;
    /// Twice of what is left, so that a driver that keeps it all runs out.
    const CHUNKS: u64 = 48;
    let kept = Content::Random { seed: it.seed(), size: 300_000 };
    it.put("kept", kept.bytes()).await?;
    it.put("large", "the old one").await?;
    let peer = Peer::start(it).await?;
    // Threads and buffers that it makes once are there before memory is short.
    for question in [put("warm", CHUNK), Question::Get { key: "warm".into() }, Question::Delete { key: "warm".into() }] {
        peer.ask(question).await?;
    }
    let Some((size, id)) = address_space_bytes(peer.id()).zip(i32::try_from(peer.id()).ok().and_then(Pid::from_raw)) else {
        return Err(Stop::not_testable("the size of a process is not told here"));
    };
    let limit = Some(size + LEFT_BYTES);
    prlimit(Some(id), Resource::As, Rlimit { current: limit, maximum: limit })
        .map_err(|error| Stop::not_testable(format!("the memory of a process cannot be limited: {error}")))?;
    let ended = write_large(&peer, CHUNK, CHUNKS).await;
    it.note(
        "it ended as",
        match &ended {
            Ok(()) => "committed".to_owned(),
            Err(Unanswered::Gone) => "the process ended".to_owned(),
            Err(Unanswered::Failed(failure)) => failure.class().to_string(),
        },
    );
    peer.kill();
    same(&kept.bytes(), &it.get("kept").await?, "an object that nobody wrote while memory was short")?;
    let large = it.driver.stat(&CALL, key("large")).await?;
    let whole = CHUNKS * CHUNK as u64;
    match ended {
        Ok(()) => hold!(large.size == whole, "a commit of {whole} bytes was answered, and the object has {}", large.size),
        // An answer that never came leaves both possible.
        Err(_) if large.size == whole => {}
        Err(_) => hold!(it.get("large").await? == "the old one", "a failed write left an object of {} bytes", large.size),
    }
    if large.size == whole {
        let expected = Content::Random { seed: 1, size: CHUNK }.bytes();
        let (_, last) = it.read("large", longshore_loader::api::ByteRange::from(whole - CHUNK as u64)).await?;
        same(&expected, &last, "the last part of an object that was written while memory was short")?;
    }
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, "works on".into()).await?;
    upload.abort(&CALL).await?;
    Ok(())
}

async fn write_large(peer: &Peer, chunk: usize, chunks: u64) -> Result<(), Unanswered> {
    peer.ask(Question::Begin { upload: 1, destination: Some("large".into()) }).await?;
    for _ in 0..chunks {
        peer.ask(Question::Write { upload: 1, content: Content::Random { seed: 1, size: chunk } }).await?;
    }
    peer.ask(Question::Commit { upload: 1, key: "large".into(), size: chunks * chunk as u64 }).await?;
    Ok(())
}
