//! Objects made of others, without their bytes passing through the client.
//!
//! Sources: <https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite>,
//! <https://cloud.google.com/storage/docs/json_api/v1/objects/compose>.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::resource::{self, Metadata};
use super::{fields, parsed};
use crate::Service;
use crate::condition::Conditions;
use crate::object::{Content, Description, Object};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Request, object_name};
use crate::store::{Rewrite, State, Write};

/// How many bytes one call of a rewrite copies. The store copies more, and how much it does not say.
const CALL_BYTES: u64 = 8 << 20;
const CALL_MIN_BYTES: u64 = 1 << 20;
/// The most objects that one call joins.
const COMPOSE_MAX: usize = 32;

pub(super) fn rewrite(service: &Service, request: &Request, from: (&str, &str), to: (&str, &str)) -> Result<Reply, Refusal> {
    crate::account::admit(service, request, to.0)?;
    let metadata: Metadata = parsed(&request.body)?;
    let mut store = service.store.lock();
    let source = store.object(from.0, from.1, request.number("sourceGeneration")?)?;
    Conditions::of_source(request)?.check(Some(&source), false)?;
    let conditions = Conditions::in_query(request)?;
    conditions.check(store.bucket(to.0)?.objects.get(to.1).map(AsRef::as_ref), false)?;
    let size = source.content.size();
    let written = (before(&store, request, &source, from, to)? + call_bytes(request)?).min(size);
    let mut value = json!({
        "kind": "storage#rewriteResponse", "totalBytesRewritten": written.to_string(), "objectSize": size.to_string(), "done": written == size,
    });
    if let Some(token) = request.parameter("rewriteToken") {
        store.rewrites.remove(token);
    }
    if written == size {
        let object = copied(&mut store, &source, metadata.description(request), to, &conditions, service)?;
        value["resource"] = resource::object(to.0, &object);
    } else {
        let token = store.new_id();
        let of = [from.0, from.1, to.0, to.1].map(str::to_owned);
        store.rewrites.insert(token.clone(), Rewrite { of, generation: source.generation, written });
        value["rewriteToken"] = token.into();
    }
    Ok(Reply::json(200, &fields::only(request.parameter("fields"), value)?))
}

/// The older method, which copies all in one call.
pub(super) fn copy(service: &Service, request: &Request, from: (&str, &str), to: (&str, &str)) -> Result<Reply, Refusal> {
    crate::account::admit(service, request, to.0)?;
    let metadata: Metadata = parsed(&request.body)?;
    let mut store = service.store.lock();
    let source = store.object(from.0, from.1, request.number("sourceGeneration")?)?;
    Conditions::of_source(request)?.check(Some(&source), false)?;
    let object = copied(&mut store, &source, metadata.description(request), to, &Conditions::in_query(request)?, service)?;
    super::resource(request, to.0, &object)
}

/// How many bytes earlier calls have copied.
fn before(store: &State, request: &Request, source: &Object, from: (&str, &str), to: (&str, &str)) -> Result<u64, Refusal> {
    let Some(token) = request.parameter("rewriteToken") else { return Ok(0) };
    let rewrite = store.rewrites.get(token).filter(|rewrite| {
        let of: [&str; 4] = [from.0, from.1, to.0, to.1];
        rewrite.of.iter().map(String::as_str).eq(of) && rewrite.generation == source.generation
    });
    rewrite.map(|rewrite| rewrite.written).ok_or_else(|| Refusal::invalid("Invalid rewrite token"))
}

fn call_bytes(request: &Request) -> Result<u64, Refusal> {
    match request.number("maxBytesRewrittenPerCall")? {
        Some(bytes) if bytes < CALL_MIN_BYTES || bytes % CALL_MIN_BYTES != 0 => {
            Err(Refusal::invalid("maxBytesRewrittenPerCall must be an integral multiple of 1 MiB"))
        }
        bytes => Ok(bytes.unwrap_or(CALL_BYTES).min(CALL_BYTES)),
    }
}

/// Writes a copy; a description that says nothing leaves that of the source.
pub(crate) fn copied(
    store: &mut State,
    source: &Object,
    description: Description,
    to: (&str, &str),
    conditions: &Conditions,
    service: &Service,
) -> Result<Arc<Object>, Refusal> {
    let mut kept = source.description.clone();
    kept.content_type = description.content_type.or(kept.content_type);
    kept.storage_class = description.storage_class.or(kept.storage_class);
    kept.kms_key = description.kms_key.or(kept.kms_key);
    if !description.metadata.is_empty() {
        kept.metadata = description.metadata;
    }
    let (bucket, name) = (to.0.to_owned(), to.1.to_owned());
    let write = Write { bucket, name, content: source.content.clone(), description: kept, components: source.components };
    store.write(write, conditions, service.control.now())
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Compose {
    source_objects: Vec<Source>,
    destination: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    name: String,
    generation: Option<Generation>,
    object_preconditions: SourceConditions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SourceConditions {
    if_generation_match: Option<Generation>,
}

/// A number that JSON has as a text, and that some clients send as a number.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Generation {
    Number(u64),
    Text(String),
}

impl Generation {
    fn value(&self) -> Result<u64, Refusal> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => text.parse().map_err(|_| Refusal::invalid(format!("Invalid generation: '{text}'"))),
        }
    }
}

pub(super) fn compose(service: &Service, request: &Request, bucket: &str, name: &str) -> Result<Reply, Refusal> {
    let compose: Compose = parsed(&request.body)?;
    if compose.source_objects.is_empty() {
        return Err(Refusal::new(400, "required", "InvalidArgument", "You must provide at least one source component."));
    }
    if compose.source_objects.len() > COMPOSE_MAX {
        let message =
            format!("The number of source components provided ({}) exceeds the maximum ({COMPOSE_MAX})", compose.source_objects.len());
        return Err(Refusal::invalid(message));
    }
    let mut store = service.store.lock();
    let mut sources = Vec::new();
    for source in &compose.source_objects {
        let generation = source.generation.as_ref().map(Generation::value).transpose()?;
        let object = store.object(bucket, &object_name(&source.name.replace('%', "%25"))?, generation)?;
        let wanted = source.object_preconditions.if_generation_match.as_ref().map(Generation::value).transpose()?;
        Conditions::generation(wanted).check(Some(&object), false)?;
        sources.push(object);
    }
    if sources.windows(2).any(|two| two[0].description.storage_class != two[1].description.storage_class) {
        return Err(Refusal::invalid("The source objects must have the same storage class."));
    }
    let content = Content::joined(sources.iter().map(|source| &source.content));
    let components = sources.iter().map(|source| source.components.unwrap_or(1)).sum();
    let description = compose.destination.description(request);
    let write = Write { bucket: bucket.to_owned(), name: name.to_owned(), content, description, components: Some(components) };
    let object = store.write(write, &Conditions::in_query(request)?, service.control.now())?;
    super::resource(request, bucket, &object)
}
