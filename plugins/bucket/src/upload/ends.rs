//! What is left of an upload when it ends, and who removes it.

use std::sync::Arc;

use longshore_plugin_api::{Call, DriverError, ErrorClass};

use super::segment::Segment;
use super::state::State;
use super::{BucketUpload, record};
use crate::bucket::{Bucket, Query};
use crate::store::Store;
use crate::trash;

/// How many objects one request removes.
const DELETED_AT_ONCE: usize = 1000;

/// Ends records: no token of them is good any more.
pub(super) fn retire<B: Bucket>(store: &Arc<Store<B>>, records: impl IntoIterator<Item = String>) {
    let forgotten = records.into_iter().inspect(|record| store.kept.forget(record));
    trash::discard(store, forgotten.collect::<Vec<_>>());
}

/// Makes sure that an upload without a record is there.
pub(super) async fn still_there<B: Bucket>(store: &Store<B>, call: &Call, state: &State) -> Result<(), DriverError> {
    match &state.upload {
        Some(upload) => store.request(call, |_| store.bucket.parts(&state.object, upload)).await.map(drop),
        None if page(store, call, &state.id, None).await?.0.is_empty() => Err(record::over()),
        None => Ok(()),
    }
}

/// Private objects of an upload, and where the next page begins.
async fn page<B: Bucket>(
    store: &Store<B>,
    call: &Call,
    id: &str,
    token: Option<String>,
) -> Result<(Vec<String>, Option<String>), DriverError> {
    let prefix = format!("{}{id}/", store.root.private());
    let query = Query { prefix, after: None, token, joined: false, limit: 1000 };
    let names = store.request(call, |_| store.bucket.list(&query)).await?;
    Ok((names.objects.into_iter().map(|(name, _)| name).collect(), names.token))
}

/// Removes the private objects of an upload that `which` picks.
pub(super) async fn remove<B: Bucket>(
    store: &Arc<Store<B>>,
    call: &Call,
    id: &str,
    which: impl Fn(&String) -> bool,
) -> Result<(), DriverError> {
    let (mut all, mut token) = page(store, call, id, None).await?;
    while token.is_some() {
        let more;
        (more, token) = page(store, call, id, token).await?;
        all.extend(more);
    }
    all.retain(which);
    for some in all.chunks(DELETED_AT_ONCE) {
        some.iter().for_each(|name| store.kept.forget(name));
        store.request(call, |_| store.bucket.delete_all(some)).await?;
    }
    Ok(())
}

impl<B: Bucket> BucketUpload<B> {
    pub(super) async fn give_up(&mut self, call: &Call) -> Result<(), DriverError> {
        self.stop();
        let store = self.store.clone();
        let own = self.state.upload.as_deref().map(|upload| (&*self.state.object, upload));
        for (object, upload) in own.into_iter().chain(self.segment.as_ref().map(Segment::multipart)) {
            match store.request(call, |_| store.bucket.cancel(object, upload)).await {
                Err(error) if error.class() != ErrorClass::NotFound => return Err(error),
                _ => {}
            }
        }
        // Also what sessions left that did not come to their end. An upload that was found in the store does not know its id.
        if !self.state.id.is_empty() {
            remove(&store, call, &self.state.id, |_| true).await?;
        }
        self.ended = true;
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        retire(&self.store, self.state.objects(&self.store.root).chain(self.doubtful.take()));
    }

    fn stop(&mut self) {
        self.sending.stop();
        if let Some(segment) = &mut self.segment {
            segment.sending.stop();
        }
    }

    /// Removes a multipart upload that nobody can go on with, and soon what may have become of it.
    fn let_go(&self, (object, upload): (&str, &str), is_private_object: bool) {
        if is_private_object {
            trash::discard(&self.store, [object.to_owned()]);
        }
        trash::cancel(&self.store, object, upload);
    }
}

impl<B: Bucket> Drop for BucketUpload<B> {
    fn drop(&mut self) {
        self.stop();
        if self.ended {
            return;
        }
        retire(&self.store, self.doubtful.take());
        if let Some(upload) = self.state.upload.as_deref().filter(|_| self.unrecorded) {
            self.let_go((&self.state.object, upload), self.completing && self.state.is_private(&self.store.root));
        }
        if let Some(segment) = self.segment.as_ref().filter(|segment| !segment.is(self.state.segment.as_ref())) {
            self.let_go(segment.multipart(), segment.is_object());
        }
    }
}
