//! Upload sessions. A session is its state, sealed into the `Location` URL: nothing of it is in this host's memory, so any host goes on.
//!
//! The driver keeps the bytes under a token, which is part of the state. When a body breaks, what came of it is kept, and the new state is
//! written into the store, where a client that asks for the status finds it. So is the state after each chunk but the first, because the
//! answer that carries it may be lost.

mod publishing;

use bytes::Bytes;
use jiff::Timestamp;
use longshore_loader::UploadHandle;
use longshore_loader::api::{Driver, DriverError, ErrorClass, Upload, UploadToken, convenience};

use super::error::found;
use super::pump::{Hashes, Inflow};
use super::{Incoming, Repository, StoreError, layout};
use crate::oci::range::ChunkRange;
use crate::oci::{Algorithm, Digest, UploadId, UploadState};

/// Blobs up to this size, in bytes, are written with one `put` when they come in one request.
const PUT_MAX_BYTES: usize = 256 * 1024;
/// The largest record of a broken upload, in bytes: a sealed state.
const RECORD_MAX_BYTES: u64 = 16 * 1024;

/// A body that did not make a blob: why, and what came of it.
struct Broken {
    why: StoreError,
    came: Option<(UploadHandle, Hashes)>,
}

impl<E: Into<StoreError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self { why: error.into(), came: None }
    }
}

/// A blob that was pushed.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// By the algorithm that the client used.
    pub digest: Digest,
}

