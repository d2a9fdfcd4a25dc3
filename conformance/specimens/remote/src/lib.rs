//! A driver of a service over HTTP that keeps the contract, with one flaw at a time: the setting `flaw` names it, see [`Flaw`].
//!
//! [`service`] is the other side: a small service in memory, which has what a driver needs to send a write again without doing it twice.
#![forbid(unsafe_code)]

mod client;
mod failure;
mod flaw;
mod list;
mod message;
mod read;
pub mod service;
mod upload;

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use longshore_plugin_api::blocking::{Blocking, BlockingDriver, BlockingRead};
use longshore_plugin_api::{
    ByteRange, Bytes, Condition, DriverError, ErrorClass, Host, Key, ListPage, ListRequest, ObjectInfo, Prefix, Settings, UploadToken,
};
use serde::Deserialize;

use client::{Client, Place, Request};
pub use flaw::Flaw;
use upload::RemoteUpload;

longshore_plugin_api::export_driver! {
    driver: Blocking<Remote>,
    name: "specimen-remote",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, UploadList, NestedObjects],
    consistency: Strong,
    durability: Process,
    settings: include_str!("../settings.schema.json"),
}

/// Made once for the process and never closed, as by the runtimes of many a client's library.
static SIGNALS: OnceLock<io::Result<(UnixStream, UnixStream)>> = OnceLock::new();

/// An instance.
pub struct Remote(Arc<Client>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteSettings {
    endpoint: String,
    namespace: String,
    password: String,
    timeout_ms: u64,
    retry_budget_ms: u64,
    flaw: String,
}

impl RemoteSettings {
    /// What the schema cannot say, all of it.
    fn check(self) -> Result<Place, DriverError> {
        let mut faults = Vec::new();
        let port = self.endpoint.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok())?);
        if port.is_none() || !self.endpoint.is_ascii() {
            faults.push(format!("endpoint is {:?}, and must be host:port", self.endpoint));
        }
        if !self.namespace.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            faults.push(format!("namespace is {:?}, and must be of letters, digits and hyphens", self.namespace));
        }
        let flaw = Flaw::ALL.iter().copied().find(|known| known.name() == self.flaw);
        if flaw.is_none() {
            faults.push(format!("flaw is {:?}, which this specimen does not have", self.flaw));
        }
        match flaw.filter(|_| faults.is_empty()) {
            None => Err(DriverError::new(ErrorClass::Config, faults.join("; "))),
            Some(flaw) => Ok(Place {
                endpoint: self.endpoint,
                namespace: self.namespace,
                password: self.password,
                timeout: Duration::from_millis(self.timeout_ms),
                retry_budget: Duration::from_millis(self.retry_budget_ms),
                flaw,
            }),
        }
    }
}

impl BlockingDriver for Remote {
    type Upload = RemoteUpload;

    fn open(settings: Settings, _: &Host) -> Result<Self, DriverError> {
        let driver = Self(Arc::new(Client::new(settings.parse::<RemoteSettings>()?.check()?)));
        SIGNALS.get_or_init(UnixStream::pair);
        if driver.0.has(Flaw::LeavesSockets) {
            Box::leak(Box::new(UnixStream::pair()));
        }
        // An operator learns now, and not at the first push, that a password is wrong.
        driver.health()?;
        Ok(driver)
    }

    fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.stat(key)
    }

    fn read(&self, key: &Key, range: ByteRange) -> Result<BlockingRead, DriverError> {
        self.0.read(key, range)
    }

    fn put(&self, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        if self.0.has(Flaw::RefusesLongPuts) && key.as_str().len() > read::NAME_MAX_BYTES {
            return Err(read::too_long(key));
        }
        let mut request = Request::new("PUT", self.0.object(key)?, key).carrying(&bytes);
        if condition == Condition::IfAbsent {
            request = request.with("If-None-Match", "*");
        }
        let size = read::info(&self.0.ask(&request, &[201])?.head)?.size;
        // As of a service that does not tell the rest: by this machine's clock, and without a version.
        let late = if self.0.has(Flaw::TellsOtherTime) { 10_000 } else { 0 };
        let modified = i64::try_from(message::now_ms()).unwrap_or(i64::MAX) - late;
        let version = self.0.has(Flaw::TellsOtherVersion).then(|| "another".into());
        Ok(ObjectInfo { size, modified, version })
    }

    fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.0.list(request)
    }

    fn delete(&self, key: &Key) -> Result<(), DriverError> {
        let request = Request::new("DELETE", self.0.object(key)?, key);
        if self.0.has(Flaw::RetriesBlindly) {
            return self.0.ask(&request, &[204]).map(drop);
        }
        // As with a service that does not tell whether something was there.
        if !self.0.has(Flaw::DeletesBlindly) {
            self.0.stat(key)?;
        }
        self.0.ask(&request, &[204, 404]).map(drop)
    }

    fn upload_begin(&self, _: Option<&Key>) -> Result<RemoteUpload, DriverError> {
        RemoteUpload::begin(&self.0, None)
    }

    fn upload_resume(&self, token: &UploadToken) -> Result<RemoteUpload, DriverError> {
        RemoteUpload::begin(&self.0, Some(token))
    }

    fn health(&self) -> Result<(), DriverError> {
        self.0.ask(&Request::new("GET", "/health", "health"), &[204]).map(drop)
    }

    fn close(&self) -> Result<(), DriverError> {
        self.0.close();
        Ok(())
    }

    fn delete_prefix(&self, prefix: &Prefix) -> Result<(), DriverError> {
        self.0.delete_prefix(prefix)
    }

    fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let request = Request::new("PUT", self.0.object(to)?, from).with("X-Copy-From", self.0.name(from)?);
        read::info(&self.0.ask(&request, &[201])?.head)
    }

    fn upload_list(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.0.upload_list(older_than_ms)
    }
}
