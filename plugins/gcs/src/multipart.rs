//! Multipart uploads, which only the XML interface has.
//!
//! Source: <https://cloud.google.com/storage/docs/multipart-uploads>. Parts are of 5 MiB at least, but for the last, and there are 10,000 at
//! most; no request may have a precondition.

use std::fmt::Write;

use bytes::Bytes;
use http::Method;
use longshore_bucket::http::broken;
use longshore_bucket::{Mark, Part, Payload, Pending};
use longshore_plugin_api::DriverError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Gcs;
use crate::client::Ask;
use crate::facts::MARK_FIELD;
use crate::objects::{CONTENT_TYPE, crc32c};

/// The most uploads that are listed.
const UPLOADS_MAX: usize = 10_000;

fn parsed<T: DeserializeOwned>(action: &str, text: &Bytes) -> Result<T, DriverError> {
    let text = std::str::from_utf8(text).map_err(|error| broken(action, &error.to_string()))?;
    quick_xml::de::from_str(text).map_err(|error| broken(action, &error.to_string()))
}

#[derive(Deserialize)]
struct Begun {
    #[serde(rename = "UploadId")]
    upload: String,
}

pub(super) async fn begin(gcs: &Gcs, name: &str, mark: &Mark) -> Result<String, DriverError> {
    let ask = gcs.client.xml(Method::POST, name, "begin the upload of")?.query("uploads", "");
    let mut ask = ask.header("content-type", CONTENT_TYPE).header(MARK_FIELD, mark.as_str());
    if let Some(class) = &gcs.storage_class {
        ask = ask.header("x-goog-storage-class", class);
    }
    if let Some(key) = &gcs.kms_key {
        ask = ask.header("x-goog-encryption-kms-key-name", key);
    }
    let begun: Begun = parsed(&format!("begin the upload of {name:?}"), &gcs.client.send_for_text(ask).await?)?;
    Ok(begun.upload)
}

pub(super) async fn part(gcs: &Gcs, name: &str, upload: &str, number: u32, payload: &Payload) -> Result<String, DriverError> {
    let ask = gcs.client.xml(Method::PUT, name, "write a part of")?.query("partNumber", &number.to_string()).query("uploadId", upload);
    let ask = ask.header("x-goog-hash", &format!("crc32c={}", crc32c(payload))).payload(payload);
    let answer = gcs.client.send(ask).await?;
    let tag = answer.headers().get("etag").and_then(|value| value.to_str().ok());
    tag.map(str::to_owned).ok_or_else(|| broken(&format!("write a part of {name:?}"), "the part's ETag is missing"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parts {
    #[serde(default, rename = "Part")]
    parts: Vec<ListedPart>,
    #[serde(default)]
    is_truncated: bool,
    next_part_number_marker: Option<u32>,
}

#[derive(Deserialize)]
struct ListedPart {
    #[serde(rename = "PartNumber")]
    number: u32,
    #[serde(rename = "ETag")]
    tag: String,
}

pub(super) async fn parts(gcs: &Gcs, name: &str, upload: &str) -> Result<Vec<Part>, DriverError> {
    let action = format!("list the parts of {name:?}");
    let (mut all, mut after) = (Vec::new(), None::<u32>);
    loop {
        let mut ask = gcs.client.xml(Method::GET, name, "list the parts of")?.query("uploadId", upload);
        if let Some(after) = after {
            ask = ask.query("part-number-marker", &after.to_string());
        }
        let page: Parts = parsed(&action, &gcs.client.send_for_text(ask).await?)?;
        all.extend(page.parts.into_iter().map(|part| Part { number: part.number, tag: part.tag }));
        if !page.is_truncated {
            return Ok(all);
        }
        if page.next_part_number_marker <= after {
            return Err(broken(&action, "the list does not get on"));
        }
        after = page.next_part_number_marker;
    }
}

pub(super) async fn complete(gcs: &Gcs, name: &str, upload: &str, parts: &[Part]) -> Result<(), DriverError> {
    let mut body = String::from("<CompleteMultipartUpload>");
    for Part { number, tag } in parts {
        let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // A string takes every write.
        let _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
    }
    body.push_str("</CompleteMultipartUpload>");
    let ask = gcs.client.xml(Method::POST, name, "complete the upload of")?.query("uploadId", upload);
    gcs.client.send_for_text(ask.header("content-type", "application/xml").body([Bytes::from(body)])).await.map(drop)
}

pub(super) async fn cancel(gcs: &Gcs, name: &str, upload: &str) -> Result<(), DriverError> {
    gcs.client.send(gcs.client.xml(Method::DELETE, name, "cancel the upload of")?.query("uploadId", upload)).await.map(drop)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default, rename = "Upload")]
    uploads: Vec<ListedUpload>,
    #[serde(default)]
    is_truncated: bool,
    next_key_marker: Option<String>,
    next_upload_id_marker: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedUpload {
    key: String,
    upload_id: String,
    initiated: String,
}

pub(super) async fn uploads(gcs: &Gcs, prefix: &str) -> Result<Vec<Pending>, DriverError> {
    let action = format!("list the uploads below {prefix:?}");
    let (mut all, mut after) = (Vec::new(), None::<(String, String)>);
    loop {
        let ask = Ask::new(Method::GET, format!("/{}", gcs.client.bucket), action.clone()).query("uploads", "");
        let mut ask = ask.query("prefix", prefix);
        if let Some((key, upload)) = &after {
            ask = ask.query("key-marker", key).query("upload-id-marker", upload);
        }
        let page: Uploads = parsed(&action, &gcs.client.send_for_text(ask).await?)?;
        for upload in page.uploads {
            let begun = upload.initiated.parse::<jiff::Timestamp>().map_err(|error| broken(&action, &error.to_string()))?;
            all.push(Pending { name: upload.key, upload: upload.upload_id, begun: begun.as_millisecond() });
        }
        let next = page.next_key_marker.zip(page.next_upload_id_marker.or_else(|| Some(String::new())));
        if !page.is_truncated || all.len() >= UPLOADS_MAX {
            return Ok(all);
        }
        if next.is_none() || next <= after {
            return Err(broken(&action, "the list does not get on"));
        }
        after = next;
    }
}
