//! Objects and their pages.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Method;
use longshore_bucket::http::broken;
use longshore_bucket::{Facts, Fetched, Mark, Names, Payload, Query, Span};
use longshore_plugin_api::{DriverError, ErrorClass, ObjectInfo};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Gcs;
use crate::client::{Ask, Client, encoded};
use crate::facts::{self, FIELDS, Resource};

/// The type of every object that the driver writes, as distribution has it.
pub(super) const CONTENT_TYPE: &str = "application/octet-stream";
/// How many objects of a list are removed at once.
const DELETES_AT_ONCE: usize = 32;

/// One request that needs no right but those that the driver needs anyway.
pub(super) async fn probe(gcs: &Gcs) -> Result<(), DriverError> {
    let target = format!("/storage/v1/b/{}/o", gcs.client.bucket);
    let ask = Ask::new(Method::GET, target, format!("use the bucket {:?}", gcs.client.bucket));
    let ask = ask.query("prefix", &gcs.root).query("maxResults", "1").query("fields", "nextPageToken");
    match gcs.client.send_for_text(ask).await {
        // Nothing but a bucket can be absent here, whatever a store that is not Google's calls it.
        Err(error) if error.class() == ErrorClass::NotFound => {
            let missing = DriverError::new(ErrorClass::Missing, format!("{}; are bucket and endpoint right?", error.message()));
            Err(error.causes().iter().fold(missing, |missing, cause| missing.caused_by(&cause.kind, &cause.value)))
        }
        answer => answer.map(drop),
    }
}

/// What is there, be it an object or a session of distribution's.
pub(super) async fn resource(gcs: &Gcs, name: &str) -> Result<Resource, DriverError> {
    let ask = gcs.client.json(Method::GET, name, "look at")?.query("fields", FIELDS);
    parsed(&format!("look at {name:?}"), &gcs.client.send_for_text(ask).await?)
}

pub(super) fn parsed<T: serde::de::DeserializeOwned>(action: &str, text: &[u8]) -> Result<T, DriverError> {
    serde_json::from_slice(text).map_err(|error| broken(action, &error.to_string()))
}

pub(super) async fn head(gcs: &Gcs, name: &str) -> Result<Facts, DriverError> {
    let resource = resource(gcs, name).await?;
    if resource.is_session() {
        return Err(DriverError::not_found(name));
    }
    resource.facts().ok_or_else(|| broken(&format!("look at {name:?}"), "size or time is none"))
}

pub(super) async fn get(gcs: &Gcs, name: &str, span: &Span) -> Result<Fetched, DriverError> {
    let mut ask = gcs.client.xml(Method::GET, name, "read")?;
    // Objects that are stored compressed come as they are stored.
    ask = ask.header("accept-encoding", "gzip").header("cache-control", "no-transform");
    if let Some(version) = &span.version {
        ask = ask.header("x-goog-if-generation-match", version);
    }
    ask = match span.length {
        None if span.offset == 0 => ask,
        None => ask.header("range", &format!("bytes={}-", span.offset)),
        Some(length) => ask.header("range", &format!("bytes={}-{}", span.offset, span.offset.saturating_add(length.max(1) - 1))),
    };
    let answer = match gcs.client.send(ask).await {
        Err(error) if span.version.is_some() && matches!(error.class(), ErrorClass::AlreadyExists | ErrorClass::NotFound) => {
            let message = format!("{name:?} was replaced or removed while it was read");
            return Err(DriverError::new(ErrorClass::Broken, message).with_retryable(false));
        }
        answer => answer?,
    };
    if facts::is_session(answer.headers()) {
        return Err(DriverError::not_found(name));
    }
    let action = format!("read {name:?}");
    if span.offset > 0 && answer.status() != http::StatusCode::PARTIAL_CONTENT {
        return Err(broken(&action, "it is of another range"));
    }
    let info = facts::in_fields(answer.headers()).ok_or_else(|| broken(&action, "size, time or generation is missing"))?;
    let body = answer.into_body().bytes_stream().map_err(move |error| broken(&action, &error.to_string()));
    Ok(Fetched { info, body: body.boxed() })
}

