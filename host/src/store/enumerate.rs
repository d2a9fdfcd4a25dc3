//! Repositories and tags in byte order, page by page, out of listings that have another order.
//!
//! A driver orders a level by its text with the final `/`, so `v1-rc/` and `v1.0/` stand before `v1/`; clients expect `v1` first. Only a name
//! that is a prefix of another one is displaced, and only when the next character sorts before `/`: `-` or `.`. So whenever a name with
//! such a character is met, the name before it (its stem) is looked for and, if it exists, told first. Everything else is in order
//! already, and a page costs calls in proportion to the page.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use longshore_loader::api::{Driver, DriverError, Entry, ListPage, ListRequest, Prefix, PrefixBuf};

use super::error::found;
use super::{Repository, Store, layout};
use crate::oci::{Page, RepositoryName, Tag};

/// How many names are asked of the driver at a time, at the most.
const BATCH_MAX: usize = 1000;
/// How many folders are looked into at once. Never more than there are names missing, so that a page costs calls in proportion to it.
const AT_ONCE: usize = 16;
/// A folder with this one in it is a repository.
const MANIFESTS: &str = "_manifests";

/// The parts of `name` before each `-` or `.`, shortest first.
fn stems(name: &str) -> impl Iterator<Item = &str> {
    name.bytes().enumerate().filter(|(at, byte)| *at > 0 && matches!(byte, b'-' | b'.')).map(|(at, _)| &name[..at])
}

/// Where a listing must begin so that `last` and all that extends it with `-` or `.` comes after: `,` sorts just before `-`.
fn just_before(last: &str) -> String {
    format!("{last},")
}

/// A page of a repository's tags, and whether more follow; `None` if it has no tags.
pub(super) async fn tags(repository: &Repository, page: &Page<Tag>) -> Result<Option<(Vec<String>, bool)>, DriverError> {
    let folder = layout::tags(&repository.name);
    let last = page.after.as_ref().map_or("", Tag::as_str);
    let mut names: Vec<String> = Vec::new();
    let mut told: HashSet<String> = HashSet::new();
    let mut after = (!last.is_empty()).then(|| just_before(&format!("{folder}/{last}")));
    let wanted = page.limit.saturating_add(1);
    loop {
        let limit = (wanted - names.len() + 1).min(BATCH_MAX);
        // The number is at most 1000.
        let request = ListRequest::children(&folder, limit as u32).after(after.as_deref());
        let Some(listed) = found(repository.driver().list(&repository.call(), &request).await)? else { return Ok(None) };
        for entry in &listed.entries {
            let Entry::Prefix(prefix) = entry else { continue };
            let name = entry.name();
            // Stray folders are none of ours.
            if name.parse::<Tag>().is_err() {
                continue;
            }
            for stem in stems(name).filter(|stem| *stem > last) {
                if told.contains(stem) {
                    continue;
                }
                told.insert(stem.to_owned());
                let there = match in_listing(&listed, &format!("{folder}/{stem}/")) {
                    Some(there) => there,
                    None => exists(repository, &folder, stem).await?,
                };
                if there {
                    names.push(stem.to_owned());
                }
            }
            if name > last && !(told.contains(name) && names.iter().any(|told| told == name)) {
                names.push(name.to_owned());
            }
            if names.len() >= wanted {
                names.truncate(page.limit);
                return Ok(Some((names, page.limit > 0)));
            }
            let _ = prefix;
        }
        match listed.entries.last() {
            Some(entry) if listed.more => after = Some(entry.text()),
            _ => return Ok(Some((names, false))),
        }
    }
}

/// Whether a name that sorts after the first of a listing is in it; `None` if it may come after its end. Only stems of the last name can.
fn in_listing(listed: &ListPage, text: &str) -> Option<bool> {
    match listed.entries.binary_search_by(|entry| entry.text().as_str().cmp(text)) {
        Ok(_) => Some(true),
        Err(place) => (place < listed.entries.len() || !listed.more).then_some(false),
    }
}

/// True if something lies below `folder/name`.
async fn exists(repository: &Repository, folder: &Prefix, name: &str) -> Result<bool, DriverError> {
    let Ok(prefix) = PrefixBuf::new(format!("{folder}/{name}")) else { return Ok(false) };
    Ok(found(repository.driver().list(&repository.call(), &ListRequest::children(&prefix, 1)).await)?.is_some())
}

impl Store {
    /// A page of the names of all repositories that hold manifests, in byte order, and whether more follow.
    ///
    /// # Errors
    /// The driver's.
    pub async fn catalog(&self, page: &Page<RepositoryName>, trace_id: u128) -> Result<(Vec<String>, bool), DriverError> {
        let mut names = Vec::new();
        for index in 0..self.storages().len() {
            let mut walk = Walk::new(self, index, page, trace_id);
            let top = layout::repositories();
            if let Some(listed) = walk.list(top, walk.start(top, "").as_deref()).await? {
                walk.folder(top, "", listed).await?;
            }
            names.append(&mut walk.names);
        }
        // Each storage's names are in order; several storages are merged.
        names.sort_unstable();
        names.dedup();
        let more = names.len() > page.limit;
        names.truncate(page.limit);
        Ok((names, more && page.limit > 0))
    }
}

/// A walk through the folders of one storage, in byte order of the names, that ends when it has one more than is wanted.
struct Walk<'a> {
    store: &'a Store,
    index: usize,
    trace_id: u128,
    last: &'a str,
    wanted: usize,
    names: Vec<String>,
    told: HashSet<String>,
}

