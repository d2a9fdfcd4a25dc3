//! What calls do to the process.

use std::path::Path;
use std::time::Duration;

use longshore_loader::api::{Driver, Upload};
use serde_json::json;

use crate::case::Outcome;
use crate::trial::peer::{Content, Peer, PeerOptions, Question};
use crate::trial::said::{logged, printed};
use crate::trial::workload::{foreign_token, mixed, provoke};
use crate::trial::{CALL, LIMITS, Trial};
use crate::verdict::hold;

/// Everything that works and everything that fails, on one instance and on its rest.
async fn everything(it: &Trial) -> Outcome {
    let loaded = it.load()?;
    // Settings that nobody checked: what comes of them has cases of its own, but the process goes on.
    for settings in [json!({}), json!([]), json!({ "no-such-setting": 1 }), json!(null)] {
        let _ = loaded.open("wrong", &settings, &LIMITS).await;
    }
    let driver = it.open().await?;
    mixed(&driver).await?;
    provoke(&driver).await?;
    // Whose answer is the driver's to choose.
    let _ = driver.upload_resume(&CALL, &foreign_token()?).await;
    let mut upload = driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, "left behind".into()).await?;
    driver.close(&CALL).await?;
    let _ = upload.write(&CALL, "after close".into()).await;
    drop(upload);
    let _ = driver.health(&CALL).await;
    driver.close(&CALL).await?;
    Ok(())
}

pub(super) async fn no_call_ends_the_process(it: &Trial) -> Outcome {
    // Whoever started this process sees it end early, with whatever exit code, as a crash.
    everything(it).await
}

pub(super) async fn nothing_is_printed(it: &Trial) -> Outcome {
    let before = printed()?;
    everything(it).await?;
    let after = printed()?;
    let more = after.strip_prefix(&before).unwrap_or(&after);
    hold!(more.is_empty(), "{} bytes were printed, beginning with {:?}", more.len(), more.chars().take(200).collect::<String>());
    Ok(())
}

pub(super) async fn nothing_is_logged_after_close(it: &Trial) -> Outcome {
    /// Long enough for a thread that was about to log.
    const QUIET: Duration = Duration::from_millis(500);
    let driver = it.open().await?;
    mixed(&driver).await?;
    provoke(&driver).await?;
    driver.close(&CALL).await?;
    let before = logged(it)?.len();
    // Nothing tells that nothing comes; waiting is all there is.
    tokio::time::sleep(QUIET).await;
    let after = logged(it)?;
    hold!(after.len() == before, "after close had answered, the driver logged {:?}", after.get(before).cloned().unwrap_or_default());
    it.note("lines logged", before);
    Ok(())
}

/// A few of every kind, and the answers that they must have: none, a size, or a text.
fn questions() -> Vec<(Question, Option<u64>)> {
    let key = |name: &str| name.to_owned();
    let mut all = Vec::new();
    for (number, size) in [0, 1, 4096, 70_000, 1 << 20].into_iter().enumerate() {
        let content = Content::Random { seed: number as u64, size };
        let (name, upload) = (format!("object/{number}"), number as u64);
        all.push((Question::Put { key: name.clone(), content: content.clone(), if_absent: false }, Some(size as u64)));
        all.push((Question::Get { key: name.clone() }, Some(size as u64)));
        all.push((Question::Begin { upload, destination: Some(name.clone()) }, Some(0)));
        all.push((Question::Write { upload, content: content.clone() }, Some(size as u64)));
        all.push((Question::Write { upload, content }, Some(2 * size as u64)));
        all.push((Question::Commit { upload, key: name.clone(), size: 2 * size as u64 }, Some(2 * size as u64)));
        all.push((Question::Drop { upload }, None));
        all.push((Question::Get { key: name.clone() }, Some(2 * size as u64)));
        all.push((Question::Stat { key: name.clone() }, Some(2 * size as u64)));
        all.push((Question::List, None));
        all.push((Question::Delete { key: name }, None));
    }
    all.push((Question::Begin { upload: 99, destination: None }, Some(0)));
    all.push((Question::Write { upload: 99, content: Content::Text(key("gone")) }, Some(4)));
    all.push((Question::Abort { upload: 99 }, None));
    all.push((Question::Health, None));
    all
}

pub(super) async fn memory_is_handled_well(it: &Trial) -> Outcome {
    let mut environment = vec![
        // Freed memory and new memory are filled with this and its complement.
        ("MALLOC_PERTURB_".to_owned(), "165".to_owned()),
        ("MALLOC_CHECK_".to_owned(), "3".to_owned()),
    ];
    // Since glibc 2.34 the checks are a library of their own.
    let folders = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let debug = folders.iter().map(|folder| Path::new(folder).join("libc_malloc_debug.so.0")).find(|path| path.exists());
    it.note("blocks are checked", debug.is_some());
    environment.extend(debug.map(|path| ("LD_PRELOAD".to_owned(), path.display().to_string())));
    let (peer, opened) = Peer::start_with(it, PeerOptions { environment, ..PeerOptions::default() }).await?;
    opened?;
    for (question, size) in questions() {
        let shown = format!("{question:?}");
        let answer = peer.ask(question).await?;
        hold!(size.is_none_or(|size| size == answer.size), "{shown} answers a size of {}, not {size:?}", answer.size);
    }
    let status = peer.end().await?;
    hold!(status.success(), "a process whose allocator checks each block ended with {status}");
    Ok(())
}
