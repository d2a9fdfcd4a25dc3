//! Objects of more parts than a multipart upload may have.
//!
//! The parts after those that the upload has itself are objects of their own, beside the one that the upload will be. When it is complete
//! the store composes them all, as many at once as it takes: <https://cloud.google.com/storage/docs/composite-objects>. A multipart upload
//! that is over does not tell its parts any more, so a list of them is written before: whoever comes after a process that died between the
//! two steps goes on by it. It is written once, so that nobody can have completed the upload with other parts than it says.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::Method;
use longshore_bucket::http::broken;
use longshore_bucket::{Mark, Part, Payload, Span};
use longshore_plugin_api::{DriverError, ErrorClass, ObjectInfo};
use serde_json::json;

use crate::Gcs;
use crate::facts::{FIELDS, Resource};
use crate::multipart;
use crate::objects::{self, CONTENT_TYPE};

/// The most objects that one request composes.
const SOURCES_MAX: usize = 32;
/// How many such requests are made at once.
const AT_ONCE: usize = 8;
/// Bytes that are copied at a time where the store cannot copy.
const COPIED_BYTES: u64 = 8 << 20;

/// What the names begin with of all that belongs to an upload of `name`. No key has a `!`, so that it is nobody else's.
fn beside(name: &str) -> String {
    format!("{name}!")
}

/// What the names of its parts begin with.
fn part_names(name: &str) -> String {
    format!("{}part-", beside(name))
}

fn part_name(name: &str, number: u32) -> String {
    format!("{}{number:05}", part_names(name))
}

fn list_name(name: &str) -> String {
    format!("{}own", beside(name))
}

/// The tag of a part that is an object: what the store knows of its bytes. A part that is written twice has one tag.
fn tag(crc32c: &str, size: u64) -> String {
    format!("object {size} {crc32c}")
}

fn is_object(part: &Part) -> bool {
    part.tag.starts_with("object ")
}

/// Writes a part as an object.
pub(super) async fn part(gcs: &Gcs, name: &str, number: u32, payload: &Payload) -> Result<String, DriverError> {
    objects::put(gcs, &part_name(name, number), payload, None).await?;
    Ok(tag(&objects::crc32c(payload), payload.len() as u64))
}

/// Makes a part of the first bytes of an object.
pub(super) async fn part_copy(gcs: &Gcs, name: &str, number: u32, from: &str, size: u64) -> Result<String, DriverError> {
    let (source, to) = (objects::resource(gcs, from).await?, part_name(name, number));
    if source.size() == Some(size) {
        objects::copy(gcs, from, &to).await?;
    } else {
        // A process went on with the object, and died. The store copies no part of one.
        beginning(gcs, &source, &to, size).await?;
    }
    let copied = objects::resource(gcs, &to).await?;
    let (is, crc32c) = (copied.size(), copied.crc32c.as_deref());
    match crc32c.filter(|_| is == Some(size)) {
        Some(crc32c) => Ok(tag(crc32c, size)),
        None => Err(conflict(&format!("{from:?} changed while it became a part of {name:?}"))),
    }
}

/// Copies the first bytes of an object through this process.
async fn beginning(gcs: &Gcs, source: &Resource, to: &str, size: u64) -> Result<(), DriverError> {
    let upload = multipart::begin(gcs, to, &Mark::random()?).await?;
    let copied = async {
        let mut parts = Vec::new();
        let (mut offset, mut number) = (0, 0);
        while offset < size {
            number += 1;
            let length = COPIED_BYTES.min(size - offset);
            let span = Span { offset, length: Some(length), version: Some(source.generation.as_str().into()) };
            let pieces: Vec<Bytes> = objects::get(gcs, &source.name, &span).await?.body.try_collect().await?;
            let payload = Payload::from(pieces);
            if payload.len() as u64 != length {
                return Err(conflict(&format!("{:?} ends before byte {size}", source.name)));
            }
            parts.push(Part { number, tag: multipart::part(gcs, to, &upload, number, &payload).await? });
            offset += length;
        }
        multipart::complete(gcs, to, &upload, &parts).await
    };
    let copied = copied.await;
    if copied.is_err() {
        // Else it is purged as one that was abandoned.
        let _ = multipart::cancel(gcs, to, &upload).await;
    }
    copied
}

