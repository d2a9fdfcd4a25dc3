//! How an upload ends, and that it ends once.

use longshore_loader::api::ErrorClass::{Corrupt, InvalidArgument, InvalidState, NotFound};
use longshore_loader::api::{Capability, Driver, TOKEN_MAX_BYTES, Upload, UploadToken};

use crate::case::Outcome;
use crate::trial::{CALL, Random, Subject, key};
use crate::verdict::{hold, refused, same};

pub(super) async fn committed_upload_cannot_be_resumed(it: &Subject) -> Outcome {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, "bytes".into()).await?;
    let token = upload.suspend(&CALL).await?;
    drop(upload);
    let mut upload = it.driver.upload_resume(&CALL, &token).await?;
    upload.commit(&CALL, key("a"), 5).await?;
    drop(upload);
    for _ in 0..2 {
        refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming a committed upload")?;
    }
    same(b"bytes", &it.get("a").await?, "a committed object whose upload was resumed again")
}

pub(super) async fn foreign_token_is_refused(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for length in [0, 1, 7, 8, 9, 16, 36, 64, 200, TOKEN_MAX_BYTES] {
        let token = UploadToken::new(random.bytes(length))?;
        refused(
            it.driver.upload_resume(&CALL, &token).await,
            &[InvalidArgument, NotFound],
            format_args!("a foreign token of {length} bytes"),
        )?;
    }
    // A token of ours, damaged, and some that try to be a path.
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, "bytes".into()).await?;
    let mut damaged = upload.suspend(&CALL).await?.as_bytes().to_vec();
    damaged.push(b'/');
    for bytes in [damaged, b"../../../../etc/passwd".to_vec(), b".".to_vec(), b"/".to_vec()] {
        let what = format!("the token {:?}", String::from_utf8_lossy(&bytes));
        refused(it.driver.upload_resume(&CALL, &UploadToken::new(bytes)?).await, &[InvalidArgument, NotFound], what)?;
    }
    let listed = it.objects().await?;
    hold!(listed.is_empty(), "foreign tokens made {listed:?}");
    Ok(())
}

pub(super) async fn ended_upload_refuses_calls(it: &Subject) -> Outcome {
    for end in ["commit", "abort"] {
        let mut upload = it.driver.upload_begin(&CALL, None).await?;
        upload.write(&CALL, "bytes".into()).await?;
        match end {
            "commit" => drop(upload.commit(&CALL, key("a"), 5).await?),
            _ => upload.abort(&CALL).await?,
        }
        refused(upload.write(&CALL, "more".into()).await, &[InvalidState], format_args!("write after {end}"))?;
        refused(upload.suspend(&CALL).await, &[InvalidState], format_args!("suspend after {end}"))?;
        refused(upload.commit(&CALL, key("a"), 5).await, &[InvalidState], format_args!("commit after {end}"))?;
        refused(upload.commit(&CALL, key("b"), 5).await, &[InvalidState], format_args!("commit elsewhere after {end}"))?;
        refused(upload.abort(&CALL).await, &[InvalidState], format_args!("abort after {end}"))?;
    }
    let listed = it.objects().await?;
    hold!(listed == ["a"], "after refused calls {listed:?} are listed");
    same(b"bytes", &it.get("a").await?, "an object whose ended upload was called again")
}

pub(super) async fn aborted_upload_leaves_nothing(it: &Subject) -> Outcome {
    it.put("other", "x").await?;
    // Aborted in the hands of who began it, and by who resumed it.
    for resumes in [false, true] {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        upload.write(&CALL, vec![1; 100_000].into()).await?;
        let token = upload.suspend(&CALL).await?;
        if resumes {
            drop(upload);
            upload = it.driver.upload_resume(&CALL, &token).await?;
        }
        upload.write(&CALL, "more".into()).await?;
        upload.abort(&CALL).await?;
        drop(upload);
        refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming an aborted upload")?;
        let listed = it.objects().await?;
        hold!(listed == ["other"], "an upload was aborted, and {listed:?} are listed");
        hold!(!it.exists("a").await?, "an aborted upload is an object");
        if it.capabilities.has(Capability::UploadList) {
            let left = it.driver.upload_list(&CALL, 0).await?;
            hold!(left.is_empty(), "an upload was aborted, and {} are listed as abandoned", left.len());
        }
        let mut again = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        hold!(again.offset() == 0, "after an abort the next upload to the key begins at {}", again.offset());
        again.write(&CALL, "anew".into()).await?;
        again.commit(&CALL, key("a"), 4).await?;
        same(b"anew", &it.get("a").await?, "the upload after an aborted one")?;
        it.driver.delete(&CALL, key("a")).await?;
    }
    Ok(())
}

pub(super) async fn disagreement_on_size_is_corrupt(it: &Subject) -> Outcome {
    it.put("a", "old").await?;
    for resumes in [false, true] {
        for size in [0, 4, 6, u64::MAX] {
            let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
            upload.write(&CALL, "12345".into()).await?;
            if resumes {
                let token = upload.suspend(&CALL).await?;
                drop(upload);
                upload = it.driver.upload_resume(&CALL, &token).await?;
            }
            for destination in ["a", "new"] {
                let what = format!("a commit of 5 bytes as {size} to {destination:?}");
                refused(upload.commit(&CALL, key(destination), size).await, &[Corrupt], what)?;
            }
            same(b"old", &it.get("a").await?, "an object after a refused commit")?;
            hold!(!it.exists("new").await?, "a refused commit made an object");
            upload.abort(&CALL).await?;
        }
    }
    Ok(())
}
