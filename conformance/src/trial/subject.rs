//! An open instance on an empty store, and the few calls that every case makes.

use std::ops::Deref;

use longshore_loader::api::convenience::{self, Body};
use longshore_loader::api::{
    ByteRange, Bytes, Call, Capabilities, Condition, Driver, DriverError, Entry, Key, ListPage, ListRequest, ObjectInfo, Prefix, Upload,
};

use super::{Instance, Trial};
use crate::verdict::{Stop, hold};

/// The context of every call here: as long as the driver's handle allows.
pub(crate) const CALL: Call = Call::unbounded();

/// An instance whose store is empty when a case begins.
pub(crate) struct Subject {
    trial: Trial,
    /// The instance.
    pub(crate) driver: Instance,
    /// What the driver declares.
    pub(crate) capabilities: Capabilities,
}

/// The driver's file and the case's folder.
impl Deref for Subject {
    type Target = Trial;

    fn deref(&self) -> &Trial {
        &self.trial
    }
}

/// A legal key.
pub(crate) fn key(text: &str) -> &Key {
    Key::parse(text).expect("cases name legal keys")
}

/// A legal prefix.
pub(crate) fn prefix(text: &str) -> &Prefix {
    Prefix::parse(text).expect("cases name legal prefixes")
}

impl Subject {
    /// Opens the instance, and refuses a store that has something in it.
    pub(crate) async fn open(trial: Trial) -> Result<Self, Stop> {
        let driver = trial.open().await?;
        let subject = Self { capabilities: driver.capabilities(), driver, trial };
        let found = subject.page(&ListRequest::objects(prefix(""), 3)).await?;
        if found.entries.is_empty() {
            return Ok(subject);
        }
        let names = found.entries.iter().map(Entry::text).collect::<Vec<_>>().join(", ");
        if subject.is_service() {
            // Somebody's images, perhaps.
            let advice = "give each case a store of its own with {folder} or {unique} in the settings, or name an empty one";
            return Err(Stop::Harness(format!(
                "the store is not empty, it has {names}; the harness writes only where nothing is: {advice}"
            )));
        }
        Err(Stop::breach(format!("a new store must be empty, and lists {names}")))
    }

    /// The case's own part, once the instance is closed.
    pub(crate) fn into_trial(self) -> Trial {
        self.trial
    }

    /// Another instance on the same store; only for cases that need a shared one.
    pub(crate) async fn second(&self) -> Result<Instance, Stop> {
        self.trial.open().await
    }

    pub(crate) async fn put(&self, name: &str, bytes: impl Into<Bytes>) -> Result<ObjectInfo, DriverError> {
        self.driver.put(&CALL, key(name), bytes.into(), Condition::Always).await
    }

    /// Puts a small object under each name.
    pub(crate) async fn put_all(&self, names: &[&str]) -> Result<(), DriverError> {
        for name in names {
            self.put(name, name.as_bytes().to_vec()).await?;
        }
        Ok(())
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Bytes, DriverError> {
        get(&self.driver, name).await
    }

    /// Reads a range; the bytes are as many as the range has.
    pub(crate) async fn read(&self, name: &str, range: ByteRange) -> Result<(ObjectInfo, Bytes), DriverError> {
        let read = self.driver.read(&CALL, key(name), range).await?;
        let info = read.info.clone();
        let length = range.within(info.size)?;
        Ok((info, convenience::collect(read, length).await?))
    }

    /// Writes an object as an upload of `chunks`.
    pub(crate) async fn upload(&self, name: &str, chunks: &[Bytes]) -> Result<ObjectInfo, DriverError> {
        let mut upload = self.driver.upload_begin(&CALL, Some(key(name))).await?;
        for chunk in chunks {
            upload.write(&CALL, chunk.clone()).await?;
        }
        let size = upload.offset();
        upload.commit(&CALL, key(name), size).await
    }

    /// True if an object is there.
    pub(crate) async fn exists(&self, name: &str) -> Result<bool, DriverError> {
        convenience::exists(&self.driver, &CALL, key(name)).await
    }

    /// One page of texts.
    pub(crate) async fn page(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.driver.list(&CALL, request).await
    }

    /// The texts of all objects in the store.
    pub(crate) async fn objects(&self) -> Result<Vec<String>, Stop> {
        self.walk("", true, 1000).await
    }

    /// The texts below `below`, page after page of `limit` entries.
    pub(crate) async fn walk(&self, below: &str, recursive: bool, limit: u32) -> Result<Vec<String>, Stop> {
        walk(&self.driver, below, recursive, limit).await
    }
}

/// The texts below `below`, page after page of `limit` entries.
pub(crate) async fn walk(driver: &Instance, below: &str, recursive: bool, limit: u32) -> Result<Vec<String>, Stop> {
    let mut texts: Vec<String> = Vec::new();
    loop {
        let request = ListRequest { prefix: prefix(below), start_after: texts.last().map(String::as_str), limit, recursive };
        let page = driver.list(&CALL, &request).await?;
        let got = page.entries.len();
        hold!(got <= limit as usize, "a page of at most {limit} entries has {got}");
        hold!(got > 0 || !page.more, "a page below {below:?} is empty but says that more follows");
        let newest = page.entries.last().map(Entry::text);
        // Else a driver that ignores `start_after` would be walked for ever.
        hold!(newest.is_none() || newest > texts.last().cloned(), "a page after {:?} ends with {newest:?}", texts.last());
        texts.extend(page.entries.iter().map(Entry::text));
        if !page.more {
            return Ok(texts);
        }
    }
}

/// A whole object through `driver`.
pub(crate) async fn get(driver: &Instance, name: &str) -> Result<Bytes, DriverError> {
    convenience::get(driver, &CALL, key(name), u64::MAX).await
}

/// Reads on to the end of a body, as many bytes as come.
pub(crate) async fn drain(body: &mut Body, into: &mut Vec<u8>) -> Result<(), DriverError> {
    while let Some(chunk) = body.next().await? {
        into.extend_from_slice(&chunk);
    }
    Ok(())
}