impl Repository {
    /// Begins a session. Nothing is written: its state says all.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn begin_upload(&self, announced: Algorithm) -> Result<UploadState, StoreError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| {
            let source = DriverError::new(ErrorClass::Internal, format!("the system gives no random bytes: {error}"));
            StoreError::Driver { action: "name an upload", source }
        })?;
        let hashes = if announced == Algorithm::Sha256 { Default::default() } else { Hashes::new(announced).export() };
        self.storage.past.uploads.begun();
        let id = UploadId::from_random(random);
        Ok(UploadState { name: self.name.clone(), id, offset: 0, started_at: Timestamp::now(), token: Vec::new(), hashes, recorded: false })
    }

    /// Appends a chunk, or a stream if there is no `range`.
    ///
    /// # Errors
    /// [`StoreError::Chunk`] before a byte is read; [`StoreError::UploadUnknown`]; the body's. If the body breaks, what came of it is kept.
    pub async fn append(&self, state: UploadState, body: Incoming, range: Option<ChunkRange>) -> Result<UploadState, StoreError> {
        self.check_session(&state)?;
        check_range(&state, &body, range)?;
        let mut hashes = Hashes::import(&state.hashes, state.offset).ok_or_else(|| unknown(&state))?;
        let mut inflow = Inflow::new(body, state.offset, self.storage.options.blob_max_bytes);
        inflow.check_announced()?;
        // The first chunk is waited for before the driver is asked, so that an empty PATCH costs nothing.
        let before = hashes.clone();
        let Some(first) = inflow.next(&mut hashes).await? else { return Ok(state) };
        let mut upload = self.resume(&state, None).await?;
        let ended = self.pump(&mut inflow, first, (&before, &mut hashes), &mut upload).await;
        match ended.and_then(|()| promised(range, state.offset, upload.offset())) {
            Ok(()) => {
                let recorded = state.recorded || !state.token.is_empty();
                let appended = UploadState { recorded, ..self.suspend(&state, upload, &hashes).await? };
                self.keep_appended(&state, &appended).await;
                Ok(appended)
            }
            Err(error) => {
                self.keep_broken(&state, upload, &hashes, &error).await;
                Err(error)
            }
        }
    }

    /// Takes a whole blob in one request. No client knows of a session, so nothing is kept of a body that breaks.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub async fn push(&self, body: Incoming, want: Digest) -> Result<Finished, StoreError> {
        let state = self.begin_upload(want.algorithm())?;
        let received = self.receive(&state, body, None, want).await.map_err(|broken| broken.why);
        received.inspect(|_| self.storage.past.uploads.finished())
    }

    /// Appends what is left, checks the digest and publishes the blob. The session is over then.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`], after which the session is over too; else as [`append`](Self::append).
    pub async fn finish(
        &self,
        state: UploadState,
        body: Incoming,
        range: Option<ChunkRange>,
        want: Digest,
    ) -> Result<Finished, StoreError> {
        self.check_session(&state)?;
        let received = self.receive(&state, body, range, want).await;
        if let Err(Broken { why, came: Some((upload, hashes)) }) = received {
            self.keep_broken(&state, upload, &hashes, &why).await;
            return Err(why);
        }
        let received = received.map_err(|broken| broken.why);
        if matches!(received, Ok(_) | Err(StoreError::DigestMismatch { .. })) {
            self.end_session(&state).await;
        }
        received.inspect(|_| self.storage.past.uploads.finished())
    }

    async fn receive(&self, state: &UploadState, body: Incoming, range: Option<ChunkRange>, want: Digest) -> Result<Finished, Broken> {
        check_range(state, &body, range)?;
        let mut hashes = Hashes::import(&state.hashes, state.offset).ok_or_else(|| unknown(state))?;
        hashes.announce(want.algorithm());
        let mut inflow = Inflow::new(body, state.offset, self.storage.options.blob_max_bytes);
        inflow.check_announced()?;
        let before = hashes.clone();
        let mut first = Bytes::new();
        if state.token.is_empty() {
            match inflow.small(&mut hashes, PUT_MAX_BYTES).await? {
                Ok(whole) => {
                    promised(range, 0, whole.len() as u64)?;
                    return Ok(self.put_small(whole, &hashes, want).await?);
                }
                Err(some) => first = some,
            }
        }
        let mut upload = self.resume(state, Some(&want)).await?;
        let ended = self.pump(&mut inflow, first, (&before, &mut hashes), &mut upload).await;
        match ended.and_then(|()| promised(range, state.offset, upload.offset())) {
            Ok(()) => Ok(self.publish(state, upload, &hashes, want).await?),
            Err(why) => Err(Broken { why, came: Some((upload, hashes)) }),
        }
    }

    /// Where the session stands: as its state says, or further if a body broke since and what came of it was kept.
    ///
    /// # Errors
    /// [`StoreError::UploadUnknown`], also if it ended at another host; only an upload without a byte leaves no trace that could end.
    pub async fn upload_status(&self, state: UploadState) -> Result<UploadState, StoreError> {
        self.check_session(&state)?;
        let state = match self.record(&state).await? {
            Some(record) if record.offset > state.offset => return Ok(record),
            Some(_) => UploadState { recorded: true, ..state },
            None => state,
        };
        if state.token.is_empty() {
            return Ok(state);
        }
        match self.resumed(&state).await {
            Ok(_) | Err(StoreError::UploadBusy { .. }) => Ok(state),
            Err(StoreError::UploadUnknown { .. }) => self.moved_on(state).await,
            Err(error) => Err(error),
        }
    }

    /// Where a session stands whose token has ended since it was looked for.
    async fn moved_on(&self, state: UploadState) -> Result<UploadState, StoreError> {
        match self.record(&state).await? {
            Some(record) if record.offset > state.offset => Ok(record),
            Some(record) if record.token.is_empty() => Ok(UploadState { recorded: true, ..state }),
            _ => Err(unknown(&state)),
        }
    }

    /// What was written down when a body of the session broke.
    async fn record(&self, state: &UploadState) -> Result<Option<UploadState>, StoreError> {
        let key = layout::upload_record(&self.name, &state.id);
        let record = found(convenience::get_text(self.driver(), &self.call(), &key, RECORD_MAX_BYTES).await);
        let record = record.map_err(StoreError::driver("read where an upload stands"))?;
        let Some(sealed) = record else { return Ok(None) };
        Ok(UploadState::open(&sealed, self.keys().await?, &self.name, &state.id).ok())
    }

    /// Ends the session without a blob.
    ///
    /// # Errors
    /// [`StoreError::UploadUnknown`]; the driver's.
    pub async fn cancel(&self, state: UploadState) -> Result<(), StoreError> {
        self.check_session(&state)?;
        let own = state.token.is_empty() || self.abort(&state).await?;
        let kept = self.remove_record(&state).await?;
        self.storage.cancel(&state.id);
        self.storage.past.uploads.cancelled();
        if own || kept { Ok(()) } else { Err(unknown(&state)) }
    }

    /// Removes the driver's upload of a state; `false` if there is none.
    async fn abort(&self, state: &UploadState) -> Result<bool, StoreError> {
        match self.resumed(state).await {
            Ok(mut upload) => upload.abort(&self.call()).await.map(|()| true).map_err(StoreError::driver("abort an upload")),
            Err(StoreError::UploadUnknown { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes what was kept of a broken body; `false` if there is nothing.
    async fn remove_record(&self, state: &UploadState) -> Result<bool, StoreError> {
        let Some(record) = self.record(state).await? else { return Ok(false) };
        if !record.token.is_empty() {
            self.abort(&record).await?;
        }
        let removed = self.remove(&layout::upload_record(&self.name, &state.id)).await;
        removed.map_err(StoreError::driver("remove the record of an upload"))
    }

    /// The driver's upload, at the offset that the state says. Where the digest is known before the first byte, so is the key: a driver that
    /// writes there at once has nothing to copy in the end.
    async fn resume(&self, state: &UploadState, want: Option<&Digest>) -> Result<UploadHandle, StoreError> {
        if state.token.is_empty() {
            let key = want.filter(|want| want.algorithm() == Algorithm::Sha256).map(layout::blob);
            let begun = self.driver().upload_begin(&self.call(), key.as_deref()).await;
            return begun.map_err(StoreError::driver("begin an upload"));
        }
        let upload = self.resumed(state).await?;
        // A driver that kept more than was suspended leaves bytes whose hash nobody has: the session cannot go on.
        if upload.offset() == state.offset { Ok(upload) } else { Err(unknown(state)) }
    }

    /// The driver's upload, wherever it stands.
    async fn resumed(&self, state: &UploadState) -> Result<UploadHandle, StoreError> {
        let token = UploadToken::new(state.token.clone()).map_err(StoreError::driver("resume an upload"))?;
        match self.driver().upload_resume(&self.call(), &token).await {
            Ok(upload) => Ok(upload),
            Err(error) if matches!(error.class(), ErrorClass::NotFound | ErrorClass::InvalidArgument) => Err(unknown(state)),
            Err(error) if error.class() == ErrorClass::Conflict => Err(StoreError::UploadBusy { id: state.id.clone() }),
            Err(source) => Err(StoreError::Driver { action: "resume an upload", source }),
        }
    }

    /// The state from which any host goes on; the bytes are durable.
    async fn suspend(&self, state: &UploadState, mut upload: UploadHandle, hashes: &Hashes) -> Result<UploadState, StoreError> {
        let offset = upload.offset();
        let token = upload.suspend(&self.call()).await.map_err(StoreError::driver("suspend an upload"))?;
        Ok(UploadState { offset, token: token.as_bytes().to_vec(), hashes: hashes.export(), ..state.clone() })
    }

    /// Keeps what came of a broken body, for a client that asks where the upload stands. Best effort: the state that the client has is
    /// still good.
    async fn keep_broken(&self, state: &UploadState, upload: UploadHandle, hashes: &Hashes, why: &StoreError) {
        if !matches!(why, StoreError::Incoming(_)) || upload.offset() == state.offset || hashes.length() != upload.offset() {
            return;
        }
        let kept = async {
            // The client's token ends as soon as there is another one. Who asks before that one is written down must not find the session
            // ended: a record without a token says that there will be one.
            if !state.token.is_empty() {
                self.put_record(&UploadState { token: Vec::new(), ..state.clone() }).await?;
            }
            self.put_record(&self.suspend(state, upload, hashes).await?).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(upload = %state.id, "what came of a broken upload is lost: {}", error.with_cause());
        }
    }

    /// Keeps where an upload stands after a chunk, for a client that does not get its answer: the token of the URL that it has is ended. The
    /// first chunk has no such token and is sent again, so a layer that comes in one PATCH costs no call. Best effort, as for a broken body.
    async fn keep_appended(&self, before: &UploadState, appended: &UploadState) {
        if before.token.is_empty() {
            return;
        }
        if let Err(error) = self.put_record(appended).await {
            tracing::warn!(upload = %before.id, "an upload cannot go on if this answer is lost: {}", error.with_cause());
        }
    }

    async fn put_record(&self, state: &UploadState) -> Result<(), StoreError> {
        let recorded = UploadState { recorded: true, ..state.clone() };
        let (key, sealed) = (layout::upload_record(&self.name, &state.id), recorded.seal(self.keys().await?));
        self.storage.remember_record(&state.id);
        let put = convenience::put_text(self.driver(), &self.call(), &key, sealed).await;
        put.map(drop).map_err(StoreError::driver("write down where an upload stands"))
    }

    /// Remembers that the session is over, and removes what was kept of a body of it that broke. The client has its answer already: a
    /// failure here is the operator's.
    ///
    /// Hardly any body breaks, so nothing is looked for unless the state or this host knows of one. That misses a client whose first body broke
    /// on another host, and which started again by the old URL without asking where the upload stands: the record stays, as it does when a
    /// client never comes back.
    async fn end_session(&self, state: &UploadState) {
        self.storage.cancel(&state.id);
        if !state.recorded && !self.storage.has_record(&state.id) {
            return;
        }
        if let Err(error) = self.remove_record(state).await {
            tracing::warn!(upload = %state.id, "what was kept of an ended upload is still there: {}", error.with_cause());
        }
    }

    fn check_session(&self, state: &UploadState) -> Result<(), StoreError> {
        let age = Timestamp::now().duration_since(state.started_at);
        let too_old = age.unsigned_abs() > self.storage.options.upload_max && age.is_positive();
        if too_old || self.storage.is_cancelled(&state.id) { Err(unknown(state)) } else { Ok(()) }
    }
}

fn unknown(state: &UploadState) -> StoreError {
    StoreError::UploadUnknown { id: state.id.clone() }
}

fn check_range(state: &UploadState, body: &Incoming, range: Option<ChunkRange>) -> Result<(), StoreError> {
    match range {
        Some(range) => Ok(range.check(state.offset, body.size_hint().exact())?),
        None => Ok(()),
    }
}

/// A chunk whose length was not known before must have the length that its range says.
fn promised(range: Option<ChunkRange>, from: u64, to: u64) -> Result<(), StoreError> {
    match range {
        Some(range) => Ok(range.check(from, Some(to - from))?),
        None => Ok(()),
    }
}
