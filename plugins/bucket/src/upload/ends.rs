//! What is left of an upload when it ends, and who removes it.

use std::sync::Arc;

use longshore_plugin_api::{Call, DriverError, ErrorClass};

use super::state::State;
use super::{BucketUpload, record};
use crate::bucket::{Bucket, Query};
use crate::store::Store;
use crate::trash;

/// Ends records: no token of them is good any more.
pub(super) fn retire<B: Bucket>(store: &Arc<Store<B>>, records: impl IntoIterator<Item = String>) {
    let forgotten = records.into_iter().inspect(|record| store.kept.forget(record));
    trash::discard(store, forgotten.collect::<Vec<_>>());
}

/// Makes sure that an upload without a record is there.
pub(super) async fn still_there<B: Bucket>(store: &Store<B>, call: &Call, state: &State) -> Result<(), DriverError> {
    match &state.upload {
        Some(upload) => store.request(call, |_| store.bucket.parts(&state.object, upload)).await.map(drop),
        None if page(store, call, &state.id).await?.0.is_empty() => Err(record::over()),
        None => Ok(()),
    }
}

/// Private objects of an upload, and whether there are more.
async fn page<B: Bucket>(store: &Store<B>, call: &Call, id: &str) -> Result<(Vec<String>, bool), DriverError> {
    let prefix = format!("{}{id}/", store.root.private());
    let query = Query { prefix, after: None, token: None, joined: false, limit: 1000 };
    let names = store.request(call, |_| store.bucket.list(&query)).await?;
    Ok((names.objects.into_iter().map(|(name, _)| name).collect(), names.token.is_some()))
}

impl<B: Bucket> BucketUpload<B> {
    pub(super) async fn give_up(&mut self, call: &Call) -> Result<(), DriverError> {
        self.sending.stop();
        let (store, object) = (self.store.clone(), self.state.object.clone());
        if let Some(upload) = self.state.upload.clone() {
            match store.request(call, |_| store.bucket.cancel(&object, &upload)).await {
                Err(error) if error.class() != ErrorClass::NotFound => return Err(error),
                _ => {}
            }
        }
        // Also what sessions left that did not come to their end. An upload that was found in the store does not know its id.
        let mut more = !self.state.id.is_empty();
        while more {
            let left;
            (left, more) = page(&store, call, &self.state.id).await?;
            if !left.is_empty() {
                store.request(call, |_| store.bucket.delete_all(&left)).await?;
            }
        }
        self.state.records().for_each(|record| store.kept.forget(&record));
        self.ended = true;
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.ended = true;
        retire(&self.store, self.state.records().chain(self.doubtful.take()));
    }
}

impl<B: Bucket> Drop for BucketUpload<B> {
    fn drop(&mut self) {
        self.sending.stop();
        if self.ended {
            return;
        }
        retire(&self.store, self.doubtful.take());
        if let Some(upload) = self.state.upload.take().filter(|_| self.unrecorded) {
            // Nobody can go on with it. If this fails it is an abandoned upload, which is purged.
            let (store, object) = (self.store.clone(), self.state.object.clone());
            if self.completing && self.state.is_private(&store.root) {
                trash::discard(&store, [object.clone()]);
            }
            let runs_on = store.reactor.handle().clone();
            runs_on.spawn(async move {
                let _ = store.request(&trash::soon(), |_| store.bucket.cancel(&object, &upload)).await;
            });
        }
    }
}
