//! Objects and their pages, read.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::{fields, resource};
use crate::Service;
use crate::condition::Conditions;
use crate::object::{Object, http_date};
use crate::page::{PageRequest, page};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;

pub(super) fn bucket(service: &Service, bucket: &str) -> Result<Reply, Refusal> {
    service.store.lock().bucket(bucket)?;
    let value = json!({ "kind": "storage#bucket", "id": bucket, "name": bucket, "location": "EU", "storageClass": "STANDARD", "metageneration": "1" });
    Ok(Reply::json(200, &value))
}

/// What is known of an object, or with `alt=media` its bytes.
pub(super) fn get(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let conditions = Conditions::in_query(request)?;
    let object = service.store.lock().object(bucket, name, request.number("generation")?)?;
    conditions.check(Some(&object), true)?;
    match request.parameter("alt") {
        Some("media") => media(request, &object),
        None | Some("json") => resource(request, bucket, &object),
        Some(other) => Err(Refusal::invalid(format!("Invalid alternative representation: {other}"))),
    }
}

/// The bytes that a `Range` names, or all.
///
/// # Errors
/// The range lies beyond the end; there is no range of nothing.
pub(crate) fn media(request: &Request, object: &Object) -> Result<Reply, Refusal> {
    let size = object.content.size();
    let reply = match request.header("range").and_then(|range| within(range, size)) {
        None => Reply::pieces(200, object.content.range(0, size)),
        Some((first, last)) if first < size && first <= last => {
            let reply = Reply::pieces(206, object.content.range(first, last - first + 1));
            reply.with("content-range", format!("bytes {first}-{last}/{size}"))
        }
        Some(_) => return Err(Refusal::range(size)),
    };
    let content_type = object.description.content_type.as_deref().unwrap_or("application/octet-stream");
    let reply = reply
        .with("content-type", content_type)
        .with("last-modified", http_date(object.updated))
        .with("x-goog-generation", object.generation)
        .with("x-goog-metageneration", object.metageneration)
        .with("x-goog-hash", object.hashes())
        .with("x-goog-storage-class", object.description.storage_class.as_deref().unwrap_or("STANDARD"))
        .with("x-goog-stored-content-length", size)
        .with("x-goog-stored-content-encoding", "identity")
        .with("etag", object.xml_etag())
        .with("accept-ranges", "bytes");
    Ok(object.description.metadata.iter().fold(reply, |reply, (name, value)| reply.with_metadata(name, value)))
}

/// First and last byte of a range; none if it is no range of bytes, which is then passed over.
fn within(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let length: u64 = last.parse().ok()?;
        return Some(if length == 0 || size == 0 { (size, size) } else { (size.saturating_sub(length), size - 1) });
    }
    let first = first.parse().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    (first <= last).then_some((first, last.min(size.saturating_sub(1))))
}

/// One page of objects.
pub(super) fn list(service: &Service, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
    let max = request.number("maxResults")?.unwrap_or(1000);
    if max == 0 {
        return Err(Refusal::invalid("Invalid value for maxResults: '0'"));
    }
    // A page may be shorter than what was asked for.
    let max = usize::try_from(max).unwrap_or(usize::MAX).min(1000).min(service.options.page_max);
    let after = request.parameter("pageToken").map(token).transpose()?;
    let (start, end) = (request.parameter("startOffset"), request.parameter("endOffset"));
    let wanted = |name: &str| start.is_none_or(|start| name >= start) && end.is_none_or(|end| name < end);
    let mut store = service.store.lock();
    let objects = &store.bucket(bucket)?.objects;
    let asked = PageRequest {
        prefix: request.parameter("prefix").unwrap_or_default(),
        delimiter: request.parameter("delimiter"),
        wanted: &wanted,
        after: after.as_deref(),
        max,
    };
    let from = after.as_deref().unwrap_or_default().max(start.unwrap_or_default()).max(asked.prefix).to_owned();
    let found = page(objects.range(from..).map(|(name, _)| name.as_str()).take_while(|name| name.starts_with(asked.prefix)), &asked);
    let items = found.names.iter().filter_map(|name| objects.get(name)).map(|object| resource::object(bucket, object));
    let mut value = json!({ "kind": "storage#objects" });
    // What is empty is left out.
    if !found.names.is_empty() {
        value["items"] = Value::Array(items.collect());
    }
    if !found.prefixes.is_empty() {
        value["prefixes"] = json!(found.prefixes);
    }
    if let Some(last) = found.last {
        value["nextPageToken"] = BASE64.encode(last).into();
    }
    Ok(Reply::json(200, &fields::only(request.parameter("fields"), value)?))
}

fn token(text: &str) -> Result<String, Refusal> {
    let bytes = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| Refusal::invalid(format!("Invalid value for pageToken: '{text}'")))
}
