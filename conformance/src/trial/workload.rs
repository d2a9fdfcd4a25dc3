//! Calls of every kind, for cases about what calls leave behind and for cases about errors.

use longshore_loader::api::ErrorClass::{AlreadyExists, Corrupt, InvalidArgument, InvalidRange, InvalidState, NotFound, Unsupported};
use longshore_loader::api::{
    ByteRange, Bytes, Capability, Condition, Driver, DriverError, ErrorClass, ListRequest, Method, Upload, UploadToken,
};

use super::{CALL, Instance, get, key, prefix};
use crate::case::Outcome;
use crate::verdict::{hold, same};

/// Every required call at least once, on keys below `mixed`; nothing is left there.
pub(crate) async fn mixed(driver: &Instance) -> Outcome {
    let text = Bytes::from_static(b"a little of everything");
    driver.put(&CALL, key("mixed/put"), text.clone(), Condition::Always).await?;
    driver.stat(&CALL, key("mixed/put")).await?;
    same(&text, &get(driver, "mixed/put").await?, "what was put")?;
    let mut upload = driver.upload_begin(&CALL, Some(key("mixed/uploaded"))).await?;
    upload.write(&CALL, Bytes::from(vec![7; 300_000])).await?;
    let token = upload.suspend(&CALL).await?;
    drop(upload);
    let mut upload = driver.upload_resume(&CALL, &token).await?;
    upload.write(&CALL, text).await?;
    let size = upload.offset();
    upload.commit(&CALL, key("mixed/uploaded"), size).await?;
    drop(upload);
    let mut upload = driver.upload_begin(&CALL, None).await?;
    upload.write(&CALL, Bytes::from_static(b"never seen")).await?;
    upload.abort(&CALL).await?;
    drop(upload);
    let page = driver.list(&CALL, &ListRequest::objects(prefix("mixed"), 10)).await?;
    hold!(page.entries.len() == 2, "after a put and an upload {} objects are listed", page.entries.len());
    driver.health(&CALL).await?;
    for name in ["mixed/put", "mixed/uploaded"] {
        driver.delete(&CALL, key(name)).await?;
    }
    Ok(())
}

/// A call that had to fail, and what it answered.
pub(crate) struct Provoked {
    /// What was done.
    pub(crate) what: &'static str,
    /// The class that the contract names for it.
    pub(crate) expected: ErrorClass,
    /// The answer; `None` if the call succeeded.
    pub(crate) error: Option<DriverError>,
}

/// Every failure that calls alone can bring about. There is an object `there` of three bytes, and nothing below `absent`.
pub(crate) async fn provoke(driver: &Instance) -> Result<Vec<Provoked>, DriverError> {
    driver.put(&CALL, key("there"), Bytes::from_static(b"one"), Condition::Always).await?;
    let mut all = Vec::new();
    let mut add = |what, expected, error: Option<DriverError>| all.push(Provoked { what, expected, error });
    add("stat of an absent key", NotFound, driver.stat(&CALL, key("absent/key")).await.err());
    add("read of an absent key", NotFound, driver.read(&CALL, key("absent/key"), ByteRange::ALL).await.err());
    add("delete of an absent key", NotFound, driver.delete(&CALL, key("absent/key")).await.err());
    add("list of an absent prefix", NotFound, driver.list(&CALL, &ListRequest::objects(prefix("absent"), 10)).await.err());
    add("list of no entries", InvalidArgument, driver.list(&CALL, &ListRequest::objects(prefix(""), 0)).await.err());
    add("read after the end", InvalidRange, driver.read(&CALL, key("there"), ByteRange::from(4)).await.err());
    for (what, expected, error) in of_capabilities(driver).await {
        add(what, expected, error);
    }
    for (what, expected, error) in of_uploads(driver).await? {
        add(what, expected, error);
    }
    Ok(all)
}

type Tried = (&'static str, ErrorClass, Option<DriverError>);

async fn of_uploads(driver: &Instance) -> Result<[Tried; 3], DriverError> {
    let mut wrong = driver.upload_begin(&CALL, None).await?;
    wrong.write(&CALL, Bytes::from_static(b"four")).await?;
    let size = wrong.commit(&CALL, key("absent/key"), 5).await.err();
    drop(wrong);
    let mut aborted = driver.upload_begin(&CALL, None).await?;
    aborted.abort(&CALL).await?;
    let write = aborted.write(&CALL, Bytes::from_static(b"late")).await.err();
    let suspend = aborted.suspend(&CALL).await.err();
    Ok([
        ("commit of another size", Corrupt, size),
        ("write after abort", InvalidState, write),
        ("suspend after abort", InvalidState, suspend),
    ])
}

/// A call is refused where its capability is not declared; where it is, each has a failure of its own.
async fn of_capabilities(driver: &Instance) -> Vec<Tried> {
    let has = |capability| driver.capabilities().has(capability);
    let class = |capability, otherwise| if has(capability) { otherwise } else { Unsupported };
    let absent = key("absent/key");
    let again = driver.put(&CALL, key("there"), Bytes::new(), Condition::IfAbsent).await.err();
    let copy = driver.copy(&CALL, absent, key("absent/other")).await.err();
    let root = driver.delete_prefix(&CALL, prefix("")).await.err();
    let mut tried = vec![
        ("put if absent of a key that is there", class(Capability::PutIfAbsent, AlreadyExists), again),
        ("copy of an absent key", class(Capability::Copy, NotFound), copy),
        ("delete_prefix of the root", class(Capability::DeletePrefix, InvalidArgument), root),
    ];
    if !has(Capability::Presign) {
        tried.push(("presign", Unsupported, driver.presign(&CALL, absent, Method::Get, 1000).await.err()));
    }
    if !has(Capability::UploadList) {
        tried.push(("upload_list", Unsupported, driver.upload_list(&CALL, 0).await.err()));
    }
    tried
}

/// A token that no driver has given out.
pub(crate) fn foreign_token() -> Result<UploadToken, DriverError> {
    UploadToken::new(*b"no driver gave this token")
}
