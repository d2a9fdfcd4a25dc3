//! Pages and tokens that a driver in C adds one by one.

use std::ffi::c_char;

use longshore_plugin_api::{DriverError, Entry, KEY_MAX_BYTES, KeyBuf, ListPage, Prefix, PrefixBuf, TOKEN_MAX_BYTES, UploadToken};

use super::answer::broken;
use super::values::{Info, Page, TokenList};

/// How many tokens one `upload_list` may give; more are found by the next one.
const TOKENS_MAX: usize = 10_000;

/// A page under way.
pub(crate) struct Found<'a> {
    prefix: &'a Prefix,
    limit: usize,
    page: ListPage,
    fault: Option<DriverError>,
}

impl<'a> Found<'a> {
    pub(crate) fn new(prefix: &'a Prefix, limit: u32) -> Self {
        Self { prefix, limit: limit as usize, page: ListPage::default(), fault: None }
    }

    /// Lends a page to `work`, which fills it, and answers what it has then.
    pub(crate) fn fill(mut self, work: impl FnOnce(*mut Page) -> Result<(), DriverError>) -> Result<ListPage, DriverError> {
        let context = (&raw mut self).cast();
        let mut page = Page { context, add: Some(add_name), more: 0, reserved_first: 0, reserved: [0; 4] };
        work(&raw mut page)?;
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(ListPage { more: self.page.more || page.more != 0, ..self.page }),
        }
    }

    /// Adds a name. False if the page takes no more.
    fn add(&mut self, name: &[u8], info: Option<&Info>) -> bool {
        if self.page.entries.len() >= self.limit {
            self.page.more = true;
            return false;
        }
        match entry(self.prefix, name, info) {
            Ok(entry) => self.page.entries.push(entry),
            Err(fault) => self.fault = Some(fault),
        }
        self.fault.is_none()
    }
}

/// A name that may stand in a page below `prefix`.
fn entry(prefix: &Prefix, name: &[u8], info: Option<&Info>) -> Result<Entry, DriverError> {
    let bad = |error: longshore_plugin_api::KeyError| broken(format_args!("a list with a bad name: {error}"));
    let text = std::str::from_utf8(name).map_err(|_| broken("a list with a name that is not UTF-8"))?;
    if prefix.strip(text).is_none_or(str::is_empty) {
        return Err(broken(format_args!("a list of \"{prefix}\" with the name {text:?}")));
    }
    match text.strip_suffix('/') {
        Some(level) => PrefixBuf::new(level).map(Entry::Prefix).map_err(bad),
        None => Ok(Entry::Object(KeyBuf::new(text).map_err(bad)?, info.map(Info::checked).transpose()?)),
    }
}

unsafe extern "C" fn add_name(page: *mut Page, name: *const c_char, name_len: usize, info: *const Info) -> u32 {
    if page.is_null() {
        return 1;
    }
    // SAFETY: the header says that a driver gives the page that it was lent, and only until the call returns.
    let found = unsafe { (*page).context }.cast::<Found<'_>>();
    // SAFETY: a driver leaves `context` as it is, so it is the one that `fill` set, whose `Found` nobody else uses meanwhile.
    let Some(found) = (unsafe { found.as_mut() }) else { return 1 };
    // The longest prefix with its final slash. A name beyond that is not looked at.
    if name.is_null() || name_len > KEY_MAX_BYTES + 1 {
        found.fault = Some(broken(format_args!("a list with a name at {name:?} of {name_len} bytes")));
        return 1;
    }
    // SAFETY: the driver promises so many readable bytes there until `add` returns.
    let name = unsafe { std::slice::from_raw_parts(name.cast::<u8>(), name_len) };
    // SAFETY: NULL or facts of the driver, which it does not change meanwhile.
    let info = unsafe { info.as_ref() };
    u32::from(!found.add(name, info))
}

/// Tokens under way.
#[derive(Default)]
pub(crate) struct FoundTokens {
    tokens: Vec<UploadToken>,
    fault: Option<DriverError>,
}

