//! An upload of a driver in C as an [`Upload`].

use std::sync::Arc;

use longshore_plugin_api::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

use super::answer::broken;
use super::calls::{self, Calls, Opaque};
use super::instance::{Handle, Instance};
use super::lend::{Context, OwnText};
use super::pool::Job;

pub(crate) struct CUpload {
    handle: Arc<Handle<calls::Upload>>,
    offset: u64,
}

impl CUpload {
    /// Begins or resumes an upload; blocks.
    pub(crate) fn begin(
        instance: &Arc<Instance>,
        start: impl FnOnce(Calls, &Opaque<calls::Driver>) -> Result<Opaque<calls::Upload>, DriverError>,
    ) -> Result<Self, DriverError> {
        let (offset, handle) = instance.begin(|calls, driver| {
            let upload = start(calls, driver)?;
            Ok((calls.upload_offset(&upload)?, Some(upload)))
        })?;
        Ok(Self { handle: Arc::new(handle.ok_or_else(DriverError::closed)?), offset })
    }

    async fn run<T, F>(&mut self, call: &Call, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(Calls, &Opaque<calls::Upload>, &Context) -> Result<T, DriverError> + Send + 'static,
    {
        let handle = self.handle.clone();
        let services = handle.instance()?.host().services().clone();
        let (context, _give_up) = Context::new(call);
        let work = move || {
            handle.call(|calls, upload| {
                let answer = work(calls, upload, &context);
                Ok((answer, calls.upload_offset(upload)?))
            })
        };
        let (answer, offset) = Job::begin(&services, work).await?;
        self.offset = offset;
        answer
    }
}

impl Upload for CUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.run(call, move |calls, upload, context| {
            let before = calls.upload_offset(upload)?;
            calls.upload_write(upload, context, &bytes)?;
            let (after, expected) = (calls.upload_offset(upload)?, before.saturating_add(bytes.len() as u64));
            if after == expected { Ok(()) } else { Err(broken(format_args!("the offset {after} to a write that ends at {expected}"))) }
        })
        .await
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        self.run(call, |calls, upload, context| calls.upload_suspend(upload, context)).await
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        let destination = OwnText::from(destination.as_str());
        self.run(call, move |calls, upload, context| {
            // Again, although the boundary has compared it: a write that the host gave up may have run to its end since.
            let offset = calls.upload_offset(upload)?;
            if offset != size {
                let message = format!("the upload has {offset} bytes, the commit expects {size}");
                return Err(DriverError::new(ErrorClass::Corrupt, message));
            }
            calls.upload_commit(upload, context, &destination, size)
        })
        .await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        self.run(call, |calls, upload, context| calls.upload_abort(upload, context)).await
    }
}