impl<'a> Walk<'a> {
    fn new(store: &'a Store, index: usize, page: &'a Page<RepositoryName>, trace_id: u128) -> Self {
        let last = page.after.as_ref().map_or("", RepositoryName::as_str);
        Self { store, index, trace_id, last, wanted: page.limit.saturating_add(1), names: Vec::new(), told: HashSet::new() }
    }

    fn full(&self) -> bool {
        self.names.len() >= self.wanted
    }

    async fn list(&self, folder: &Prefix, after: Option<&str>) -> Result<Option<ListPage>, DriverError> {
        let driver = self.store.storages()[self.index].driver();
        let limit = (self.wanted - self.names.len() + 4).min(BATCH_MAX);
        // The number is at most 1000.
        found(driver.list(&driver.call(self.trace_id), &ListRequest::children(folder, limit as u32).after(after)).await)
    }

    /// Tells the repositories below `folder`, whose name so far is `above` (empty, or with a final `/`) and whose first page is `listed`.
    async fn folder(&mut self, folder: &Prefix, above: &str, mut listed: ListPage) -> Result<(), DriverError> {
        loop {
            let after = listed.entries.last().filter(|_| listed.more).map(Entry::text);
            // Reserved folders begin with an underscore; what cannot be part of a name is a stray.
            let named = |entry: &Entry| entry.name().parse::<RepositoryName>().is_ok();
            let children: Vec<PrefixBuf> = listed
                .entries
                .into_iter()
                .filter(named)
                .filter_map(|entry| if let Entry::Prefix(child) = entry { Some(child) } else { None })
                .collect();
            let mut left = children.as_slice();
            while !left.is_empty() {
                let some;
                (some, left) = left.split_at(left.len().min(AT_ONCE).min(self.wanted - self.names.len()));
                let opened = try_join_all(some.iter().map(|child| self.open(child, above))).await?;
                for (child, opened) in some.iter().zip(opened) {
                    self.child(folder, child, above, opened).await?;
                    if self.full() {
                        return Ok(());
                    }
                }
            }
            let Some(after) = after else { return Ok(()) };
            let Some(next) = self.list(folder, Some(&after)).await? else { return Ok(()) };
            listed = next;
        }
    }

    /// Where a page that follows `last` begins in this folder.
    fn start(&self, folder: &Prefix, above: &str) -> Option<String> {
        let rest = self.last.strip_prefix(above).filter(|rest| !rest.is_empty())?;
        Some(match rest.split_once('/') {
            None => just_before(&format!("{folder}/{rest}")),
            // Only the folder itself and what follows it can hold names after `last`; `.~` sorts just before its `/`.
            Some((first, _)) => format!("{folder}/{first}.~"),
        })
    }

    /// What lies in a folder, from where names after `last` can be: one listing tells whether it is a repository and what is below it.
    async fn open(&self, child: &PrefixBuf, above: &str) -> Result<Option<ListPage>, DriverError> {
        let below = format!("{above}{}/", name(child));
        // All of it may sort before `last`.
        if below.as_str() < self.last && !self.last.starts_with(&below) {
            return Ok(None);
        }
        self.list(child, self.start(child, &below).as_deref()).await
    }

    /// Tells a folder and all that is below it, after those that it extends.
    async fn child(&mut self, folder: &Prefix, child: &PrefixBuf, above: &str, opened: Option<ListPage>) -> Result<(), DriverError> {
        for stem in stems(name(child)) {
            let full = format!("{above}{stem}");
            if full.as_str() > self.last && !self.told.contains(&full) {
                let Ok(prefix) = PrefixBuf::new(format!("{folder}/{stem}")) else { continue };
                let repository = self.holds_manifests(&prefix).await?;
                self.tell(full, repository);
            }
        }
        let Some(opened) = opened else { return Ok(()) };
        let full = format!("{above}{}", name(child));
        if full.as_str() > self.last && !self.told.contains(&full) {
            let repository = match in_page(&opened, child) {
                Some(repository) => repository,
                None => self.holds_manifests(child).await?,
            };
            self.tell(full.clone(), repository);
        }
        if self.full() {
            return Ok(());
        }
        Box::pin(self.folder(child, &format!("{full}/"), opened)).await
    }

    async fn holds_manifests(&self, folder: &Prefix) -> Result<bool, DriverError> {
        let Ok(manifests) = PrefixBuf::new(format!("{folder}/{MANIFESTS}")) else { return Ok(false) };
        Ok(!self.full() && self.list(&manifests, None).await?.is_some())
    }

    /// Tells a folder if it is a repository, once.
    fn tell(&mut self, name: String, repository: bool) {
        if repository && !self.full() {
            self.names.push(name.clone());
        }
        self.told.insert(name);
    }
}

/// The last component.
fn name(folder: &Prefix) -> &str {
    let text = folder.as_str();
    text.rsplit_once('/').map_or(text, |(_, name)| name)
}

/// Whether the folder holds manifests, if the first page of its listing tells: names that begin with a digit sort before.
fn in_page(listed: &ListPage, folder: &Prefix) -> Option<bool> {
    if listed.entries.iter().any(|entry| matches!(entry, Entry::Prefix(prefix) if name(prefix) == MANIFESTS)) {
        return Some(true);
    }
    let beyond = listed.entries.last().is_some_and(|last| last.text() > format!("{folder}/{MANIFESTS}/"));
    (beyond || !listed.more).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_what_clients_sort_before_and_drivers_after() {
        assert_eq!(stems("v1.0-rc.1").collect::<Vec<_>>(), ["v1", "v1.0", "v1.0-rc"]);
        assert_eq!(stems("latest").count(), 0);
        assert!("v1-rc/" < "v1/" && "v1" < "v1-rc", "this is why they are needed");
        assert!(just_before("v1").as_str() < "v1-" && just_before("v1").as_str() > "v1");
    }
}