/// Which object may be in the way of a write.
#[derive(Clone, Copy)]
enum Only<'a> {
    Any,
    /// The one of this generation, and no other; 0 if there must be none.
    Generation(&'a str),
}

pub(super) async fn put(gcs: &Gcs, name: &str, payload: &Payload, only_new: Option<&Mark>) -> Result<ObjectInfo, DriverError> {
    if only_new.is_none() {
        return write(gcs, name, payload, None, Only::Any).await;
    }
    match write(gcs, name, payload, only_new, Only::Generation("0")).await {
        // A session of distribution's counts as absent, so it does not keep the object from being new.
        Err(error) if error.class() == ErrorClass::AlreadyExists => match resource(gcs, name).await {
            Ok(there) if there.is_session() => write(gcs, name, payload, only_new, Only::Generation(&there.generation)).await,
            _ => Err(error),
        },
        answer => answer,
    }
}

/// Writes an object in one request: what is to be known of it, and its bytes, as two parts of a body.
async fn write(gcs: &Gcs, name: &str, payload: &Payload, mark: Option<&Mark>, only: Only<'_>) -> Result<ObjectInfo, DriverError> {
    Client::check(name)?;
    let mut metadata = json!({ "name": name, "contentType": CONTENT_TYPE, "crc32c": crc32c(payload) });
    if let Some(mark) = mark {
        metadata["metadata"] = json!(facts::marked(mark.as_str()));
    }
    if let Some(class) = &gcs.storage_class {
        metadata["storageClass"] = class.as_str().into();
    }
    // As random as a mark, so that it stands nowhere in the bytes.
    let boundary = Mark::random()?;
    let head =
        format!("--{boundary}\r\nContent-Type: application/json\r\n\r\n{metadata}\r\n--{boundary}\r\nContent-Type: {CONTENT_TYPE}\r\n\r\n");
    let action = format!("write {name:?}");
    let ask = Ask::new(Method::POST, format!("/upload/storage/v1/b/{}/o", gcs.client.bucket), action.clone());
    let mut ask = ask.query("uploadType", "multipart").query("fields", FIELDS);
    if let Only::Generation(generation) = only {
        ask = ask.query("ifGenerationMatch", generation);
    }
    if let Some(key) = &gcs.kms_key {
        ask = ask.query("kmsKeyName", key);
    }
    let ask = ask.header("content-type", &format!("multipart/related; boundary={boundary}"));
    let ask = ask.body([Bytes::from(head)]).payload(payload).body([Bytes::from(format!("\r\n--{boundary}--\r\n"))]);
    let written: Resource = parsed(&action, &gcs.client.send_for_text(ask).await?)?;
    written.info().ok_or_else(|| broken(&action, "size or time is none"))
}

/// The checksum that the store compares, in Base64.
pub(super) fn crc32c(payload: &Payload) -> String {
    use base64::Engine;
    let crc32c = payload.pieces().iter().fold(0, |crc32c, piece| crc32c::crc32c_append(crc32c, piece));
    base64::engine::general_purpose::STANDARD.encode(crc32c.to_be_bytes())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Resource>,
    #[serde(default)]
    prefixes: Vec<String>,
    next_page_token: Option<String>,
}

pub(super) async fn list(gcs: &Gcs, query: &Query) -> Result<Names, DriverError> {
    let action = format!("list {:?}", query.prefix);
    let mut ask = Ask::new(Method::GET, format!("/storage/v1/b/{}/o", gcs.client.bucket), action.clone());
    ask = ask.query("prefix", &query.prefix).query("maxResults", &query.limit.to_string());
    ask = ask.query("fields", "items(name,size,updated,generation,contentType),prefixes,nextPageToken");
    if query.joined {
        ask = ask.query("delimiter", "/");
    }
    if let Some(after) = &query.after {
        ask = ask.query("startOffset", after);
    }
    if let Some(token) = &query.token {
        ask = ask.query("pageToken", token);
    }
    let page: Page = parsed(&action, &gcs.client.send_for_text(ask).await?)?;
    let objects = page.items.into_iter().filter(|item| !item.is_session()).map(|item| {
        let info = item.info();
        (item.name, info)
    });
    Ok(Names { objects: objects.collect(), joined: page.prefixes, token: page.next_page_token })
}