impl FoundTokens {
    /// Lends a list to `work`, which fills it, and answers what it has then.
    pub(crate) fn fill(work: impl FnOnce(*mut TokenList) -> Result<(), DriverError>) -> Result<Vec<UploadToken>, DriverError> {
        let mut found = Self::default();
        let mut list = TokenList { context: (&raw mut found).cast(), add: Some(add_token), reserved: [0; 4] };
        work(&raw mut list)?;
        found.fault.map_or(Ok(found.tokens), Err)
    }
}

unsafe extern "C" fn add_token(list: *mut TokenList, bytes: *const u8, len: usize) -> u32 {
    if list.is_null() {
        return 1;
    }
    // SAFETY: the header says that a driver gives the list that it was lent, and only until the call returns.
    let found = unsafe { (*list).context }.cast::<FoundTokens>();
    // SAFETY: a driver leaves `context` as it is, so it is the one that `fill` set, whose `FoundTokens` nobody else uses meanwhile.
    let Some(found) = (unsafe { found.as_mut() }) else { return 1 };
    if found.tokens.len() >= TOKENS_MAX {
        return 1;
    }
    if bytes.is_null() || len > TOKEN_MAX_BYTES {
        found.fault = Some(broken(format_args!("a list of uploads with a token at {bytes:?} of {len} bytes")));
        return 1;
    }
    // SAFETY: the driver promises so many readable bytes there until `add` returns.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, len) };
    match UploadToken::new(bytes) {
        Ok(token) => found.tokens.push(token),
        Err(fault) => found.fault = Some(fault),
    }
    u32::from(found.fault.is_some())
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use longshore_plugin_api::ErrorClass;

    use super::*;

    /// What the page of "a" with at most two entries is, after these names.
    fn page(names: &[&[u8]]) -> Result<ListPage, DriverError> {
        let prefix = Prefix::parse("a").expect("a legal prefix");
        Found::new(prefix, 2).fill(|page| {
            for name in names {
                // SAFETY: the page is the one that was lent, and the name is alive.
                if unsafe { add_name(page, name.as_ptr().cast(), name.len(), ptr::null()) } != 0 {
                    break;
                }
            }
            Ok(())
        })
    }

    #[test]
    fn a_full_page_says_that_more_follows() {
        let texts = |page: &ListPage| page.entries.iter().map(Entry::text).collect::<Vec<_>>();
        let two = page(&[b"a/b", b"a/c/"]).expect("both are names below a");
        assert_eq!((texts(&two), two.more), (vec!["a/b".to_owned(), "a/c/".to_owned()], false));
        let three = page(&[b"a/b", b"a/c/", b"a/d"]).expect("all are names below a");
        assert_eq!((texts(&three), three.more), (texts(&two), true));
    }

    #[test]
    fn bad_names_break_the_page() {
        for name in [&b""[..], b"a", b"a/", b"b/c", b"ab/c", b"a//b", b"a/..", b"a/\xff", b"a/b c", b"a/b\0", &[b'a'; 1026]] {
            assert_eq!(page(&[name]).map_err(|error| error.class()), Err(ErrorClass::Broken), "{:?}", String::from_utf8_lossy(name));
        }
        let null = Found::new(Prefix::root(), 2).fill(|page| {
            // SAFETY: the page is the one that was lent, and NULL is looked for.
            assert_eq!(unsafe { add_name(page, ptr::null(), 3, ptr::null()) }, 1);
            // SAFETY: NULL is looked for.
            assert_eq!(unsafe { add_name(ptr::null_mut(), ptr::null(), 3, ptr::null()) }, 1);
            Ok(())
        });
        assert!(null.is_err());
    }

    #[test]
    fn bad_tokens_break_the_list() {
        let list = |bytes: *const u8, len| {
            FoundTokens::fill(|list| {
                // SAFETY: the list is the one that was lent; what the bytes are is what is tested.
                unsafe { add_token(list, bytes, len) };
                Ok(())
            })
        };
        let token = [7; 5000];
        assert_eq!(list(token.as_ptr(), 4096).map(|tokens| tokens.len()).ok(), Some(1));
        assert!(list(token.as_ptr(), 4097).is_err());
        assert!(list(ptr::null(), 1).is_err());
    }
}
