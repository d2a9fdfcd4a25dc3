//! Uploads: parts that are sent while the next one fills, and a record for each time that the upload is put down.
//!
//! | an upload of | while it is written | at `suspend` | at `commit` |
//! |---|---|---|---|
//! | less than a part | nothing is sent | a record with all bytes | one `put` at its key |
//! | more, its key given at the start | parts of that key's multipart upload | a record with the bytes after the last part | the upload is completed |
//! | more, without | parts of a private object's | the same | the same, a copy by the store |

mod abandoned;
mod parts;
mod record;
mod state;

use std::sync::Arc;

use longshore_plugin_api::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

pub(crate) use abandoned::abandoned;
use parts::Sending;
pub(crate) use record::Kept;
use state::State;

use crate::bucket::{Bucket, Mark, Part};
use crate::names::random_name;
use crate::payload::Filling;
use crate::store::Store;
use crate::trash;
use crate::tries::Attempt;

/// An upload.
pub struct BucketUpload<B: Bucket> {
    store: Arc<Store<B>>,
    /// As it was begun or resumed, with the store's id once there is one.
    state: State,
    /// What was written and is not yet a part.
    filling: Filling,
    sending: Sending,
    offset: u64,
    /// Facts of the object that the parts became.
    completed: Option<ObjectInfo>,
    /// Committed or aborted.
    ended: bool,
}

/// Starts an upload; the store hears of it with the first full part.
pub(crate) fn begin<B: Bucket>(store: &Arc<Store<B>>, call: &Call, destination: Option<&Key>) -> Result<BucketUpload<B>, DriverError> {
    if call.remaining().is_some_and(|left| left.is_zero()) {
        return Err(DriverError::new(ErrorClass::Timeout, "the call's deadline has passed"));
    }
    let id = random_name()?;
    let object = destination.map_or_else(|| store.root.upload_data(&id), |key| store.root.object(key));
    Ok(BucketUpload::new(store.clone(), State::new(id, object), Filling::default()))
}

/// Goes on with an upload.
pub(crate) async fn resume<B: Bucket>(store: &Arc<Store<B>>, call: &Call, token: &UploadToken) -> Result<BucketUpload<B>, DriverError> {
    let state = State::from_token(token, &store.root)?;
    let tail = match &state.record {
        Some(record) => record::read(store, call, record, &state).await?,
        // An upload that was never put down; only its parts tell that it is there.
        None => parts::are_there(store, call, &state).await?,
    };
    // Whoever uses a token has had it: the one before is over.
    trash::discard(store, state.before.clone());
    Ok(BucketUpload::new(store.clone(), state, tail.into()))
}

impl<B: Bucket> BucketUpload<B> {
    fn new(store: Arc<Store<B>>, state: State, filling: Filling) -> Self {
        let offset = state.offset;
        let sending = Sending::after(state.parts);
        Self { store, state, filling, sending, offset, completed: None, ended: false }
    }

    /// The store's id of the multipart upload, which begins here if there is none.
    async fn multipart(&mut self, call: &Call) -> Result<String, DriverError> {
        if let Some(upload) = &self.state.upload {
            return Ok(upload.clone());
        }
        let (store, object, mark) = (&self.store, &self.state.object, Mark::of(&self.state.id));
        let upload = store.request(call, |_| store.bucket.begin(object, &mark)).await?;
        self.state.upload = Some(upload.clone());
        Ok(upload)
    }

    /// Sends what has filled as a part, and does not wait for it.
    async fn send(&mut self, call: &Call) -> Result<(), DriverError> {
        let upload = self.multipart(call).await?;
        self.sending.room(&self.store, call).await?;
        let payload = self.filling.finish();
        self.sending.start(&self.store, &self.state.object, &upload, payload);
        Ok(())
    }

    async fn settle(&mut self, call: &Call) -> Result<(), DriverError> {
        let upload = self.state.upload.clone().unwrap_or_default();
        self.sending.settle(&self.store, &self.state.object, &upload, call).await
    }

    async fn append(&mut self, call: &Call, mut bytes: Bytes) -> Result<(), DriverError> {
        if call.remaining().is_some_and(|left| left.is_zero()) {
            return Err(DriverError::new(ErrorClass::Timeout, "the call's deadline has passed"));
        }
        self.sending.check()?;
        let full = self.store.options.part_bytes;
        loop {
            let before = self.filling.len();
            self.filling.take(&mut bytes, full);
            self.offset += (self.filling.len() - before) as u64;
            if self.filling.len() < full {
                return Ok(());
            }
            if bytes.is_empty() && self.state.upload.is_none() {
                // Exactly one part may be all there is, which is a plain object then.
                return Ok(());
            }
            self.send(call).await?;
        }
    }