/// All objects whose names begin so.
pub(super) async fn below(gcs: &Gcs, prefix: &str) -> Result<Vec<Resource>, DriverError> {
    let action = format!("list {prefix:?}");
    let (mut all, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut ask = Ask::new(Method::GET, format!("/storage/v1/b/{}/o", gcs.client.bucket), action.clone());
        ask = ask.query("prefix", prefix).query("fields", &format!("items({FIELDS}),nextPageToken"));
        if let Some(token) = &token {
            ask = ask.query("pageToken", token);
        }
        let page: Page = parsed(&action, &gcs.client.send_for_text(ask).await?)?;
        all.extend(page.items);
        match page.next_page_token {
            None => return Ok(all),
            same if same == token => return Err(broken(&action, "the list does not get on")),
            next => token = next,
        }
    }
}

pub(super) async fn delete(gcs: &Gcs, name: &str) -> Result<(), DriverError> {
    gcs.client.send(gcs.client.xml(Method::DELETE, name, "delete")?).await.map(drop)
}

/// One request each: the store's batches are no quicker, and are refused whole or in part.
pub(super) async fn delete_all(gcs: &Gcs, names: &[String]) -> Result<(), DriverError> {
    let deletes = stream::iter(names.to_vec()).map(|name| async move {
        match delete(gcs, &name).await {
            Err(error) if error.class() == ErrorClass::NotFound => Ok(()),
            answer => answer,
        }
    });
    deletes.buffer_unordered(DELETES_AT_ONCE).try_collect().await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rewritten {
    done: bool,
    #[serde(default)]
    total_bytes_rewritten: String,
    rewrite_token: Option<String>,
    resource: Option<Resource>,
}

/// Copies within the store, in as many calls as it wants; the destination appears with the last one.
pub(super) async fn copy(gcs: &Gcs, from: &str, to: &str) -> Result<ObjectInfo, DriverError> {
    Client::check(to)?;
    let action = format!("copy {from:?} to {to:?}");
    let bucket = &gcs.client.bucket;
    let target = format!("/storage/v1/b/{bucket}/o/{}/rewriteTo/b/{bucket}/o/{}", encoded(from), encoded(to));
    let description = gcs.storage_class.as_ref().map(|class| json!({ "storageClass": class, "contentType": CONTENT_TYPE }));
    let (mut token, mut written): (Option<String>, Option<u64>) = (None, None);
    loop {
        let mut ask = Ask::new(Method::POST, target.clone(), action.clone());
        ask = ask.query("fields", &format!("done,totalBytesRewritten,rewriteToken,resource({FIELDS})"));
        if let Some(key) = &gcs.kms_key {
            ask = ask.query("destinationKmsKeyName", key);
        }
        if let Some(token) = &token {
            ask = ask.query("rewriteToken", token);
        }
        if let Some(description) = &description {
            ask = ask.header("content-type", "application/json").body([Bytes::from(Value::to_string(description))]);
        }
        let answer: Rewritten = parsed(&action, &gcs.client.send_for_text(ask).await?)?;
        if answer.done {
            let info = answer.resource.as_ref().and_then(Resource::info);
            return info.ok_or_else(|| broken(&action, "the new object is missing"));
        }
        let so_far = answer.total_bytes_rewritten.parse().ok();
        // A copy that does not get on would never end.
        if answer.rewrite_token.is_none() || so_far <= written {
            return Err(broken(&action, "the copy does not get on"));
        }
        (token, written) = (answer.rewrite_token, so_far);
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
