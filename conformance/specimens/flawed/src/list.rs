//! `list`: the folders below a prefix, in the order of the texts that they stand for.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use longshore_plugin_api::{DriverError, Entry, KeyBuf, ListPage, ListRequest, PrefixBuf};

use crate::flaw::Flaw;
use crate::open::Opened;
use crate::place::{OBJECT, components, has_below, look};
use crate::read::info;

/// A page under way.
struct Page<'r> {
    request: &'r ListRequest<'r>,
    /// One more than the page has tells that more follows.
    wanted: usize,
    entries: Vec<Entry>,
    /// True if the prefix has anything, wherever the page begins.
    any: bool,
}

impl Opened {
    pub(crate) fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        request.check()?;
        self.wait_for_readers();
        let limit = if self.has(Flaw::CapsLists) { request.limit.min(1000) } else { request.limit } as usize;
        let mut page = Page { request, wanted: limit + 1, entries: Vec::new(), any: false };
        let folder = self.folder(request.prefix.as_str());
        self.no_link(&folder)?;
        let begin = if request.prefix.is_root() { String::new() } else { format!("{}/", request.prefix.as_str()) };
        self.level(&folder, &begin, &mut page)?;
        if self.has(Flaw::ListsByStringPrefix) && !request.prefix.is_root() {
            self.neighbours(&folder, request.prefix.as_str(), &mut page)?;
        }
        if self.has(Flaw::ListsTemporaries) && request.prefix.is_root() {
            let uploads = std::fs::read_dir(self.uploads()).map_or(0, Iterator::count);
            for number in 0..uploads {
                page.any = true;
                page.entries.push(Entry::Object(KeyBuf::new(format!("~upload-{number}"))?, None));
            }
        }
        if !page.any && !request.prefix.is_root() {
            return Err(DriverError::not_found(request.prefix));
        }
        let mut more = page.entries.len() > limit;
        page.entries.truncate(limit);
        match self.flaw {
            Flaw::SkipsLastOfPage if more && limit > 1 => drop(page.entries.pop()),
            Flaw::CapsLists if limit == 1000 => more = false,
            Flaw::ListsUnsorted => page.entries.sort_by_key(|entry| entry.text().to_ascii_lowercase().replace('-', "")),
            Flaw::ListsInMemory => {
                let names = page.entries.iter().map(|entry| entry.text().repeat(64));
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
            }
            _ => {}
        }
        Ok(ListPage { entries: page.entries, more })
    }

    /// Adds what lies in a folder, whose components' texts begin with `begin`.
    fn level(&self, folder: &Path, begin: &str, page: &mut Page<'_>) -> Result<(), DriverError> {
        let found = match components(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            found => found.map_err(|error| self.error(error, page.request.prefix))?,
        };
        let mut names: Vec<(String, PathBuf)> = Vec::with_capacity(2 * found.len());
        for (component, folder) in found {
            names.push((format!("{begin}{component}/"), folder.clone()));
            names.push((format!("{begin}{component}"), folder));
        }
        names.sort_unstable();
        for (text, folder) in names {
            if page.entries.len() >= page.wanted {
                return Ok(());
            }
            match text.strip_suffix('/') {
                None => self.object_entry(&text, &folder, page)?,
                Some(_) if page.request.recursive => {
                    let is_before = page.request.start_after.is_some_and(|after| after > text.as_str() && !after.starts_with(&text));
                    if is_before {
                        page.any = page.any || has_below(&folder).map_err(|error| self.error(error, &text))?;
                    } else {
                        self.level(&folder, &text, page)?;
                    }
                }
                Some(prefix) => {
                    if has_below(&folder).map_err(|error| self.error(error, prefix))? {
                        page.any = true;
                        if page.request.start_after.is_none_or(|after| text.as_str() > after) {
                            page.entries.push(Entry::Prefix(PrefixBuf::new(prefix)?));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn object_entry(&self, text: &str, folder: &Path, page: &mut Page<'_>) -> Result<(), DriverError> {
        let object = folder.join(OBJECT);
        let found = look(&object).map_err(|error| self.error(error, text))?;
        let Some(metadata) = found else { return Ok(()) };
        if self.index.as_ref().is_some_and(|index| index.lost(&object)) {
            return Ok(());
        }
        page.any = true;
        if page.request.start_after.is_none_or(|after| text > after) {
            page.entries.push(Entry::Object(KeyBuf::new(text)?, Some(info(&metadata))));
        }
        Ok(())
    }

    /// Adds what merely begins like the prefix.
    fn neighbours(&self, folder: &Path, prefix: &str, page: &mut Page<'_>) -> Result<(), DriverError> {
        let above = prefix.rsplit_once('/').map_or("", |(above, _)| above);
        let begin = if above.is_empty() { String::new() } else { format!("{above}/") };
        let found = components(folder.parent().unwrap_or(folder)).unwrap_or_default();
        for (component, folder) in found {
            let text = format!("{begin}{component}");
            if text.starts_with(prefix) && text != prefix {
                self.object_entry(&text, &folder, page)?;
                self.level(&folder, &format!("{text}/"), page)?;
            }
        }
        Ok(())
    }
}
