//! Processes that are killed between calls and under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use longshore_loader::api::{Capability, Driver, ErrorClass, Upload};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::change::{Change, State};
use crate::trial::peer::{Content, Peer, Question, Unanswered};
use crate::trial::{CALL, Random, Trial};
use crate::verdict::{Stop, hold};

/// How long a start after a crash may take.
const START_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn acknowledged_survives_the_kill(trial: &Trial) -> Outcome {
    for change in Change::all(trial.info().known_capabilities()) {
        let peer = Peer::start(trial).await?;
        for question in change.before.iter().chain(&change.asked) {
            peer.ask(question.clone()).await?;
        }
        peer.kill();
        let after = format!("{} was answered and the process killed", change.name);
        let peer = Peer::start(trial).await?;
        change.judge(&peer, State::New, &after).await?;
        change.goes_on(&peer, &after).await?;
        peer.kill();
    }
    Ok(())
}

/// How many writers a load has, each with a key of its own.
const WRITERS: usize = 8;
const KILLS: usize = 200;

/// What a key may hold: the content of the last answered write, or of the one that was under way.
#[derive(Debug, Clone, Default)]
struct Known {
    last: Option<Content>,
    under_way: Option<Option<Content>>,
}

pub(super) async fn killed_under_load_is_whole(trial: &Trial) -> Outcome {
    let mut random = Random::new(trial.seed());
    let mut known: BTreeMap<String, Known> = (0..WRITERS).map(|writer| (format!("load/{writer}/object"), Known::default())).collect();
    let mut answered = 0;
    for round in 0..KILLS {
        let peer = Arc::new(Peer::start(trial).await?);
        check(trial, &peer, &mut known, &format!("kill {round}")).await?;
        let wanted = random.below(40);
        answered += wanted;
        load_and_kill(&peer, &mut known, wanted, &mut random).await?;
    }
    let peer = Peer::start(trial).await?;
    check(trial, &peer, &mut known, "the last kill").await?;
    trial.note("kills", KILLS);
    trial.note("answered writes", answered);
    Ok(())
}

