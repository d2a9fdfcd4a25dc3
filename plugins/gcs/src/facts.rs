//! What the store tells of an object, in both interfaces.

use std::collections::HashMap;

use http::HeaderMap;
use jiff::fmt::rfc2822;
use longshore_bucket::Facts;
use longshore_plugin_api::ObjectInfo;
use serde::Deserialize;

/// The type of objects in which distribution keeps what it knows of an upload in progress. They are no content: for distribution they are
/// absent from `stat`, lists and reads, and so they are here.
const SESSION: &str = "application/x-docker-upload-session";
/// The metadata that holds a mark.
const MARK: &str = "longshore-mark";
/// The same as a field of the XML interface.
pub(super) const MARK_FIELD: &str = "x-goog-meta-longshore-mark";
/// What is asked for of a [`Resource`].
pub(super) const FIELDS: &str = "name,size,updated,generation,contentType,crc32c,metadata";

/// An object in the JSON interface.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) name: String,
    size: String,
    updated: String,
    pub(super) generation: String,
    content_type: Option<String>,
    /// Of its bytes, in Base64.
    pub(super) crc32c: Option<String>,
    #[serde(default)]
    pub(super) metadata: HashMap<String, String>,
}

impl Resource {
    pub(super) fn is_session(&self) -> bool {
        self.content_type.as_deref() == Some(SESSION)
    }

    /// `None` if it cannot be read.
    pub(super) fn size(&self) -> Option<u64> {
        self.size.parse().ok()
    }

    /// `None` if a number or time cannot be read.
    pub(super) fn info(&self) -> Option<ObjectInfo> {
        let updated: jiff::Timestamp = self.updated.parse().ok()?;
        Some(info(self.size()?, updated.as_second(), &self.generation))
    }

    pub(super) fn facts(&self) -> Option<Facts> {
        Some(Facts { info: self.info()?, mark: self.metadata.get(MARK).cloned() })
    }
}

/// Times are in whole seconds, as the XML interface tells them: an object has one time, whoever asks.
fn info(size: u64, updated_secs: i64, generation: &str) -> ObjectInfo {
    ObjectInfo { size, modified: updated_secs * 1000, version: Some(generation.into()) }
}

/// The metadata of an object that is written with a mark.
pub(super) fn marked(mark: &str) -> HashMap<&'static str, &str> {
    HashMap::from([(MARK, mark)])
}

/// The whole object's facts in the fields of an answer of the XML interface with a body; `None` if they are not there.
pub(super) fn in_fields(fields: &HeaderMap) -> Option<ObjectInfo> {
    let field = |name: &str| fields.get(name)?.to_str().ok();
    let size = match field("content-range") {
        Some(range) => range.rsplit_once('/')?.1.parse().ok()?,
        None => field("x-goog-stored-content-length").or_else(|| field("content-length"))?.parse().ok()?,
    };
    let updated = rfc2822::parse(field("last-modified")?).ok()?.timestamp();
    Some(info(size, updated.as_second(), field("x-goog-generation")?))
}

/// Whether an answer of the XML interface is about a session of distribution's.
pub(super) fn is_session(fields: &HeaderMap) -> bool {
    fields.get("content-type").is_some_and(|value| value == SESSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_interfaces_tell_the_same() {
        let json = r#"{"name":"a","size":"10","updated":"2026-11-26T16:00:01.234Z","generation":"17","metadata":{"longshore-mark":"m"}}"#;
        let resource: Resource = serde_json::from_str(json).unwrap();
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("content-range", "bytes 2-3/10"),
            ("content-length", "2"),
            ("last-modified", "Thu, 26 Nov 2026 16:00:01 GMT"),
            ("x-goog-generation", "17"),
        ] {
            fields.insert(name, value.parse().unwrap());
        }
        let facts = resource.facts().unwrap();
        assert_eq!(facts.mark.as_deref(), Some("m"));
        assert_eq!(facts.info, in_fields(&fields).unwrap());
    }
}
