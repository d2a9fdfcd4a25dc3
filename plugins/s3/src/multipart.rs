//! Multipart uploads, and copies that are made of parts.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use futures_util::{StreamExt, TryStreamExt, stream};
use longshore_bucket::{Mark, Part, Payload, Pending};
use longshore_plugin_api::{DriverError, ErrorClass, ObjectInfo};

use crate::client::send;
use crate::objects::{MARK, info, written};
use crate::refusal::refused;
use crate::{S3, body, objects};

/// How many parts of a copy are made at once.
const COPIES_AT_ONCE: usize = 16;
/// How many multipart uploads are listed at the most.
const UPLOADS_MAX: usize = 10_000;

pub(super) async fn begin(s3: &S3, name: &str, mark: &Mark) -> Result<String, DriverError> {
    let begin = s3.client.create_multipart_upload().bucket(&s3.bucket).key(name).metadata(MARK, mark.as_str());
    let answer = send(begin.send()).await.map_err(|error| refused(&format!("begin an upload of {name:?}"), &error))?;
    s3.seen.now();
    answer.upload_id.ok_or_else(|| DriverError::new(ErrorClass::Broken, format!("the store gives no id for an upload of {name:?}")))
}

pub(super) async fn part(s3: &S3, name: &str, upload: &str, number: u32, payload: Payload) -> Result<String, DriverError> {
    let part = s3.client.upload_part().bucket(&s3.bucket).key(name).upload_id(upload).part_number(number.cast_signed());
    let part = part.body(body::outgoing(&payload, s3.sign_payloads)).customize();
    let part = if s3.sign_payloads { part } else { part.disable_payload_signing() };
    let answer = send(part.send()).await.map_err(|error| refused(&format!("write part {number} of {name:?}"), &error))?;
    s3.seen.now();
    tag(answer.e_tag(), number, name)
}

/// The first `size` bytes of an object as a part.
pub(super) async fn part_copy(s3: &S3, name: &str, upload: &str, number: u32, (from, size): (&str, u64)) -> Result<String, DriverError> {
    let part = copy_part(s3, (from, name), upload, number, (0, size.saturating_sub(1))).await?;
    s3.seen.now();
    Ok(part.tag)
}

fn tag(tag: Option<&str>, number: u32, name: &str) -> Result<String, DriverError> {
    let absent = || DriverError::new(ErrorClass::Broken, format!("the store gives no tag for part {number} of {name:?}"));
    tag.map(quoted).ok_or_else(absent)
}

/// A tag in one form: Ceph quotes that of a copied part in a list, and not in the answer to the copy.
fn quoted(tag: &str) -> String {
    format!("\"{}\"", tag.trim_matches('"'))
}

pub(super) async fn parts(s3: &S3, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = s3.client.list_parts().bucket(&s3.bucket).key(name).upload_id(upload).set_part_number_marker(after);
        let answer = send(page.send()).await.map_err(|error| refused(&format!("list the parts of {name:?}"), &error))?;
        let parts = answer.parts.unwrap_or_default().into_iter();
        all.extend(parts.filter_map(|part| Some(Part { number: part.part_number?.unsigned_abs(), tag: quoted(&part.e_tag?) })));
        after = answer.next_part_number_marker.filter(|_| answer.is_truncated.unwrap_or_default());
        if after.is_none() {
            all.sort_unstable_by_key(|part: &Part| part.number);
            return Ok(all);
        }
    }
}

pub(super) async fn complete(s3: &S3, name: &str, upload: &str, parts: &[Part], size: u64) -> Result<ObjectInfo, DriverError> {
    let completed = |part: &Part| CompletedPart::builder().part_number(part.number.cast_signed()).e_tag(&part.tag).build();
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.iter().map(completed).collect())).build();
    let complete = s3.client.complete_multipart_upload().bucket(&s3.bucket).key(name).upload_id(upload).multipart_upload(parts);
    send(complete.send()).await.map_err(|error| refused(&format!("complete the upload of {name:?}"), &error))?;
    s3.seen.now();
    // Some stores leave the tag out of this answer, and some give another one than later.
    Ok(written(size, None))
}

