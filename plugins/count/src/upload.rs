//! An upload of the driver below, with its calls counted.

use std::sync::Arc;

use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{Bytes, Call, Driver, DriverError, Key, ObjectInfo, Upload, UploadToken};

use crate::meter::{Kind, Meter};

pub struct CountedUpload {
    lower: <LowerDriver as Driver>::Upload,
    meter: Arc<Meter>,
}

impl CountedUpload {
    pub(crate) fn new(lower: <LowerDriver as Driver>::Upload, meter: Arc<Meter>) -> Self {
        Self { lower, meter }
    }
}

impl Upload for CountedUpload {
    fn offset(&self) -> u64 {
        self.lower.offset()
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        let about = format!("{} bytes", bytes.len());
        self.meter.count(call, Kind::Write, about, self.lower.write(call, bytes)).await
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        self.meter.count(call, Kind::Suspend, "an upload", self.lower.suspend(call)).await
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        self.meter.count(call, Kind::Commit, destination, self.lower.commit(call, destination, size)).await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        self.meter.count(call, Kind::Abort, "an upload", self.lower.abort(call)).await
    }
}
