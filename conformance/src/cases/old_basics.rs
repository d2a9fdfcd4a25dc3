//! Bytes in, the same bytes out; deletes; optional calls; the end of an instance.

use std::time::{SystemTime, UNIX_EPOCH};

use longshore_loader::api::ErrorClass::{AlreadyExists, Closed, InvalidArgument, NotFound, Unsupported};
use longshore_loader::api::convenience::Body;
use longshore_loader::api::{
    ByteRange, Bytes, Capability, Condition, Driver, ListRequest, Method, ObjectInfo, ReadBody, Upload, UploadToken,
};

use crate::check::{checks, hold, refused};
use crate::subject::{CALL, get, key, prefix};
use crate::{Breach, Need, Random, Subject};

checks! {
    what_was_put_is_read = "what was put is what is read, and `stat` tells its size";
    empty_store_is_empty = "a new store lists as empty at its root and has no object";
    every_byte_survives = "a driver never decodes, encodes or compresses: every byte comes back";
    every_size_survives = "objects of every size come back whole, put or uploaded";
    replacing_is_whole = "a write replaces the whole object, and its version where it has one";
    deleted_object_is_gone = "a deleted object is gone from `stat`, `read` and `list`; deleting it again is `not_found`";
    modified_is_the_time_of_the_write = "`modified` is when the content was replaced, in milliseconds since 1970";
    undeclared_capability_is_unsupported = "a call whose capability was not declared answers `unsupported`, without side effect";
    copy_is_an_object_of_its_own (Need::Capability(Capability::Copy)) = "`copy` makes an object of its own, in place of an older one";
    delete_prefix_removes_what_is_below (Need::Capability(Capability::DeletePrefix)) =
        "`delete_prefix` removes all keys below, and only those; the root is refused";
    presigned_url_is_a_url (Need::Capability(Capability::Presign)) = "`presign` answers a URL";
    good_store_is_healthy = "`health` succeeds on a good store";
    second_instance_sees_every_write (Need::SecondInstance) = "once a write has answered, every other instance sees it";
    closed_instance_answers_closed = "`close` is idempotent; every later call, open body and upload answers `closed`";
}

async fn what_was_put_is_read<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let put = it.put("a/b", "hello").await?;
    hold!(put.size == 5, "put tells a size of {}, not 5", put.size);
    let stat = it.driver.stat(&CALL, key("a/b")).await?;
    hold!(stat == put, "stat tells {stat:?}, put told {put:?}");
    let (read, bytes) = it.read("a/b", ByteRange::ALL).await?;
    hold!(read == put, "read tells {read:?}, put told {put:?}");
    hold!(bytes == "hello", "{bytes:?} came back");
    Ok(())
}

async fn empty_store_is_empty<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    for recursive in [false, true] {
        let texts = it.walk("", recursive, 10).await?;
        hold!(texts.is_empty(), "a new store lists {texts:?}");
    }
    hold!(!it.exists("a").await?, "a new store has an object \"a\"");
    Ok(())
}

async fn every_byte_survives<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let all: Vec<u8> = (0..=255).collect();
    let cases: [&[u8]; 8] = [
        &all,
        b"\r\n\n\r\x1a\0\0\0",
        b"\xef\xbb\xbfwith a byte order mark",
        b"\xff\xfe not UTF-8 \x80\xc3",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0",
        b"\x28\xb5\x2f\xfd\x24\0\x01\0\0",
        b"{\"size\":3}\n",
        &[0; 70_000],
    ];
    for (number, bytes) in cases.into_iter().enumerate() {
        let name = format!("bytes/{number}");
        it.put(&name, bytes.to_vec()).await?;
        let got = it.get(&name).await?;
        hold!(got == bytes, "case {number}: put {} bytes, read {} others", bytes.len(), got.len());
        let halves = bytes.split_at(bytes.len() / 2);
        it.upload(&name, &[Bytes::copy_from_slice(halves.0), Bytes::copy_from_slice(halves.1)]).await?;
        let got = it.get(&name).await?;
        hold!(got == bytes, "case {number}: uploaded {} bytes, read {} others", bytes.len(), got.len());
    }
    Ok(())
}

