//! `/healthz`: whether the registry can do its work, for load balancers. Not a part of the registry's protocol.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::{Api, Body, empty, json};
use crate::store::{StorageHealth, StorageState};

/// Where it is.
pub const HEALTH_PATH: &str = "/healthz";

impl Api {
    /// Whether every storage that the registry cannot do without is serving, and a JSON document that says how each is.
    pub async fn health(&self) -> (bool, Bytes) {
        let storages = self.store.health().await;
        let good = storages.iter().all(|storage| storage.state == StorageState::Serving || !storage.required);
        let status = if good { "serving" } else { "degraded" };
        let all: Map<_, _> = storages.into_iter().map(described).collect();
        (good, json!({ "status": status, "storages": all }).to_string().into())
    }

    /// 200, or 503 if a storage is missing that is required.
    pub(super) async fn healthz(&self, method: &Method) -> Response<Body> {
        let head = match *method {
            Method::GET => false,
            Method::HEAD => true,
            _ => {
                let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
                refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                return refused;
            }
        };
        let (good, document) = self.health().await;
        let mut answer = json(head, document);
        *answer.status_mut() = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}

fn described(storage: StorageHealth) -> (String, Value) {
    let mut value = json!({ "state": storage.state.name(), "required": storage.required });
    if let Some(reason) = storage.state.reason() {
        value["reason"] = reason.into();
    }
    (storage.name, value)
}
