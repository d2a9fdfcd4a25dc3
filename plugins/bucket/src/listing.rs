//! Pages of keys out of the store's pages of names.

use longshore_plugin_api::{Call, DriverError, Entry, KeyBuf, ListPage, ListRequest, PrefixBuf};

use crate::bucket::{Bucket, Names, Query};
use crate::store::Store;

/// How many names a store gives at once.
const PAGE_MAX: u32 = 1000;

/// One page of the contract.
///
/// # Errors
/// `not_found` if there is no key below the prefix.
pub(crate) async fn page<B: Bucket>(store: &Store<B>, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
    let wanted = request.limit as usize;
    let prefix = store.root.below(request.prefix);
    let after = store.root.after(request.prefix, !request.recursive, request.start_after);
    let mut query = Query {
        // Some stores find nothing after a text that is before the prefix.
        after: (after > prefix).then_some(after),
        prefix,
        token: None,
        joined: !request.recursive,
        // One more tells whether anything follows.
        limit: request.limit.saturating_add(1).min(PAGE_MAX),
    };
    let mut entries = Vec::new();
    loop {
        let names = store.request(call, |_| store.bucket.list(&query)).await?;
        query.token = names.token.clone();
        entries.extend(keys(store, names).filter(|entry| request.start_after.is_none_or(|after| entry.text().as_str() > after)));
        if entries.len() > wanted || query.token.is_none() {
            break;
        }
    }
    if entries.is_empty() && !request.prefix.is_root() && is_empty(store, call, request).await? {
        return Err(DriverError::not_found(request.prefix));
    }
    let more = entries.len() > wanted;
    entries.truncate(wanted);
    Ok(ListPage { entries, more })
}

/// Whether nothing at all is below the prefix, when nothing is after where the list begins.
async fn is_empty<B: Bucket>(store: &Store<B>, call: &Call, request: &ListRequest<'_>) -> Result<bool, DriverError> {
    if request.start_after.is_none() {
        return Ok(true);
    }
    let whole = ListRequest { start_after: None, limit: 1, recursive: true, ..*request };
    // As a list of its own, which passes over names that are no keys.
    match Box::pin(page(store, call, &whole)).await {
        Ok(page) => Ok(page.entries.is_empty()),
        Err(error) if error.class() == longshore_plugin_api::ErrorClass::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// The entries of a page, in order. What is no key is not ours: folders that other programs write as `name/`, and names with other letters.
fn keys<B>(store: &Store<B>, names: Names) -> impl Iterator<Item = Entry> {
    let root = &store.root;
    let objects = names.objects.into_iter().filter_map(|(name, info)| Some(Entry::Object(KeyBuf::new(root.strip(&name)?).ok()?, info)));
    let joined = names.joined.into_iter().filter_map(|name| {
        let prefix = root.strip(&name)?.strip_suffix('/').filter(|prefix| !prefix.is_empty())?;
        Some(Entry::Prefix(PrefixBuf::new(prefix).ok()?))
    });
    let mut entries: Vec<(String, Entry)> = objects.chain(joined).map(|entry| (entry.text(), entry)).collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries.into_iter().map(|(_, entry)| entry)
}
