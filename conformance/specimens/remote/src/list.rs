//! `list`, `upload_list` and `delete_prefix`: answers of one line for each name.

use longshore_plugin_api::{
    Bytes, DriverError, Entry, ErrorClass, KeyBuf, ListPage, ListRequest, ObjectInfo, Prefix, PrefixBuf, UploadToken,
};

use crate::client::{Client, Request};
use crate::failure::Failure;
use crate::message::escaped;

fn nonsense(line: &str) -> DriverError {
    DriverError::new(ErrorClass::Broken, format!("the service lists {line:?}, which is no entry"))
}

impl Client {
    pub(crate) fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        request.check()?;
        let mut path = format!("/list?prefix={}&limit={}", escaped(request.prefix.as_str()), request.limit);
        if let Some(after) = request.start_after {
            path.push_str("&after=");
            path.push_str(&escaped(after));
        }
        if request.recursive {
            path.push_str("&recursive=1");
        }
        let (more, text) = self.lines(&Request::new("GET", path, request.prefix))?;
        let entries = text.lines().map(|line| entry(line).ok_or_else(|| nonsense(line))).collect::<Result<_, _>>()?;
        Ok(ListPage { entries, more })
    }

    pub(crate) fn upload_list(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let (_, text) = self.lines(&Request::new("GET", format!("/tokens?older_than_ms={older_than_ms}"), "uploads"))?;
        text.lines().map(UploadToken::new).collect()
    }

    pub(crate) fn delete_prefix(&self, prefix: &Prefix) -> Result<(), DriverError> {
        if prefix.is_root() {
            return Err(DriverError::new(ErrorClass::InvalidArgument, "the root is not deleted as a prefix"));
        }
        let path = format!("/list?prefix={}", escaped(prefix.as_str()));
        self.ask(&Request::new("DELETE", path, prefix), &[204]).map(drop)
    }

    /// The lines of an answer, and whether more follow on another page.
    fn lines(&self, request: &Request<'_>) -> Result<(bool, String), DriverError> {
        let answer = self.ask(request, &[200])?;
        let more = answer.head.field("x-more") == Some("1");
        let bytes: Bytes = answer.body.whole().map_err(|error| Failure::Exchange(error).told(self, &request.what))?;
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| nonsense("what is no text"))?;
        Ok((more, text))
    }
}

/// `p PREFIX`, or `o SIZE MODIFIED VERSION KEY`: a key has no blanks.
fn entry(line: &str) -> Option<Entry> {
    if let Some(prefix) = line.strip_prefix("p ") {
        return PrefixBuf::new(prefix).ok().map(Entry::Prefix);
    }
    let mut parts = line.strip_prefix("o ")?.splitn(4, ' ');
    let (size, modified, version) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
    let info = ObjectInfo { size, modified, version: Some(version.into()) };
    Some(Entry::Object(KeyBuf::new(parts.next()?).ok()?, Some(info)))
}
