//! The JSON interface: which method a request is. `insert` writes, `resumable` in several requests, `read` reads and lists,
//! `rewrite` copies and joins, `batch` takes many requests at once.
//!
//! Source: <https://cloud.google.com/storage/docs/json_api/v1>.

mod batch;
mod fields;
mod insert;
mod read;
mod resource;
mod resumable;
mod rewrite;

use crate::Service;
use crate::account::admit;
use crate::condition::Conditions;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Request, object_name};

pub(crate) use insert::told_hashes;
pub(crate) use read::media;
pub(crate) use resumable::is_session;
pub(crate) use rewrite::copied;

pub(crate) fn answer(service: &Service, request: &Request) -> Result<Reply, Refusal> {
    if request.path == "/batch/storage/v1" {
        return batch::batch(service, request);
    }
    if is_session(request) {
        // Its URL is a secret that stands for the credentials.
        return resumable::session(service, request);
    }
    let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
    let bucket = match parts.as_slice() {
        ["upload" | "download", "storage", "v1", "b", bucket, ..] | ["storage", "v1", "b", bucket, ..] => *bucket,
        _ => return Err(Refusal::new(404, "notFound", "NoSuchKey", "Not Found")),
    };
    admit(service, request, bucket)?;
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["storage", "v1", "b", bucket]) => read::bucket(service, bucket),
        ("GET", ["storage", "v1", "b", bucket, "o"]) => read::list(service, request, bucket),
        ("GET", ["storage", "v1", "b", bucket, "o", name]) => read::get(service, request, bucket, &object_name(name)?),
        ("GET", ["download", "storage", "v1", "b", bucket, "o", name]) => read::get(service, request, bucket, &object_name(name)?),
        ("DELETE", ["storage", "v1", "b", bucket, "o", name]) => delete(service, request, bucket, &object_name(name)?),
        ("PATCH", ["storage", "v1", "b", bucket, "o", name]) => insert::patch(service, request, bucket, &object_name(name)?),
        ("POST", ["upload", "storage", "v1", "b", bucket, "o"]) => insert::insert(service, request, bucket),
        ("POST", ["storage", "v1", "b", bucket, "o", name, "compose"]) => rewrite::compose(service, request, bucket, &object_name(name)?),
        ("POST", ["storage", "v1", "b", bucket, "o", name, "rewriteTo", "b", to, "o", to_name]) => {
            rewrite::rewrite(service, request, (bucket, &object_name(name)?), (to, &object_name(to_name)?))
        }
        ("POST", ["storage", "v1", "b", bucket, "o", name, "copyTo", "b", to, "o", to_name]) => {
            rewrite::copy(service, request, (bucket, &object_name(name)?), (to, &object_name(to_name)?))
        }
        (_, ["storage", "v1", "b", ..]) => Err(Refusal::no_method()),
        _ => Err(Refusal::new(404, "notFound", "NoSuchKey", "Not Found")),
    }
}

fn delete(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let conditions = Conditions::in_query(request)?;
    service.store.lock().delete(bucket, name, request.number("generation")?, &conditions)?;
    Ok(Reply::empty(204))
}

/// The answer to a request about an object, cut down to the fields that were asked for.
fn resource(request: &Request, bucket: &str, object: &crate::object::Object) -> Result<Reply, Refusal> {
    let value = fields::only(request.parameter("fields"), resource::object(bucket, object))?;
    Ok(Reply::json(200, &value).with("etag", object.etag()))
}

/// A parsed body.
fn parsed<T: serde::de::DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|error| Refusal::new(400, "parseError", "InvalidArgument", format!("Parse Error: {error}")))
}
