//! Pages of names, in the byte order of their text.

use std::collections::BTreeMap;

use longshore_plugin_api::{DriverError, Entry, KeyBuf, ListPage, ListRequest, PrefixBuf};

use crate::Object;

/// One search in the map for each entry, so that a page costs what is on it, however much lies below a deeper level.
pub(crate) fn page(objects: &BTreeMap<String, Object>, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
    let prefix = request.prefix;
    let first = if prefix.is_root() { String::new() } else { format!("{prefix}/") };
    let next = |from: &str| objects.range(from.to_owned()..).next().filter(|(key, _)| key.starts_with(&first));
    if !prefix.is_root() && next(&first).is_none() {
        return Err(DriverError::not_found(prefix));
    }
    let mut page = ListPage::default();
    // `\0` follows a text at once, and no key contains it.
    let mut from = request.start_after.map_or_else(String::new, |after| format!("{after}\0")).max(first.clone());
    while let Some((key, object)) = next(&from) {
        if page.entries.len() == request.limit as usize {
            page.more = true;
            break;
        }
        match key[first.len()..].find('/').filter(|_| !request.recursive) {
            None => {
                page.entries.push(Entry::Object(KeyBuf::new(key.as_str())?, Some(object.info.clone())));
                from = format!("{key}\0");
            }
            Some(length) => {
                let level = &key[..first.len() + length];
                let entry = Entry::Prefix(PrefixBuf::new(level)?);
                // A level that `start_after` names, or points into, was on an earlier page.
                if request.start_after.is_none_or(|after| entry.text().as_str() > after) {
                    page.entries.push(entry);
                }
                // Behind all of the level: `0` follows `/`.
                from = format!("{level}0");
            }
        }
    }
    Ok(page)
}
