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
    replacing_is_whole = "a write replaces the whole object, and its version where it has one";
    deleted_object_is_gone = "a deleted object is gone from `stat`, `read` and `list`; deleting it again is `not_found`";
    absent_key_is_not_found = "an absent key is `not_found` for every call";
    copy_is_an_object_of_its_own (Need::Capability(Capability::Copy)) = "`copy` makes an object of its own, in place of an older one";
    delete_prefix_removes_what_is_below (Need::Capability(Capability::DeletePrefix)) =
        "`delete_prefix` removes all keys below, and only those; the root is refused";
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

async fn absent_key_is_not_found<D: Driver>(it: &Subject<D>) -> Result<(), Breach> {
    it.put("there/is", "one").await?;
    // Nothing at all; beside an object; a prefix.
    for name in ["nothing/here", "there/isnt", "there"] {
        refused(it.driver.stat(&CALL, key(name)).await, &[NotFound], format_args!("stat of {name:?}"))?;
        refused(it.get(name).await, &[NotFound], format_args!("read of {name:?}"))?;
        refused(it.driver.delete(&CALL, key(name)).await, &[NotFound], format_args!("delete of {name:?}"))?;
        if it.capabilities.has(Capability::Copy) {
            refused(it.driver.copy(&CALL, key(name), key("to")).await, &[NotFound], format_args!("copy of {name:?}"))?;
        }
    }
    hold!(it.objects().await? == ["there/is"], "the failed calls changed the store");
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

