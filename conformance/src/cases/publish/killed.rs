//! A process that is killed while it publishes.

use longshore_loader::api::{Bytes, Driver, Upload, UploadToken};

use crate::case::Outcome;
use crate::trial::peer::Question;
use crate::trial::strace::{Fault, Scene, Site, sites, with_fault};
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{Stop, hold, same};

const DESTINATIONS: [&str; 2] = ["a", "not/there/yet"];

pub(super) async fn killed_commit_loses_nothing(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    let (old, new) = (random.bytes(70_000), random.bytes(1_500_000));
    it.put("a", old.clone()).await?;
    let mut reached = 0;
    for destination in DESTINATIONS {
        let asked = [Question::Commit { upload: 1, key: destination.into(), size: new.len() as u64 }];
        let before = |token: Vec<u8>| [Question::Resume { upload: 1, token }];
        let found = sites(it, &Scene { before: &before(suspended(it, &new).await?), asked: &asked, ..Scene::default() }, true).await?;
        for site in &found {
            start_over(it, &old).await?;
            let token = suspended(it, &new).await?;
            let faulted =
                with_fault(it, &Scene { before: &before(token.clone()), asked: &asked, ..Scene::default() }, site, Fault::Kill).await?;
            if faulted.reached {
                reached += 1;
                drop(faulted);
                one_is_whole(it, site, destination, &token, (&old, &new)).await?;
            }
        }
    }
    it.note("kills during commits", reached);
    if reached == 0 {
        return Err(Stop::not_testable("no process could be killed during a commit: none of its system calls was seen on the store"));
    }
    Ok(())
}

/// The old object at one destination, none at the other.
async fn start_over(it: &Subject, old: &[u8]) -> Outcome {
    it.put(DESTINATIONS[0], Bytes::copy_from_slice(old)).await?;
    if it.exists(DESTINATIONS[1]).await? {
        it.driver.delete(&CALL, key(DESTINATIONS[1])).await?;
    }
    Ok(())
}

async fn suspended(it: &Subject, bytes: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, Bytes::copy_from_slice(bytes)).await?;
    Ok(upload.suspend(&CALL).await?.as_bytes().to_vec())
}

async fn one_is_whole(it: &Subject, site: &Site, destination: &str, token: &[u8], (old, new): (&[u8], &[u8])) -> Outcome {
    let what = || format!("a process was killed during a commit to {destination:?}, at {}", site.line);
    let got = if it.exists(destination).await? { Some(it.get(destination).await?) } else { None };
    if got.as_ref().is_some_and(|got| got == new) {
        return Ok(());
    }
    if destination == DESTINATIONS[0] {
        let Some(got) = got else { return Err(Stop::breach(format!("{}; the old object is gone, and the new one is not there", what()))) };
        same(old, &got, format_args!("the old object: {}", what()))?;
    } else {
        hold!(got.is_none(), "{}; an object of {:?} bytes is there, which nobody wrote", what(), got.map(|got| got.len()));
    }
    let resumed = it.driver.upload_resume(&CALL, &UploadToken::new(token)?).await;
    let mut upload =
        resumed.map_err(|error| Stop::breach(format!("{}; the new object is not there, and resuming it answers: {error}", what())))?;
    let offset = upload.offset();
    hold!(offset == new.len() as u64, "{}; {} bytes were suspended, and the upload goes on at {offset}", what(), new.len());
    upload.commit(&CALL, key(destination), offset).await?;
    same(new, &it.get(destination).await?, format_args!("the upload, committed again: {}", what()))
}
