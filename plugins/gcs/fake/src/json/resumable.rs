//! Objects, written in several requests.
//!
//! Source: <https://cloud.google.com/storage/docs/performing-resumable-uploads>.

use bytes::Bytes;
use http::Method;

use super::insert::name_of;
use super::parsed;
use super::resource::Metadata;
use crate::Service;
use crate::condition::Conditions;
use crate::object::Content;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::Request;
use crate::store::{Session, State, Write};

/// A request that is not the last one has a multiple of so many bytes.
const QUANTUM_BYTES: u64 = 256 * 1024;

/// Whether a request goes on with an upload.
pub(crate) fn is_session(request: &Request) -> bool {
    request.path.starts_with("/upload/storage/v1/") && request.parameter("upload_id").is_some()
}

pub(super) fn begin(service: &Service, request: &Request, bucket: &str) -> Result<Reply, Refusal> {
    let metadata: Metadata = parsed(&request.body)?;
    let name = name_of(request, &metadata)?;
    let content_type = metadata.content_type.clone().or_else(|| request.header("x-upload-content-type").map(str::to_owned));
    let metadata = Metadata { content_type, ..metadata };
    let conditions = Conditions::in_query(request)?;
    let mut store = service.store.lock();
    // What cannot succeed is not begun; what counts is looked at when it ends.
    conditions.check(store.bucket(bucket)?.objects.get(&name).map(AsRef::as_ref), false)?;
    let id = store.new_id();
    let session = Session {
        bucket: bucket.to_owned(),
        name,
        description: metadata.description(request),
        conditions,
        crc32c: metadata.crc32c,
        md5: metadata.md5_hash,
        announced: request.header_number("x-upload-content-length")?,
        bytes: Vec::new(),
        done: None,
    };
    store.sessions.insert(id.clone(), session);
    let location = format!("http://{}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}", service.address);
    Ok(Reply::empty(200).with("location", location))
}

/// What a request says of its bytes: where they begin, and how many there will be.
struct ContentRange {
    /// None for a question about the state.
    first: Option<u64>,
    total: Option<u64>,
}

/// Reads `bytes FIRST-LAST/TOTAL`, `bytes */TOTAL` with `*` for a total that is not known; without the field all bytes come at once.
fn content_range(request: &Request) -> Result<ContentRange, Refusal> {
    let length = request.body.len() as u64;
    let Some(text) = request.header("content-range") else { return Ok(ContentRange { first: Some(0), total: Some(length) }) };
    let wrong = || Refusal::invalid(format!("Failed to parse Content-Range header: {text}"));
    let (range, total) = text.strip_prefix("bytes ").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let total = if total == "*" { None } else { Some(total.parse().map_err(|_| wrong())?) };
    if range == "*" {
        return Ok(ContentRange { first: None, total });
    }
    let (first, last) = range.split_once('-').ok_or_else(wrong)?;
    let (first, last): (u64, u64) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    let announced = last.checked_sub(first).ok_or_else(wrong)? + 1;
    if (request.is_whole && announced != length) || total.is_some_and(|total| last >= total) {
        return Err(wrong());
    }
    if total.is_none_or(|total| last + 1 < total) && announced % QUANTUM_BYTES != 0 {
        return Err(Refusal::invalid(
            "The number of bytes uploaded is required to be equal or greater than 262144, except for the final request (it's recommended to be the exact multiple of 262144).",
        ));
    }
    Ok(ContentRange { first: Some(first), total })
}

pub(super) fn session(service: &Service, request: &Request) -> Result<Reply, Refusal> {
    let id = request.parameter("upload_id").unwrap_or_default();
    let mut store = service.store.lock();
    if !store.sessions.contains_key(id) {
        return Err(Refusal::no_upload());
    }
    if request.method == Method::DELETE {
        store.sessions.remove(id);
        return Ok(Reply::empty(499));
    }
    if request.method != Method::PUT && request.method != Method::POST {
        return Err(Refusal::no_method());
    }
    let range = content_range(request)?;
    let session = store.sessions.get_mut(id).ok_or_else(Refusal::no_upload)?;
    if let Some(object) = &session.done {
        return super::resource(request, &session.bucket, object);
    }
    if let Some(first) = range.first {
        append(session, request, first)?;
    }
    let total = range.total.or(session.announced).filter(|_| request.is_whole);
    match total {
        Some(total) if total == session.bytes.len() as u64 => finish(&mut store, service, request, id),
        Some(total) if total < session.bytes.len() as u64 => Err(Refusal::invalid("more bytes came than the upload has")),
        _ => Ok(so_far(session)),
    }
}

/// Adds what is new. What is here already may come again, and a gap is refused.
fn append(session: &mut Session, request: &Request, first: u64) -> Result<(), Refusal> {
    let have = session.bytes.len() as u64;
    let Some(known) = have.checked_sub(first) else {
        return Err(Refusal::new(
            503,
            "backendError",
            "ServiceUnavailable",
            format!("Invalid request. There are {have} bytes, and the chunk begins at {first}."),
        ));
    };
    let new = request.body.get(usize::try_from(known).unwrap_or(usize::MAX)..).unwrap_or_default();
    session.bytes.extend_from_slice(new);
    if !request.is_whole {
        // What came before the connection broke is kept in whole quanta.
        let kept = (session.bytes.len() as u64 / QUANTUM_BYTES * QUANTUM_BYTES).max(have);
        session.bytes.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }
    Ok(())
}

/// `308`, with the range that is here; no range if there is nothing.
fn so_far(session: &Session) -> Reply {
    let reply = Reply::empty(308);
    match session.bytes.len().checked_sub(1) {
        Some(last) => reply.with("range", format!("bytes=0-{last}")),
        None => reply,
    }
}

fn finish(store: &mut State, service: &Service, request: &Request, id: &str) -> Result<Reply, Refusal> {
    let session = store.sessions.get_mut(id).ok_or_else(Refusal::no_upload)?;
    let content = Content::new(Bytes::from(std::mem::take(&mut session.bytes)));
    let (bucket, conditions) = (session.bucket.clone(), session.conditions.clone());
    let (crc32c, md5) = (session.crc32c.clone(), session.md5.clone());
    let write =
        Write { bucket: bucket.clone(), name: session.name.clone(), content, description: session.description.clone(), components: None };
    let told = super::insert::told_hashes(request);
    let checked = write.content.check(crc32c.as_deref().or(told.0), md5.as_deref().or(told.1));
    let written = checked.and_then(|()| store.write(write, &conditions, service.control.now()));
    match written {
        Ok(object) => {
            let reply = super::resource(request, &bucket, &object);
            if let Some(session) = store.sessions.get_mut(id) {
                session.done = Some(object);
            }
            reply
        }
        Err(refusal) => {
            store.sessions.remove(id);
            Err(refusal)
        }
    }
}
