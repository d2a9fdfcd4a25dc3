//! Bodies: cut at the right place, and gone on with where a connection broke.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use longshore_plugin_api::{ByteRange, ByteStream, Call, DriverError, ErrorClass, Key, ObjectInfo, Read, ReadBody};

use crate::bucket::{Bucket, Fetched, Span};
use crate::pieces;
use crate::store::Store;

/// Bodies up to this size, in bytes, are answered in one piece.
const WHOLE_MAX_BYTES: u64 = 64 * 1024;

/// A part of an object, as the contract wants it.
pub(crate) async fn read<B: Bucket>(store: &Arc<Store<B>>, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
    let name = store.root.object(key)?;
    let span = Span { offset: range.offset, length: range.length, version: None };
    let fetched = match span.length {
        // No store has a range of no bytes.
        Some(0) => Err(DriverError::new(ErrorClass::InvalidRange, "no bytes are asked for")),
        _ => pieces::get(store, call, &name, &span).await,
    };
    let Fetched { info, body } = match fetched {
        Ok(fetched) => fetched,
        Err(error) if error.class() == ErrorClass::InvalidRange => return at_the_end(store, call, key, range).await,
        Err(error) if error.class() == ErrorClass::NotFound => return Err(absent(key, &error)),
        Err(error) => return Err(error),
    };
    let length = range.within(info.size)?;
    let rest = Span { offset: range.offset, length: Some(length), version: info.version.clone() };
    let body = Broken { store: store.clone(), name, rest, body: Some(body), retries: store.options.attempts };
    if length <= WHOLE_MAX_BYTES {
        let whole = crate::tries::within(call, body.whole(length)).await?;
        return Ok(Read { info, body: ReadBody::Bytes(whole) });
    }
    Ok(Read { info, body: ReadBody::Stream(body.stream()) })
}

/// A small object of any name in one piece, or the part of it that `range` names.
pub(crate) async fn whole<B: Bucket>(store: &Arc<Store<B>>, call: &Call, name: &str, range: ByteRange) -> Result<Bytes, DriverError> {
    let span = Span { offset: range.offset, length: range.length, version: None };
    let Fetched { info, body } = pieces::get(store, call, name, &span).await?;
    let length = range.within(info.size)?;
    let rest = Span { length: Some(length), version: info.version.clone(), ..span };
    let body = Broken { store: store.clone(), name: name.to_owned(), rest, body: Some(body), retries: store.options.attempts };
    crate::tries::within(call, body.whole(length)).await
}

/// A read of no bytes: whether it is one is for the object's size to say.
async fn at_the_end<B: Bucket>(store: &Arc<Store<B>>, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
    let info = stat(store, call, key).await?;
    match range.within(info.size)? {
        0 => Ok(Read { info, body: ReadBody::Bytes(Bytes::new()) }),
        _ => Err(DriverError::new(ErrorClass::Broken, format!("{key} grew while it was read"))),
    }
}

/// Facts about an object.
pub(crate) async fn stat<B: Bucket>(store: &Store<B>, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
    let name = store.root.object(key)?;
    match store.request(call, |_| store.bucket.head(&name)).await {
        Ok(facts) => Ok(facts.info),
        Err(error) if error.class() == ErrorClass::NotFound => Err(absent(key, &error)),
        Err(error) => Err(error),
    }
}

/// The store's `not_found` by the key's name.
fn absent(key: &Key, error: &DriverError) -> DriverError {
    error.causes().iter().fold(DriverError::not_found(key), |absent, cause| absent.caused_by(&cause.kind, &cause.value))
}

/// A body that may break, and what is still to come of it.
struct Broken<B> {
    store: Arc<Store<B>>,
    name: String,
    rest: Span,
    /// `None` after it broke.
    body: Option<ByteStream>,
    retries: u32,
}

impl<B: Bucket> Broken<B> {
    /// All of it.
    async fn whole(mut self, length: u64) -> Result<Bytes, DriverError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next().await? {
            if whole.is_empty() && chunk.len() as u64 == length {
                return Ok(chunk);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    fn stream(self) -> ByteStream {
        let store = self.store.clone();
        let chunks = stream::unfold(Some(self), |body| async {
            let mut body = body?;
            match body.next().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(body))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Box::pin(store.reactor.enter_stream(chunks))
    }

    /// The next chunk. Where the body breaks, the rest is fetched anew, of the same version.
    async fn next(&mut self) -> Result<Option<Bytes>, DriverError> {
        loop {
            let left = self.rest.length.unwrap_or_default();
            if left == 0 {
                return Ok(None);
            }
            let error = match self.receive().await {
                Ok(mut chunk) => {
                    chunk.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                    self.rest.offset += chunk.len() as u64;
                    self.rest.length = Some(left - chunk.len() as u64);
                    return Ok(Some(chunk));
                }
                Err(error) => error,
            };
            self.body = None;
            self.retries = self.retries.saturating_sub(1);
            if !error.is_retryable() || self.retries == 0 || self.rest.version.is_none() {
                return Err(error);
            }
        }
    }

    async fn receive(&mut self) -> Result<Bytes, DriverError> {
        let idle = self.store.options.idle;
        let call = Call::unbounded();
        if self.body.is_none() {
            self.body = Some(in_time(idle, pieces::get(&self.store, &call, &self.name, &self.rest)).await?.body);
        }
        let Some(body) = &mut self.body else { return Err(cut(&self.name)) };
        in_time(idle, async { body.next().await.unwrap_or_else(|| Err(cut(&self.name))) }).await
    }
}

async fn in_time<T>(idle: Duration, work: impl Future<Output = Result<T, DriverError>>) -> Result<T, DriverError> {
    let late = |_| Err(DriverError::new(ErrorClass::Timeout, format!("no byte of the body came for {} s", idle.as_secs())));
    tokio::time::timeout(idle, work).await.unwrap_or_else(late)
}

pub(crate) fn cut(name: &str) -> DriverError {
    DriverError::new(ErrorClass::Broken, format!("the store ended the body of {name} too early"))
}
