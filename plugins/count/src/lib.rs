//! A layer that counts and times the calls of the driver below it, and changes nothing of them.
//!
//! `registry.toml` names it above a driver: `layers = [{ driver = "count", settings = { each_call = true } }]`. It is the layer to copy, too.
#![forbid(unsafe_code)]

mod meter;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Host, Key, ListPage, ListRequest, Method, ObjectInfo, OpenDriver,
    Prefix, Read, Settings, UploadToken,
};
use serde::Deserialize;

use meter::{Kind, Meter};
use upload::CountedUpload;

longshore_plugin_api::export_driver! {
    driver: Count,
    name: "count",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/plugins/count",
    // All that a driver below may have: the host takes away what that one has not.
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, FileRegion, UploadList, NestedObjects, Layer],
    consistency: Strong,
    durability: Disk,
    settings: include_str!("../settings.schema.json"),
}

/// An instance.
pub struct Count {
    lower: LowerDriver,
    meter: Arc<Meter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountSettings {
    label: String,
    each_call: bool,
    summary_secs: u64,
}

impl OpenDriver for Count {
    async fn open(settings: Settings, host: Host, lower: Option<LowerDriver>) -> Result<Self, DriverError> {
        let CountSettings { label, each_call, summary_secs } = settings.parse()?;
        let lower = lower.ok_or_else(|| {
            let message = "count is a layer and keeps nothing itself: name it in `layers` of a storage whose `driver` is another one";
            DriverError::new(ErrorClass::Config, message)
        })?;
        Ok(Self { lower, meter: Arc::new(Meter::new(host, label, each_call, Duration::from_secs(summary_secs))) })
    }
}

impl Driver for Count {
    type Upload = CountedUpload;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.meter.count(call, Kind::Stat, key, self.lower.stat(call, key)).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        self.meter.count(call, Kind::Read, key, self.lower.read(call, key, range)).await
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.meter.count(call, Kind::Put, key, self.lower.put(call, key, bytes, condition)).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.meter.count(call, Kind::List, request.prefix, self.lower.list(call, request)).await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        self.meter.count(call, Kind::Delete, key, self.lower.delete(call, key)).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<CountedUpload, DriverError> {
        let begun = self.meter.count(call, Kind::UploadBegin, "an upload", self.lower.upload_begin(call, destination)).await?;
        Ok(CountedUpload::new(begun, self.meter.clone()))
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<CountedUpload, DriverError> {
        let resumed = self.meter.count(call, Kind::UploadResume, "an upload", self.lower.upload_resume(call, token)).await?;
        Ok(CountedUpload::new(resumed, self.meter.clone()))
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.meter.count(call, Kind::Health, "the store", self.lower.health(call)).await
    }

    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        self.meter.summarize();
        self.lower.close(call).await
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        self.meter.count(call, Kind::DeletePrefix, prefix, self.lower.delete_prefix(call, prefix)).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.meter.count(call, Kind::Copy, from, self.lower.copy(call, from, to)).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        self.meter.count(call, Kind::Presign, key, self.lower.presign(call, key, method, expires_ms)).await
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.meter.count(call, Kind::UploadList, "all uploads", self.lower.upload_list(call, older_than_ms)).await
    }
}
