//! Lists while keys come and go, and what is never listed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{Bytes, Capability, Condition, Driver, DriverError, Entry, ListRequest, Upload};
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::{CALL, Instance, Random, Subject, key, prefix, walk};
use crate::verdict::{Stop, hold, refused};

pub(super) async fn last_key_of_a_page_may_go(it: &Subject) -> Outcome {
    for recursive in [false, true] {
        for limit in [1, 4, 7] {
            let below = format!("r{recursive}/l{limit}");
            let names: Vec<_> = (0..15).map(|number| format!("{below}/{number:02}")).collect();
            for name in &names {
                it.put(name, "x").await?;
            }
            one_goes_after_each_page(it, &below, &names, recursive, limit).await?;
        }
    }
    Ok(())
}

async fn one_goes_after_each_page(it: &Subject, below: &str, names: &[String], recursive: bool, limit: u32) -> Outcome {
    let mut walked: Vec<String> = Vec::new();
    let mut deleted: Vec<String> = Vec::new();
    loop {
        let after = walked.last().map(String::as_str);
        let page = it.page(&ListRequest { prefix: prefix(below), start_after: after, limit, recursive }).await?;
        hold!(!page.entries.is_empty() || !page.more, "a page of {limit} after {after:?} is empty and says that more follows");
        hold!(walked.len() <= 2 * names.len(), "a walk of {} names has no end: {walked:?}", names.len());
        walked.extend(page.entries.iter().map(Entry::text));
        if !page.more {
            break;
        }
        // The page's last key, which the next one starts after; and a new key behind it, which may appear.
        let last = walked.last().cloned().unwrap_or_default();
        if names.contains(&last) {
            it.driver.delete(&CALL, key(&last)).await?;
            it.put(&format!("{last}-new"), "x").await?;
            deleted.push(last);
        }
    }
    for name in names.iter().filter(|name| !deleted.contains(name)) {
        let times = walked.iter().filter(|walked| *walked == name).count();
        hold!(times == 1, "{name:?} was there all the time and appeared {times} times by pages of {limit}: {walked:?}");
    }
    hold!(walked.is_sorted(), "{walked:?}, by pages of {limit}, is not in order");
    Ok(())
}

/// How many changes the writers make at the least, and how often the store is walked.
const CHANGES: usize = 60;
const WALKS: usize = 10;

pub(super) async fn walk_is_steady_while_others_write(it: &Subject) -> Outcome {
    const STEADY: usize = 40;
    let steady: Vec<_> = (0..STEADY).map(|number| format!("p/{number:02}-steady")).collect();
    for name in &steady {
        it.put(name, "x").await?;
    }
    let (stop, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = JoinSet::new();
    for writer in 0..3 {
        let random = Random::new(it.seed() ^ writer);
        writers.spawn(come_and_go(it.driver.clone(), writer, random, stop.clone(), changes.clone()));
    }
    let walked = walk_meanwhile(it, &steady, &changes, &mut writers).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended.map_err(|error| Stop::harness("a task that writes", error))??;
    }
    walked
}

