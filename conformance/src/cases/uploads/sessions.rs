//! An upload that is suspended and gone on with.

use longshore_loader::api::{Bytes, Driver, TOKEN_MAX_BYTES, Upload, UploadToken};

use crate::case::{Need, Outcome};
use crate::trial::pattern::Pattern;
use crate::trial::{CALL, Instance, Random, Subject, get, key};
use crate::verdict::{hold, same};

/// Goes on from `token` with `driver`, after `before` and with `after`, and commits.
async fn goes_on(driver: &Instance, token: &UploadToken, before: &[u8], after: &[u8]) -> Outcome {
    let mut upload = driver.upload_resume(&CALL, token).await?;
    let offset = upload.offset();
    hold!(offset == before.len() as u64, "{} bytes were suspended, the upload goes on at {offset}", before.len());
    upload.write(&CALL, Bytes::copy_from_slice(after)).await?;
    let whole = [before, after].concat();
    upload.commit(&CALL, key("a"), whole.len() as u64).await?;
    same(&whole, &get(driver, "a").await?, format_args!("an upload that was continued at {offset}"))
}

pub(super) async fn suspended_upload_goes_on(it: &Subject) -> Outcome {
    let second = if it.lacks(&[Need::SharedStore]).is_none() { Some(it.second().await?) } else { None };
    let mut random = Random::new(it.seed());
    for size in [0, 1, 100_000, 1 << 20, (1 << 20) + 4097] {
        for driver in [Some(&it.driver), second.as_ref()].into_iter().flatten() {
            let before = random.bytes(size);
            let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
            upload.write(&CALL, before.clone().into()).await?;
            let token = upload.suspend(&CALL).await?;
            hold!(token.as_bytes().len() <= TOKEN_MAX_BYTES, "a token has {} bytes", token.as_bytes().len());
            drop(upload);
            // As it comes back from wherever the host kept it.
            let token = UploadToken::new(token.as_bytes())?;
            goes_on(driver, &token, &before, b"and more").await?;
        }
    }
    if let Some(second) = second {
        second.close(&CALL).await?;
    }
    Ok(())
}

/// Writes each piece in a session of its own, and commits.
async fn sessions_add_up(it: &Subject, pieces: &[Bytes]) -> Outcome {
    let mut token = it.driver.upload_begin(&CALL, Some(key("a"))).await?.suspend(&CALL).await?;
    let mut whole = Vec::new();
    for piece in pieces {
        let mut upload = it.driver.upload_resume(&CALL, &token).await?;
        let offset = upload.offset();
        hold!(offset == whole.len() as u64, "{} bytes were suspended in pieces, the upload goes on at {offset}", whole.len());
        upload.write(&CALL, piece.clone()).await?;
        whole.extend_from_slice(piece);
        token = upload.suspend(&CALL).await?;
    }
    let mut upload = it.driver.upload_resume(&CALL, &token).await?;
    upload.commit(&CALL, key("a"), whole.len() as u64).await?;
    same(&whole, &it.get("a").await?, format_args!("an upload of {} sessions", pieces.len()))
}

pub(super) async fn tiny_sessions_add_up(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    let pieces: Vec<_> = (0..30).map(|number| Bytes::from(random.bytes([1, 7, 50, 0, 511][number % 5]))).collect();
    sessions_add_up(it, &pieces).await
}

pub(super) async fn large_sessions_add_up(it: &Subject) -> Outcome {
    const MIB: u64 = 1 << 20;
    let pattern = Pattern::new(it.seed());
    let mut offset = 0;
    let pieces = [11 * MIB + 1, 5 * MIB, 8 * MIB - 1, 16 * MIB + 4095].map(|size| {
        offset += size;
        Bytes::from(pattern.bytes(offset - size..offset))
    });
    sessions_add_up(it, &pieces).await
}

