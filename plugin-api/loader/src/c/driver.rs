//! An instance of a driver in C as a [`Driver`]: each call is one job on the host's blocking threads.

use std::sync::Arc;

use longshore_plugin_api::abi::{ForeignDriver, checked_settings, lend};
use longshore_plugin_api::metadata::DriverInfo;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Capabilities, Capability, Condition, Driver, DriverError, HostServices, Key, ListPage, ListRequest, Method,
    ObjectInfo, Prefix, Read, UploadToken,
};
use serde_json::Value;

use super::body;
use super::calls::{Calls, Opaque};
use super::instance::Instance;
use super::lend::{Context, OwnSettings, OwnText};
use super::pool::Job;
use super::services::OwnHost;
use super::table::DriverTable;
use super::upload::CUpload;
use crate::services::Services;

/// Opens an instance and puts it behind the tables that a driver in Rust has. What these check (keys, states, sizes, capabilities, calls after
/// `close`) is so checked for both kinds by the same code. The settings are checked here, for a driver in C has no side of its own to do it.
///
/// # Errors
/// `config` for settings that the schema in the note does not allow; what the driver answers.
pub(crate) async fn open(
    table: &'static DriverTable,
    settings: &Value,
    (instance, origin): (&str, &str),
    info: &DriverInfo,
    services: Arc<Services>,
) -> Result<ForeignDriver, DriverError> {
    let settings = checked_settings(info, settings).map_err(|error| error.from_instance(origin))?;
    let capabilities = info.known_capabilities();
    let (settings, host) = (OwnSettings::new(&settings), OwnHost::new(services.clone(), instance));
    let opened = Job::begin(&services, move || Instance::open(Calls(table), host, &settings)).await;
    let driver = CDriver::new(opened.map_err(|error| error.from_instance(origin))?, capabilities);
    Ok(ForeignDriver::adopt(lend(driver, capabilities), capabilities, origin))
}

struct CDriver {
    /// `None` while it is dropped.
    instance: Option<Arc<Instance>>,
    services: Arc<Services>,
    may_give_files: bool,
}

impl CDriver {
    fn new(instance: Arc<Instance>, capabilities: Capabilities) -> Self {
        let services = instance.host().services().clone();
        Self { instance: Some(instance), services, may_give_files: capabilities.has(Capability::FileRegion) }
    }

    /// Runs `work` on a blocking thread. Dropping the future tells the driver so, and abandons the answer.
    async fn run<T, F>(&self, call: &Call, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Instance>, &Context) -> Result<T, DriverError> + Send + 'static,
    {
        let instance = self.instance.clone().ok_or_else(DriverError::closed)?;
        let (context, _give_up) = Context::new(call);
        Job::begin(&self.services, move || work(&instance, &context)).await
    }

    /// Runs a call that answers with what the contract wants.
    async fn call<T, F>(&self, call: &Call, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(Calls, &Opaque<super::calls::Driver>, &Context) -> Result<T, DriverError> + Send + 'static,
    {
        self.run(call, move |instance, context| instance.call(|calls, driver| work(calls, driver, context))).await
    }
}

impl Drop for CDriver {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            // Closing may block, and whoever drops a driver may not.
            self.services.run_blocking(Box::new(move || drop(instance)));
        }
    }
}

impl Driver for CDriver {
    type Upload = CUpload;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        let key = OwnText::from(key.as_str());
        self.call(call, move |calls, driver, context| calls.stat(driver, context, &key)).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        if range.length.is_some_and(|length| range.offset.checked_add(length).is_none()) {
            // Refused here, so that a driver needs no arithmetic; but an absent key comes first.
            let info = self.stat(call, key).await?;
            range.within(info.size)?;
        }
        let (key, may_give_files) = (OwnText::from(key.as_str()), self.may_give_files);
        let begun = self.run(call, move |instance, context| body::begin(instance, context, &key, range, may_give_files));
        body::answer(begun.await?)
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        let key = OwnText::from(key.as_str());
        self.call(call, move |calls, driver, context| calls.put(driver, context, &key, &bytes, condition)).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let (prefix, after) = (request.prefix.to_owned(), request.start_after.map(str::to_owned));
        let (limit, recursive) = (request.limit, request.recursive);
        self.call(call, move |calls, driver, context| {
            calls.list(driver, context, &ListRequest { prefix: &prefix, start_after: after.as_deref(), limit, recursive })
        })
        .await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        let key = OwnText::from(key.as_str());
        self.call(call, move |calls, driver, context| calls.remove(driver, context, &key)).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<CUpload, DriverError> {
        let destination = destination.map(|key| OwnText::from(key.as_str()));
        self.run(call, move |instance, context| {
            CUpload::begin(instance, |calls, driver| calls.upload_begin(driver, context, destination.as_ref()))
        })
        .await
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<CUpload, DriverError> {
        let token = token.clone();
        self.run(call, move |instance, context| {
            instance.sweep_all();
            CUpload::begin(instance, |calls, driver| calls.upload_resume(driver, context, &token))
        })
        .await
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.call(call, |calls, driver, context| calls.health(driver, context)).await
    }

    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        self.run(call, |instance, _| {
            instance.close();
            Ok(())
        })
        .await
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        let prefix = OwnText::from(prefix.as_str());
        self.call(call, move |calls, driver, context| calls.delete_prefix(driver, context, &prefix)).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let (from, to) = (OwnText::from(from.as_str()), OwnText::from(to.as_str()));
        self.call(call, move |calls, driver, context| calls.copy(driver, context, &from, &to)).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let key = OwnText::from(key.as_str());
        self.call(call, move |calls, driver, context| calls.presign(driver, context, &key, method, expires_ms)).await
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.call(call, move |calls, driver, context| calls.upload_list(driver, context, older_than_ms)).await
    }
}