async fn walk_meanwhile(it: &Subject, steady: &[String], changes: &AtomicUsize, writers: &mut JoinSet<Result<(), DriverError>>) -> Outcome {
    let expected: BTreeSet<_> = steady.iter().map(String::as_str).collect();
    let mut walks = 0;
    while walks < WALKS || changes.load(Ordering::Relaxed) < CHANGES {
        let (recursive, limit) = (walks % 2 == 0, [1, 3, 7, 1000][walks % 4]);
        let walked = walk(&it.driver, "p", recursive, limit).await?;
        let twice = walked.windows(2).find(|pair| pair[0] >= pair[1]);
        hold!(twice.is_none(), "a walk by pages of {limit} while others write has {twice:?} in a row");
        let found: BTreeSet<_> = walked.iter().map(String::as_str).collect();
        let missing: Vec<_> = expected.difference(&found).collect();
        hold!(missing.is_empty(), "a walk by pages of {limit} while others write lacks {missing:?}, which were there all the time");
        let strange: Vec<_> = found.difference(&expected).filter(|name| !name.contains("-passing-")).collect();
        hold!(strange.is_empty(), "a walk by pages of {limit} while others write has {strange:?}, which nobody wrote");
        walks += 1;
        // Writers stop by themselves only if one of them failed, which is told when they are joined.
        if writers.try_join_next().is_some_and(|ended| !matches!(ended, Ok(Ok(())))) {
            return Err(Stop::breach("a put or a delete failed while others walked"));
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Writes and deletes keys between those that stay.
async fn come_and_go(
    driver: Instance,
    writer: u64,
    mut random: Random,
    stop: Arc<AtomicBool>,
    changes: Arc<AtomicUsize>,
) -> Result<(), DriverError> {
    while !stop.load(Ordering::Relaxed) {
        let name = format!("p/{:02}-passing-{writer}", random.below(40));
        driver.put(&CALL, key(&name), Bytes::from_static(b"x"), Condition::Always).await?;
        changes.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        driver.delete(&CALL, key(&name)).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

pub(super) async fn uploads_are_not_listed(it: &Subject) -> Outcome {
    it.put("p/other", "x").await?;
    let mut uploads = Vec::new();
    for (number, destination) in [Some("p/new"), Some("p/other"), Some("q/deep/new"), Some("new"), None].into_iter().enumerate() {
        let what = format!("an upload for {destination:?}");
        let mut upload = it.driver.upload_begin(&CALL, destination.map(key)).await?;
        only_the_other(it, &format!("{what} was begun")).await?;
        upload.write(&CALL, vec![1; 100_000 * number].into()).await?;
        only_the_other(it, &format!("{what} was written to")).await?;
        let token = upload.suspend(&CALL).await?;
        only_the_other(it, &format!("{what} was suspended")).await?;
        upload.write(&CALL, "more".into()).await?;
        uploads.push((what, upload, token));
    }
    let mut tokens = Vec::new();
    for (number, (what, mut upload, token)) in uploads.into_iter().enumerate() {
        if number % 2 == 0 {
            upload.abort(&CALL).await?;
            only_the_other(it, &format!("{what} was aborted")).await?;
        } else {
            drop(upload);
            only_the_other(it, &format!("{what} was dropped")).await?;
            tokens.push(token);
        }
    }
    for token in tokens {
        let mut upload = it.driver.upload_resume(&CALL, &token).await?;
        only_the_other(it, "an upload was resumed").await?;
        upload.abort(&CALL).await?;
        only_the_other(it, "a resumed upload was aborted").await?;
    }
    Ok(())
}

/// `Ok` if the store looks as if there were no uploads.
async fn only_the_other(it: &Subject, after: &str) -> Outcome {
    for (below, recursive, expected) in [("", true, "p/other"), ("", false, "p/"), ("p", false, "p/other")] {
        let listed = it.walk(below, recursive, 10).await?;
        hold!(listed == [expected], "after {after} below {below:?} are {listed:?} (recursive: {recursive}), not only {expected:?}");
    }
    for below in ["q", "q/deep"] {
        let request = ListRequest::children(prefix(below), 10);
        refused(it.page(&request).await, &[NotFound], format_args!("list of {below:?} after {after}"))?;
    }
    Ok(())
}

pub(super) async fn deleted_keys_are_gone(it: &Subject) -> Outcome {
    it.put_all(&["a/b", "a/c", "a/d/e", "a/d/f", "g"]).await?;
    // What is deleted; the objects and the children of the root that are left.
    let steps: [(&str, &[&str], &[&str]); 5] = [
        ("a/b", &["a/c", "a/d/e", "a/d/f", "g"], &["a/", "g"]),
        ("a/d/e", &["a/c", "a/d/f", "g"], &["a/", "g"]),
        ("a/d/f", &["a/c", "g"], &["a/", "g"]),
        ("a/c", &["g"], &["g"]),
        ("g", &[], &[]),
    ];
    for (name, objects, children) in steps {
        it.driver.delete(&CALL, key(name)).await?;
        let listed = it.objects().await?;
        hold!(listed == objects, "after the delete of {name:?} {listed:?} are listed, not {objects:?}");
        let listed = it.walk("", false, 10).await?;
        hold!(listed == children, "after the delete of {name:?} {listed:?} are at the root, not {children:?}");
    }
    it.put_all(&["t/a", "t/b/c", "u"]).await?;
    if it.capabilities.has(Capability::DeletePrefix) {
        it.driver.delete_prefix(&CALL, prefix("t")).await?;
        let listed = it.objects().await?;
        hold!(listed == ["u"], "after delete_prefix of \"t\" {listed:?} are listed, not only \"u\"");
    }
    it.put("a/b", "again").await?;
    let listed = it.walk("a", false, 10).await?;
    hold!(listed == ["a/b"], "a key that was deleted and written again is listed as {listed:?}");
    Ok(())
}
