//! Uploads whose process ends, or is killed.

use longshore_loader::api::{Driver, Upload, UploadToken};

use crate::case::{Need, Outcome};
use crate::trial::peer::{Content, Peer, Question};
use crate::trial::strace::{Fault, Scene, Site, sites, with_fault};
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{Stop, hold, same};

fn begin() -> Question {
    Question::Begin { upload: 1, destination: Some("a".into()) }
}

fn write(content: &Content) -> Question {
    Question::Write { upload: 1, content: content.clone() }
}

pub(super) async fn upload_goes_on_in_another_process(it: &Subject) -> Outcome {
    let contents = [300_000, 7, 1 << 20].map(|size| Content::Random { seed: it.seed() ^ size as u64, size });
    let mut token = None;
    let mut whole = Vec::new();
    for content in &contents {
        let peer = Peer::start(it).await?;
        let begun = match token {
            None => peer.ask(begin()).await?,
            Some(token) => peer.ask(Question::Resume { upload: 1, token }).await?,
        };
        hold!(begun.size == whole.len() as u64, "{} bytes were suspended, another process goes on at {}", whole.len(), begun.size);
        peer.ask(write(content)).await?;
        whole.extend_from_slice(&content.bytes());
        token = Some(peer.ask(Question::Suspend { upload: 1 }).await?.token);
        let status = peer.end().await?;
        hold!(status.success(), "a process with a suspended upload closed the driver and ended with {status}");
    }
    commits(it, token.unwrap_or_default(), whole.len(), &whole).await
}

/// Resumes here, at an offset from `kept` on, and commits: the bytes up to the offset are those that were written.
async fn commits(it: &Subject, token: Vec<u8>, kept: usize, written: &[u8]) -> Outcome {
    let mut upload = it.driver.upload_resume(&CALL, &UploadToken::new(token)?).await?;
    let offset = upload.offset();
    let between = (kept as u64..=written.len() as u64).contains(&offset);
    hold!(between, "of {} bytes {kept} were suspended when the process ended, and the upload goes on at {offset}", written.len());
    upload.write(&CALL, "end".into()).await?;
    upload.commit(&CALL, key("a"), offset + 3).await?;
    // The offset lies within the bytes, as was just shown.
    let expected = [&written[..offset as usize], b"end"].concat();
    same(&expected, &it.get("a").await?, format_args!("an upload whose process ended, with {kept} bytes suspended"))
}

pub(super) async fn killed_upload_keeps_what_was_suspended(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for _ in 0..8 {
        killed_between_calls(it, &mut random).await?;
    }
    if it.lacks(&[Need::Files]).is_none() {
        killed_during_calls(it, &mut random).await?;
    }
    Ok(())
}

async fn killed_between_calls(it: &Subject, random: &mut Random) -> Outcome {
    let peer = Peer::start(it).await?;
    peer.ask(begin()).await?;
    let (mut written, mut kept, mut token) = (Vec::new(), 0, Vec::new());
    let suspends = 1 + random.below(3);
    for number in 0..suspends + random.below(3) {
        let content = Content::Random { seed: random.number(), size: *random.one_of(&[1, 4096, 100_001, 1 << 20, 3_000_001]) };
        peer.ask(write(&content)).await?;
        written.extend_from_slice(&content.bytes());
        if number < suspends {
            token = peer.ask(Question::Suspend { upload: 1 }).await?.token;
            kept = written.len();
        }
    }
    peer.kill();
    commits(it, token, kept, &written).await
}

const SUSPENDED_BYTES: usize = 10_000;

/// A suspended upload, whose token is to be resumed.
async fn suspended(it: &Subject, content: &Content) -> Result<Vec<u8>, Stop> {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, content.bytes()).await?;
    Ok(upload.suspend(&CALL).await?.as_bytes().to_vec())
}

/// Kills at each system call of a write, and at each of a suspend.
async fn killed_during_calls(it: &Subject, random: &mut Random) -> Outcome {
    let (first, more) =
        (Content::Random { seed: random.number(), size: SUSPENDED_BYTES }, Content::Random { seed: random.number(), size: 2_500_000 });
    let written = [first.bytes(), more.bytes()].concat();
    let suspend = Question::Suspend { upload: 1 };
    let mut reached = 0;
    for (prepared, asked) in [(vec![], write(&more)), (vec![write(&more)], suspend)] {
        let asked = [asked];
        let before = |token| [vec![Question::Resume { upload: 1, token }], prepared.clone()].concat();
        let found = sites(it, &Scene { before: &before(suspended(it, &first).await?), asked: &asked, ..Scene::default() }, true).await?;
        for site in &found {
            let token = suspended(it, &first).await?;
            let faulted =
                with_fault(it, &Scene { before: &before(token.clone()), asked: &asked, ..Scene::default() }, site, Fault::Kill).await?;
            if faulted.reached {
                reached += 1;
                drop(faulted);
                still_there(it, token, site, &written).await?;
            }
        }
    }
    it.note("kills during writes and suspends", reached);
    if reached == 0 {
        return Err(Stop::not_testable("no process could be killed during a write: none of its system calls was seen on the store"));
    }
    Ok(())
}

/// What was suspended before a process was killed at `site` can be gone on with.
async fn still_there(it: &Subject, token: Vec<u8>, site: &Site, written: &[u8]) -> Outcome {
    match it.driver.upload_resume(&CALL, &UploadToken::new(token.clone())?).await {
        Err(error) => Err(Stop::breach(format!("a process was killed at {}; resuming what it had suspended answers: {error}", site.line))),
        Ok(upload) => {
            drop(upload);
            commits(it, token, SUSPENDED_BYTES, written).await
        }
    }
}
