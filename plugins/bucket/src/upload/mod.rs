//! Uploads: parts that are sent while the next one fills, and a record for each time that the upload is put down.
//!
//! | an upload of | while it is written | at `suspend` | at `commit` |
//! |---|---|---|---|
//! | less than a part | nothing is sent | a record with all bytes | one `put` at its key |
//! | more, its key given at the start | parts of that key's multipart upload | a record with the bytes after the last part | the upload is completed |
//! | more, without, or where none [begins at its key](Bucket::BEGINS_AT_KEY) | parts of a private object's | the same | the same, a copy by the store |
//!
//! Parts beyond those that the store takes are gathered in segments: see `segment.rs`.

mod abandoned;
mod ends;
mod parts;
mod publish;
mod record;
mod segment;
mod state;

use std::sync::Arc;

use longshore_plugin_api::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo, Upload, UploadToken};

pub(crate) use abandoned::abandoned;
use parts::Sending;
pub(crate) use record::Kept;
use segment::Segment;
use state::State;

use crate::Payload;
use crate::bucket::{Bucket, Mark};
use crate::names::random_name;
use crate::payload::Filling;
use crate::store::Store;

/// An upload.
pub struct BucketUpload<B: Bucket> {
    store: Arc<Store<B>>,
    /// As it was begun, resumed or put down, with the store's id once there is one.
    state: State,
    /// What was written and is not yet a part.
    filling: Filling,
    sending: Sending,
    /// Where parts go to instead, of a very large upload.
    segment: Option<Segment>,
    offset: u64,
    /// The store's upload was begun here, and no record tells of it.
    unrecorded: bool,
    /// A record that may have been written, without our knowing.
    doubtful: Option<String>,
    /// The bytes of a last part that the store takes no other after: back in `filling` if the upload goes on.
    short: Option<Payload>,
    /// The store was asked to complete the upload, and may have done so.
    completing: bool,
    /// Facts of the object that the parts became.
    completed: Option<ObjectInfo>,
    /// Committed or aborted.
    ended: bool,
}

/// Starts an upload; the store hears of it with the first full part.
pub(crate) fn begin<B: Bucket>(store: &Arc<Store<B>>, call: &Call, destination: Option<&Key>) -> Result<BucketUpload<B>, DriverError> {
    in_time(call)?;
    let id = random_name()?;
    let object = match destination.filter(|_| B::BEGINS_AT_KEY) {
        Some(key) => store.root.object(key)?,
        None => store.root.upload_data(&id),
    };
    Ok(BucketUpload::new(store.clone(), State::new(id, object), None, Filling::default()))
}

/// Goes on with an upload.
pub(crate) async fn resume<B: Bucket>(store: &Arc<Store<B>>, call: &Call, token: &UploadToken) -> Result<BucketUpload<B>, DriverError> {
    let state = State::from_token(token, &store.root)?;
    let tail = match &state.record {
        Some(record) => record::read(store, call, record, &state).await?,
        None => {
            ends::still_there(store, call, &state).await?;
            Payload::default()
        }
    };
    if let Some(upload) = &state.upload {
        store.request(call, |_| store.bucket.rewind(&state.object, upload, state.parts)).await?;
    }
    segment::alone(store, call, &state).await?;
    let segment = Segment::resume(store, call, &state).await?;
    // Whoever uses a token has had it: the one before is over.
    ends::retire(store, state.earlier(&store.root));
    Ok(BucketUpload::new(store.clone(), state, segment, tail.into()))
}

fn in_time(call: &Call) -> Result<(), DriverError> {
    if call.remaining().is_some_and(|left| left.is_zero()) {
        return Err(DriverError::new(ErrorClass::Timeout, "the call's deadline has passed"));
    }
    Ok(())
}

impl<B: Bucket> BucketUpload<B> {
    fn new(store: Arc<Store<B>>, state: State, segment: Option<Segment>, filling: Filling) -> Self {
        let offset = state.offset;
        let sending = Sending::new(&state.object, state.upload.as_deref().unwrap_or_default(), state.parts);
        Self {
            store,
            state,
            filling,
            sending,
            segment,
            offset,
            unrecorded: false,
            doubtful: None,
            short: None,
            completing: false,
            completed: None,
            ended: false,
        }
    }

