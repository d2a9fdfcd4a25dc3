//! Parts on their way.

use std::sync::Arc;

use longshore_plugin_api::{Call, DriverError, ErrorClass};
use tokio::task::JoinSet;

use super::state::State;
use crate::Payload;
use crate::bucket::{Bucket, Part};
use crate::store::Store;

/// How many bytes one upload may hold (driver contract, section 5), of which one part fills.
const UPLOAD_MAX_BYTES: usize = 16 << 20;

/// What came of a part.
struct Sent {
    number: u32,
    payload: Payload,
    answer: Result<String, DriverError>,
}

/// The parts of one session of an upload.
pub(super) struct Sending {
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
    pub(super) fn after(parts: u32) -> Self {
        Self { next: parts + 1, running: JoinSet::new(), sent: Vec::new(), failed: Vec::new(), error: None }
    }

    /// The stored parts of this session, in order once all are settled.
    pub(super) fn sent(&self) -> &[Part] {
        &self.sent
    }

    /// They belong to the state now.
    pub(super) fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// The failure of a part that nobody has heard of yet.
    pub(super) fn check(&mut self) -> Result<(), DriverError> {
        while let Some(sent) = self.running.try_join_next() {
            self.take(sent.ok());
        }
        self.error.take().map_or(Ok(()), Err)
    }

    /// Waits until one more part may be on its way.
    pub(super) async fn room<B: Bucket>(&mut self, store: &Store<B>, call: &Call) -> Result<(), DriverError> {
        if self.next > store.options.parts_max {
            let message = format!("the store takes {} parts of {} bytes at the most", store.options.parts_max, store.options.part_bytes);
            return Err(DriverError::new(ErrorClass::Full, message));
        }
        let most = (UPLOAD_MAX_BYTES / store.options.part_bytes).saturating_sub(1).max(1);
        while self.running.len() + self.failed.len() >= most {
            self.one(call).await?;
        }
        Ok(())
    }

    /// Sends a part.
    pub(super) fn start<B: Bucket>(&mut self, store: &Arc<Store<B>>, object: &str, upload: &str, payload: Payload) {
        let number = self.next;
        self.next += 1;
        self.spawn(store, object, upload, number, payload);
    }

    fn spawn<B: Bucket>(&mut self, store: &Arc<Store<B>>, object: &str, upload: &str, number: u32, payload: Payload) {
        let (store, object, upload) = (store.clone(), object.to_owned(), upload.to_owned());
        let runs_on = store.reactor.handle().clone();
        let send = async move {
            let permits = u32::try_from(payload.len() >> 10).unwrap_or(u32::MAX);
            // `Err` only if the semaphore were closed, which nobody does.
            let _permits = store.sending.acquire_many(permits).await;
            let part = |_| store.bucket.part(&object, &upload, number, payload.clone());
            let answer = store.request(&Call::unbounded(), part).await;
            Sent { number, payload, answer }
        };
        self.running.spawn_on(send, &runs_on);
    }

    /// Waits until every part is stored; those that failed before are sent again.
    pub(super) async fn settle<B: Bucket>(
        &mut self,
        store: &Arc<Store<B>>,
        object: &str,
        upload: &str,
        call: &Call,
    ) -> Result<(), DriverError> {
        self.error = None;
        for (number, payload) in std::mem::take(&mut self.failed) {
            self.spawn(store, object, upload, number, payload);
        }
        while !self.running.is_empty() {
            self.one(call).await?;
        }
        self.sent.sort_unstable_by_key(|part| part.number);
        Ok(())
    }

    /// Waits for one of them.
    async fn one(&mut self, call: &Call) -> Result<(), DriverError> {
        let sent = crate::tries::within(call, async { Ok(self.running.join_next().await) }).await?;
        self.take(sent.and_then(Result::ok));
        self.error.take().map_or(Ok(()), Err)
    }

    fn take(&mut self, sent: Option<Sent>) {
        match sent {
            Some(Sent { number, answer: Ok(tag), .. }) => self.sent.push(Part { number, tag }),
            Some(Sent { number, payload, answer: Err(error) }) => {
                self.failed.push((number, payload));
                self.error = Some(error);
            }
            // The task panicked or the runtime ended: the bytes of the part are lost, and so is the upload.
            None => self.error = Some(DriverError::new(ErrorClass::Internal, "a part of the upload was lost on its way")),
        }
    }

    /// Lets go of all that is on its way.
    pub(super) fn stop(&mut self) {
        self.running.abort_all();
        self.failed.clear();
    }
}

/// The parts of earlier sessions, which must still be what they were.
pub(super) async fn earlier<B: Bucket>(store: &Store<B>, call: &Call, state: &State) -> Result<Vec<Part>, DriverError> {
    if state.parts == 0 {
        return Ok(Vec::new());
    }
    let upload = state.upload.as_deref().unwrap_or_default();
    let mut parts = store.request(call, |_| store.bucket.parts(&state.object, upload)).await?;
    // Those after are what somebody wrote who was not heard of again; this session writes over them.
    parts.retain(|part| part.number <= state.parts);
    if state.has(&parts) {
        return Ok(parts);
    }
    let message = "somebody else went on with an older token of the upload, and wrote over a part of it";
    Err(DriverError::new(ErrorClass::Conflict, message))
}

/// An empty tail, if the store still has an upload that was never put down.
pub(super) async fn are_there<B: Bucket>(store: &Store<B>, call: &Call, state: &State) -> Result<Payload, DriverError> {
    let upload = state.upload.as_deref().unwrap_or_default();
    store.request(call, |_| store.bucket.parts(&state.object, upload)).await?;
    Ok(Payload::default())
}
