//! The XML interface: which method a request is, and those about one object. `list` has pages, `multipart` uploads in parts.
//!
//! Source: <https://cloud.google.com/storage/docs/xml-api/reference-methods>.

mod list;
mod multipart;
mod text;

use crate::Service;
use crate::account::admit;
use crate::condition::Conditions;
use crate::json::{copied, media, told_hashes};
use crate::object::{Content, Description, Object};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Request, decoded, object_name};
use crate::store::Write;

pub(crate) use text::escaped;

/// The namespace of answers that are S3's too.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

pub(crate) fn answer(service: &Service, request: &Request) -> Result<Reply, Refusal> {
    let (bucket, name) = request.path.trim_start_matches('/').split_once('/').unwrap_or((request.path.trim_start_matches('/'), ""));
    let bucket = decoded(bucket)?;
    admit(service, request, &bucket)?;
    service.store.lock().bucket(&bucket)?;
    if name.is_empty() {
        return match request.method.as_str() {
            "HEAD" => Ok(Reply::empty(200)),
            "GET" if request.parameter("uploads").is_some() => list::uploads(service, request, &bucket),
            "GET" => list::objects(service, request, &bucket),
            _ => Err(Refusal::no_method()),
        };
    }
    let name = object_name(name)?;
    if request.parameter("uploads").is_some() || request.parameter("uploadId").is_some() {
        return multipart::answer(service, request, &bucket, &name);
    }
    match request.method.as_str() {
        "GET" | "HEAD" => get(service, request, &bucket, &name),
        "PUT" if request.header("x-goog-copy-source").is_some() => copy(service, request, &bucket, &name),
        "PUT" => put(service, request, &bucket, &name),
        "DELETE" => delete(service, request, &bucket, &name),
        _ => Err(Refusal::no_method()),
    }
}

fn get(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let object = service.store.lock().object(bucket, name, request.number("generation")?)?;
    Conditions::in_fields(request)?.check(Some(&object), true)?;
    media(request, &object)
}

fn put(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let content = Content::new(request.body.clone());
    let (crc32c, md5) = told_hashes(request);
    content.check(crc32c, md5)?;
    let (bucket, name) = (bucket.to_owned(), name.to_owned());
    let write = Write { bucket, name, content, description: description(request), components: None };
    let object = service.store.lock().write(write, &Conditions::in_fields(request)?, service.control.now())?;
    Ok(written(&object))
}

/// What the fields of a request say of the object.
fn description(request: &Request) -> Description {
    let field = |name| request.header(name).map(str::to_owned);
    let metadata = request.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-goog-meta-")?;
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    });
    Description {
        content_type: field("content-type"),
        cache_control: field("cache-control"),
        metadata: metadata.collect(),
        storage_class: field("x-goog-storage-class"),
        kms_key: field("x-goog-encryption-kms-key-name"),
    }
}

fn written(object: &Object) -> Reply {
    Reply::empty(200)
        .with("etag", object.xml_etag())
        .with("x-goog-generation", object.generation)
        .with("x-goog-metageneration", object.metageneration)
        .with("x-goog-hash", object.hashes())
        .with("x-goog-stored-content-length", object.content.size())
}

fn copy(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let source = decoded(request.header("x-goog-copy-source").unwrap_or_default())?;
    let (from, from_name) = source.trim_start_matches('/').split_once('/').ok_or_else(|| Refusal::invalid("the source has no object"))?;
    admit(service, request, from)?;
    let wanted = request.header_number("x-goog-copy-source-if-generation-match")?;
    let mut store = service.store.lock();
    let source = store.object(from, from_name, request.header_number("x-goog-copy-source-generation")?)?;
    Conditions::generation(wanted).check(Some(&source), false)?;
    // Without this directive, the fields of the request say nothing.
    let is_replaced = request.header("x-goog-metadata-directive") == Some("REPLACE");
    let description = if is_replaced { description(request) } else { Description::default() };
    let object = copied(&mut store, &source, description, (bucket, name), &Conditions::in_fields(request)?, service)?;
    let (etag, time) = (escaped(&object.xml_etag()), format!("{:.3}", object.updated));
    let text = format!("<CopyObjectResult><LastModified>{time}</LastModified><ETag>{etag}</ETag></CopyObjectResult>");
    Ok(Reply::xml(200, &text).with("x-goog-generation", object.generation))
}

fn delete(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let conditions = Conditions::in_fields(request)?;
    service.store.lock().delete(bucket, name, request.number("generation")?, &conditions)?;
    Ok(Reply::empty(204))
}