    /// Begins the store's multipart upload, if there is none.
    async fn multipart(&mut self, call: &Call) -> Result<(), DriverError> {
        if self.state.upload.is_some() {
            return Ok(());
        }
        let (store, object) = (&self.store, self.state.fresh_object(&self.store.root)?);
        let mark = Mark::of(&self.state.id);
        let upload = store.request(call, |_| store.bucket.begin(&object, &mark)).await?;
        self.sending = Sending::new(&object, &upload, 0);
        (self.state.object, self.state.upload, self.unrecorded) = (object, Some(upload), true);
        Ok(())
    }

    /// Sends what has filled as a part of the upload itself, and does not wait for it.
    async fn send_directly(&mut self, call: &Call) -> Result<(), DriverError> {
        self.multipart(call).await?;
        let room = self.sending.room(&self.store, call, self.filling.len()).await?;
        let payload = self.filling.finish();
        self.sending.start(&self.store, payload, room);
        Ok(())
    }

    /// Waits until every part is stored.
    async fn settle(&mut self, call: &Call) -> Result<(), DriverError> {
        self.sending.settle(&self.store, call).await?;
        match &mut self.segment {
            Some(segment) => segment.sending.settle(&self.store, call).await,
            None => Ok(()),
        }
    }

    /// The failure of a part that nobody has heard of yet.
    fn check(&mut self) -> Result<(), DriverError> {
        self.sending.check(&self.store)?;
        self.segment.as_mut().map_or(Ok(()), |segment| segment.sending.check(&self.store))
    }

    /// Bytes below which a part must be the last one.
    fn part_least(&self) -> usize {
        let options = &self.store.options;
        if options.equal_parts { options.part_bytes } else { options.part_min_bytes }
    }

    /// Goes on after a commit that failed: what it sent as the last part is not the last any more.
    async fn unshorten(&mut self, call: &Call) -> Result<(), DriverError> {
        if self.short.is_some() {
            self.sending.settle(&self.store, call).await?;
            self.sending.take_back();
            self.filling = self.short.take().unwrap_or_default().into();
        }
        Ok(())
    }

    async fn append(&mut self, call: &Call, mut bytes: Bytes) -> Result<(), DriverError> {
        in_time(call)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if self.completed.is_some() {
            return Err(DriverError::new(ErrorClass::InvalidState, "a commit of the upload has begun: only commit or abort can follow"));
        }
        self.unshorten(call).await?;
        self.check()?;
        let full = self.store.options.part_bytes;
        loop {
            let before = self.filling.len();
            self.filling.take(&self.store.blocks, &mut bytes, full);
            self.offset += (self.filling.len() - before) as u64;
            // Exactly one part may be all there is, which is a plain object then.
            if self.filling.len() < full || bytes.is_empty() && self.state.upload.is_none() {
                return Ok(());
            }
            self.send(call).await?;
        }
    }

    async fn put_down(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        ends::retire(&self.store, self.doubtful.take());
        self.still_alone(call).await?;
        self.unshorten(call).await?;
        self.settle(call).await?;
        if self.segment.as_ref().is_some_and(Segment::is_object) {
            self.close_segment(call).await?;
        }
        if self.filling.len() >= self.part_least() {
            self.send(call).await?;
            self.settle(call).await?;
        }
        let segment = self.segment.as_ref().map(Segment::following);
        let next = self.state.following(&self.sending, segment, self.offset, &self.store.root)?;
        let token = next.token()?;
        self.doubtful = next.record.clone();
        record::write(&self.store, call, &next, &self.filling.payload()).await?;
        // The caller went on with this upload, so it had the token before, and the one before that ended then.
        ends::retire(&self.store, self.state.earlier(&self.store.root));
        self.sending.forget_sent();
        if let (Some(segment), Some(stand)) = (&mut self.segment, next.segment.clone()) {
            segment.put_down(stand);
        }
        (self.state, self.doubtful, self.unrecorded) = (next, None, false);
        Ok(token)
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