async fn every_size_survives<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    const KIB: usize = 1024;
    let mut random = Random::new(it.seed);
    let edges = [4 * KIB, 64 * KIB, 256 * KIB, KIB * KIB].into_iter().flat_map(|edge| [edge - 1, edge, edge + 1]);
    for size in [0, 1, 2, 3, 511, 512, 513].into_iter().chain(edges).chain([4 * KIB * KIB]) {
        let bytes = Bytes::from(random.bytes(size));
        let put = it.put("put", bytes.clone()).await?;
        let uploaded = it.upload("uploaded", &bytes.chunks(100_000).map(Bytes::copy_from_slice).collect::<Vec<_>>()).await?;
        for (name, info) in [("put", put), ("uploaded", uploaded)] {
            hold!(info.size == size as u64, "{name} object of {size} bytes: its info tells {}", info.size);
            let got = it.get(name).await?;
            hold!(got == bytes, "{name} object of {size} bytes: {} others came back", got.len());
        }
    }
    Ok(())
}

async fn replacing_is_whole<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let mut before: Option<ObjectInfo> = None;
    for (number, bytes) in ["a longer text than the next", "short", "", "other"].into_iter().enumerate() {
        let info = if number % 2 == 0 { it.put("a", bytes).await? } else { it.upload("a", &[Bytes::from(bytes)]).await? };
        let got = it.get("a").await?;
        hold!(got == bytes, "write {number} of {bytes:?} left {got:?}");
        let version = |info: &ObjectInfo| info.version.clone();
        let same = before.as_ref().is_some_and(|before| version(before).is_some() && version(before) == version(&info));
        hold!(!same, "write {number} left the version {:?}", info.version);
        hold!(info.version.as_ref().is_none_or(|version| version.len() <= 128), "the version {:?} is longer than 128 bytes", info.version);
        before = Some(info);
    }
    Ok(())
}

async fn deleted_object_is_gone<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["a/b", "a/c"]).await?;
    it.driver.delete(&CALL, key("a/b")).await?;
    for _ in 0..2 {
        refused(it.driver.delete(&CALL, key("a/b")).await, &[NotFound], "delete of a deleted key")?;
        refused(it.driver.stat(&CALL, key("a/b")).await, &[NotFound], "stat of a deleted key")?;
        refused(it.get("a/b").await, &[NotFound], "read of a deleted key")?;
    }
    let left = it.objects().await?;
    hold!(left == ["a/c"], "{left:?} are listed, not only \"a/c\"");
    it.put("a/b", "again").await?;
    hold!(it.get("a/b").await? == "again", "a deleted key can be written again");
    Ok(())
}

async fn modified_is_the_time_of_the_write<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    // Wide enough for a back-end whose clock is wrong; narrow enough for seconds or microseconds in place of milliseconds.
    const DAY_MS: u128 = 24 * 60 * 60 * 1000;
    let info = it.put("a", "b").await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let modified = u128::try_from(info.modified).unwrap_or(0);
    hold!(modified.abs_diff(now) < DAY_MS, "modified is {modified}, the time is {now} ms");
    Ok(())
}

async fn undeclared_capability_is_unsupported<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("a/b", "old").await?;
    let undeclared = |capability| !it.capabilities.has(capability);
    if undeclared(Capability::PutIfAbsent) {
        for name in ["a/b", "a/new"] {
            refused(it.driver.put(&CALL, key(name), "new".into(), Condition::IfAbsent).await, &[Unsupported], "put if absent")?;
        }
    }
    if undeclared(Capability::DeletePrefix) {
        refused(it.driver.delete_prefix(&CALL, prefix("a")).await, &[Unsupported], "delete_prefix")?;
    }
    if undeclared(Capability::Copy) {
        refused(it.driver.copy(&CALL, key("a/b"), key("a/new")).await, &[Unsupported], "copy")?;
    }
    if undeclared(Capability::Presign) {
        refused(it.driver.presign(&CALL, key("a/b"), Method::Get, 1000).await, &[Unsupported], "presign")?;
    }
    if undeclared(Capability::UploadList) {
        refused(it.driver.upload_list(&CALL, 0).await, &[Unsupported], "upload_list")?;
    }
    let read = it.driver.read(&CALL, key("a/b"), ByteRange::ALL).await?;
    let file = matches!(read.body, ReadBody::File(_));
    hold!(!file || it.capabilities.has(Capability::FileRegion), "read answers a file region without the capability file_region");
    hold!(it.objects().await? == ["a/b"] && it.get("a/b").await? == "old", "an unsupported call changed the store");
    Ok(())
}

