//! Writes that fail, or that are given up half-way.

use longshore_loader::api::ErrorClass::Corrupt;
use longshore_loader::api::{Bytes, Driver, Upload};

use crate::case::{Need, Outcome};
use crate::trial::peer::{Content, Question, Unanswered};
use crate::trial::strace::{Fault, Scene, Site, sites, with_fault};
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{Stop, hold, refused, same};

pub(super) async fn failed_write_leaves_the_old(it: &Subject) -> Outcome {
    let old = Random::new(it.seed()).bytes(300_000);
    it.put("a", old.clone()).await?;
    given_up(it, &old).await?;
    if it.lacks(&[Need::Files]).is_none() {
        let new = Content::Random { seed: it.seed() ^ 1, size: 2_500_000 };
        put_fails(it, &old, &new).await?;
        upload_fails(it, &old, &new).await?;
    }
    Ok(())
}

/// The source of an upload fails half-way, or the upload is not what its source promised.
async fn given_up(it: &Subject, old: &[u8]) -> Outcome {
    for how in ["drop", "abort", "refused commit"] {
        for chunks in [1, 30] {
            let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
            for _ in 0..chunks {
                upload.write(&CALL, Bytes::from(vec![7; 100_000])).await?;
            }
            match how {
                "drop" => drop(upload),
                "abort" => upload.abort(&CALL).await?,
                _ => refused(upload.commit(&CALL, key("a"), 1).await, &[Corrupt], "a commit with a wrong size")?,
            }
            same(old, &it.get("a").await?, format_args!("an object after an upload over it ended with: {how}"))?;
            let listed = it.objects().await?;
            hold!(listed == ["a"], "after an upload ended with {how}, {listed:?} are listed");
        }
    }
    Ok(())
}

async fn put_fails(it: &Subject, old: &[u8], new: &Content) -> Outcome {
    let put = Question::Put { key: "a".into(), content: new.clone(), if_absent: false };
    fails(it, "put", &Scene { before: &[], asked: &[put], ..Scene::default() }, old, new).await
}

async fn upload_fails(it: &Subject, old: &[u8], new: &Content) -> Outcome {
    let asked = [
        Question::Begin { upload: 1, destination: Some("a".into()) },
        Question::Write { upload: 1, content: new.clone() },
        Question::Commit { upload: 1, key: "a".into(), size: new.bytes().len() as u64 },
    ];
    fails(it, "upload", &Scene { before: &[], asked: &asked, ..Scene::default() }, old, new).await
}

/// Lets each system call that changes the store fail, one a time.
async fn fails(it: &Subject, how: &str, scene: &Scene<'_>, old: &[u8], new: &Content) -> Outcome {
    let found = sites(it, scene, true).await?;
    let mut reached = 0;
    for site in &found {
        it.put("a", old.to_vec()).await?;
        let faulted = with_fault(it, scene, site, Fault::Once("EIO")).await?;
        if !faulted.reached {
            continue;
        }
        reached += 1;
        match faulted.answer {
            // A driver may do without the call that failed.
            Ok(_) => same(&new.bytes(), &it.get("a").await?, format_args!("a {how} that answered, with EIO at {}", site.line))?,
            Err(Unanswered::Gone) => return Err(Unanswered::Gone.into()),
            Err(Unanswered::Failed(_)) => old_or_unsynced(it, how, site, old, new).await?,
        }
        let listed = it.objects().await?;
        hold!(listed == ["a"], "after EIO at {} of a {how}, {listed:?} are listed", site.line);
        faulted.peer.end().await?;
    }
    it.note(&format!("faults during a {how}"), reached);
    if reached == 0 {
        return Err(Stop::not_testable(format!("no fault was reached: a {how} makes no system call on the store that is known here")));
    }
    Ok(())
}

/// The old object is there, or the new one where only its durability failed.
async fn old_or_unsynced(it: &Subject, how: &str, site: &Site, old: &[u8], new: &Content) -> Outcome {
    let got = it.get("a").await?;
    if site.call.contains("sync") && got == new.bytes() {
        return Ok(());
    }
    same(old, &got, format_args!("an object after a {how} over it that failed, with EIO at {}", site.line))
}
