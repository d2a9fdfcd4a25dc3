//! The longest keys.

use longshore_loader::api::ErrorClass::InvalidKey;
use longshore_loader::api::{ByteRange, Bytes, Capability, Condition, Driver, Upload};

use super::names::round_trip;
use crate::case::Outcome;
use crate::trial::{CALL, Subject, key};
use crate::verdict::{hold, refused};

/// The longest key that every store has; a service may refuse longer ones (driver contract, section 1).
const ALWAYS_MAX_BYTES: usize = 900;

/// A key of as many bytes, in components as long as can be.
fn of_bytes(bytes: usize) -> String {
    let component = "c".repeat(255);
    let mut name = String::from("x");
    while name.len() < bytes {
        name.push('/');
        name.push_str(&component[..(bytes - name.len()).min(255)]);
    }
    name
}

/// A key of as many components, of a byte each: one byte less than twice as many bytes.
fn of_components(components: usize) -> String {
    vec!["d"; components].join("/")
}

pub(super) async fn longest_keys_round_trip(it: &Subject) -> Outcome {
    let component = "c".repeat(255);
    for name in [component.clone(), format!("short/{component}"), of_bytes(ALWAYS_MAX_BYTES), of_components(ALWAYS_MAX_BYTES / 2)] {
        works(it, &name).await?;
    }
    let longer = [ALWAYS_MAX_BYTES + 1, 950, 1000, 1010, 1024].map(of_bytes);
    for name in longer.into_iter().chain([of_components(512)]) {
        let refuses = it.is_service() && it.put(&name, "long").await.is_err_and(|error| error.class() == InvalidKey);
        if refuses { is_no_key(it, &name).await? } else { works(it, &name).await? }
    }
    // Two that differ in the last byte only are cut by nobody.
    for bytes in [255, ALWAYS_MAX_BYTES] {
        let long = of_bytes(bytes);
        let twins = ["a", "b"].map(|last| format!("{}{last}", &long[..bytes - 1]));
        round_trip(it, &[&twins[0], &twins[1]]).await?;
    }
    Ok(())
}

async fn works(it: &Subject, name: &str) -> Outcome {
    let what = format!("a key of {} bytes", name.len());
    round_trip(it, &[name]).await?;
    it.upload(name, &[Bytes::from_static(b"lo"), Bytes::from_static(b"ng")]).await?;
    let above = key(name).parent().as_str();
    hold!(it.walk(above, false, 10).await? == [name], "{what} is not listed below {above:?}");
    if it.capabilities.has(Capability::Copy) {
        it.driver.copy(&CALL, key(name), key("copy")).await?;
        it.driver.copy(&CALL, key("copy"), key(name)).await?;
        it.driver.delete(&CALL, key("copy")).await?;
    }
    hold!(it.get(name).await? == "long", "{what} holds something else");
    it.driver.delete(&CALL, key(name)).await?;
    Ok(())
}

/// A key that one call refuses is refused by all, and nothing is written.
async fn is_no_key(it: &Subject, name: &str) -> Outcome {
    let (driver, name) = (&it.driver, key(name));
    let what = |call: &str| format!("{call} of a key of {} bytes, which put refuses,", name.as_str().len());
    refused(driver.stat(&CALL, name).await, &[InvalidKey], what("stat"))?;
    refused(driver.read(&CALL, name, ByteRange::ALL).await, &[InvalidKey], what("read"))?;
    refused(driver.read(&CALL, name, ByteRange::new(0, 0)).await, &[InvalidKey], what("read of length 0"))?;
    refused(driver.delete(&CALL, name).await, &[InvalidKey], what("delete"))?;
    if it.capabilities.has(Capability::PutIfAbsent) {
        refused(driver.put(&CALL, name, "long".into(), Condition::IfAbsent).await, &[InvalidKey], what("put if absent"))?;
    }
    if it.capabilities.has(Capability::Copy) {
        it.put("short", "short").await?;
        refused(driver.copy(&CALL, key("short"), name).await, &[InvalidKey], what("copy to one"))?;
        refused(driver.copy(&CALL, name, key("short")).await, &[InvalidKey], what("copy from one"))?;
        driver.delete(&CALL, key("short")).await?;
    }
    let mut upload = driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, Bytes::from_static(b"long")).await?;
    refused(upload.commit(&CALL, name, 4).await, &[InvalidKey], what("commit"))?;
    upload.abort(&CALL).await?;
    // The destination is a hint: refused at once, or when it is written to.
    match driver.upload_begin(&CALL, Some(name)).await {
        Err(error) => refused::<()>(Err(error), &[InvalidKey], what("upload_begin"))?,
        Ok(mut upload) => {
            refused(upload.commit(&CALL, name, 0).await, &[InvalidKey], what("commit"))?;
            upload.abort(&CALL).await?;
        }
    }
    let left = it.objects().await?;
    hold!(left.is_empty(), "after calls on a key that is refused {left:?} are listed");
    Ok(())
}
