//! Uploads in parts.
//!
//! Source: <https://cloud.google.com/storage/docs/multipart-uploads>.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::NAMESPACE;
use super::text::{element, escaped, inside, unescaped};
use crate::Service;
use crate::condition::Conditions;
use crate::json::told_hashes;
use crate::object::Content;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;
use crate::store::{Multipart, Part, Write};

/// What every part but the last has at least, in bytes.
const PART_MIN_BYTES: u64 = 5 << 20;
const PARTS_MAX: u64 = 10_000;

pub(super) fn answer(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    if !Conditions::in_fields(request)?.is_empty() {
        let message = "Preconditions cannot be used in XML API multipart uploads.";
        return Err(Refusal::new(400, "notImplemented", "NotImplemented", message));
    }
    let id = request.parameter("uploadId");
    match (request.method.as_str(), id) {
        ("POST", None) => begin(service, request, bucket, name),
        ("PUT", Some(id)) => put(service, request, bucket, name, id),
        ("POST", Some(id)) => complete(service, request, bucket, name, id),
        ("DELETE", Some(id)) => abort(service, bucket, name, id),
        ("GET", Some(id)) => list(service, request, bucket, name, id),
        _ => Err(Refusal::no_method()),
    }
}

fn begin(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let multipart = Multipart { description: super::description(request), begun: service.control.now(), parts: BTreeMap::new() };
    let mut store = service.store.lock();
    let id = store.new_id();
    store.bucket(bucket)?.uploads.insert((name.to_owned(), id.clone()), multipart);
    let fields = [element("Bucket", bucket), element("Key", name), element("UploadId", id)].concat();
    Ok(Reply::xml(200, &format!("<InitiateMultipartUploadResult xmlns='{NAMESPACE}'>{fields}</InitiateMultipartUploadResult>")))
}

fn put(service: &Service, request: &Request, bucket: &str, name: &str, id: &str) -> Result<Reply, Refusal> {
    let number = request.number("partNumber")?.filter(|number| (1..=PARTS_MAX).contains(number));
    let number = number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| Refusal::invalid("partNumber must be 1 to 10000"))?;
    let content = Content::new(request.body.clone());
    let (crc32c, md5) = told_hashes(request);
    content.check(crc32c, md5)?;
    let etag = format!("\"{}\"", content.md5_hex().unwrap_or_default());
    let hash = format!("crc32c={},md5={}", content.crc32c(), content.md5().unwrap_or_default());
    let mut store = service.store.lock();
    let upload = store.bucket(bucket)?.uploads.get_mut(&(name.to_owned(), id.to_owned())).ok_or_else(Refusal::no_upload)?;
    // A part that comes again takes the place of the earlier one.
    upload.parts.insert(number, Part { content, etag: etag.clone(), written: service.control.now() });
    Ok(Reply::empty(200).with("etag", etag).with("x-goog-hash", hash))
}

fn complete(service: &Service, request: &Request, bucket: &str, name: &str, id: &str) -> Result<Reply, Refusal> {
    let wrong = || {
        Refusal::new(
            400,
            "invalid",
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema.",
        )
    };
    let text = std::str::from_utf8(&request.body).map_err(|_| wrong())?;
    let mut named = Vec::new();
    for part in inside(text, "Part") {
        let number: u32 = inside(part, "PartNumber").first().and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)?;
        let etag = inside(part, "ETag").first().map(|etag| unescaped(etag.trim())).ok_or_else(wrong)?;
        named.push((number, etag));
    }
    if named.is_empty() {
        return Err(wrong());
    }
    let mut store = service.store.lock();
    let key = (name.to_owned(), id.to_owned());
    let upload = store.bucket(bucket)?.uploads.get(&key).ok_or_else(Refusal::no_upload)?;
    let content = joined(upload, &named)?;
    let (bucket_name, description) = (bucket.to_owned(), upload.description.clone());
    let write = Write { bucket: bucket_name, name: name.to_owned(), content, description, components: Some(named.len()) };
    let object = store.write(write, &Conditions::default(), service.control.now())?;
    store.bucket(bucket)?.uploads.remove(&key);
    let location = format!("http://{}/{bucket}/{name}", service.address);
    let etag = escaped(&object.xml_etag());
    let fields = [element("Location", location), element("Bucket", bucket), element("Key", name)].concat();
    let text = format!("<CompleteMultipartUploadResult xmlns='{NAMESPACE}'>{fields}<ETag>{etag}</ETag></CompleteMultipartUploadResult>");
    Ok(Reply::xml(200, &text).with("x-goog-hash", object.hashes()))
}

/// The named parts one after the other.
fn joined(upload: &Multipart, named: &[(u32, String)]) -> Result<Content, Refusal> {
    if !named.is_sorted_by(|(one, _), (other, _)| one < other) {
        return Err(Refusal::new(400, "invalid", "InvalidPartOrder", "The list of parts was not in ascending order."));
    }
    let mut contents = Vec::new();
    for (number, etag) in named {
        let part = upload.parts.get(number).filter(|part| part.etag.trim_matches('"') == etag.trim_matches('"'));
        let missing =
            || Refusal::new(400, "invalid", "InvalidPart", format!("One or more of the specified parts could not be found: {number}"));
        contents.push(&part.ok_or_else(missing)?.content);
    }
    let all_but_last = &contents[..contents.len() - 1];
    if all_but_last.iter().any(|content| content.size() < PART_MIN_BYTES) {
        return Err(Refusal::new(
            400,
            "invalid",
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed object size.",
        ));
    }
    Ok(Content::joined(contents))
}

fn abort(service: &Service, bucket: &str, name: &str, id: &str) -> Result<Reply, Refusal> {
    let removed = service.store.lock().bucket(bucket)?.uploads.remove(&(name.to_owned(), id.to_owned()));
    removed.map(|_| Reply::empty(204)).ok_or_else(Refusal::no_upload)
}

fn list(service: &Service, request: &Request, bucket: &str, name: &str, id: &str) -> Result<Reply, Refusal> {
    let after = request.number("part-number-marker")?.unwrap_or(0);
    let max = usize::try_from(request.number("max-parts")?.unwrap_or(1000)).unwrap_or(usize::MAX).min(1000).min(service.options.page_max);
    let mut store = service.store.lock();
    let upload = store.bucket(bucket)?.uploads.get(&(name.to_owned(), id.to_owned())).ok_or_else(Refusal::no_upload)?;
    let mut parts = upload.parts.iter().filter(|(number, _)| u64::from(**number) > after);
    let page: Vec<_> = parts.by_ref().take(max).collect();
    let more = parts.next().is_some();
    let fields = [element("Bucket", bucket), element("Key", name), element("UploadId", id)].concat();
    let mut text = format!("<ListPartsResult xmlns='{NAMESPACE}'>{fields}");
    for (number, part) in &page {
        let size = element("Size", part.content.size());
        let (etag, written) = (element("ETag", &part.etag), element("LastModified", format!("{:.3}", part.written)));
        let _ = write!(text, "<Part>{}{written}{etag}{size}</Part>", element("PartNumber", number));
    }
    if let Some((number, _)) = page.last().filter(|_| more) {
        text.push_str(&element("NextPartNumberMarker", number));
    }
    let _ = write!(text, "{}{}</ListPartsResult>", element("MaxParts", max), element("IsTruncated", more));
    Ok(Reply::xml(200, &text))
}
