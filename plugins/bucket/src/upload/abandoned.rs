//! Uploads that nobody goes on with.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use longshore_plugin_api::{Call, DriverError, ErrorClass, UploadToken};

use super::record;
use super::state::State;
use crate::bucket::{Bucket, Query};
use crate::store::Store;

/// How many records are read at once.
const AT_ONCE: usize = 16;
/// How many uploads are answered at the most; the others are found by the next call.
const UPLOADS_MAX: usize = 10_000;

/// Tokens of uploads that were put down, or begun and never put down, `older_than_ms` ago or before.
pub(crate) async fn abandoned<B: Bucket>(store: &Arc<Store<B>>, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let before = i64::try_from(now.saturating_sub(older_than_ms.into())).unwrap_or(i64::MAX);
    let newest = newest_records(store, call).await?;
    let mut tokens = Vec::new();
    let mut known = HashSet::new();
    let records: Vec<(String, i64)> = newest.into_values().collect();
    for some in records.chunks(AT_ONCE) {
        let states = try_join_all(some.iter().map(|(name, _)| record::head(store, call, name))).await?;
        for (state, (_, modified)) in states.into_iter().zip(some) {
            let Some(state) = state else { continue };
            if *modified <= before && tokens.len() < UPLOADS_MAX {
                tokens.push(state.token()?);
            }
            known.extend(state.upload.map(|upload| (state.object, upload)));
        }
    }
    let pending = match store.request(call, |_| store.bucket.uploads(&store.options.root)).await {
        // Such a store cannot tell; what was put down was found above.
        Err(error) if error.class() == ErrorClass::Unsupported => Vec::new(),
        pending => pending?,
    };
    for pending in pending.into_iter().filter(|pending| pending.begun <= before) {
        let upload = (pending.name, pending.upload);
        if !known.contains(&upload) && tokens.len() < UPLOADS_MAX {
            tokens.push(State::found(upload.0, upload.1).token()?);
        }
    }
    Ok(tokens)
}

/// The newest record of each upload, with its time.
async fn newest_records<B: Bucket>(store: &Store<B>, call: &Call) -> Result<BTreeMap<String, (String, i64)>, DriverError> {
    let mut query = Query { prefix: store.root.private(), after: None, token: None, joined: false, limit: 1000 };
    let mut newest = BTreeMap::new();
    loop {
        let names = store.request(call, |_| store.bucket.list(&query)).await?;
        for (name, info) in names.objects {
            if let Some(id) = store.root.recorded(&name).filter(|_| !store.trash.has(&name)) {
                // In the order of their numbers: the last one is the newest.
                newest.insert(id.to_owned(), (name, info.map_or(0, |info| info.modified)));
            }
        }
        query.token = names.token;
        if query.token.is_none() || newest.len() > UPLOADS_MAX {
            return Ok(newest);
        }
    }
}
