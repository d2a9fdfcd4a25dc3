//! What the JSON interface tells of an object, and what it takes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::object::{Description, Object};
use crate::request::Request;

/// An object as a resource.
pub(super) fn object(bucket: &str, object: &Object) -> Value {
    let description = &object.description;
    let mut value = json!({
        "kind": "storage#object",
        "id": format!("{bucket}/{}/{}", object.name, object.generation),
        "name": object.name,
        "bucket": bucket,
        "generation": object.generation.to_string(),
        "metageneration": object.metageneration.to_string(),
        "size": object.content.size().to_string(),
        "storageClass": description.storage_class.as_deref().unwrap_or("STANDARD"),
        "timeCreated": format!("{:.3}", object.created),
        "updated": format!("{:.3}", object.updated),
        "crc32c": object.content.crc32c(),
        "etag": object.etag(),
    });
    let mut optional = |name: &str, field: Option<Value>| {
        if let Some(field) = field {
            value[name] = field;
        }
    };
    optional("contentType", description.content_type.clone().map(Value::from));
    optional("cacheControl", description.cache_control.clone().map(Value::from));
    optional("kmsKeyName", description.kms_key.clone().map(Value::from));
    optional("md5Hash", object.content.md5().filter(|_| object.components.is_none()).map(Value::from));
    optional("componentCount", object.components.map(Value::from));
    optional("metadata", (!description.metadata.is_empty()).then(|| json!(description.metadata)));
    value
}

/// The object's metadata in the body of a request; what a client may not set is passed over, as the store does.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) metadata: Option<BTreeMap<String, Option<String>>>,
    pub(super) crc32c: Option<String>,
    pub(super) md5_hash: Option<String>,
}

impl Metadata {
    /// What is kept with the object.
    pub(super) fn description(&self, request: &Request) -> Description {
        let metadata = self.metadata.iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        Description {
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone(),
            metadata: metadata.collect(),
            storage_class: self.storage_class.clone(),
            kms_key: request.parameter("kmsKeyName").or(request.parameter("destinationKmsKeyName")).map(str::to_owned),
        }
    }
}
