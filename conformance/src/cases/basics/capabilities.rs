//! Optional calls: what is declared works, what is not answers `unsupported`.

use longshore_loader::api::ErrorClass::{AlreadyExists, Unsupported};
use longshore_loader::api::{ByteRange, Bytes, Capability, Condition, Driver, Method, ReadBody, Upload};

use crate::case::Outcome;
use crate::trial::{CALL, Random, Subject, key, prefix};
use crate::verdict::{Stop, hold, refused, same};

pub(super) async fn declared_capabilities_work(it: &Subject) -> Outcome {
    for capability in it.capabilities.iter() {
        let tried = match capability {
            Capability::PutIfAbsent => put_if_absent_works(it).await,
            Capability::DeletePrefix => delete_prefix_works(it).await,
            Capability::Copy => copy_works(it).await,
            Capability::Presign => presign_works(it).await,
            Capability::FileRegion => file_region_works(it).await,
            Capability::UploadList => upload_list_works(it).await,
            Capability::NestedObjects => nested_objects_work(it).await,
            // It needs a lower driver, which is for the host to choose.
            Capability::Layer => Ok(()),
        };
        tried.map_err(|stop| match stop {
            Stop::Breach(mut breach) => {
                breach.sentence = format!("{capability} is declared and does not work: {}", breach.sentence);
                Stop::Breach(breach)
            }
            other => other,
        })?;
    }
    Ok(())
}

async fn put_if_absent_works(it: &Subject) -> Outcome {
    it.driver.put(&CALL, key("absent/a"), "first".into(), Condition::IfAbsent).await?;
    let again = it.driver.put(&CALL, key("absent/a"), "second".into(), Condition::IfAbsent).await;
    refused(again, &[AlreadyExists], "put if absent of a key that is there")?;
    same(b"first", &it.get("absent/a").await?, "what was put if absent")
}

async fn delete_prefix_works(it: &Subject) -> Outcome {
    it.put_all(&["tree/a", "tree/b/c", "trees"]).await?;
    it.driver.delete_prefix(&CALL, prefix("tree")).await?;
    hold!(!it.exists("tree/a").await? && !it.exists("tree/b/c").await?, "keys below the prefix are still there");
    hold!(it.exists("trees").await?, "a key beside the prefix is gone");
    Ok(())
}

async fn copy_works(it: &Subject) -> Outcome {
    let bytes = Random::new(it.seed()).bytes(100_000);
    it.put("copy/from", bytes.clone()).await?;
    let info = it.driver.copy(&CALL, key("copy/from"), key("copy/to")).await?;
    hold!(info.size == 100_000, "the copy of 100000 bytes tells a size of {}", info.size);
    same(&bytes, &it.get("copy/to").await?, "the copy")
}

async fn presign_works(it: &Subject) -> Outcome {
    it.put("presign/a", "b").await?;
    let url = it.driver.presign(&CALL, key("presign/a"), Method::Get, 60_000).await?;
    hold!(url.contains("://"), "{url:?} is no URL");
    Ok(())
}

async fn file_region_works(it: &Subject) -> Outcome {
    // Small objects may be cheaper as bytes, but something must be sent as a file.
    for size in [1, 64 << 10, 1 << 20, 16 << 20] {
        let bytes = Bytes::from(Random::new(it.seed()).bytes(size));
        it.upload("region/a", std::slice::from_ref(&bytes)).await?;
        let read = it.driver.read(&CALL, key("region/a"), ByteRange::from(1)).await?;
        let ReadBody::File(region) = &read.body else { continue };
        hold!(region.length == size as u64 - 1, "a region of {} bytes is answered for {} bytes", region.length, size - 1);
        let (_, got) = it.read("region/a", ByteRange::from(1)).await?;
        return same(&bytes[1..], &got, "the region's bytes");
    }
    Err(Stop::breach("no object of up to 16 MiB is read as a file region"))
}

async fn upload_list_works(it: &Subject) -> Outcome {
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, "bytes".into()).await?;
    upload.suspend(&CALL).await?;
    drop(upload);
    let listed = it.driver.upload_list(&CALL, 0).await?;
    hold!(listed.len() == 1, "one upload is suspended, {} are listed", listed.len());
    let mut upload = it.driver.upload_resume(&CALL, &listed[0]).await?;
    hold!(upload.offset() == 5, "the listed upload of 5 bytes goes on at {}", upload.offset());
    upload.abort(&CALL).await?;
    Ok(())
}

async fn nested_objects_work(it: &Subject) -> Outcome {
    it.put_all(&["nested", "nested/a"]).await?;
    for name in ["nested", "nested/a"] {
        same(name.as_bytes(), &it.get(name).await?, format!("{name:?}, beside its neighbour"))?;
    }
    Ok(())
}

pub(super) async fn undeclared_capabilities_are_unsupported(it: &Subject) -> Outcome {
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
    if undeclared(Capability::FileRegion) {
        it.upload("large", &[vec![7; 16 << 20].into()]).await?;
        for name in ["a/b", "large"] {
            let read = it.driver.read(&CALL, key(name), ByteRange::ALL).await?;
            let is_file = matches!(read.body, ReadBody::File(_));
            hold!(!is_file, "read of {name:?} answers a file region without the capability file_region");
        }
        it.driver.delete(&CALL, key("large")).await?;
    }
    let listed = it.objects().await?;
    hold!(listed == ["a/b"], "after unsupported calls {listed:?} are listed");
    same(b"old", &it.get("a/b").await?, "an object after unsupported calls")
}
