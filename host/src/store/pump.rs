//! From the connection to the driver in one pass: receive, hash, hand over. While one chunk is written, the next is received and hashed.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use longshore_loader::UploadHandle;
use longshore_loader::api::Upload;

use super::{Incoming, Repository, StoreError};
use crate::oci::{Algorithm, Digest, Hasher};

/// Small chunks are gathered to this size before the driver gets them, in bytes: a call each would cost more than the copy.
const GATHER_BYTES: usize = 128 * 1024;

/// The hashes that run along with an upload: always sha256, by which bytes are stored, and another if the client announced it.
#[derive(Clone)]
pub(super) struct Hashes(Vec<Hasher>);

impl Hashes {
    /// For an upload that begins.
    pub(super) fn new(announced: Algorithm) -> Self {
        let mut all = vec![Hasher::new(Algorithm::Sha256)];
        if announced != Algorithm::Sha256 {
            all.push(Hasher::new(announced));
        }
        Self(all)
    }

    /// From the exported states of an upload that goes on at `offset`; `None` if they do not belong there.
    pub(super) fn import(states: &BTreeMap<Algorithm, Vec<u8>>, offset: u64) -> Option<Self> {
        if states.is_empty() && offset == 0 {
            return Some(Self::new(Algorithm::Sha256));
        }
        let all = states.iter().map(|(algorithm, state)| Hasher::import(*algorithm, state).filter(|hasher| hasher.length() == offset));
        let all = all.collect::<Option<Vec<_>>>()?;
        all.iter().any(|hasher| hasher.algorithm() == Algorithm::Sha256).then_some(Self(all))
    }

    /// To go on elsewhere.
    pub(super) fn export(&self) -> BTreeMap<Algorithm, Vec<u8>> {
        self.0.iter().map(|hasher| (hasher.algorithm(), hasher.export())).collect()
    }

    /// Runs one more hash, if nothing was hashed yet.
    pub(super) fn announce(&mut self, algorithm: Algorithm) {
        if self.0.iter().all(|hasher| hasher.algorithm() != algorithm && hasher.length() == 0) {
            self.0.push(Hasher::new(algorithm));
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|hasher| hasher.update(bytes));
    }

    /// How many bytes were hashed.
    pub(super) fn length(&self) -> u64 {
        self.0.first().map_or(0, Hasher::length)
    }

    /// The digest by `algorithm`, if that hash has run along.
    pub(super) fn finish(&self, algorithm: Algorithm) -> Option<Digest> {
        self.0.iter().find(|hasher| hasher.algorithm() == algorithm).map(|hasher| hasher.clone().finish())
    }
}

/// A body on its way in, with what bounds it.
pub(super) struct Inflow {
    body: Incoming,
    /// How many more bytes are accepted, and what the limit is called by.
    left: u64,
    limit: u64,
    /// A chunk that was received while others were gathered.
    ahead: Option<Bytes>,
}

impl Inflow {
    /// `body` after `offset` bytes of a blob that may have `limit` bytes in all.
    pub(super) fn new(body: Incoming, offset: u64, limit: u64) -> Self {
        Self { body, left: limit.saturating_sub(offset), limit, ahead: None }
    }

    /// The next chunk, hashed. Small ones are joined as far as they are there already or come soon.
    pub(super) async fn next(&mut self, hashes: &mut Hashes) -> Result<Option<Bytes>, StoreError> {
        let first = match self.ahead.take() {
            Some(chunk) => Some(chunk),
            None => self.receive(hashes).await?,
        };
        let Some(first) = first else { return Ok(None) };
        if first.len() >= GATHER_BYTES / 2 {
            return Ok(Some(first));
        }
        let mut gathered = BytesMut::from(first);
        while gathered.len() < GATHER_BYTES {
            match self.receive(hashes).await? {
                None => break,
                Some(chunk) if chunk.len() >= GATHER_BYTES => {
                    self.ahead = Some(chunk);
                    break;
                }
                Some(chunk) => gathered.extend_from_slice(&chunk),
            }
        }
        Ok(Some(gathered.freeze()))
    }

    async fn receive(&mut self, hashes: &mut Hashes) -> Result<Option<Bytes>, StoreError> {
        let Some(chunk) = self.body.chunk().await? else { return Ok(None) };
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or(StoreError::BlobTooLarge { limit: self.limit })?;
        hashes.update(&chunk);
        Ok(Some(chunk))
    }

    /// Refuses what announces more than is accepted, before a byte of it is read.
    pub(super) fn check_announced(&self) -> Result<(), StoreError> {
        if self.body.size_hint().lower() > self.left { Err(StoreError::BlobTooLarge { limit: self.limit }) } else { Ok(()) }
    }

    /// The whole body if it has at most `limit` bytes, else `Err` with what was received of it so far.
    pub(super) async fn small(&mut self, hashes: &mut Hashes, limit: usize) -> Result<Result<Bytes, Bytes>, StoreError> {
        if self.body.size_hint().lower() > limit as u64 {
            return Ok(Err(Bytes::new()));
        }
        let Some(first) = self.receive(hashes).await? else { return Ok(Ok(Bytes::new())) };
        let mut gathered = match self.body.size_hint().upper() {
            Some(0) => return Ok(Ok(first)),
            _ => BytesMut::from(first),
        };
        while gathered.len() <= limit {
            match self.receive(hashes).await? {
                None => return Ok(Ok(gathered.freeze())),
                Some(chunk) => gathered.extend_from_slice(&chunk),
            }
        }
        Ok(Err(gathered.freeze()))
    }
}

impl Repository {
    /// Writes `first` and all that follows it. `hashes` has taken `first` in, `before` has not.
    ///
    /// If this fails, `hashes` is set back to what the driver has accepted, so that an upload can go on from there.
    pub(super) async fn pump(
        &self,
        inflow: &mut Inflow,
        first: Bytes,
        (before, hashes): (&Hashes, &mut Hashes),
        upload: &mut UploadHandle,
    ) -> Result<(), StoreError> {
        let mut written = before.clone();
        let mut chunk = first;
        let ended = loop {
            let received = hashes.clone();
            let call = self.call();
            let (answer, following) = tokio::join!(upload.write(&call, chunk), inflow.next(hashes));
            if let Err(source) = answer {
                break Err(StoreError::Driver { action: "write to an upload", source });
            }
            written = received;
            match following {
                Ok(Some(next)) => chunk = next,
                Ok(None) => return Ok(()),
                Err(error) => break Err(error),
            }
        };
        *hashes = written;
        ended
    }
}
