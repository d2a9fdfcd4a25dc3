//! Two at once.

use longshore_loader::api::ErrorClass::Conflict;
use longshore_loader::api::{Driver, Upload};

use crate::case::Outcome;
use crate::trial::{CALL, Subject, key};
use crate::verdict::{hold, same};

pub(super) async fn uploads_do_not_interleave(it: &Subject) -> Outcome {
    uploads_to_one_key_are_isolated(it).await?;
    token_resumed_twice_does_not_interleave(it).await
}

async fn uploads_to_one_key_are_isolated(it: &Subject) -> Outcome {
    let mut uploads = Vec::new();
    for _ in 0..4 {
        uploads.push(it.driver.upload_begin(&CALL, Some(key("a"))).await?);
    }
    // Large enough that no driver holds it in memory, and written in turns.
    for round in 0..6 {
        for (number, upload) in (0_u8..).zip(&mut uploads) {
            upload.write(&CALL, vec![number; 200_000 + usize::from(number)].into()).await?;
            if round == 2 && number % 2 == 0 {
                let token = upload.suspend(&CALL).await?;
                // Dropped first: the token is in use until then.
                drop(std::mem::replace(upload, it.driver.upload_begin(&CALL, None).await?));
                *upload = it.driver.upload_resume(&CALL, &token).await?;
            }
        }
    }
    for (number, upload) in (0_u8..).zip(&mut uploads) {
        let size = 6 * (200_000 + usize::from(number));
        upload.commit(&CALL, key("a"), size as u64).await?;
        same(&vec![number; size], &it.get("a").await?, format_args!("the commit of upload {number} of four to one key"))?;
    }
    Ok(())
}

async fn token_resumed_twice_does_not_interleave(it: &Subject) -> Outcome {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, "begin ".into()).await?;
    let token = upload.suspend(&CALL).await?;
    drop(upload);
    let mut first = it.driver.upload_resume(&CALL, &token).await?;
    let second = it.driver.upload_resume(&CALL, &token).await;
    first.write(&CALL, "first".into()).await?;
    match second {
        Err(error) => hold!(error.class() == Conflict, "the second to resume a token must answer conflict, and answered: {error}"),
        Ok(mut second) => {
            second.write(&CALL, "the second".into()).await?;
            first.write(&CALL, ", again".into()).await?;
            second.commit(&CALL, key("b"), 16).await?;
            same(b"begin the second", &it.get("b").await?, "the second of two who resumed one token")?;
            first.commit(&CALL, key("a"), 18).await?;
            return same(b"begin first, again", &it.get("a").await?, "the first of two who resumed one token");
        }
    }
    first.commit(&CALL, key("a"), 11).await?;
    same(b"begin first", &it.get("a").await?, "an upload whose token was resumed by another meanwhile")
}
