//! A large object by several requests at once: the pieces behind the one that is delivered are on their way already.
//!
//! One request brings what one connection and one worker of the store can; several bring more, each for its price.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use longshore_plugin_api::{ByteStream, Call, DriverError, ErrorClass};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::bucket::{Bucket, Fetched, Span};
use crate::reading::cut;
use crate::store::Store;

/// Asks for a span of an object, whose first piece alone is answered when this ends.
pub(crate) async fn get<B: Bucket>(store: &Arc<Store<B>>, call: &Call, name: &str, span: &Span) -> Result<Fetched, DriverError> {
    if store.options.parallel_reads <= 1 {
        return store.request(call, |_| store.bucket.get(name, span)).await;
    }
    let piece = store.options.piece_bytes;
    let first = Span { length: Some(span.length.map_or(piece, |length| length.min(piece))), ..span.clone() };
    let Fetched { info, body } = store.request(call, |_| store.bucket.get(name, &first)).await?;
    let end = span.length.map_or(info.size, |length| info.size.min(span.offset.saturating_add(length)));
    let left = end.saturating_sub(span.offset.saturating_add(piece));
    if left == 0 {
        return Ok(Fetched { info, body });
    }
    if info.version.is_none() {
        let message = format!("the store tells no version of {name}, so that its pieces could be of two: set parallel_reads to 1");
        return Err(DriverError::new(ErrorClass::Config, message));
    }
    let rest = Span { offset: span.offset + piece, length: Some(left), version: info.version.clone() };
    let first = Piece { left: piece, chunks: body, _fetch: JoinSet::new() };
    let pieces = Pieces { store: store.clone(), name: name.to_owned(), under_way: VecDeque::from([first]), rest };
    let chunks = stream::unfold(pieces, |mut pieces| async { Some((pieces.next().await.transpose()?, pieces)) });
    Ok(Fetched { info, body: Box::pin(chunks) })
}

struct Pieces<B> {
    store: Arc<Store<B>>,
    name: String,
    /// At most `parallel_reads`, in the order of their bytes.
    under_way: VecDeque<Piece>,
    /// What no piece has been asked for yet.
    rest: Span,
}

struct Piece {
    /// Bytes that have not come yet.
    left: u64,
    chunks: ByteStream,
    /// What fetches it, until it is dropped.
    _fetch: JoinSet<()>,
}

impl<B: Bucket> Pieces<B> {
    async fn next(&mut self) -> Result<Option<Bytes>, DriverError> {
        loop {
            self.ask_for_more();
            let Some(piece) = self.under_way.front_mut() else { return Ok(None) };
            if piece.left == 0 {
                self.under_way.pop_front();
                continue;
            }
            let mut chunk = piece.chunks.next().await.unwrap_or_else(|| Err(cut(&self.name)))?;
            chunk.truncate(usize::try_from(piece.left).unwrap_or(usize::MAX));
            piece.left -= chunk.len() as u64;
            return Ok(Some(chunk));
        }
    }

    fn ask_for_more(&mut self) {
        while self.under_way.len() < self.store.options.parallel_reads {
            let left = self.rest.length.unwrap_or_default();
            let length = left.min(self.store.options.piece_bytes);
            if length == 0 {
                return;
            }
            let span = Span { length: Some(length), ..self.rest.clone() };
            self.rest.offset += length;
            self.rest.length = Some(left - length);
            self.under_way.push_back(Piece::fetch(&self.store, &self.name, span, length));
        }
    }
}

impl Piece {
    /// Begins to fetch a piece into memory. Whoever waits for its chunks bounds how long it may pause.
    fn fetch<B: Bucket>(store: &Arc<Store<B>>, name: &str, span: Span, length: u64) -> Self {
        let (store, name) = (store.clone(), name.to_owned());
        // It never holds more than the piece, and the chunk in which a store goes on beyond it.
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut fetch = JoinSet::new();
        fetch.spawn(async move {
            let mut body = match store.request(&Call::unbounded(), |_| store.bucket.get(&name, &span)).await {
                Ok(fetched) => fetched.body,
                Err(error) => return drop(sender.send(Err(error))),
            };
            let mut left = length;
            while left > 0
                && let Some(chunk) = body.next().await
            {
                left = left.saturating_sub(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                if sender.send(chunk).is_err() {
                    return;
                }
            }
        });
        Self { left: length, chunks: Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context))), _fetch: fetch }
    }
}