/// All parts of an upload, also of one of which the multipart upload is complete and its further parts are not yet composed.
pub(super) async fn parts(gcs: &Gcs, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
    let mut parts = match multipart::parts(gcs, name, upload).await {
        Err(over) if over.class() == ErrorClass::NotFound => listed(gcs, name).await?.ok_or(over)?,
        parts => parts?,
    };
    // Most uploads have fewer, and are asked for no more.
    if parts.len() >= gcs.own_parts as usize {
        let objects = objects::below(gcs, &part_names(name)).await?;
        parts.extend(objects.iter().filter_map(|object| as_part(name, object)));
    }
    Ok(parts)
}

fn as_part(name: &str, object: &Resource) -> Option<Part> {
    let number = object.name.strip_prefix(&part_names(name))?.parse().ok()?;
    Some(Part { number, tag: tag(object.crc32c.as_deref()?, object.size()?) })
}

/// The parts that the multipart upload was completed with, if somebody wrote a list of them.
async fn listed(gcs: &Gcs, name: &str) -> Result<Option<Vec<Part>>, DriverError> {
    let list = match objects::get(gcs, &list_name(name), &Span::default()).await {
        Err(error) if error.class() == ErrorClass::NotFound => return Ok(None),
        list => list?.body.try_collect::<Vec<Bytes>>().await?.concat(),
    };
    let tags: Vec<String> =
        serde_json::from_slice(&list).map_err(|error| broken(&format!("read the parts of {name:?}"), &error.to_string()))?;
    Ok(Some((1..).zip(tags).map(|(number, tag)| Part { number, tag }).collect()))
}

/// Writes the list, unless the same one is there.
async fn list(gcs: &Gcs, name: &str, own: &[Part]) -> Result<(), DriverError> {
    let tags: Vec<&str> = own.iter().map(|part| &*part.tag).collect();
    let payload = Payload::from(Bytes::from(json!(tags).to_string()));
    match objects::put(gcs, &list_name(name), &payload, Some(&Mark::random()?)).await {
        Err(there) if there.class() == ErrorClass::AlreadyExists => match listed(gcs, name).await? {
            Some(listed) if listed == own => Ok(()),
            _ => Err(conflict(&format!("somebody else completes {name:?} with other parts"))),
        },
        answer => answer.map(drop),
    }
}

/// Makes the object of all parts.
pub(super) async fn complete(gcs: &Gcs, name: &str, upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
    let (own, further) = parts.split_at(parts.iter().position(is_object).unwrap_or(parts.len()));
    if further.is_empty() {
        multipart::complete(gcs, name, upload, own).await?;
        // The answer tells no facts, and nobody asks for them: the object has still to be copied to its key.
        return Ok(ObjectInfo::new(size, objects::now_ms()));
    }
    list(gcs, name, own).await?;
    match multipart::complete(gcs, name, upload, own).await {
        // Somebody got so far before.
        Err(over) if over.class() == ErrorClass::NotFound => {}
        answer => answer?,
    }
    let first = objects::resource(gcs, name).await?;
    let info = match first.info() {
        Some(info) if info.size == size => info,
        _ => compose_all(gcs, first, further, size).await?,
    };
    // What stays behind is private, and is purged as an abandoned upload is.
    let _ = sweep(gcs, name).await;
    Ok(info)
}

