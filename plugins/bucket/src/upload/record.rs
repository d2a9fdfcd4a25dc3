//! Records: an upload's state and the bytes that are in no part yet, as one private object.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use longshore_plugin_api::{ByteRange, Call, DriverError, ErrorClass};

use super::state::{State, TOKEN_MAX_BYTES};
use crate::Payload;
use crate::bucket::Bucket;
use crate::reading;
use crate::store::Store;

/// How many bytes of tails are kept in memory.
const KEPT_MAX_BYTES: usize = 16 << 20;

/// Tails of uploads that this instance put down a short time ago: whoever goes on here need not fetch them.
#[derive(Default)]
pub(crate) struct Kept(Mutex<VecDeque<(String, Payload)>>);

impl Kept {
    fn keep(&self, record: &str, tail: &Payload) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((record.to_owned(), tail.clone()));
        // An empty tail has a name all the same.
        let size = |kept: &VecDeque<(String, Payload)>| kept.iter().map(|(record, tail)| record.len() + tail.len()).sum::<usize>();
        while size(&kept) > KEPT_MAX_BYTES {
            kept.pop_front();
        }
    }

    fn take(&self, record: &str) -> Option<Payload> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(name, _)| name == record)?;
        kept.remove(at).map(|(_, tail)| tail)
    }
}

/// Writes the record of a state.
pub(super) async fn write<B: Bucket>(store: &Store<B>, call: &Call, state: &State, tail: &Payload) -> Result<(), DriverError> {
    let Some(name) = &state.record else { return Ok(()) };
    let mut head = state.to_json();
    head.push(b'\n');
    let pieces: Vec<Bytes> = std::iter::once(head.into()).chain(tail.pieces().iter().cloned()).collect();
    let record = Payload::from(pieces);
    store.request(call, |_| store.bucket.put(name, record.clone(), None)).await?;
    store.kept.keep(name, tail);
    Ok(())
}

/// The tail of a record, which must be that of `state`.
pub(super) async fn read<B: Bucket>(store: &Arc<Store<B>>, call: &Call, name: &str, state: &State) -> Result<Payload, DriverError> {
    if store.trash.has(name) {
        return Err(over());
    }
    if let Some(tail) = store.kept.take(name) {
        return Ok(tail);
    }
    let record = match reading::whole(store, call, name, ByteRange::ALL).await {
        Err(error) if error.class() == ErrorClass::NotFound => return Err(over()),
        record => record?,
    };
    match split(&record) {
        Some((of, tail)) if of == *state => Ok(Payload::from(tail)),
        _ => Err(DriverError::new(ErrorClass::InvalidArgument, "the token is not that of the upload's record")),
    }
}

/// The state of a record.
pub(super) async fn head<B: Bucket>(store: &Arc<Store<B>>, call: &Call, name: &str) -> Result<Option<State>, DriverError> {
    match reading::whole(store, call, name, ByteRange::new(0, TOKEN_MAX_BYTES as u64 + 1)).await {
        Err(error) if error.class() == ErrorClass::NotFound => Ok(None),
        record => Ok(split(&record?).map(|(state, _)| state)),
    }
}

fn split(record: &Bytes) -> Option<(State, Bytes)> {
    let end = record.iter().take(TOKEN_MAX_BYTES + 1).position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&record[..end]).ok()?, record.slice(end + 1..)))
}

fn over() -> DriverError {
    DriverError::new(ErrorClass::NotFound, "the upload was committed, aborted or purged, or a newer token of it was used")
}
