//! Pages of objects and of uploads.
//!
//! Sources: <https://cloud.google.com/storage/docs/xml-api/get-bucket-list>, <https://cloud.google.com/storage/docs/xml-api/get-bucket-uploads>.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::NAMESPACE;
use super::text::element;
use crate::Service;
use crate::page::{Page, PageRequest, page};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;

fn max(service: &Service, request: &Request, name: &str) -> Result<usize, Refusal> {
    let asked = usize::try_from(request.number(name)?.unwrap_or(1000)).unwrap_or(usize::MAX);
    Ok(asked.min(1000).min(service.options.page_max))
}

/// One page of objects, by the second version of the list.
pub(super) fn objects(service: &Service, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
    if request.parameter("list-type") != Some("2") {
        return Err(Refusal::new(501, "notImplemented", "NotImplemented", "this server has version 2 of the list only"));
    }
    let wrong = || Refusal::invalid("The continuation token is not valid");
    let token = request.parameter("continuation-token").map(|token| {
        let bytes = BASE64.decode(token).map_err(|_| wrong())?;
        String::from_utf8(bytes).map_err(|_| wrong())
    });
    let (after, start) = (token.transpose()?, request.parameter("start-after"));
    let mut store = service.store.lock();
    let objects = &store.bucket(bucket)?.objects;
    let wanted = |name: &str| start.is_none_or(|start| name > start);
    let asked = PageRequest {
        prefix: request.parameter("prefix").unwrap_or_default(),
        delimiter: request.parameter("delimiter"),
        wanted: &wanted,
        after: after.as_deref(),
        max: max(service, request, "max-keys")?,
    };
    let found = page(objects.keys().map(String::as_str), &asked);
    let mut text = head("ListBucketResult", bucket, &asked, &found);
    for object in found.names.iter().filter_map(|name| objects.get(name)) {
        let _ = write!(
            text,
            "<Contents>{}{}{}{}{}{}</Contents>",
            element("Key", &object.name),
            element("Generation", object.generation),
            element("MetaGeneration", object.metageneration),
            element("LastModified", format!("{:.3}", object.updated)),
            element("ETag", object.xml_etag()),
            element("Size", object.content.size()),
        );
    }
    if let Some(last) = &found.last {
        text.push_str(&element("NextContinuationToken", BASE64.encode(last)));
    }
    text.push_str("</ListBucketResult>");
    Ok(Reply::xml(200, &text))
}

fn head(name: &str, bucket: &str, asked: &PageRequest<'_>, found: &Page) -> String {
    let mut text = format!("<{name} xmlns='{NAMESPACE}'>{}{}", element("Name", bucket), element("Prefix", asked.prefix));
    if let Some(delimiter) = asked.delimiter {
        text.push_str(&element("Delimiter", delimiter));
    }
    text.push_str(&element("IsTruncated", found.last.is_some()));
    for prefix in &found.prefixes {
        let _ = write!(text, "<CommonPrefixes>{}</CommonPrefixes>", element("Prefix", prefix));
    }
    text
}

/// One page of uploads in parts: by their object's name, then by their id.
pub(super) fn uploads(service: &Service, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
    let (key, id) = (request.parameter("key-marker").unwrap_or_default(), request.parameter("upload-id-marker"));
    let prefix = request.parameter("prefix").unwrap_or_default();
    if request.parameter("delimiter").is_some() {
        return Err(Refusal::new(501, "notImplemented", "NotImplemented", "this server lists uploads without a delimiter only"));
    }
    let max = max(service, request, "max-uploads")?;
    let mut store = service.store.lock();
    let is_later = |name: &str, upload: &str| name > key || (name == key && id.is_some_and(|id| upload > id));
    let uploads = store.bucket(bucket)?.uploads.iter();
    let mut found = uploads.filter(|((name, upload), _)| name.starts_with(prefix) && (key.is_empty() || is_later(name, upload)));
    let page: Vec<_> = found.by_ref().take(max).collect();
    let more = found.next().is_some();
    let mut text = format!("<ListMultipartUploadsResult xmlns='{NAMESPACE}'>{}", element("Bucket", bucket));
    for ((name, upload), multipart) in &page {
        let begun = element("Initiated", format!("{:.3}", multipart.begun));
        let class = element("StorageClass", multipart.description.storage_class.as_deref().unwrap_or("STANDARD"));
        let _ = write!(text, "<Upload>{}{}{class}{begun}</Upload>", element("Key", name), element("UploadId", upload));
    }
    if let Some(((name, upload), _)) = page.last().filter(|_| more) {
        text.push_str(&element("NextKeyMarker", name));
        text.push_str(&element("NextUploadIdMarker", upload));
    }
    let _ = write!(text, "{}{}</ListMultipartUploadsResult>", element("MaxUploads", max), element("IsTruncated", more));
    Ok(Reply::xml(200, &text))
}
