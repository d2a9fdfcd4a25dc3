//! Commits, one after the other.

use longshore_loader::api::ErrorClass::{Conflict, NotFound};
use longshore_loader::api::{Bytes, Capability, Driver, Upload};

use crate::case::{Need, Outcome};
use crate::trial::peer::{Content, Peer, Question};
use crate::trial::{CALL, Random, Subject, get, key};
use crate::verdict::{hold, refused, same};

pub(super) async fn commit_moves_the_upload(it: &Subject) -> Outcome {
    let bytes = Random::new(it.seed()).bytes(300_000);
    for suspends in [false, true] {
        let mut upload = it.driver.upload_begin(&CALL, Some(key("p/a"))).await?;
        upload.write(&CALL, bytes.clone().into()).await?;
        let token = if suspends { Some(upload.suspend(&CALL).await?) } else { None };
        let info = upload.commit(&CALL, key("p/a"), bytes.len() as u64).await?;
        drop(upload);
        let stat = it.driver.stat(&CALL, key("p/a")).await?;
        it.told_as_stat(&info, &stat, "commit")?;
        same(&bytes, &it.get("p/a").await?, "a committed upload")?;
        if let Some(token) = token {
            refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming a committed upload")?;
        }
        if it.capabilities.has(Capability::UploadList) {
            let left = it.driver.upload_list(&CALL, 0).await?;
            hold!(left.is_empty(), "the only upload was committed, and {} are listed as abandoned", left.len());
        }
        let listed = it.objects().await?;
        hold!(listed == ["p/a"], "one upload was committed, and {listed:?} are listed");
        it.driver.delete(&CALL, key("p/a")).await?;
    }
    Ok(())
}

pub(super) async fn commit_replaces_whole(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for (old, new) in [(10, 300_000), (300_000, 10), (5, 0), (0, 5), (70_000, 70_000), (1 << 20, 262_145)] {
        let (older, newer) = (random.bytes(old), random.bytes(new));
        it.put("a", older.clone()).await?;
        let mut upload = it.driver.upload_begin(&CALL, Some(key("a"))).await?;
        upload.write(&CALL, newer.clone().into()).await?;
        upload.suspend(&CALL).await?;
        same(&older, &it.get("a").await?, "an object before the commit of the upload that replaces it")?;
        upload.commit(&CALL, key("a"), new as u64).await?;
        same(&newer, &it.get("a").await?, format_args!("an upload of {new} bytes, committed over {old} bytes"))?;
    }
    let listed = it.objects().await?;
    hold!(listed == ["a"], "after commits to \"a\" {listed:?} are listed");
    Ok(())
}

pub(super) async fn absent_source_is_not_found(it: &Subject) -> Outcome {
    it.put("to", "old").await?;
    let mut upload = it.driver.upload_begin(&CALL, Some(key("to"))).await?;
    upload.write(&CALL, "new".into()).await?;
    let token = upload.suspend(&CALL).await?;
    upload.abort(&CALL).await?;
    drop(upload);
    refused(it.driver.upload_resume(&CALL, &token).await, &[NotFound], "resuming an upload that was aborted")?;
    same(b"old", &it.get("to").await?, "the destination of an upload that is not there")?;
    if it.capabilities.has(Capability::Copy) {
        it.put("there/is", "x").await?;
        // Nothing at all; beside an object; a prefix; below an object.
        for from in ["nothing", "there/isnt", "there", "to/below"] {
            for to in ["to", "new"] {
                let copied = it.driver.copy(&CALL, key(from), key(to)).await;
                refused(copied, &[NotFound], format_args!("copy of the absent {from:?} to {to:?}"))?;
            }
        }
        same(b"old", &it.get("to").await?, "the destination of a copy of what is not there")?;
        let listed = it.objects().await?;
        hold!(listed == ["there/is", "to"], "after copies of absent keys {listed:?} are listed");
    }
    Ok(())
}

