//! The instance under trial, and the few calls that every check makes.

use std::sync::Arc;

use longshore_loader::api::convenience::{self, Body};
use longshore_loader::api::{
    ByteRange, Bytes, Call, Capabilities, Condition, Driver, DriverError, Entry, Key, ListPage, ListRequest, ObjectInfo, Prefix, Upload,
};

use crate::check::hold;
use crate::{Breach, Need};

/// The context of every call here: as long as the driver's handle allows.
pub(crate) const CALL: Call = Call::unbounded();

/// An instance whose store is empty when a check begins.
pub struct Subject<D> {
    /// The instance.
    pub driver: Arc<D>,
    /// Another instance on the same store, if the store outlives its instances.
    pub second: Option<Arc<D>>,
    /// What the driver declares.
    pub capabilities: Capabilities,
    /// What random choices follow from.
    pub seed: u64,
}

/// A legal key.
pub(crate) fn key(text: &str) -> &Key {
    Key::parse(text).expect("checks name legal keys")
}

/// A legal prefix.
pub(crate) fn prefix(text: &str) -> &Prefix {
    Prefix::parse(text).expect("checks name legal prefixes")
}

impl<D: Driver> Subject<D> {
    pub(crate) fn has(&self, need: Need) -> bool {
        match need {
            Need::Capability(capability) => self.capabilities.has(capability),
            Need::Without(capability) => !self.capabilities.has(capability),
            Need::SecondInstance => self.second.is_some(),
        }
    }

    /// The second instance; only for checks that need one.
    pub(crate) fn second(&self) -> &D {
        self.second.as_deref().expect("the check needs a second instance")
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
        get(&*self.driver, name).await
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
        convenience::exists(&*self.driver, &CALL, key(name)).await
    }

    /// One page of texts.
    pub(crate) async fn page(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.driver.list(&CALL, request).await
    }

    /// The texts of all objects in the store.
    pub(crate) async fn objects(&self) -> Result<Vec<String>, Breach> {
        self.walk("", true, 1000).await
    }

    /// The texts below `below`, page after page of `limit` entries.
    pub(crate) async fn walk(&self, below: &str, recursive: bool, limit: u32) -> Result<Vec<String>, Breach> {
        let mut texts: Vec<String> = Vec::new();
        loop {
            let request = ListRequest { prefix: prefix(below), start_after: texts.last().map(String::as_str), limit, recursive };
            let page = self.page(&request).await?;
            let got = page.entries.len();
            hold!(got <= limit as usize, "a page of at most {limit} entries has {got}");
            hold!(got > 0 || !page.more, "a page below {below:?} is empty but says that more follows");
            texts.extend(page.entries.iter().map(Entry::text));
            if !page.more {
                return Ok(texts);
            }
        }
    }
}

/// A whole object through `driver`.
pub(crate) async fn get<D: Driver>(driver: &D, name: &str) -> Result<Bytes, DriverError> {
    convenience::get(driver, &CALL, key(name), u64::MAX).await
}

/// Reads on to the end of a body, as many bytes as come.
pub(crate) async fn drain(body: &mut Body, into: &mut Vec<u8>) -> Result<(), DriverError> {
    while let Some(chunk) = body.next().await? {
        into.extend_from_slice(&chunk);
    }
    Ok(())
}
