//! How an upload becomes an object.

use longshore_plugin_api::{Call, DriverError, ErrorClass, Key, ObjectInfo};

use super::{BucketUpload, parts};
use crate::bucket::{Bucket, Part};
use crate::driver::replace;
use crate::store::Store;
use crate::trash;
use crate::tries::Attempt;

impl<B: Bucket> BucketUpload<B> {
    pub(super) async fn publish(&mut self, call: &Call, destination: &Key) -> Result<ObjectInfo, DriverError> {
        let store = self.store.clone();
        let destination = store.root.object(destination)?;
        let info = if self.state.upload.is_none() {
            replace(&store, call, &destination, self.filling.payload()).await?
        } else if self.state.object == destination {
            self.complete(call).await?
        } else if self.state.is_private(&store.root) {
            self.complete(call).await?;
            let (private, size) = (&self.state.object, self.offset);
            let info = store.request(call, |_| store.bucket.copy(private, &destination, size)).await?;
            trash::discard(&store, [private.clone()]);
            info
        } else {
            let message = "the upload was begun for another key, where its parts are; they cannot be published elsewhere";
            return Err(DriverError::new(ErrorClass::Unsupported, message));
        };
        self.end();
        Ok(info)
    }

    /// Makes the object of the parts.
    async fn complete(&mut self, call: &Call) -> Result<ObjectInfo, DriverError> {
        if let Some(info) = &self.completed {
            return Ok(info.clone());
        }
        let info = match self.complete_parts(call).await {
            // The upload is over. Completed by an attempt whose answer was lost, or by somebody who did not come to the end?
            Err(error) if error.class() == ErrorClass::NotFound => self.completed_before(call).await?.ok_or(error)?,
            answer => answer?,
        };
        self.completed = Some(info.clone());
        Ok(info)
    }

    async fn complete_parts(&mut self, call: &Call) -> Result<ObjectInfo, DriverError> {
        self.settle(call).await?;
        self.close_segment(call).await?;
        if self.filling.len() > 0 || self.sending.parts() == 0 {
            let last = self.filling.payload();
            self.send_directly(call).await?;
            self.short = (last.len() < self.part_least()).then_some(last);
            self.settle(call).await?;
        }
        let to = (&*self.state.object, self.state.upload.as_deref().unwrap_or_default());
        let mut parts = parts::earlier(&self.store, call, to, (self.state.parts, &self.state.tags)).await?;
        parts.extend(self.sending.sent().iter().cloned());
        complete(&self.store, call, to, &parts, (self.offset, &mut self.completing)).await
    }

    /// Facts of the object, if it is certain that what was written to this upload is in it.
    ///
    /// Who wrote here since the upload was resumed cannot know what another wrote, who had the same token and was faster.
    async fn completed_before(&self, call: &Call) -> Result<Option<ObjectInfo>, DriverError> {
        if !self.completing && self.offset != self.state.offset {
            return Ok(None);
        }
        made(&self.store, call, &self.state.object, (&self.state.id, self.offset)).await
    }
}

/// Completes a multipart upload; `may_be` tells on its way in and out whether it may have been completed without our knowing.
pub(super) async fn complete<B: Bucket>(
    store: &Store<B>,
    call: &Call,
    (object, upload): (&str, &str),
    parts: &[Part],
    (size, may_be): (u64, &mut bool),
) -> Result<ObjectInfo, DriverError> {
    // Also if the call is given up.
    let mut doubtful = std::mem::replace(may_be, true);
    let complete = |attempt: Attempt| {
        doubtful |= attempt.is_again();
        store.bucket.complete(object, upload, parts, size)
    };
    let answer = store.request(call, complete).await;
    if let Err(error) = &answer {
        *may_be = error.is_retryable() || doubtful && error.class() == ErrorClass::NotFound;
    }
    answer
}

/// Facts of an object, if it has this mark and size.
pub(super) async fn made<B: Bucket>(
    store: &Store<B>,
    call: &Call,
    object: &str,
    (mark, size): (&str, u64),
) -> Result<Option<ObjectInfo>, DriverError> {
    match store.request(call, |_| store.bucket.head(object)).await {
        Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
        facts => Ok(Some(facts?).filter(|facts| facts.mark.as_deref() == Some(mark) && facts.info.size == size).map(|facts| facts.info)),
    }
}
