//! Pages of names, in byte order.
//!
//! A filesystem tells the names of a folder in no order, so a page reads all of them; but it keeps, sorts and examines only as many as it
//! shows. A folder sorts as its name with the final `/`: `a-b` comes before `a/`, and `a/` before `a0`.

use std::os::fd::OwnedFd;

use longshore_plugin_api::{DriverError, Entry, KeyBuf, ListPage, Prefix, PrefixBuf};
use rustix::io::Errno;

use crate::errno::{failed, is_absent};
use crate::folders::{self, Kind};
use crate::root::{FOLDER, child};
use crate::store::Store;
use crate::work::Stop;

/// A list request whose texts are its own, so that it can go to another thread.
pub(crate) struct Request {
    pub(crate) prefix: PrefixBuf,
    pub(crate) start_after: Option<String>,
    pub(crate) limit: u32,
    pub(crate) recursive: bool,
}

/// How many names are taken from a folder at once at the least: where most folders on a page turn out empty, fewer would read it too often.
const BATCH_MIN: usize = 256;

/// Whether a page may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// On the caller's thread: never, as far as can be known.
    None,
    /// On a thread of the host's.
    Any,
}

/// Larger folders, in bytes, take long enough to read that a thread of the host does it.
const READ_HERE_MAX_BYTES: i64 = 64 * 1024;

/// One page, if the kernel has all of it in memory; `None` if it would have to wait, or might.
pub(crate) fn page_cached(store: &Store, request: &Request, stop: &Stop) -> Option<Result<ListPage, DriverError>> {
    let prefix = request.prefix.as_str();
    if request.recursive || !store.seen.is_warm(prefix) {
        return None;
    }
    let folder = store.root.at_cached(prefix, FOLDER)?.ok()?;
    if rustix::fs::fstat(&folder).ok()?.st_size > READ_HERE_MAX_BYTES {
        return None;
    }
    answer(store, request, &folder, stop, Patience::None).transpose()
}

/// One page.
pub(crate) fn page(store: &Store, request: &Request, stop: &Stop) -> Result<ListPage, DriverError> {
    let fault = |errno| fault(store, request, errno);
    let folder = store.root.at(request.prefix.as_str(), FOLDER).map_err(fault)?;
    let page = answer(store, request, &folder, stop, Patience::Any)?;
    store.seen.read(request.prefix.as_str());
    // Only an impatient page is none.
    Ok(page.unwrap_or_default())
}

fn fault(store: &Store, request: &Request, errno: Errno) -> DriverError {
    if is_absent(errno) { store.not_found(&request.prefix) } else { failed("list prefix", &request.prefix, errno) }
}

fn answer(store: &Store, request: &Request, folder: &OwnedFd, stop: &Stop, patience: Patience) -> Result<Option<ListPage>, DriverError> {
    let prefix = request.prefix.as_str();
    let path = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    let limit = request.limit as usize;
    // One entry more than asked for tells whether anything follows.
    let mut walk =
        Walk { store, wanted: limit.saturating_add(1), recursive: request.recursive, stop, patience, waits: false, entries: Vec::new() };
    if let Some(after) = rest_after(&path, request.start_after.as_deref()) {
        walk.folder(folder, &path, after)?;
    }
    if walk.waits || (walk.entries.is_empty() && patience == Patience::None) {
        return Ok(None);
    }
    if walk.entries.is_empty() {
        let listable = request.prefix.is_root() && !store.root.is_gone();
        let has_object = || folders::has_object(folder, folders::room(prefix)).map_err(|errno| fault(store, request, errno));
        if !listable && !has_object()? {
            return Err(store.not_found(&request.prefix));
        }
    }
    let more = walk.entries.len() > limit;
    walk.entries.truncate(limit);
    Ok(Some(ListPage { entries: walk.entries, more }))
}

/// The part of `start_after` that names below `path` are compared with; "" if all of them follow, `None` if none does.
fn rest_after<'s>(path: &str, start_after: Option<&'s str>) -> Option<&'s str> {
    let Some(start_after) = start_after else { return Some("") };
    match start_after.strip_prefix(path) {
        Some(rest) => Some(rest),
        None => (start_after < path).then_some(""),
    }
}

