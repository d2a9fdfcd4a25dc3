//! Uploads that nobody goes on with.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use longshore_plugin_api::{Call, DriverError, ErrorClass, UploadToken};

use super::record;
use super::segment::{self, Stand};
use super::state::{State, owner};
use crate::bucket::{Bucket, Query};
use crate::store::Store;

/// How many records are read at once.
const AT_ONCE: usize = 16;
/// How many uploads are answered at the most; the others are found by the next call.
const UPLOADS_MAX: usize = 10_000;
/// How often the newest record of an upload is looked for that goes on meanwhile.
const LOOKS_MAX: u32 = 3;

/// Private objects, by their uploads.
#[derive(Default)]
struct Private {
    /// The newest record of each upload, with its time.
    newest: BTreeMap<String, (String, i64)>,
    /// The time of the last other object of each upload.
    others: BTreeMap<String, i64>,
    /// There are more, which were not looked at.
    more: bool,
}

/// Tokens of uploads that were put down, or begun and never put down, `older_than_ms` ago or before.
pub(crate) async fn abandoned<B: Bucket>(store: &Arc<Store<B>>, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let before = i64::try_from(now.saturating_sub(older_than_ms.into())).unwrap_or(i64::MAX);
    // First, so that the records below tell of each that was put down since.
    let among = if B::BEGINS_AT_KEY { store.options.root.clone() } else { store.root.private() };
    let pending = match store.request(call, |_| store.bucket.uploads(&among)).await {
        // Such a store cannot tell; what was put down is found below.
        Err(error) if error.class() == ErrorClass::Unsupported => Vec::new(),
        pending => pending?,
    };
    let private = private(store, call, &store.root.private()).await?;
    let mut states = Vec::new();
    let mut known = HashSet::new();
    let records: Vec<_> = private.newest.iter().collect();
    for some in records.chunks(AT_ONCE) {
        let standing = some.iter().map(|(id, newest)| standing(store, call, id, newest));
        for (state, modified) in try_join_all(standing).await?.into_iter().flatten() {
            known.extend(state.upload.clone().map(|upload| (state.object.clone(), upload)));
            let segment = |stand: &Stand| (segment::object(&store.root, &state.id, &stand.name), stand.upload.clone());
            known.extend(state.segment.as_ref().map(segment));
            if modified <= before {
                states.push(state);
            }
        }
    }
    if !private.more {
        let old = pending.into_iter().filter(|pending| pending.begun <= before && !store.trash.has(&pending.name));
        let unknown = old.map(|pending| (pending.name, pending.upload)).filter(|upload| !known.contains(upload));
        states.extend(unknown.map(|(object, upload)| State::found(object, upload)).filter(|state| state.is_of(&store.root)));
        let others = private.others.iter().filter(|(id, modified)| **modified <= before && !private.newest.contains_key(*id));
        states.extend(others.map(|(id, _)| State::left(id, &store.root)));
    }
    states.truncate(UPLOADS_MAX);
    states.iter().map(State::token).collect()
}

/// What lies below a prefix, without what is in the trash.
async fn private<B: Bucket>(store: &Store<B>, call: &Call, prefix: &str) -> Result<Private, DriverError> {
    let mut query = Query { prefix: prefix.to_owned(), after: None, token: None, joined: false, limit: 1000 };
    let mut found = Private::default();
    loop {
        let names = store.request(call, |_| store.bucket.list(&query)).await?;
        for (name, info) in names.objects.into_iter().filter(|(name, _)| !store.trash.has(name)) {
            let modified = info.map_or(0, |info| info.modified);
            if let Some(id) = store.root.recorded(&name) {
                // In the order of their numbers: the last one is the newest.
                found.newest.insert(id.to_owned(), (name, modified));
            } else if let Some(id) = owner(&name, &store.root) {
                let last = found.others.entry(id.to_owned()).or_default();
                *last = modified.max(*last);
            }
        }
        query.token = names.token;
        found.more = query.token.is_some();
        if !found.more || found.newest.len() + found.others.len() > UPLOADS_MAX {
            return Ok(found);
        }
    }
}

/// Where an upload stands, and since when; `None` if it ended meanwhile.
async fn standing<B: Bucket>(
    store: &Arc<Store<B>>,
    call: &Call,
    id: &str,
    newest: &(String, i64),
) -> Result<Option<(State, i64)>, DriverError> {
    let (mut record, mut modified) = newest.clone();
    for _ in 0..LOOKS_MAX {
        if let Some(state) = record::head(store, call, &record).await? {
            return Ok(Some((state, modified)));
        }
        // Somebody goes on with it, and has put it down again.
        let again = private(store, call, &format!("{}{id}/", store.root.private())).await?.newest.remove(id);
        let Some(newer) = again else { break };
        (record, modified) = newer;
    }
    Ok(None)
}