    async fn put_down(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        self.settle(call).await?;
        let least = if self.store.options.equal_parts { self.store.options.part_bytes } else { self.store.options.part_min_bytes };
        if self.filling.len() >= least {
            self.send(call).await?;
            self.settle(call).await?;
        }
        let next = self.state.following(&self.sending, self.offset, &self.store.root)?;
        let token = next.token()?;
        record::write(&self.store, call, &next, &self.filling.payload()).await?;
        // The caller went on with this upload, so it had the token before, and the one before that ended then.
        trash::discard(&self.store, self.state.before.clone());
        self.sending.forget_sent();
        self.state = next;
        Ok(token)
    }

    async fn publish(&mut self, call: &Call, destination: &Key) -> Result<ObjectInfo, DriverError> {
        let store = self.store.clone();
        let destination = store.root.object(destination);
        let private = store.root.upload_data(&self.state.id);
        let info = if self.state.upload.is_none() {
            let payload = self.filling.payload();
            store.request(call, |_| store.bucket.put(&destination, payload.clone(), None)).await?
        } else if self.state.object == destination {
            self.complete(call).await?
        } else if self.state.object == private {
            self.complete(call).await?;
            let size = self.offset;
            let info = store.request(call, |_| store.bucket.copy(&private, &destination, size)).await?;
            trash::discard(&store, [private]);
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
        if self.filling.len() > 0 {
            self.send(call).await?;
        }
        self.settle(call).await?;
        let parts = match parts::earlier(&self.store, call, &self.state).await {
            Ok(mut parts) => {
                parts.extend(self.sending.sent().iter().cloned());
                parts
            }
            // Completed by somebody who did not come to the end.
            Err(error) if error.class() == ErrorClass::NotFound => {
                let info = self.completed_before(call).await?.ok_or(error)?;
                self.completed = Some(info.clone());
                return Ok(info);
            }
            Err(error) => return Err(error),
        };
        let info = self.complete_of(call, &parts).await?;
        self.completed = Some(info.clone());
        Ok(info)
    }

    async fn complete_of(&self, call: &Call, parts: &[Part]) -> Result<ObjectInfo, DriverError> {
        let (store, object, upload) = (&self.store, &self.state.object, self.state.upload.as_deref().unwrap_or_default());
        let size = self.offset;
        let complete = |attempt: Attempt| async move {
            match store.bucket.complete(object, upload, parts, size).await {
                // Complete, by an earlier attempt whose answer was lost?
                Err(error) if error.class() == ErrorClass::NotFound && attempt.is_again() => {
                    let facts = store.bucket.head(object).await?;
                    if facts.mark.as_deref() == Some(&*self.state.id) { Ok(facts.info) } else { Err(error) }
                }
                answer => answer,
            }
        };
        store.request(call, complete).await
    }

    /// Facts of the object if all that was written to this upload is in it.
    async fn completed_before(&self, call: &Call) -> Result<Option<ObjectInfo>, DriverError> {
        let (store, object) = (&self.store, &self.state.object);
        let facts = match store.request(call, |_| store.bucket.head(object)).await {
            Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
            facts => facts?,
        };
        let ours = facts.mark.as_deref() == Some(&*self.state.id) && facts.info.size == self.offset;
        Ok(ours.then_some(facts.info))
    }

    async fn give_up(&mut self, call: &Call) -> Result<(), DriverError> {
        self.sending.stop();
        let (store, object) = (self.store.clone(), self.state.object.clone());
        let mut left: Vec<String> = self.state.records().collect();
        if let Some(upload) = self.state.upload.clone() {
            match store.request(call, |_| store.bucket.cancel(&object, &upload)).await {
                Err(error) if error.class() != ErrorClass::NotFound => return Err(error),
                _ => {}
            }
            if object == store.root.upload_data(&self.state.id) {
                left.push(object);
            }
        }
        if !left.is_empty() {
            store.request(call, |_| store.bucket.delete_all(&left)).await?;
        }
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        self.ended = true;
        trash::discard(&self.store, self.state.records());
    }
}

impl<B: Bucket> Upload for BucketUpload<B> {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        let store = self.store.clone();
        store.reactor.enter(self.append(call, bytes)).await
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        let store = self.store.clone();
        store.reactor.enter(self.put_down(call)).await
    }

    async fn commit(&mut self, call: &Call, destination: &Key, _size: u64) -> Result<ObjectInfo, DriverError> {
        let store = self.store.clone();
        store.reactor.enter(self.publish(call, destination)).await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        let store = self.store.clone();
        store.reactor.enter(self.give_up(call)).await
    }
}

impl<B: Bucket> Drop for BucketUpload<B> {
    fn drop(&mut self) {
        self.sending.stop();
        let never_put_down = !self.ended && self.state.record.is_none();
        if let Some(upload) = self.state.upload.take().filter(|_| never_put_down) {
            // Nobody can go on with it. If this fails it is an abandoned upload, which is purged.
            let (store, object) = (self.store.clone(), std::mem::take(&mut self.state.object));
            let runs_on = store.reactor.handle().clone();
            runs_on.spawn(async move {
                let _ = store.request(&trash::soon(), |_| store.bucket.cancel(&object, &upload)).await;
            });
        }
    }
}