struct Walk<'a> {
    store: &'a Store,
    wanted: usize,
    recursive: bool,
    stop: &'a Stop,
    patience: Patience,
    /// It would have to wait, and may not: the page is void.
    waits: bool,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    /// Adds what lies in `folder`, at `path` ("" or with a final `/`), and whose text below `path` is greater than `after`.
    fn folder(&mut self, folder: &OwnedFd, path: &str, after: &str) -> Result<(), DriverError> {
        let mut after = after.to_owned();
        loop {
            self.stop.check()?;
            let batch = (self.wanted - self.entries.len()).max(BATCH_MIN);
            let (names, more) = smallest(folder, &after, batch, self.recursive).map_err(|errno| failed("list prefix", path, errno))?;
            for name in &names {
                self.name(folder, path, name, &after)?;
                if self.waits || self.entries.len() == self.wanted {
                    return Ok(());
                }
            }
            match names.into_iter().next_back() {
                // A folder's text is less than those below it, but they were all seen: go on behind them.
                Some(last) if more => after = behind(last),
                _ => return Ok(()),
            }
        }
    }

    /// Adds one name, a folder's with its final `/`.
    fn name(&mut self, folder: &OwnedFd, path: &str, name: &str, after: &str) -> Result<(), DriverError> {
        let text = format!("{path}{name}");
        let Some(component) = name.strip_suffix('/') else {
            // A path that is too long is no key.
            self.entries.extend(KeyBuf::new(text).ok().map(|key| Entry::Object(key, None)));
            return Ok(());
        };
        let Ok(prefix) = PrefixBuf::new(&text[..text.len() - 1]) else {
            return Ok(());
        };
        if !self.recursive {
            if self.is_prefix(folder, component, &prefix)? {
                self.entries.push(Entry::Prefix(prefix));
            }
            return Ok(());
        }
        match child(folder, component, FOLDER) {
            Ok(inner) => self.folder(&inner, &text, after.strip_prefix(name).unwrap_or("")),
            // It was removed meanwhile.
            Err(errno) if is_absent(errno) => Ok(()),
            Err(errno) => Err(failed("list prefix", &text, errno)),
        }
    }

    /// True if an object lies below the folder `component` in `outer`.
    fn is_prefix(&mut self, outer: &OwnedFd, component: &str, prefix: &Prefix) -> Result<bool, DriverError> {
        let (seen, path) = (&self.store.seen, prefix.as_str());
        if seen.still_has_object(&self.store.root, path, self.patience == Patience::None) {
            return Ok(true);
        }
        if self.patience == Patience::None {
            self.waits = true;
            return Ok(false);
        }
        let found = match child(outer, component, FOLDER) {
            Ok(inner) => folders::find_object(&inner, folders::room(path)),
            // It was removed meanwhile.
            Err(errno) if is_absent(errno) => Ok(None),
            Err(errno) => Err(errno),
        };
        let found = found.map_err(|errno| failed("list prefix", path, errno))?;
        let has_object = found.is_some();
        if let Some(object) = found {
            seen.object(path, format!("{path}/{object}"));
        }
        Ok(has_object)
    }
}

/// Greater than every name: the alphabet of keys ends before it.
const LAST: &str = "\u{7f}";

/// A text after a name, and after all that lies below if it is a folder's, but before the next name.
fn behind(name: String) -> String {
    if name.ends_with('/') { name + LAST } else { name }
}

/// The `wanted` smallest names after `after`, sorted, and whether there are more. With `inside`, a folder counts as well if only what lies
/// in it may come after.
fn smallest(folder: &OwnedFd, after: &str, wanted: usize, inside: bool) -> Result<(Vec<String>, bool), Errno> {
    let mut names: Vec<String> = Vec::new();
    let mut more = false;
    // Once there are enough names, greater ones than this are not worth keeping.
    let mut ceiling: Option<String> = None;
    let mut text = String::new();
    folders::each_name(folder, &mut |name, kind| {
        text.clear();
        text.push_str(name);
        match kind {
            Kind::Object => {}
            Kind::Folder => text.push('/'),
            Kind::Other => return true,
        }
        let within = |rest: &str| inside && kind == Kind::Folder && rest < LAST;
        let follows = text.as_str() > after || after.strip_prefix(text.as_str()).is_some_and(within);
        if !follows || !folders::is_component(name) {
            return true;
        }
        if ceiling.as_ref().is_some_and(|ceiling| text > *ceiling) {
            more = true;
            return true;
        }
        names.push(text.clone());
        if names.len() > 2 * wanted {
            more = true;
            keep_smallest(&mut names, wanted);
            ceiling = names.last().cloned();
        }
        true
    })?;
    if names.len() > wanted {
        more = true;
        keep_smallest(&mut names, wanted);
    }
    names.sort_unstable();
    Ok((names, more))
}

/// Drops all but the `wanted` smallest; the greatest of these becomes the last.
fn keep_smallest(names: &mut Vec<String>, wanted: usize) {
    names.select_nth_unstable(wanted - 1);
    names.truncate(wanted);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_after_is_compared_with_the_part_below_the_prefix() {
        for (start_after, rest) in [
            (None, Some("")),
            (Some("a/b/c"), Some("c")),
            (Some("a/b/"), Some("")),
            (Some("a/b"), Some("")),
            (Some("a/a"), Some("")),
            (Some("a/b0"), None),
            (Some("b"), None),
        ] {
            assert_eq!(rest_after("a/b/", start_after), rest, "{start_after:?}");
        }
        assert_eq!(rest_after("", Some("x")), Some("x"));
    }

    #[test]
    fn names_behind_a_folder_come_after_all_that_is_in_it() {
        let after = behind("a/".to_owned());
        for (text, comes_after) in [("a/~", false), ("a/z/z", false), ("a0", true), ("a-", false), ("b", true)] {
            assert_eq!(text > after.as_str(), comes_after, "{text}");
        }
    }
}
