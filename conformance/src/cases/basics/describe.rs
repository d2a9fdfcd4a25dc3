//! What a driver says of itself.

use longshore_loader::api::{ByteRange, Capability, Condition, Driver, DriverError, ListRequest, Upload, UploadToken};

use crate::case::Outcome;
use crate::trial::{CALL, Subject, Trial, key, prefix};
use crate::verdict::{Stop, hold};

pub(super) async fn describe_is_pure(it: &Trial) -> Outcome {
    let loaded = it.load()?;
    let describes = |when: &str| {
        for _ in 0..2 {
            hold!(loaded.describes_itself(&it.inspection), "describe answers another text than the file's note has, {when}");
        }
        Ok(())
    };
    describes("before any instance is open")?;
    let driver = it.open().await?;
    describes("while an instance is open")?;
    driver.health(&CALL).await?;
    describes("after a call")?;
    driver.close(&CALL).await?;
    describes("after the instance was closed")
}

pub(super) async fn name_is_legal(it: &Trial) -> Outcome {
    let name = &it.info().name;
    let rest = name.strip_prefix(|first: char| first.is_ascii_lowercase());
    let legal = |rest: &str| rest.len() <= 31 && rest.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    hold!(rest.is_some_and(legal), "the name {name:?} is not [a-z][a-z0-9-]{{0,31}}");
    let loaded = it.load()?;
    hold!(loaded.info().name == *name, "the file's note names {name:?}, the loaded driver {:?}", loaded.info().name);
    let driver = it.open().await?;
    let origin = driver.handle().origin().to_owned();
    hold!(origin.split('/').next() == Some(name), "an instance of {name:?} is called {origin:?}");
    driver.close(&CALL).await?;
    Ok(())
}

/// The error of a call that must fail, which names the driver and the instance.
fn names<T>(it: &Subject, result: Result<T, DriverError>, call: &str) -> Outcome {
    let Err(error) = result else { return Err(Stop::breach(format!("{call} must fail, and succeeded"))) };
    let expected = it.driver.handle().origin();
    let named = error.origin() == Some(expected) && expected.contains(&it.info().name);
    hold!(named, "the error of {call} names {:?}, not {expected:?}: {error}", error.origin());
    Ok(())
}

pub(super) async fn errors_name_the_driver(it: &Subject) -> Outcome {
    it.put("a", "b").await?;
    names(it, it.driver.stat(&CALL, key("nothing")).await, "stat of an absent key")?;
    names(it, it.driver.read(&CALL, key("nothing"), ByteRange::ALL).await, "read of an absent key")?;
    names(it, it.driver.read(&CALL, key("a"), ByteRange::from(9)).await, "read from after the end on")?;
    names(it, it.driver.delete(&CALL, key("nothing")).await, "delete of an absent key")?;
    names(it, it.page(&ListRequest::children(prefix("nothing"), 10)).await, "list of an absent prefix")?;
    names(it, it.page(&ListRequest::children(prefix(""), 0)).await, "list with the limit 0")?;
    names(it, it.driver.upload_resume(&CALL, &UploadToken::new([1])?).await, "upload_resume of a foreign token")?;
    names(it, it.driver.put(&CALL, key("a"), "c".into(), Condition::IfAbsent).await, "put if absent of a key that is there")?;
    let mut upload = it.driver.upload_begin(&CALL, None).await?;
    names(it, upload.commit(&CALL, key("b"), 9).await, "commit with a wrong size")?;
    upload.abort(&CALL).await?;
    names(it, upload.write(&CALL, "more".into()).await, "write after abort")?;
    names(it, upload.abort(&CALL).await, "abort after abort")?;
    if it.capabilities.has(Capability::DeletePrefix) {
        names(it, it.driver.delete_prefix(&CALL, prefix("nothing")).await, "delete_prefix of an absent prefix")?;
    }
    if it.capabilities.has(Capability::Copy) {
        names(it, it.driver.copy(&CALL, key("nothing"), key("b")).await, "copy of an absent key")?;
    }
    it.driver.close(&CALL).await?;
    names(it, it.driver.stat(&CALL, key("a")).await, "stat after close")
}
