//! Uploads that nobody goes on with.

use std::collections::HashSet;

use longshore_loader::api::ErrorClass::NotFound;
use longshore_loader::api::{Driver, DriverError, Upload};
use tokio::task::JoinSet;

use crate::case::Outcome;
use crate::trial::{CALL, Subject, key};
use crate::verdict::{hold, refused};

const ABANDONED: usize = 1000;
const AT_ONCE: usize = 16;

pub(super) async fn abandoned_uploads_can_be_purged(it: &Subject) -> Outcome {
    only_suspended_ones_are_listed(it).await?;
    let mut makers = JoinSet::new();
    for part in 0..AT_ONCE {
        let driver = it.driver.clone();
        makers.spawn(async move {
            let mut tokens = Vec::new();
            for _ in (part..ABANDONED).step_by(AT_ONCE) {
                let mut upload = driver.upload_begin(&CALL, None).await?;
                upload.write(&CALL, "bytes".into()).await?;
                tokens.push(upload.suspend(&CALL).await?);
            }
            Ok::<_, DriverError>(tokens)
        });
    }
    let made: Vec<_> = makers.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let listed = it.driver.upload_list(&CALL, 0).await?;
    let different: HashSet<_> = listed.iter().map(|token| token.as_bytes()).collect();
    hold!(listed.len() == ABANDONED, "{ABANDONED} uploads are suspended, {} are listed", listed.len());
    hold!(different.len() == ABANDONED, "{ABANDONED} uploads are listed with {} different tokens", different.len());
    let recent = it.driver.upload_list(&CALL, 3_600_000).await?;
    hold!(recent.is_empty(), "{} new uploads are listed as an hour old", recent.len());
    for token in &listed {
        it.driver.upload_resume(&CALL, token).await?.abort(&CALL).await?;
    }
    let left = it.driver.upload_list(&CALL, 0).await?;
    hold!(left.is_empty(), "all abandoned uploads were aborted, {} are listed", left.len());
    for token in &made {
        refused(it.driver.upload_resume(&CALL, token).await, &[NotFound], "resuming what was aborted through its listed token")?;
    }
    Ok(())
}

async fn only_suspended_ones_are_listed(it: &Subject) -> Outcome {
    let mut tokens = Vec::new();
    for end in ["drop", "commit", "abort"] {
        let mut upload = it.driver.upload_begin(&CALL, None).await?;
        upload.write(&CALL, "bytes".into()).await?;
        tokens.push(upload.suspend(&CALL).await?);
        match end {
            "commit" => drop(upload.commit(&CALL, key("a"), 5).await?),
            "abort" => upload.abort(&CALL).await?,
            _ => {}
        }
    }
    let listed = it.driver.upload_list(&CALL, 0).await?;
    hold!(listed.len() == 1, "one upload is suspended, one committed, one aborted; {} are listed", listed.len());
    // The listed token is as good as the suspended one.
    let mut upload = it.driver.upload_resume(&CALL, &listed[0]).await?;
    hold!(upload.offset() == 5, "5 bytes were suspended, the listed upload goes on at {}", upload.offset());
    upload.abort(&CALL).await?;
    drop(upload);
    refused(it.driver.upload_resume(&CALL, &tokens[0]).await, &[NotFound], "resuming what was aborted through its listed token")
}
