//! An upload is invisible until its commit, and can be continued.

use longshore_loader::api::ErrorClass::{Conflict, Corrupt, InvalidArgument, InvalidState, NotFound};
use longshore_loader::api::{Bytes, Capability, Driver, TOKEN_MAX_BYTES, Upload, UploadToken};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, get, key};
use crate::{Breach, Need, Random, Subject};

checks! {
    chunks_are_joined = "an upload is the concatenation of its chunks, of any size from 0 up, and `offset` tells how many bytes it has";
    nothing_is_visible_before_commit = "an upload is no object and in no list until its commit";
    commit_replaces_whole = "`commit` replaces an older object, which is whole until then";
    destination_is_a_hint = "`commit` decides the key, whatever `upload_begin` was told";
    wrong_size_is_corrupt = "`commit` answers `corrupt` if the size differs from what was written, and publishes nothing";
    ended_upload_refuses_calls = "anything after `commit` or `abort` is `invalid_state` and changes nothing";
    aborted_upload_leaves_nothing = "`abort` removes every trace: no object, and the token cannot be resumed";
    committed_upload_cannot_be_resumed = "the token of a committed upload cannot be resumed";
    dropped_upload_is_no_object = "dropping an upload is no commit";
    suspended_upload_goes_on = "an upload goes on from its token, with all that was suspended";
    second_instance_resumes (Need::SecondInstance) = "an upload goes on from its token in another instance";
    unsuspended_bytes_may_be_lost_but_not_mixed = "after a drop, an upload has what was suspended, and what follows is intact or gone";
    token_resumed_twice_does_not_interleave = "of two who resume one token the second answers `conflict`, or both are isolated";
    uploads_to_one_key_are_isolated = "two uploads to one key do not mix: each commit publishes its own bytes";
    foreign_token_is_refused = "a token that this driver did not give is refused";
    abandoned_uploads_are_listed (Need::Capability(Capability::UploadList)) =
        "`upload_list` has suspended uploads, and none that was committed or aborted";
}

async fn chunks_are_joined<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut random = Random::new(it.seed);
    for sizes in
        [vec![], vec![0], vec![0, 0, 1, 0], vec![1; 50], vec![7, 997, 0, 65_537], vec![1 << 20, 3, (1 << 20) + 1], vec![262_144; 9]]
    {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a/b"))).await?;
        let mut whole = Vec::new();
        for size in &sizes {
            let chunk = random.bytes(*size);
            upload.write(&CALL, chunk.clone().into()).await?;
            whole.extend(chunk);
            let offset = upload.offset();
            hold!(offset == whole.len() as u64, "after {} bytes in chunks of {sizes:?} the offset is {offset}", whole.len());
        }
        let info = upload.commit(&CALL, key("a/b"), whole.len() as u64).await?;
        hold!(info.size == whole.len() as u64, "chunks of {sizes:?}: commit tells a size of {}", info.size);
        let got = it.get("a/b").await?;
        hold!(got == whole, "chunks of {sizes:?}: other bytes came back");
    }
    Ok(())
}

async fn nothing_is_visible_before_commit<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("p/other", "x").await?;
    let mut upload = it.driver.upload_begin(&CALL, Some(key("p/new"))).await?;
    let mut anywhere = it.driver.upload_begin(&CALL, None).await?;
    for _ in 0..3 {
        for upload in [&mut upload, &mut anywhere] {
            upload.write(&CALL, vec![1; 100_000].into()).await?;
            upload.suspend(&CALL).await?;
        }
        refused(it.driver.stat(&CALL, key("p/new")).await, &[NotFound], "stat of an upload's destination")?;
        refused(it.get("p/new").await, &[NotFound], "read of an upload's destination")?;
        let listed = it.objects().await?;
        hold!(listed == ["p/other"], "{listed:?} are listed while two uploads go on");
        let root = it.walk("", false, 10).await?;
        hold!(root == ["p/"], "{root:?} is at the root while two uploads go on");
    }
    upload.commit(&CALL, key("p/new"), 300_000).await?;
    hold!(it.objects().await? == ["p/new", "p/other"], "a committed upload is not listed");
    anywhere.abort(&CALL).await?;
    Ok(())
}

async fn commit_replaces_whole<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("a", "old").await?;
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, "newer".into()).await?;
    upload.suspend(&CALL).await?;
    hold!(it.get("a").await? == "old", "an upload changed the object before its commit");
    upload.commit(&CALL, key("a"), 5).await?;
    hold!(it.get("a").await? == "newer", "a commit did not replace the object");
    Ok(())
}