pub(super) async fn destination_is_decided_by_commit(it: &Subject) -> Outcome {
    it.put("z", "there").await?;
    for hint in [None, Some(key("some/where/else")), Some(key("not/yet/there/at/all")), Some(key("z"))] {
        for suspends in [false, true] {
            let mut upload = it.driver.upload_begin(&CALL, hint).await?;
            upload.write(&CALL, Bytes::from(vec![1; 100_000])).await?;
            if suspends {
                let token = upload.suspend(&CALL).await?;
                drop(upload);
                upload = it.driver.upload_resume(&CALL, &token).await?;
            }
            upload.commit(&CALL, key("not/yet/there/at/all"), 100_000).await?;
            let got = it.get("not/yet/there/at/all").await?;
            same(&[1; 100_000], &got, format_args!("an upload that was begun for {hint:?} and committed elsewhere"))?;
            let listed = it.objects().await?;
            hold!(listed == ["not/yet/there/at/all", "z"], "the upload begun for {hint:?} left {listed:?}");
            it.driver.delete(&CALL, key("not/yet/there/at/all")).await?;
        }
    }
    same(b"there", &it.get("z").await?, "an object that an upload named and was not committed to")?;
    clash_loses_nothing(it).await
}

/// A destination below an object, or where a prefix is: both are stored, or `conflict` is the answer and the upload is still there.
async fn clash_loses_nothing(it: &Subject) -> Outcome {
    it.put_all(&["object", "prefix/a"]).await?;
    for destination in ["object/below", "prefix"] {
        let mut upload = it.driver.upload_begin(&CALL, Some(key(destination))).await?;
        upload.write(&CALL, "bytes".into()).await?;
        if let Err(error) = upload.commit(&CALL, key(destination), 5).await {
            let what = format!("a commit to {destination:?} beside \"object\" and \"prefix/a\"");
            refused(Err::<(), _>(error), &[Conflict], &what)?;
            hold!(!it.capabilities.has(Capability::NestedObjects), "nested_objects is declared, and {what} answers conflict");
            upload.commit(&CALL, key("free"), 5).await?;
            same(b"bytes", &it.get("free").await?, "an upload whose first commit answered conflict, committed to a free key")?;
            it.driver.delete(&CALL, key("free")).await?;
        } else {
            same(b"bytes", &it.get(destination).await?, format_args!("a commit to {destination:?}"))?;
        }
        for name in ["object", "prefix/a"] {
            same(name.as_bytes(), &it.get(name).await?, format_args!("{name:?}, after a commit to {destination:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn success_is_there_for_all(it: &Subject) -> Outcome {
    let mut random = Random::new(it.seed());
    for size in [0, 5, 300_000, 2_500_001] {
        let content = Content::Random { seed: random.number(), size };
        let mut upload = it.driver.upload_begin(&CALL, Some(key("p/a"))).await?;
        upload.write(&CALL, content.bytes()).await?;
        // Opened before, so that as little time as possible lies between the answer and the read.
        let ready = it.second().await?;
        let peer = if it.lacks(&[Need::Durable]).is_none() { Some(Peer::start(it).await?) } else { None };
        upload.commit(&CALL, key("p/a"), size as u64).await?;
        same(&content.bytes(), &get(&ready, "p/a").await?, "what another instance reads right after a commit")?;
        if let Some(peer) = peer {
            let read = peer.ask(Question::Get { key: "p/a".into() }).await?;
            let whole = read.sha256 == content.sha256();
            hold!(whole, "another process reads {} bytes with another SHA-256 right after a commit of {size} bytes", read.size);
            peer.end().await?;
        }
        let fresh = it.second().await?;
        same(&content.bytes(), &get(&fresh, "p/a").await?, "what a new instance reads after a commit")?;
        fresh.close(&CALL).await?;
        ready.close(&CALL).await?;
    }
    Ok(())
}
