//! Repositories and tags in byte order, page by page, out of listings that have another order.
//!
//! A driver orders a level by its text with the final `/`, so `v1-rc/` and `v1.0/` stand before `v1/`; clients expect `v1` first. Only a name
//! that is a prefix of another one is displaced, and only when the next character sorts before `/`: `-` or `.`. So whenever a name with
//! such a character is met, the name before it (its stem) is looked for and, if it exists, told first. Everything else is in order
//! already, and a page costs calls in proportion to the page.

use std::collections::HashSet;

use longshore_loader::api::{Driver, DriverError, Entry, ListRequest, Prefix, PrefixBuf};

use super::error::found;
use super::{Repository, Store, layout};
use crate::oci::{Page, RepositoryName, Tag};

/// How many names are asked of the driver at a time, at the most.
const BATCH_MAX: usize = 1000;

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
                if !told.contains(stem) && told.insert(stem.to_owned()) && exists(repository, &folder, stem).await? {
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
            walk.folder(layout::repositories(), "").await?;
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

    async fn list(&self, folder: &Prefix, after: Option<&str>) -> Result<Option<longshore_loader::api::ListPage>, DriverError> {
        let driver = self.store.storages()[self.index].driver();
        let limit = (self.wanted - self.names.len() + 4).min(BATCH_MAX);
        // The number is at most 1000.
        found(driver.list(&driver.call(self.trace_id), &ListRequest::children(folder, limit as u32).after(after)).await)
    }

    /// Tells the repositories below `folder`, whose name so far is `above` (empty, or with a final `/`).
    async fn folder(&mut self, folder: &Prefix, above: &str) -> Result<(), DriverError> {
        let mut after = self.start(folder, above);
        while let Some(listed) = self.list(folder, after.as_deref()).await? {
            for entry in &listed.entries {
                if let Entry::Prefix(child) = entry {
                    self.child(folder, child, above, entry.name()).await?;
                }
                if self.full() {
                    return Ok(());
                }
            }
            match listed.entries.last() {
                Some(entry) if listed.more => after = Some(entry.text()),
                _ => return Ok(()),
            }
        }
        Ok(())
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

    async fn child(&mut self, folder: &Prefix, child: &PrefixBuf, above: &str, name: &str) -> Result<(), DriverError> {
        // Reserved folders begin with an underscore; what cannot be part of a name is a stray.
        if name.parse::<RepositoryName>().is_err() {
            return Ok(());
        }
        for stem in stems(name) {
            let full = format!("{above}{stem}");
            if full.as_str() > self.last && !self.told.contains(&full) {
                let Ok(prefix) = PrefixBuf::new(format!("{folder}/{stem}")) else { continue };
                self.tell(&prefix, full).await?;
            }
        }
        let full = format!("{above}{name}");
        if full.as_str() > self.last && !self.told.contains(&full) {
            self.tell(child, full.clone()).await?;
        }
        let below = format!("{full}/");
        // Nothing below can follow `last` if all of it sorts before.
        if !self.full() && (below.as_str() > self.last || self.last.starts_with(&below)) {
            Box::pin(self.folder(child, &below)).await?;
        }
        Ok(())
    }

    /// Tells a folder if it is a repository, once.
    async fn tell(&mut self, folder: &Prefix, name: String) -> Result<(), DriverError> {
        let Ok(manifests) = PrefixBuf::new(format!("{folder}/_manifests")) else { return Ok(()) };
        if !self.full() && self.list(&manifests, None).await?.is_some() {
            self.names.push(name.clone());
        }
        self.told.insert(name);
        Ok(())
    }
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