pub(super) async fn empty_upload_goes_on(it: &Subject) -> Outcome {
    for writes_nothing in [false, true] {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        if writes_nothing {
            upload.write(&CALL, Bytes::new()).await?;
        }
        let token = upload.suspend(&CALL).await?;
        drop(upload);
        goes_on(&it.driver, &token, b"", b"the first bytes").await?;
    }
    let token = it.driver.upload_begin(&CALL, None).await?.suspend(&CALL).await?;
    goes_on(&it.driver, &token, b"", b"").await
}

pub(super) async fn offset_is_exact(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    let mut whole = Vec::new();
    hold!(upload.offset() == 0, "a new upload begins at {}", upload.offset());
    for (number, size) in [0, 1, 4095, 1, 65_536, 0, 300_000, (1 << 20) + 1].into_iter().enumerate() {
        let chunk = random.bytes(size);
        upload.write(&CALL, chunk.clone().into()).await?;
        whole.extend(chunk);
        hold!(upload.offset() == whole.len() as u64, "{} bytes were written, the offset is {}", whole.len(), upload.offset());
        if number % 2 == 1 {
            let token = upload.suspend(&CALL).await?;
            hold!(upload.offset() == whole.len() as u64, "{} bytes were suspended, the offset is {}", whole.len(), upload.offset());
            drop(upload);
            upload = it.driver.upload_resume(&CALL, &token).await?;
            hold!(upload.offset() == whole.len() as u64, "{} bytes were suspended, {} are resumed", whole.len(), upload.offset());
        }
    }
    let kept = whole.len();
    let token = upload.suspend(&CALL).await?;
    let lost = random.bytes(700_001);
    upload.write(&CALL, lost.clone().into()).await?;
    whole.extend(lost);
    drop(upload);
    drops_to_what_is_kept(it, &token, kept, &whole).await
}

/// After a drop, the offset tells what is kept: all of `kept` bytes, and what follows it is intact or gone.
async fn drops_to_what_is_kept(it: &Subject, token: &UploadToken, kept: usize, whole: &[u8]) -> Outcome {
    let mut upload = it.driver.upload_resume(&CALL, token).await?;
    let offset = upload.offset();
    let between = (kept as u64..=whole.len() as u64).contains(&offset);
    hold!(between, "{kept} of {} bytes were suspended, the upload goes on at {offset}", whole.len());
    upload.write(&CALL, "end".into()).await?;
    upload.commit(&CALL, key("a"), offset + 3).await?;
    // The offset lies within the bytes, as was just shown.
    let expected = [&whole[..offset as usize], b"end"].concat();
    same(&expected, &it.get("a").await?, format_args!("an upload that was dropped at {} and goes on at {offset}", whole.len()))
}

pub(super) async fn close_does_not_publish(it: &Subject) -> Outcome {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("dropped"))).await?;
    upload.write(&CALL, "bytes".into()).await?;
    drop(upload);
    let mut upload = it.driver.upload_begin(&CALL, Some(key("suspended"))).await?;
    upload.write(&CALL, vec![1; 100_000].into()).await?;
    let token = upload.suspend(&CALL).await?;
    drop(upload);
    let listed = it.objects().await?;
    hold!(listed.is_empty(), "two uploads were dropped, and {listed:?} are listed");
    for name in ["dropped", "suspended"] {
        hold!(!it.exists(name).await?, "the upload to {name:?} was dropped, and is an object");
    }
    if it.lacks(&[Need::SharedStore]).is_none() {
        // Closed with an upload still in hand.
        let other = it.second().await?;
        let mut upload = other.upload_begin(&CALL, Some(key("closed"))).await?;
        upload.write(&CALL, vec![2; 100_000].into()).await?;
        other.close(&CALL).await?;
        drop(upload);
        let listed = it.objects().await?;
        hold!(listed.is_empty(), "an instance was closed during an upload, and {listed:?} are listed");
    }
    goes_on(&it.driver, &token, &[1; 100_000], b"more").await?;
    let listed = it.objects().await?;
    hold!(listed == ["a"], "{listed:?} are listed once an upload was committed as \"a\"");
    Ok(())
}