async fn copy_is_an_object_of_its_own<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let bytes = Bytes::from(Random::new(it.seed).bytes(300_000));
    it.put("from", bytes.clone()).await?;
    it.put("deep/to", "older").await?;
    let info = it.driver.copy(&CALL, key("from"), key("deep/to")).await?;
    hold!(info.size == bytes.len() as u64, "copy tells a size of {}", info.size);
    it.put("from", "newer").await?;
    hold!(it.get("deep/to").await? == bytes, "the copy is not what was copied");
    it.driver.delete(&CALL, key("from")).await?;
    hold!(it.get("deep/to").await? == bytes, "the copy is not what was copied, once the original is gone");
    it.driver.copy(&CALL, key("deep/to"), key("deep/to")).await?;
    hold!(it.get("deep/to").await? == bytes, "copying an object onto itself changed it");
    Ok(())
}

async fn delete_prefix_removes_what_is_below<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put_all(&["a/b/c", "a/b/d/e", "a/bc", "a/b.c", "ab/b/c", "z"]).await?;
    it.driver.delete_prefix(&CALL, prefix("a/b")).await?;
    let left = it.objects().await?;
    hold!(left == ["a/b.c", "a/bc", "ab/b/c", "z"], "{left:?} are left");
    refused(it.driver.delete_prefix(&CALL, prefix("a/b")).await, &[NotFound], "delete_prefix of nothing")?;
    refused(it.driver.delete_prefix(&CALL, prefix("z")).await, &[NotFound], "delete_prefix of an object")?;
    refused(it.driver.delete_prefix(&CALL, prefix("")).await, &[InvalidArgument], "delete_prefix of the root")?;
    hold!(it.objects().await? == left, "a refused delete_prefix changed the store");
    Ok(())
}

async fn presigned_url_is_a_url<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("a", "b").await?;
    let url = it.driver.presign(&CALL, key("a"), Method::Get, 60_000).await?;
    hold!(url.contains("://"), "{url:?} is no URL");
    Ok(())
}

async fn good_store_is_healthy<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    Ok(it.driver.health(&CALL).await?)
}

async fn second_instance_sees_every_write<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let second = it.second();
    for round in 0..20 {
        let text = format!("round {round}");
        it.put("a/put", text.clone()).await?;
        it.upload("a/uploaded", &[text.clone().into()]).await?;
        for name in ["a/put", "a/uploaded"] {
            let got = get(second, name).await?;
            hold!(got == text, "{name}, written as {text:?}, is {got:?} to another instance");
        }
        it.driver.delete(&CALL, key("a/put")).await?;
        refused(second.stat(&CALL, key("a/put")).await, &[NotFound], "stat by another instance of a deleted key")?;
    }
    if it.capabilities.has(Capability::PutIfAbsent) {
        let again = second.put(&CALL, key("a/uploaded"), Bytes::new(), Condition::IfAbsent).await;
        refused(again, &[AlreadyExists], "put if absent by another instance")?;
    }
    Ok(())
}

async fn closed_instance_answers_closed<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    let chunks: Vec<Bytes> = (0..4).map(|_| Bytes::from(vec![7; 1 << 20])).collect();
    it.upload("a", &chunks).await?;
    let body = it.driver.read(&CALL, key("a"), ByteRange::ALL).await?.body;
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, "some".into()).await?;
    for _ in 0..2 {
        it.driver.close(&CALL).await?;
    }
    refused(it.driver.stat(&CALL, key("a")).await, &[Closed], "stat after close")?;
    refused(it.get("a").await, &[Closed], "read after close")?;
    refused(it.put("b", "c").await, &[Closed], "put after close")?;
    refused(it.page(&ListRequest::children(prefix(""), 10)).await, &[Closed], "list after close")?;
    refused(it.driver.delete(&CALL, key("a")).await, &[Closed], "delete after close")?;
    refused(it.driver.upload_begin(&CALL, None).await, &[Closed], "upload_begin after close")?;
    refused(it.driver.upload_resume(&CALL, &UploadToken::new([1])?).await, &[Closed], "upload_resume after close")?;
    refused(it.driver.health(&CALL).await, &[Closed], "health after close")?;
    refused(upload.write(&CALL, "more".into()).await, &[Closed], "write after close")?;
    refused(upload.suspend(&CALL).await, &[Closed], "suspend after close")?;
    refused(upload.commit(&CALL, key("b"), 4).await, &[Closed], "commit after close")?;
    refused(upload.abort(&CALL).await, &[Closed], "abort after close")?;
    // Bytes and files that were handed over are the host's; a stream is the driver's to the end.
    if let ReadBody::Stream(_) = body {
        refused(Body::new(body).next().await, &[Closed], "the next chunk after close")?;
    }
    Ok(())
}