/// Composes an object and its further parts in its place.
async fn compose_all(gcs: &Gcs, first: Resource, further: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
    let name = first.name.clone();
    let there = objects::below(gcs, &part_names(&name)).await?;
    let mut there: HashMap<u32, (Part, Resource)> =
        there.into_iter().filter_map(|object| as_part(&name, &object).map(|part| (part.number, (part, object)))).collect();
    let mut sources = Vec::new();
    for part in further {
        let object = there.remove(&part.number).filter(|(is, _)| is == part).map(|(_, object)| object);
        sources.push(object.ok_or_else(|| conflict(&format!("part {} of {name:?} was written again or removed", part.number)))?);
    }
    let is: u64 = sources.iter().chain([&first]).filter_map(Resource::size).sum();
    if is != size {
        return Err(conflict(&format!("the parts of {name:?} have {is} bytes and not {size}")));
    }
    for level in 0_u32.. {
        if sources.len() < SOURCES_MAX {
            break;
        }
        let groups = sources.chunks(SOURCES_MAX).zip(0_u32..).map(|(group, at)| {
            let joined = format!("{}joined-{level}-{at:05}", beside(&name));
            async move { compose(gcs, &joined, group, None).await }
        });
        let groups: Vec<_> = groups.collect();
        sources = stream::iter(groups).buffered(AT_ONCE).try_collect().await?;
    }
    sources.insert(0, first);
    let whole = compose(gcs, &name, &sources, Some(&sources[0])).await?;
    whole.info().ok_or_else(|| broken(&format!("compose {name:?}"), "size or time is none"))
}

/// Composes objects, none of which may have changed since it was looked at. An object that is replaced leaves its metadata.
async fn compose(gcs: &Gcs, name: &str, sources: &[Resource], replaced: Option<&Resource>) -> Result<Resource, DriverError> {
    let mut destination = json!({ "contentType": CONTENT_TYPE });
    if let Some(replaced) = replaced {
        destination["metadata"] = json!(replaced.metadata);
    }
    if let Some(class) = &gcs.storage_class {
        destination["storageClass"] = class.as_str().into();
    }
    let as_known = |source: &Resource| {
        let Resource { name, generation, .. } = source;
        json!({ "name": name, "objectPreconditions": { "ifGenerationMatch": generation } })
    };
    let body = json!({ "sourceObjects": sources.iter().map(as_known).collect::<Vec<_>>(), "destination": destination });
    let mut ask = gcs.client.json_of(Method::POST, name, "/compose", "compose")?.query("fields", FIELDS);
    if let Some(Resource { generation, .. }) = replaced {
        ask = ask.query("ifGenerationMatch", generation);
    }
    if let Some(key) = &gcs.kms_key {
        ask = ask.query("kmsKeyName", key);
    }
    let ask = ask.header("content-type", "application/json").body([Bytes::from(body.to_string())]);
    match gcs.client.send_for_text(ask).await {
        Err(error) if matches!(error.class(), ErrorClass::AlreadyExists | ErrorClass::NotFound) => {
            let changed = conflict(&format!("a part of {name:?} was written again or removed while it was composed"));
            Err(error.causes().iter().fold(changed, |changed, cause| changed.caused_by(&cause.kind, &cause.value)))
        }
        answer => objects::parsed(&format!("compose {name:?}"), &answer?),
    }
}

/// Removes an upload and its parts.
pub(super) async fn cancel(gcs: &Gcs, name: &str, upload: &str) -> Result<(), DriverError> {
    match multipart::cancel(gcs, name, upload).await {
        Err(error) if error.class() != ErrorClass::NotFound => Err(error),
        cancelled => sweep(gcs, name).await.and(cancelled),
    }
}

/// Removes all that belongs to an upload, but for the object.
async fn sweep(gcs: &Gcs, name: &str) -> Result<(), DriverError> {
    let objects = objects::below(gcs, &beside(name)).await?;
    objects::delete_all(gcs, &objects.into_iter().map(|object| object.name).collect::<Vec<_>>()).await
}

fn conflict(message: &str) -> DriverError {
    DriverError::new(ErrorClass::Conflict, message)
}
