//! Segments: how an upload has more bytes than the store takes parts.
//!
//! After so many parts of its own, further ones go to the multipart upload of a private object. Once that is large enough it is completed, and
//! the store copies it into the upload as one part. A segment that a record tells of stays until the record goes: whoever resumes from it finds
//! the upload of the segment, or the object that somebody made of it who did not come to the end.

use std::sync::Arc;

use longshore_plugin_api::{Call, DriverError, ErrorClass};
use serde::{Deserialize, Serialize};

use super::parts::{self, Sending};
use super::state::{State, chained};
use super::{BucketUpload, ends, publish, record};
use crate::bucket::{Bucket, Mark};
use crate::names::{Root, random_name};
use crate::store::Store;
use crate::trash;

/// Where a segment stands, as a token tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stand {
    /// Its name among the segments of the upload.
    pub(super) name: String,
    /// The store's id of its multipart upload.
    pub(super) upload: String,
    /// How many parts are stored.
    parts: u32,
    /// A hash of their numbers and tags.
    tags: String,
    /// How many bytes they have.
    bytes: u64,
}

/// The segment that parts go to.
pub(super) struct Segment {
    /// As it was begun, resumed or put down.
    stand: Stand,
    object: String,
    pub(super) sending: Sending,
    /// Of all parts, stored or not yet.
    bytes: u64,
    /// The store was asked to complete it, and may have done so.
    completing: bool,
    /// It is an object, and takes no more parts.
    completed: bool,
}

/// The name of a segment's object.
pub(super) fn object(root: &Root, id: &str, name: &str) -> String {
    format!("{}{id}/segment-{name}", root.private())
}

impl Segment {
    async fn begin<B: Bucket>(store: &Store<B>, call: &Call, id: &str) -> Result<Self, DriverError> {
        let name = random_name()?;
        let object = object(&store.root, id, &name);
        let mark = Mark::of(id);
        let upload = store.request(call, |_| store.bucket.begin(&object, &mark)).await?;
        Ok(Self::of(Stand { name, upload, parts: 0, tags: String::new(), bytes: 0 }, object))
    }

    fn of(stand: Stand, object: String) -> Self {
        let sending = Sending::new(&object, &stand.upload, stand.parts);
        Self { bytes: stand.bytes, stand, object, sending, completing: false, completed: false }
    }

    /// Goes on with the segment of a state.
    ///
    /// If somebody went on with it and completed it, its first bytes are those of the state: who completes one looks first whether its
    /// earlier parts are what they were, and of two tokens only one is used (see [`alone`]).
    pub(super) async fn resume<B: Bucket>(store: &Store<B>, call: &Call, state: &State) -> Result<Option<Self>, DriverError> {
        let Some(stand) = state.segment.clone() else { return Ok(None) };
        let mut segment = Self::of(stand, String::new());
        segment.object = object(&store.root, &state.id, &segment.stand.name);
        segment.sending = Sending::new(&segment.object, &segment.stand.upload, segment.stand.parts);
        let (object, upload) = (&*segment.object, &*segment.stand.upload);
        let rewound = match store.request(call, |_| store.bucket.rewind(object, upload, segment.stand.parts)).await {
            Ok(()) => store.request(call, |_| store.bucket.parts(object, upload)).await.map(drop),
            error => error,
        };
        match rewound {
            Ok(()) => {}
            Err(error) if error.class() == ErrorClass::NotFound => {
                let facts = store.request(call, |_| store.bucket.head(&segment.object)).await.map_err(record::or_over)?;
                if facts.mark.as_deref() != Some(&*state.id) || facts.info.size < segment.bytes {
                    return Err(error);
                }
                segment.completed = true;
            }
            Err(error) => return Err(error),
        }
        Ok(Some(segment))
    }

    /// Whether it takes no more parts.
    fn is_full(&self, bytes: u64) -> bool {
        self.completing || self.completed || self.bytes >= bytes
    }

    /// True if it is, or may be, an object.
    pub(super) fn is_object(&self) -> bool {
        self.completing || self.completed
    }

