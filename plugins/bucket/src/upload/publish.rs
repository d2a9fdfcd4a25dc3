//! How an upload becomes an object.

use longshore_plugin_api::{Call, DriverError, ErrorClass, Key, ObjectInfo};

use super::{BucketUpload, parts};
use crate::bucket::Bucket;
use crate::trash;
use crate::tries::Attempt;

impl<B: Bucket> BucketUpload<B> {
    pub(super) async fn publish(&mut self, call: &Call, destination: &Key) -> Result<ObjectInfo, DriverError> {
        let store = self.store.clone();
        let destination = store.root.object(destination);
        let info = if self.state.upload.is_none() {
            let payload = self.filling.payload();
            store.request(call, |_| store.bucket.put(&destination, payload.clone(), None)).await?
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
        self.sending.settle(&self.store, call).await?;
        if self.filling.len() > 0 || self.sending.parts() == 0 {
            let last = self.filling.payload();
            self.send(call).await?;
            self.short = (last.len() < self.part_least()).then_some(last);
            self.sending.settle(&self.store, call).await?;
        }
        let mut parts = parts::earlier(&self.store, call, &self.state).await?;
        parts.extend(self.sending.sent().iter().cloned());
        let (store, object, upload) = (&self.store, &self.state.object, self.state.upload.as_deref().unwrap_or_default());
        let size = self.offset;
        let mut doubtful = std::mem::replace(&mut self.completing, true);
        let complete = |attempt: Attempt| {
            doubtful |= attempt.is_again();
            store.bucket.complete(object, upload, &parts, size)
        };
        let answer = store.request(call, complete).await;
        if let Err(error) = &answer {
            self.completing = error.is_retryable() || doubtful && error.class() == ErrorClass::NotFound;
        }
        answer
    }

    /// Facts of the object, if it is certain that what was written to this upload is in it.
    ///
    /// Who wrote here since the upload was resumed cannot know what another wrote, who had the same token and was faster.
    async fn completed_before(&self, call: &Call) -> Result<Option<ObjectInfo>, DriverError> {
        if !self.completing && self.offset != self.state.offset {
            return Ok(None);
        }
        let (store, object) = (&self.store, &self.state.object);
        let facts = match store.request(call, |_| store.bucket.head(object)).await {
            Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
            facts => facts?,
        };
        let ours = facts.mark.as_deref() == Some(&*self.state.id) && facts.info.size == self.offset;
        Ok(ours.then_some(facts.info))
    }
}
