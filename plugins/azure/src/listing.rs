//! Pages of names ("List Blobs").

use std::borrow::Cow;

use http::Method;
use longshore_bucket::{Names, Pending, Query};
use longshore_plugin_api::{DriverError, ObjectInfo};
use serde::Deserialize;

use crate::refusal::time;
use crate::{Azure, blocks};

/// The longest name of a blob ("Naming and Referencing Containers, Blobs, and Metadata").
const NAME_MAX_BYTES: usize = 1024;
/// How many uploads in progress are told at the most.
const UPLOADS_MAX: usize = 10_000;

pub(super) async fn list(azure: &Azure, query: &Query) -> Result<Names, DriverError> {
    let action = format!("list {:?}", query.prefix);
    let limit = query.limit.to_string();
    let mut parameters = vec![("restype", "container"), ("comp", "list"), ("maxresults", &*limit)];
    if !query.prefix.is_empty() {
        parameters.push(("prefix", &query.prefix));
    }
    if query.joined {
        parameters.push(("delimiter", "/"));
    }
    let from = query.after.as_deref().map(|after| from(&query.prefix, after, query.joined));
    match (&query.token, &from) {
        (Some(token), _) => parameters.push(("marker", token)),
        // A place before the prefix says nothing that the prefix does not.
        (None, Some(from)) if **from > *query.prefix => parameters.push(("startFrom", from)),
        _ => {}
    }
    let page: Page = azure.ask(&action, azure.container(Method::GET, &parameters)).await?;
    let objects = page.blobs.objects.into_iter().map(|blob| {
        let info = blob.properties.info();
        (blob.name, info)
    });
    Ok(Names {
        objects: objects.collect(),
        joined: page.blobs.joined.into_iter().map(|joined| joined.name).collect(),
        token: page.next.filter(|next| !next.is_empty()),
    })
}

/// Uploads in progress among private names: blobs of which nothing, or not all, was committed. Whether it was all is for its record to say.
pub(super) async fn uploads(azure: &Azure, prefix: &str) -> Result<Vec<Pending>, DriverError> {
    let action = format!("list uploads below {prefix:?}");
    let (mut uploads, mut marker) = (Vec::new(), String::new());
    loop {
        let mut parameters = vec![("restype", "container"), ("comp", "list"), ("include", "uncommittedblobs"), ("prefix", prefix)];
        if !marker.is_empty() {
            parameters.push(("marker", &marker));
        }
        let page: Page = azure.ask(&action, azure.container(Method::GET, &parameters)).await?;
        for blob in page.blobs.objects.into_iter().filter(|blob| blob.name.ends_with("/data")) {
            // Where the store does not say when, it is not long ago: it keeps uncommitted blocks for a week.
            let begun = blob.properties.modified.as_deref().and_then(time).unwrap_or(i64::MAX);
            uploads.push(Pending { name: blob.name, upload: blocks::UPLOAD.to_owned(), begun });
        }
        marker = page.next.unwrap_or_default();
        if marker.is_empty() || uploads.len() >= UPLOADS_MAX {
            return Ok(uploads);
        }
    }
}

/// Where a list begins that wants names after `after`. Where names are joined, the store takes one level only: the next name after all that go
/// on after the same `/` is that with a `0`, the character that follows it.
fn from<'a>(prefix: &str, after: &'a str, joined: bool) -> Cow<'a, str> {
    // No name is longer, and no server reads a URL of any length. What comes too early is passed over.
    let after = &after[..after.floor_char_boundary(NAME_MAX_BYTES)];
    match after.strip_prefix(prefix).and_then(|rest| rest.find('/')).filter(|_| joined) {
        Some(slash) => Cow::Owned(format!("{}0", &after[..prefix.len() + slash])),
        None => Cow::Borrowed(after),
    }
}

/// An ETag without its quotes, which lists do not have.
pub(super) fn version(etag: &str) -> Option<Box<str>> {
    let version = etag.trim_matches('"');
    (!version.is_empty() && version.len() <= 128).then(|| version.into())
}

#[derive(Deserialize)]
struct Page {
    #[serde(rename = "Blobs")]
    blobs: Blobs,
    #[serde(rename = "NextMarker")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Blobs {
    #[serde(rename = "Blob", default)]
    objects: Vec<Blob>,
    #[serde(rename = "BlobPrefix", default)]
    joined: Vec<Joined>,
}

#[derive(Deserialize)]
struct Joined {
    #[serde(rename = "Name")]
    name: String,
}

#[derive(Deserialize)]
struct Blob {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Properties")]
    properties: Properties,
}

#[derive(Deserialize)]
struct Properties {
    #[serde(rename = "Last-Modified")]
    modified: Option<String>,
    #[serde(rename = "Etag")]
    etag: Option<String>,
    #[serde(rename = "Content-Length")]
    size: Option<u64>,
}

impl Properties {
    fn info(&self) -> Option<ObjectInfo> {
        let modified = self.modified.as_deref().and_then(time)?;
        Some(ObjectInfo { version: self.etag.as_deref().and_then(version), ..ObjectInfo::new(self.size?, modified) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_one_level_begins_at_one_level() {
        assert_eq!(from("r/", "r/a/~\u{10ffff}", true), "r/a0", "after all that is joined to r/a/");
        assert_eq!(from("r/", "r/a/b", true), "r/a0");
        assert_eq!(from("r/", &format!("r/{}", "\u{e9}".repeat(1000)), true).len(), NAME_MAX_BYTES);
        assert_eq!(from("r/", "r/a/b", false), "r/a/b");
        assert_eq!(from("r/", "r/a", true), "r/a");
        assert_eq!(from("", "!~", true), "!~");
        assert_eq!(from("/", "/docker/~", true), "/docker0", "a root that is a slash is no level");
    }

    #[test]
    fn a_page_is_read_as_the_reference_has_it() {
        let xml = r#"<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a/" ContainerName="c"><Prefix>r/</Prefix>
            <Blobs><Blob><Name>r/a&amp;b</Name><Properties><Creation-Time>Tue, 05 Nov 2024 15:01:15 GMT</Creation-Time>
            <Last-Modified>Tue, 05 Nov 2024 15:01:15 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>7</Content-Length><BlobType>BlockBlob</BlobType></Properties><OrMetadata /></Blob>
            <BlobPrefix><Name>r/b/</Name></BlobPrefix><Blob><Name>r/c</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>
            </Blobs><NextMarker>2!8!x--</NextMarker></EnumerationResults>"#;
        let page: Page = quick_xml::de::from_str(xml).expect("it is a page");
        let [first, last] = &page.blobs.objects[..] else { panic!("two blobs, with a prefix between them") };
        assert_eq!(first.name, "r/a&b");
        let info = first.properties.info().expect("it is complete");
        assert_eq!((info.size, info.modified, info.version.as_deref()), (7, 1_730_818_875_000, Some("0x8D")));
        assert_eq!((&*last.name, last.properties.info()), ("r/c", None));
        assert_eq!((&*page.blobs.joined[0].name, page.next.as_deref()), ("r/b/", Some("2!8!x--")));
    }

    #[test]
    fn versions_are_the_same_with_and_without_quotes() {
        assert_eq!((version("\"0x8D\""), version("0x8D"), version("")), (Some("0x8D".into()), Some("0x8D".into()), None));
    }
}