    /// Makes an object of it.
    async fn complete<B: Bucket>(&mut self, store: &Arc<Store<B>>, call: &Call, id: &str) -> Result<(), DriverError> {
        if self.completed {
            return Ok(());
        }
        self.sending.settle(store, call).await?;
        let Stand { upload, parts: number, tags, .. } = &self.stand;
        let to = (&*self.object, &**upload);
        let asked = self.completing;
        let completed = match parts::earlier(store, call, to, (*number, tags)).await {
            Ok(mut parts) => {
                parts.extend(self.sending.sent().iter().cloned());
                publish::complete(store, call, to, &parts, (self.bytes, &mut self.completing)).await
            }
            Err(error) => Err(error),
        };
        match completed {
            Err(error) if error.class() == ErrorClass::NotFound && (asked || self.completing) => {
                publish::made(store, call, &self.object, (id, self.bytes)).await?.ok_or(error)?;
            }
            answer => drop(answer?),
        }
        self.completed = true;
        Ok(())
    }

    /// Where it stands once all its parts are settled.
    pub(super) fn following(&self) -> Stand {
        let sent = self.sending.sent();
        Stand { parts: self.sending.parts(), tags: chained(&self.stand.tags, sent), bytes: self.bytes, ..self.stand.clone() }
    }

    /// A record tells of it now.
    pub(super) fn put_down(&mut self, stand: Stand) {
        self.stand = stand;
        self.sending.forget_sent();
    }

    pub(super) fn is(&self, stand: Option<&Stand>) -> bool {
        stand.is_some_and(|stand| stand.name == self.stand.name)
    }

    /// The object, and the store's id of the upload that it is made by.
    pub(super) fn multipart(&self) -> (&str, &str) {
        (&self.object, &self.stand.upload)
    }
}

/// Ends every other token of the upload, before the segment of this one is touched: of two who use two tokens at once, at least one finds its
/// own ended.
pub(super) async fn alone<B: Bucket>(store: &Arc<Store<B>>, call: &Call, state: &State) -> Result<(), DriverError> {
    let (Some(own), true) = (&state.record, state.segment.is_some()) else { return Ok(()) };
    ends::remove(store, call, &state.id, |name| store.root.recorded(name).is_some() && name != own).await?;
    store.request(call, |_| store.bucket.head(own)).await.map(drop).map_err(record::or_over)
}

impl<B: Bucket> BucketUpload<B> {
    /// Whether the next part goes to a segment. The last number is left for the bytes at the end.
    fn in_segments(&self) -> bool {
        let (parts, options) = (self.sending.parts(), &self.store.options);
        self.segment.is_some() || options.segments.is_some_and(|segments| parts >= segments.after_parts && parts + 2 <= options.parts_max)
    }

    /// Sends what has filled as a part, and does not wait for it.
    pub(super) async fn send(&mut self, call: &Call) -> Result<(), DriverError> {
        self.multipart(call).await?;
        let full = self.store.options.segments.map_or(0, |segments| segments.bytes);
        if self.segment.as_ref().is_some_and(|segment| segment.is_full(full)) {
            self.close_segment(call).await?;
        }
        if !self.in_segments() {
            return self.send_directly(call).await;
        }
        if self.segment.is_none() {
            self.sending.settle(&self.store, call).await?;
            self.state.id = self.state.known_id(&self.store.root)?;
        }
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(Segment::begin(&self.store, call, &self.state.id).await?),
        };
        let room = segment.sending.room(&self.store, call, self.filling.len()).await?;
        segment.bytes += self.filling.len() as u64;
        segment.sending.start(&self.store, self.filling.finish(), room);
        Ok(())
    }

    /// Makes sure that nobody has used another token since, and ended the one by which this session goes on with a segment.
    pub(super) async fn still_alone(&self, call: &Call) -> Result<(), DriverError> {
        let (Some(record), Some(_)) = (&self.state.record, &self.segment) else { return Ok(()) };
        match self.store.request(call, |_| self.store.bucket.head(record)).await {
            Err(error) if error.class() == ErrorClass::NotFound => {
                Err(DriverError::new(ErrorClass::Conflict, "somebody else went on with another token of the upload"))
            }
            answer => answer.map(drop),
        }
    }

    /// Makes a part of the segment, if there is one.
    pub(super) async fn close_segment(&mut self, call: &Call) -> Result<(), DriverError> {
        self.still_alone(call).await?;
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.complete(&self.store, call, &self.state.id).await?;
        let (store, number) = (&self.store, self.sending.parts() + 1);
        let (object, upload) = (&self.state.object, self.state.upload.as_deref().unwrap_or_default());
        let tag = store.request(call, |_| store.bucket.part_copy(object, upload, number, &segment.object, segment.bytes)).await?;
        self.sending.adopt(tag);
        if let Some(segment) = self.segment.take().filter(|segment| !segment.is(self.state.segment.as_ref())) {
            trash::discard(&self.store, [segment.object]);
        }
        Ok(())
    }
}