async fn destination_is_a_hint<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    for hint in [None, Some(key("somewhere/else")), Some(key("real/place"))] {
        let mut upload = it.driver.upload_begin(&CALL, hint).await?;
        upload.write(&CALL, "bytes".into()).await?;
        upload.commit(&CALL, key("real/place"), 5).await?;
        hold!(it.get("real/place").await? == "bytes", "the upload begun for {hint:?} is not at the key of its commit");
        hold!(it.objects().await? == ["real/place"], "the upload begun for {hint:?} left something elsewhere");
        it.driver.delete(&CALL, key("real/place")).await?;
    }
    Ok(())
}

async fn wrong_size_is_corrupt<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("a", "old").await?;
    for size in [0, 4, 6, u64::MAX] {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        upload.write(&CALL, "12345".into()).await?;
        refused(upload.commit(&CALL, key("a"), size).await, &[Corrupt], format_args!("a commit of 5 bytes as {size}"))?;
        hold!(it.get("a").await? == "old", "a refused commit changed the object");
        upload.abort(&CALL).await?;
    }
    Ok(())
}

async fn ended_upload_refuses_calls<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
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
    hold!(it.objects().await? == ["a"] && it.get("a").await? == "bytes", "a refused call changed the store");
    Ok(())
}

async fn aborted_upload_leaves_nothing<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, vec![1; 100_000].into()).await?;
    let token = upload.suspend(&CALL).await?;
    upload.write(&CALL, "more".into()).await?;
    upload.abort(&CALL).await?;
    drop(upload);
    refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming an aborted upload")?;
    hold!(it.objects().await?.is_empty(), "an aborted upload left something");
    Ok(())
}

async fn committed_upload_cannot_be_resumed<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, "bytes".into()).await?;
    let token = upload.suspend(&CALL).await?;
    upload.commit(&CALL, key("a"), 5).await?;
    drop(upload);
    refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming a committed upload")
}

async fn dropped_upload_is_no_object<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, "bytes".into()).await?;
    drop(upload);
    hold!(it.objects().await?.is_empty(), "a dropped upload became an object");
    hold!(!it.exists("a").await?, "a dropped upload became an object");
    Ok(())
}

/// Goes on from `token` with `driver`, after `before` and with `after`, and commits.
async fn goes_on<D: Driver>(driver: &D, token: &UploadToken, before: &[u8], after: &[u8]) -> Result<(), Breach> {
    let mut upload = driver.upload_resume(&CALL, token).await?;
    let offset = upload.offset();
    hold!(offset == before.len() as u64, "{} bytes were suspended, the upload goes on at {offset}", before.len());
    upload.write(&CALL, Bytes::copy_from_slice(after)).await?;
    let whole = [before, after].concat();
    upload.commit(&CALL, key("a"), whole.len() as u64).await?;
    let got = get(driver, "a").await?;
    hold!(got == whole, "the upload of {} bytes that was continued at {offset} holds others", whole.len());
    Ok(())
}

async fn suspended_upload_goes_on<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut random = Random::new(it.seed);
    for size in [0, 1, 100_000, 3 << 20] {
        let before = random.bytes(size);
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        upload.write(&CALL, before.clone().into()).await?;
        let token = upload.suspend(&CALL).await?;
        hold!(token.as_bytes().len() <= TOKEN_MAX_BYTES, "a token has {} bytes", token.as_bytes().len());
        drop(upload);
        goes_on(&*it.driver, &token, &before, b"and more").await?;
    }
    // Suspended again and again, each time with the newest token; and going on without a drop.
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    let mut whole = Vec::new();
    for round in 0..4 {
        let chunk = random.bytes(50_000);
        whole.extend_from_slice(&chunk);
        upload.write(&CALL, chunk.into()).await?;
        let token = upload.suspend(&CALL).await?;
        if round % 2 == 0 {
            drop(upload);
            upload = it.driver.upload_resume(&CALL, &token).await?;
        }
    }
    upload.commit(&CALL, key("b"), whole.len() as u64).await?;
    hold!(it.get("b").await? == whole, "an upload that was suspended four times holds other bytes");
    Ok(())
}

async fn second_instance_resumes<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let before = Random::new(it.seed).bytes(300_000);
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, before.clone().into()).await?;
    let token = upload.suspend(&CALL).await?;
    drop(upload);
    let token = UploadToken::new(token.as_bytes())?;
    goes_on(it.second(), &token, &before, b"and more").await?;
    refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming what another instance has committed")
}