/// Compares all keys with what they may hold, and takes what they hold as known. Of a service it may take some time until that is so: a
/// request that it has received goes on without the process that made it, and may end between two looks.
async fn check(trial: &Trial, peer: &Peer, known: &mut BTreeMap<String, Known>, after: &str) -> Outcome {
    let begin = Instant::now();
    loop {
        let mut seen = known.clone();
        let checked = check_now(peer, &mut seen, after).await;
        if checked.is_ok() || begin.elapsed() >= trial.asked_ends_within() {
            *known = seen;
            return checked;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn check_now(peer: &Peer, known: &mut BTreeMap<String, Known>, after: &str) -> Outcome {
    let listed = peer.ask(Question::List).await?.keys;
    for (key, known) in known.iter_mut() {
        let got = match peer.ask(Question::Get { key: key.clone() }).await {
            Ok(answer) => Some(answer),
            Err(error) if error.class() == Some(ErrorClass::NotFound) => None,
            Err(error) => return Err(Stop::breach(format!("after {after} {key:?} cannot be read: {error:?}"))),
        };
        let is = |content: &Option<Content>| content.as_ref().map(Content::sha256) == got.as_ref().map(|got| got.sha256.clone());
        let under_way = known.under_way.take();
        if !is(&known.last) {
            let Some(now) = under_way.clone().filter(is) else {
                let size = got.map_or("absent".to_owned(), |got| format!("of {} bytes", got.size));
                return Err(Stop::breach(format!(
                    "after {after} {key:?} is {size}; the last answer was for {:?}, under way was {under_way:?}",
                    known.last
                )));
            };
            known.last = now;
        }
        let is_listed = listed.contains(key);
        hold!(is_listed == got.is_some(), "after {after} {key:?} can be read: {}, and is listed: {is_listed}", got.is_some());
    }
    let strange: Vec<_> = listed.iter().filter(|key| !known.contains_key(*key)).collect();
    hold!(strange.is_empty(), "after {after} the list has {strange:?}, which nobody wrote");
    Ok(())
}

/// Lets every writer write, and kills the process once `wanted` writes were answered.
async fn load_and_kill(peer: &Arc<Peer>, known: &mut BTreeMap<String, Known>, wanted: usize, random: &mut Random) -> Outcome {
    let (sender, mut answers) = mpsc::unbounded_channel();
    let mut writers = JoinSet::new();
    for (number, (key, known)) in known.iter().enumerate() {
        let (peer, sender, random) = (peer.clone(), sender.clone(), Random::new(random.number()));
        writers.spawn(writer(peer, key.clone(), known.clone(), number as u64, random, sender));
    }
    drop(sender);
    for _ in 0..wanted {
        // A writer that found a breach has ended.
        if answers.recv().await.is_none() {
            break;
        }
    }
    peer.kill();
    while let Some(ended) = writers.join_next().await {
        let (key, now) = ended.map_err(|error| Stop::harness("a writer", error))??;
        known.insert(key, now);
    }
    Ok(())
}

/// Writes its key again and again, until the process is gone.
async fn writer(
    peer: Arc<Peer>,
    key: String,
    mut known: Known,
    number: u64,
    mut random: Random,
    answers: mpsc::UnboundedSender<()>,
) -> Result<(String, Known), Stop> {
    loop {
        let size = *random.one_of(&[0, 1, 4096, 70_000, 200_000]);
        let content = Content::Random { seed: random.number(), size };
        let (change, questions) = match random.below(5) {
            0 if known.last.is_some() => (None, vec![Question::Delete { key: key.clone() }]),
            1 | 2 => {
                let begin = Question::Begin { upload: number, destination: None };
                let write = Question::Write { upload: number, content: content.clone() };
                let commit = Question::Commit { upload: number, key: key.clone(), size: size as u64 };
                (Some(content), vec![begin, write, commit])
            }
            _ => (Some(content.clone()), vec![Question::Put { key: key.clone(), content, if_absent: false }]),
        };
        known.under_way = Some(change.clone());
        for question in questions {
            match peer.ask(question).await {
                Ok(_) => {}
                Err(Unanswered::Gone) => return Ok((key, known)),
                Err(Unanswered::Failed(failure)) => return Err(Stop::breach(format!("a write under load answers {failure}"))),
            }
        }
        known = Known { last: change, under_way: None };
        // Nobody counts any more once the process is being killed.
        let _ = answers.send(());
    }
}

pub(super) async fn start_after_a_crash_is_quick(trial: &Trial) -> Outcome {
    let peer = Arc::new(Peer::start(trial).await?);
    leave_half_made(&peer).await?;
    peer.kill();
    let begin = Instant::now();
    let peer = Peer::start(trial).await?;
    let took = begin.elapsed();
    trial.note("start after a crash", format!("{} ms", took.as_millis()));
    hold!(took < START_LIMIT, "the start after a crash took {} ms", took.as_millis());
    let whole = peer.ask(Question::Get { key: "whole".into() }).await?;
    hold!(whole.text.as_deref() == Some("written before"), "an object of before the crash is {:?}", whole.text);
    Change::create().goes_on(&peer, "a crash").await
}

/// Leaves uploads that are under way, written and suspended, and one whole object.
async fn leave_half_made(peer: &Arc<Peer>) -> Outcome {
    peer.ask(Question::Put { key: "whole".into(), content: Content::Text("written before".into()), if_absent: false }).await?;
    let mut tasks = JoinSet::new();
    for upload in 0..20 {
        let peer = peer.clone();
        tasks.spawn(async move {
            peer.ask(Question::Begin { upload, destination: Some(format!("half/{upload}")) }).await?;
            peer.ask(Question::Write { upload, content: Content::Random { seed: upload, size: 200_000 } }).await?;
            if upload % 2 == 0 {
                peer.ask(Question::Suspend { upload }).await?;
            }
            Ok::<_, Unanswered>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Stop::harness("an upload", error))??;
    }
    Ok(())
}

pub(super) async fn left_overs_are_no_objects(trial: &Trial) -> Outcome {
    let peer = Arc::new(Peer::start(trial).await?);
    leave_half_made(&peer).await?;
    peer.kill();
    let driver = trial.open().await?;
    let listed = crate::trial::walk(&driver, "", true, 100).await?;
    hold!(listed == ["whole"], "after uploads were killed half-way the list has {listed:?}");
    if driver.capabilities().has(Capability::UploadList) {
        let tokens = driver.upload_list(&CALL, 0).await?;
        hold!(tokens.len() >= 10, "of 10 suspended uploads of a killed process upload_list tells {}", tokens.len());
        for token in tokens {
            driver.upload_resume(&CALL, &token).await?.abort(&CALL).await?;
        }
        let left = driver.upload_list(&CALL, 0).await?.len();
        hold!(left == 0, "after all uploads were aborted upload_list tells {left}");
    }
    driver.close(&CALL).await?;
    if trial.lacks(&[crate::case::Need::Files]).is_none() && driver.capabilities().has(Capability::UploadList) {
        space_comes_back(trial).await?;
    }
    Ok(())
}

/// Makes all files look a month old, opens the driver, and waits until what was left half-made is gone.
async fn space_comes_back(trial: &Trial) -> Outcome {
    // 10 uploads of 200,000 bytes that were not suspended; less than one of them may be left.
    const LEFT_MAX_BYTES: u64 = 200_000;
    let month_ago = SystemTime::now() - Duration::from_secs(31 * 24 * 3600);
    let mut seen = 0;
    for (path, size) in files(trial.folder()) {
        seen += size;
        let age = |file: std::fs::File| file.set_modified(month_ago);
        std::fs::File::open(&path).and_then(age).map_err(|error| Stop::harness("a file's time cannot be set", error))?;
    }
    let driver = trial.open().await?;
    let begin = Instant::now();
    let mut left = seen;
    while left > LEFT_MAX_BYTES && begin.elapsed() < START_LIMIT {
        // Nothing tells when a sweep has ended; looking again is all there is.
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = files(trial.folder()).iter().map(|(_, size)| size).sum();
    }
    driver.close(&CALL).await?;
    hold!(left <= LEFT_MAX_BYTES, "of {seen} bytes that a killed process left, {left} are there 10 s after a start a month later");
    Ok(())
}

fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(about) if about.is_dir() => found.extend(files(&entry.path())),
            Ok(about) if about.is_file() => found.push((entry.path(), about.len())),
            _ => {}
        }
    }
    found
}

pub(super) async fn stale_lock_does_not_block(trial: &Trial) -> Outcome {
    let content = Content::Random { seed: trial.seed(), size: 100_000 };
    let mut token = None;
    for round in 0..3 {
        let peer = Peer::start(trial).await?;
        peer.ask(Question::Put { key: "a".into(), content: content.clone(), if_absent: false }).await?;
        let resumed = match token {
            None => peer.ask(Question::Begin { upload: 1, destination: None }).await?,
            Some(token) => peer.ask(Question::Resume { upload: 1, token }).await?,
        };
        let expected = 100_000 * round;
        hold!(
            resumed.size == expected,
            "an upload of {expected} bytes, suspended in a process that was killed, resumes at {}",
            resumed.size
        );
        peer.ask(Question::Write { upload: 1, content: content.clone() }).await?;
        token = Some(peer.ask(Question::Suspend { upload: 1 }).await?.token);
        // It still holds the upload, and whatever it locked.
        peer.kill();
    }
    let peer = Peer::start(trial).await?;
    peer.ask(Question::Resume { upload: 1, token: token.unwrap_or_default() }).await?;
    peer.ask(Question::Commit { upload: 1, key: "b".into(), size: 300_000 }).await?;
    let got = peer.ask(Question::Get { key: "b".into() }).await?;
    let whole = crate::trial::peer::sha256(&content.bytes().repeat(3));
    hold!(got.sha256 == whole, "an upload that was resumed in three processes has {} bytes, and they are not the ones written", got.size);
    Ok(())
}

/// A step on the keys `a` and `b` of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Put(&'static str),
    Upload(&'static str),
    Delete(&'static str),
    Copy,
}

const STEPS: [Step; 7] =
    [Step::Put("a"), Step::Put("b"), Step::Upload("a"), Step::Upload("b"), Step::Delete("a"), Step::Delete("b"), Step::Copy];

impl Step {
    /// Makes the step, and the same in the model of what is there.
    async fn make(self, peer: &Peer, folder: &str, number: usize, model: &mut BTreeMap<&'static str, Content>) -> Result<(), Stop> {
        let content = Content::Random { seed: number as u64, size: 3000 * (number + 1) };
        let path = |key: &str| format!("{folder}/{key}");
        match self {
            Self::Put(key) => {
                peer.ask(Question::Put { key: path(key), content: content.clone(), if_absent: false }).await?;
                model.insert(key, content);
            }
            Self::Upload(key) => {
                peer.ask(Question::Begin { upload: 1, destination: Some(path(key)) }).await?;
                peer.ask(Question::Write { upload: 1, content: content.clone() }).await?;
                peer.ask(Question::Commit { upload: 1, key: path(key), size: content.bytes().len() as u64 }).await?;
                model.insert(key, content);
            }
            Self::Delete(key) => match (peer.ask(Question::Delete { key: path(key) }).await, model.remove(key)) {
                (Ok(_), Some(_)) => {}
                (Err(error), None) if error.class() == Some(ErrorClass::NotFound) => {}
                (answer, there) => return Err(Stop::breach(format!("delete of {key:?}, there: {}, answers {answer:?}", there.is_some()))),
            },
            Self::Copy => match (peer.ask(Question::Copy { from: path("a"), to: path("b") }).await, model.get("a").cloned()) {
                (Ok(_), Some(content)) => drop(model.insert("b", content)),
                (Err(error), None) if error.class() == Some(ErrorClass::NotFound) => {}
                (answer, there) => return Err(Stop::breach(format!("copy of \"a\", there: {}, answers {answer:?}", there.is_some()))),
            },
        }
        Ok(())
    }
}

pub(super) async fn every_pair_of_steps_survives_a_kill(trial: &Trial) -> Outcome {
    let copies = trial.info().known_capabilities().has(Capability::Copy);
    let steps: Vec<Step> = STEPS.into_iter().filter(|step| copies || *step != Step::Copy).collect();
    let mut peer = Peer::start(trial).await?;
    for (index, first) in steps.iter().enumerate() {
        for (inner, second) in steps.iter().enumerate() {
            let folder = format!("workload/{index}-{inner}");
            let mut model = BTreeMap::new();
            for (number, step) in [first, second].into_iter().enumerate() {
                step.make(&peer, &folder, number, &mut model).await?;
                peer.kill();
                peer = Peer::start(trial).await?;
                let after = format!("{:?}, the last of them followed by a kill", &[first, second][..=number]);
                compare(&peer, &folder, &model, &after).await?;
            }
        }
    }
    Ok(())
}

async fn compare(peer: &Peer, folder: &str, model: &BTreeMap<&'static str, Content>, after: &str) -> Outcome {
    for key in ["a", "b"] {
        let got = match peer.ask(Question::Get { key: format!("{folder}/{key}") }).await {
            Ok(answer) => Some(answer.sha256),
            Err(error) if error.class() == Some(ErrorClass::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let expected = model.get(key).map(Content::sha256);
        hold!(got == expected, "after {after} {key:?} is {got:?}, not {expected:?} (SHA-256)");
    }
    Ok(())
}