pub(super) async fn cancel(s3: &S3, name: &str, upload: &str) -> Result<(), DriverError> {
    let cancel = s3.client.abort_multipart_upload().bucket(&s3.bucket).key(name).upload_id(upload);
    send(cancel.send()).await.map(drop).map_err(|error| refused(&format!("abort the upload of {name:?}"), &error))
}

pub(super) async fn uploads(s3: &S3, prefix: &str) -> Result<Vec<Pending>, DriverError> {
    let (mut all, mut key, mut id) = (Vec::new(), None, None);
    loop {
        let page = s3.client.list_multipart_uploads().bucket(&s3.bucket).prefix(prefix);
        let page = page.set_key_marker(key).set_upload_id_marker(id);
        let answer = send(page.send()).await.map_err(|error| refused("list multipart uploads", &error))?;
        let uploads = answer.uploads.unwrap_or_default().into_iter();
        all.extend(uploads.filter_map(|upload| {
            let begun = upload.initiated.and_then(|time| time.to_millis().ok()).unwrap_or_default();
            Some(Pending { name: upload.key?, upload: upload.upload_id?, begun })
        }));
        (key, id) = (answer.next_key_marker, answer.next_upload_id_marker);
        if !answer.is_truncated.unwrap_or_default() || key.is_none() || all.len() >= UPLOADS_MAX {
            return Ok(all);
        }
    }
}

/// In one request, or for a large object in many that each are short.
pub(super) async fn copy(s3: &S3, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
    if size > s3.copy_part_bytes {
        return copy_in_parts(s3, from, to, size).await;
    }
    let copy = s3.client.copy_object().bucket(&s3.bucket).key(to).copy_source(source(s3, from));
    let answer = match send(copy.send()).await.map_err(|error| refused(&format!("copy {from:?} to {to:?}"), &error)) {
        // Ceph copies parts of what it has encrypted, and no such object whole.
        Err(error) if error.class() == ErrorClass::Unsupported && size > 0 => return copy_in_parts(s3, from, to, size).await,
        Err(error) if error.class() == ErrorClass::Unsupported => return objects::put(s3, to, Payload::default(), None).await,
        answer => answer?,
    };
    s3.seen.now();
    let result = answer.copy_object_result;
    let tag = result.as_ref().and_then(|result| result.e_tag());
    let time = result.as_ref().and_then(|result| result.last_modified());
    Ok(if time.is_some() { info(i64::try_from(size).ok(), time, tag) } else { written(size, tag) })
}

async fn copy_in_parts(s3: &S3, from: &str, to: &str, size: u64) -> Result<ObjectInfo, DriverError> {
    let upload = begin(s3, to, &Mark::random()?).await?;
    let each = s3.copy_part_bytes.max(size.div_ceil(10_000));
    let copies = (0..size.div_ceil(each)).map(|part| {
        let (number, first) = (part as u32 + 1, part * each);
        copy_part(s3, (from, to), &upload, number, (first, size.min(first + each) - 1))
    });
    let copied = match stream::iter(copies).buffered(COPIES_AT_ONCE).try_collect::<Vec<_>>().await {
        Ok(parts) => complete(s3, to, &upload, &parts, size).await,
        Err(error) => Err(error),
    };
    if copied.is_err() {
        // Whatever came of it: nobody will go on with it.
        let _ = cancel(s3, to, &upload).await;
    }
    copied
}

async fn copy_part(s3: &S3, (from, to): (&str, &str), upload: &str, number: u32, (first, last): (u64, u64)) -> Result<Part, DriverError> {
    let copy = s3.client.upload_part_copy().bucket(&s3.bucket).key(to).upload_id(upload).part_number(number.cast_signed());
    let copy = copy.copy_source(source(s3, from)).copy_source_range(format!("bytes={first}-{last}"));
    // Ceph refuses this request, and no other without a body, unless it tells that there is none.
    let copy = copy.customize().mutate_request(|request| drop(request.headers_mut().insert("content-length", "0")));
    let answer = send(copy.send()).await.map_err(|error| refused(&format!("copy part {number} of {from:?} to {to:?}"), &error))?;
    let tag = tag(answer.copy_part_result().and_then(|result| result.e_tag()), number, to)?;
    Ok(Part { number, tag })
}

/// `bucket/name`, each byte that means something in a URL escaped.
fn source(s3: &S3, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let escaped = name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    format!("{}/{}", s3.bucket, escaped.collect::<String>())
}
