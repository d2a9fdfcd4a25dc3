//! Objects, written in one request or changed.
//!
//! Source: <https://cloud.google.com/storage/docs/json_api/v1/objects/insert>.

use std::sync::Arc;

use bytes::Bytes;

use super::resource::Metadata;
use super::{parsed, resumable};
use crate::Service;
use crate::condition::Conditions;
use crate::object::{Content, Object};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Request, object_name};
use crate::store::Write;

pub(super) fn insert(service: &Service, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
    match request.parameter("uploadType") {
        Some("media") => {
            let metadata = Metadata { content_type: request.header("content-type").map(str::to_owned), ..Metadata::default() };
            write(service, request, bucket, &metadata, request.body.clone())
        }
        Some("multipart") => {
            let (metadata, content_type, media) = parts(request)?;
            let metadata: Metadata = parsed(&metadata)?;
            let content_type = metadata.content_type.clone().or(content_type);
            write(service, request, bucket, &Metadata { content_type, ..metadata }, media)
        }
        Some("resumable") => resumable::begin(service, request, bucket),
        _ => Err(Refusal::invalid("Upload type must be media, multipart or resumable.")),
    }
}

/// The object's name, which the query or the metadata has.
pub(super) fn name_of(request: &Request, metadata: &Metadata) -> Result<String, Refusal> {
    let name = metadata.name.as_deref().or(request.parameter("name"));
    let name = name.ok_or_else(|| Refusal::new(400, "required", "InvalidArgument", "Required parameter: name"))?;
    // It is not encoded here; a percent sign is one.
    object_name(&name.replace('%', "%25"))
}

fn write(service: &Service, request: &Request, bucket: &str, metadata: &Metadata, bytes: Bytes) -> Result<Reply, Refusal> {
    let name = name_of(request, metadata)?;
    let content = Content::new(bytes);
    content.check(metadata.crc32c.as_deref(), metadata.md5_hash.as_deref())?;
    let (crc32c, md5) = told_hashes(request);
    content.check(crc32c, md5)?;
    let write = Write { bucket: bucket.to_owned(), name, content, description: metadata.description(request), components: None };
    let object = service.store.lock().write(write, &Conditions::in_query(request)?, service.control.now())?;
    super::resource(request, bucket, &object)
}

/// The checksums in the fields of a request: `X-Goog-Hash: crc32c=…,md5=…` and `Content-MD5`.
pub(crate) fn told_hashes(request: &Request) -> (Option<&str>, Option<&str>) {
    let (mut crc32c, mut md5) = (None, request.header("content-md5"));
    let fields = request.headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    for part in fields.flat_map(|value| value.split(',')) {
        match part.trim().split_once('=') {
            Some(("crc32c", told)) => crc32c = Some(told),
            Some(("md5", told)) => md5 = Some(told),
            _ => {}
        }
    }
    (crc32c, md5)
}

/// The two parts of `multipart/related`: the metadata, and the media with their type.
fn parts(request: &Request) -> Result<(Bytes, Option<String>, Bytes), Refusal> {
    let wrong = || Refusal::new(400, "badContent", "InvalidArgument", "Malformed multipart body.");
    let content_type = request.header("content-type").filter(|value| value.starts_with("multipart/related")).ok_or_else(wrong)?;
    let boundary = content_type.split("boundary=").nth(1).ok_or_else(wrong)?.split(';').next().ok_or_else(wrong)?.trim_matches(['"', '\'']);
    let parts = split(&request.body, boundary).ok_or_else(wrong)?;
    let [metadata, media] = parts.as_slice() else { return Err(wrong()) };
    let (_, metadata) = part(metadata).ok_or_else(wrong)?;
    let (content_type, media) = part(media).ok_or_else(wrong)?;
    Ok((metadata, content_type, media))
}

/// What stands between the boundaries. The last one must be there: without it the body is cut off.
pub(super) fn split(body: &Bytes, boundary: &str) -> Option<Vec<Bytes>> {
    let (mark, mut parts) = (format!("--{boundary}"), Vec::new());
    let mut at = find(body, mark.as_bytes())? + mark.len();
    loop {
        let rest = body.slice(at..);
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let line = find(&rest, b"\n")? + 1;
        let next = find(&rest[line..], format!("\n{mark}").as_bytes())? + line;
        // The line end before the boundary belongs to it.
        let end = if next > line && rest[next - 1] == b'\r' { next - 1 } else { next };
        parts.push(rest.slice(line..end));
        at += next + 1 + mark.len();
    }
}

/// The type and the bytes of a part.
fn part(part: &Bytes) -> Option<(Option<String>, Bytes)> {
    let (head, body) = head_and_body(part)?;
    let content_type = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    Some((content_type.map(|(_, value)| value.trim().to_owned()), body))
}

/// What stands before and behind the first empty line.
pub(super) fn head_and_body(part: &Bytes) -> Option<(String, Bytes)> {
    if let Some(rest) = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n")) {
        return Some((String::new(), part.slice_ref(rest)));
    }
    let (at, length) = match (find(part, b"\r\n\r\n"), find(part, b"\n\n")) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => return None,
    };
    Some((String::from_utf8_lossy(&part[..at]).into_owned(), part.slice(at + length..)))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|byte| *byte == first) {
        at += next;
        if text[at..].starts_with(what) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Changes what is known of an object, and not its bytes.
pub(super) fn patch(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let (metadata, conditions): (Metadata, _) = (parsed(&request.body)?, Conditions::in_query(request)?);
    let mut store = service.store.lock();
    let old = store.object(bucket, name, request.number("generation")?)?;
    conditions.check(Some(&old), false)?;
    let mut description = old.description.clone();
    description.content_type = metadata.content_type.or(description.content_type);
    description.cache_control = metadata.cache_control.or(description.cache_control);
    for (name, value) in metadata.metadata.into_iter().flatten() {
        match value {
            Some(value) => drop(description.metadata.insert(name, value)),
            None => drop(description.metadata.remove(&name)),
        }
    }
    let object = Arc::new(Object {
        name: old.name.clone(),
        content: old.content.clone(),
        description,
        generation: old.generation,
        metageneration: old.metageneration + 1,
        created: old.created,
        updated: service.control.now(),
        components: old.components,
    });
    store.bucket(bucket)?.objects.insert(name.to_owned(), object.clone());
    super::resource(request, bucket, &object)
}
