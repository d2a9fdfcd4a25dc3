//! Parts on their way.

use std::sync::Arc;

use longshore_plugin_api::{Call, DriverError, ErrorClass};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::state::chained;
use crate::bucket::{Bucket, Part};
use crate::store::Store;
use crate::{Options, Payload};

/// How many bytes one upload may hold (driver contract, section 5), of which one part fills.
const UPLOAD_MAX_BYTES: usize = 16 << 20;

/// What came of a part. The bytes of one that is stored are not kept until the upload's next call asks.
type Sent = Result<Part, Failed>;

/// A part that is not stored.
struct Failed {
    number: u32,
    payload: Payload,
    error: DriverError,
}

/// The parts of one session of a multipart upload.
pub(super) struct Sending {
    object: Arc<str>,
    upload: Arc<str>,
    /// How many parts there are of earlier sessions.
    earlier: u32,
    next: u32,
    running: JoinSet<Sent>,
    /// Stored, in any order until all are settled.
    sent: Vec<Part>,
    /// Not stored; sent again by the next call.
    failed: Vec<(u32, Payload)>,
    error: Option<DriverError>,
}

impl Sending {
    /// For a session after so many parts of earlier ones.
    pub(super) fn new(object: &str, upload: &str, earlier: u32) -> Self {
        Self {
            object: object.into(),
            upload: upload.into(),
            earlier,
            next: earlier + 1,
            running: JoinSet::new(),
            sent: Vec::new(),
            failed: Vec::new(),
            error: None,
        }
    }

    /// How many parts there are, of all sessions, stored or not yet.
    pub(super) fn parts(&self) -> u32 {
        self.next - 1
    }

    /// The stored parts of this session, in order once all are settled.
    pub(super) fn sent(&self) -> &[Part] {
        &self.sent
    }

    /// They are of an earlier session now.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
        self.earlier = self.parts();
    }

    /// The last part was not sent, once all are settled.
    pub(super) fn take_back(&mut self) {
        if self.sent.pop().is_some() {
            self.next -= 1;
        }
    }

    /// The failure of a part that nobody has heard of yet. Without one, those that failed before are sent again.
    pub(super) fn check<B: Bucket>(&mut self, store: &Arc<Store<B>>) -> Result<(), DriverError> {
        while let Some(sent) = self.running.try_join_next() {
            self.take(sent.ok());
        }
        self.error.take().map_or(Ok(()), Err)?;
        self.again(store);
        Ok(())
    }

    /// Waits until one more part, of `length` bytes, may be on its way. While it waits the bytes are those that fill, so that an upload never
    /// holds more than it may, nor do all of them.
    pub(super) async fn room<B: Bucket>(&mut self, store: &Store<B>, call: &Call, length: usize) -> Result<Room, DriverError> {
        if self.next > store.options.parts_max {
            return Err(full(&store.options));
        }
        let most = (UPLOAD_MAX_BYTES / store.options.part_bytes).saturating_sub(1).max(1);
        while self.running.len() + self.failed.len() >= most {
            self.one(call).await?;
        }
        crate::tries::within(call, async { Ok(sending(store, length).await) }).await
    }

    /// The next part was made by the store.
    pub(super) fn adopt(&mut self, tag: String) {
        self.sent.push(Part { number: self.next, tag });
        self.next += 1;
    }

    /// Sends a part.
    pub(super) fn start<B: Bucket>(&mut self, store: &Arc<Store<B>>, payload: Payload, room: Room) {
        let number = self.next;
        self.next += 1;
        self.spawn(store, number, payload, Some(room));
    }

    fn spawn<B: Bucket>(&mut self, store: &Arc<Store<B>>, number: u32, payload: Payload, room: Option<Room>) {
        let (store, object, upload) = (store.clone(), self.object.clone(), self.upload.clone());
        let runs_on = store.reactor.handle().clone();
        let send = async move {
            let _room = match room {
                Some(room) => room,
                None => sending(&store, payload.len()).await,
            };
            let part = |_| store.bucket.part(&object, &upload, number, payload.clone());
            match store.request(&Call::unbounded(), part).await {
                Ok(tag) => Ok(Part { number, tag }),
                Err(error) => Err(Failed { number, payload, error }),
            }
        };
        self.running.spawn_on(send, &runs_on);
    }

    fn again<B: Bucket>(&mut self, store: &Arc<Store<B>>) {
        for (number, payload) in std::mem::take(&mut self.failed) {
            self.spawn(store, number, payload, None);
        }
    }

    /// Waits until every part is stored; those that failed before are sent again.
    pub(super) async fn settle<B: Bucket>(&mut self, store: &Arc<Store<B>>, call: &Call) -> Result<(), DriverError> {
        self.error = None;
        self.again(store);
        while !self.running.is_empty() {
            self.one(call).await?;
        }
        self.sent.sort_unstable_by_key(|part| part.number);
        // A part whose task ended without an answer is never made up for: without it the object would have a gap.
        if (self.earlier as usize) + self.sent.len() == self.parts() as usize { Ok(()) } else { Err(lost()) }
    }

    /// Waits for one of them.
    async fn one(&mut self, call: &Call) -> Result<(), DriverError> {
        if let Some(sent) = crate::tries::within(call, async { Ok(self.running.join_next().await) }).await? {
            self.take(sent.ok());
        }
        self.error.take().map_or(Ok(()), Err)
    }

    fn take(&mut self, sent: Option<Sent>) {
        match sent {
            Some(Ok(part)) => self.sent.push(part),
            Some(Err(Failed { number, payload, error })) => {
                self.failed.push((number, payload));
                self.error = Some(error);
            }
            // The task panicked or the runtime ended: the bytes of the part are lost, and so is the upload.
            None => self.error = Some(lost()),
        }
    }

    /// Lets go of all that is on its way.
    pub(super) fn stop(&mut self) {
        self.running.abort_all();
        self.failed.clear();
    }
}

fn lost() -> DriverError {
    DriverError::new(ErrorClass::Internal, "a part of the upload was lost on its way")
}

fn full(options: &Options) -> DriverError {
    let Options { parts_max, part_bytes, .. } = options;
    let message =
        format!("the store takes {parts_max} parts of an upload, here of {part_bytes} bytes; a greater part_bytes makes room for more");
    DriverError::new(ErrorClass::Full, message)
}

/// The right to have a part on its way.
pub(super) type Room = Option<OwnedSemaphorePermit>;

async fn sending<B: Bucket>(store: &Store<B>, length: usize) -> Room {
    // A part may be larger than this instance makes them, if another one with other settings put the upload down.
    let permits = u32::try_from(length.min(store.options.sending_max()) >> 10).unwrap_or(u32::MAX);
    // An error only if the semaphore were closed, which nobody does.
    store.sending.clone().acquire_many_owned(permits).await.ok()
}

/// The parts of earlier sessions, which must still be what they were: so many, with this hash.
pub(super) async fn earlier<B: Bucket>(
    store: &Store<B>,
    call: &Call,
    (object, upload): (&str, &str),
    (number, tags): (u32, &str),
) -> Result<Vec<Part>, DriverError> {
    if number == 0 {
        return Ok(Vec::new());
    }
    let mut parts = store.request(call, |_| store.bucket.parts(object, upload)).await?;
    // Those after are what somebody wrote who was not heard of again; this session writes over them.
    parts.retain(|part| part.number <= number);
    if parts.len() == number as usize && chained("", &parts) == tags {
        return Ok(parts);
    }
    let message = "somebody else went on with an older token of the upload, and wrote over a part of it";
    Err(DriverError::new(ErrorClass::Conflict, message))
}