async fn unsuspended_bytes_may_be_lost_but_not_mixed<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let bytes = Random::new(it.seed).bytes(700_000);
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, Bytes::copy_from_slice(&bytes[..300_000])).await?;
    let token = upload.suspend(&CALL).await?;
    upload.write(&CALL, Bytes::copy_from_slice(&bytes[300_000..])).await?;
    drop(upload);
    let mut upload = it.driver.upload_resume(&CALL, &token).await?;
    let offset = upload.offset();
    hold!((300_000..=700_000).contains(&offset), "300000 of 700000 bytes were suspended, the upload goes on at {offset}");
    upload.write(&CALL, "end".into()).await?;
    upload.commit(&CALL, key("a"), offset + 3).await?;
    let got = it.get("a").await?;
    // The offset lies within the bytes, as was just shown.
    hold!(got == [&bytes[..offset as usize], b"end"].concat(), "what was kept up to {offset} is not what was written");
    Ok(())
}

async fn token_resumed_twice_does_not_interleave<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
    upload.write(&CALL, "begin ".into()).await?;
    let token = upload.suspend(&CALL).await?;
    drop(upload);
    let mut first = it.driver.upload_resume(&CALL, &token).await?;
    let second = it.driver.upload_resume(&CALL, &token).await;
    first.write(&CALL, "first".into()).await?;
    match second {
        Err(error) => hold!(error.class() == Conflict, "the second to resume a token answers `conflict`, not: {error}"),
        Ok(mut second) => {
            second.write(&CALL, "the second".into()).await?;
            first.write(&CALL, ", again".into()).await?;
            second.commit(&CALL, key("b"), 16).await?;
            hold!(it.get("b").await? == "begin the second", "two who resumed one token were mixed");
            first.commit(&CALL, key("a"), 18).await?;
            hold!(it.get("a").await? == "begin first, again", "two who resumed one token were mixed");
            return Ok(());
        }
    }
    first.commit(&CALL, key("a"), 11).await?;
    hold!(it.get("a").await? == "begin first", "the upload holds other bytes after a `conflict`");
    Ok(())
}

async fn uploads_to_one_key_are_isolated<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut uploads = Vec::new();
    for _ in 0..4 {
        uploads.push(it.driver.upload_begin(&CALL, Some(key("a"))).await?);
    }
    for _ in 0..3 {
        for (number, upload) in uploads.iter_mut().enumerate() {
            upload.write(&CALL, vec![number as u8; 10_000 + number].into()).await?;
        }
    }
    for (number, upload) in uploads.iter_mut().enumerate() {
        let size = 3 * (10_000 + number);
        upload.commit(&CALL, key("a"), size as u64).await?;
        let got = it.get("a").await?;
        hold!(got == vec![number as u8; size], "the commit of upload {number} published other bytes than its own");
    }
    Ok(())
}

async fn foreign_token_is_refused<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut random = Random::new(it.seed);
    for length in [0, 1, 7, 8, 9, 16, 36, 64, 200, TOKEN_MAX_BYTES] {
        let token = UploadToken::new(random.bytes(length))?;
        refused(
            it.driver.upload_resume(&CALL, &token).await,
            &[InvalidArgument, NotFound],
            format_args!("a foreign token of {length} bytes"),
        )?;
    }
    // A token of ours, damaged, and one that tries to be a path.
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, "bytes".into()).await?;
    let mut damaged = upload.suspend(&CALL).await?.as_bytes().to_vec();
    damaged.push(b'/');
    for bytes in [damaged, b"../../../../etc/passwd".to_vec(), b".".to_vec(), b"/".to_vec()] {
        let what = format!("the token {:?}", String::from_utf8_lossy(&bytes));
        refused(it.driver.upload_resume(&CALL, &UploadToken::new(bytes)?).await, &[InvalidArgument, NotFound], what)?;
    }
    Ok(())
}

async fn abandoned_uploads_are_listed<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
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
    hold!(listed.len() == 1, "one upload is suspended, {} are listed", listed.len());
    let recent = it.driver.upload_list(&CALL, 3_600_000).await?;
    hold!(recent.is_empty(), "{} uploads are listed as an hour old", recent.len());
    // The listed token is as good as the suspended one.
    let mut upload = it.driver.upload_resume(&CALL, &listed[0]).await?;
    hold!(upload.offset() == 5, "the listed upload goes on at {}", upload.offset());
    upload.abort(&CALL).await?;
    drop(upload);
    hold!(it.driver.upload_list(&CALL, 0).await?.is_empty(), "an aborted upload is listed");
    refused(it.driver.upload_resume(&CALL, &tokens[0]).await, &[NotFound], "resuming what was aborted through its listed token")
}
