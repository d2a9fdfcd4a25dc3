//! Failures as answers: the specification's code for the client, the cause for the log, one request id for both.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use longshore_loader::api::{DriverError, ErrorClass};
use serde_json::json;

use super::Body;
use crate::oci::error::body;
use crate::oci::{ErrorCode, ProtocolError, media_type};
use crate::store::{IncomingError, StoreError};

/// A failed request.
#[derive(Debug)]
pub struct ApiError {
    told: Vec<ProtocolError>,
    /// Boxed, like the cause: an answer without a failure must not carry their size around.
    headers: Box<HeaderMap>,
    /// Why, where it is not the client's fault.
    cause: Option<Box<StoreError>>,
}

impl<E: Into<ProtocolError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self { told: vec![error.into()], headers: Box::default(), cause: None }
    }
}

impl ApiError {
    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    fn status(&self) -> StatusCode {
        self.told.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, ProtocolError::status)
    }

    /// The answer; to HEAD without a body.
    pub(super) fn answer(&self, head: bool) -> Response<Body> {
        let bytes = body(&self.told);
        let mut answer = Response::new(Body::Empty);
        *answer.status_mut() = self.status();
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type::JSON));
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        answer.headers_mut().extend(HeaderMap::clone(&self.headers));
        if !head {
            *answer.body_mut() = Body::Bytes(bytes);
        }
        answer
    }

    /// Writes down what is not the client's fault.
    pub(super) fn log(&self, parts: &Parts, trace_id: u128) {
        let Some(cause) = &self.cause else { return };
        let (method, path) = (&parts.method, parts.uri.path());
        let request = format_args!("{trace_id:032x}");
        tracing::error!(%request, %method, path, status = self.status().as_u16(), "{}", cause.with_cause());
    }
}

/// Deletes are switched off.
pub(super) fn deletes_are_off() -> ApiError {
    ProtocolError::new(ErrorCode::Unsupported, "this registry deletes nothing (registry.delete is false)").into()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        let told = |code, detail| ProtocolError::new(code, text.clone()).with_detail(detail);
        let told = match &error {
            StoreError::BlobUnknown { digest, .. } => told(ErrorCode::BlobUnknown, json!({ "digest": digest })),
            StoreError::ManifestUnknown { reference, .. } => told(ErrorCode::ManifestUnknown, json!({ "reference": reference })),
            StoreError::NameUnknown { name } => told(ErrorCode::NameUnknown, json!({ "name": name })),
            StoreError::NoStorage { name } => told(ErrorCode::NameUnknown, json!({ "name": name })),
            StoreError::StorageClosed { name } => told(ErrorCode::Unavailable, json!({ "name": name })),
            StoreError::UploadUnknown { id } => told(ErrorCode::BlobUploadUnknown, json!({ "id": id })),
            StoreError::UploadBusy { id } => told(ErrorCode::BlobUploadInvalid, json!({ "id": id })).with_status(StatusCode::CONFLICT),
            StoreError::DigestMismatch { want, got } => told(ErrorCode::DigestInvalid, json!({ "want": want, "got": got })),
            StoreError::BlobTooLarge { limit } => {
                told(ErrorCode::SizeInvalid, json!({ "limit": limit })).with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            StoreError::MissingReferences(missing) => {
                let told = missing.iter().map(|(digest, field)| {
                    let message = format!("{field} refers to {digest}, which the repository does not have; push it first");
                    ProtocolError::new(ErrorCode::ManifestBlobUnknown, message).with_detail(json!({ "digest": digest, "field": field }))
                });
                return Self { told: told.collect(), headers: Box::default(), cause: None };
            }
            StoreError::Chunk(fault) => fault.clone().into(),
            StoreError::Manifest(fault) => fault.clone().into(),
            StoreError::Incoming(fault) => incoming(fault, &text),
            StoreError::Driver { source, .. } => return driver(source).caused_by(error),
        };
        told.into()
    }
}

impl ApiError {
    fn caused_by(mut self, cause: StoreError) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }
}

/// A body that did not come whole.
fn incoming(fault: &IncomingError, text: &str) -> ProtocolError {
    match fault {
        IncomingError::Idle(_) => ProtocolError::new(ErrorCode::BlobUploadInvalid, text).with_status(StatusCode::REQUEST_TIMEOUT),
        IncomingError::Broken(_) => ProtocolError::new(ErrorCode::SizeInvalid, text),
        IncomingError::TooLarge(limit) => ProtocolError::new(ErrorCode::SizeInvalid, text)
            .with_detail(json!({ "limit": limit }))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE),
    }
}

/// The client is told what it can do; the operator finds the rest in the log.
fn driver(error: &DriverError) -> ApiError {
    let told = |code, message: &str| ProtocolError::new(code, message);
    let told = match error.class() {
        ErrorClass::Full => {
            told(ErrorCode::Unavailable, "the registry's storage is full; tell its operator").with_status(StatusCode::INSUFFICIENT_STORAGE)
        }
        ErrorClass::ReadOnly => told(ErrorCode::Denied, "the registry's storage is read-only"),
        ErrorClass::Unreachable | ErrorClass::Timeout | ErrorClass::Throttled | ErrorClass::Closed | ErrorClass::Cancelled => {
            let seconds = error.retry_after().map_or(1, |milliseconds| u64::from(milliseconds).div_ceil(1000).max(1));
            let told = told(ErrorCode::Unavailable, "the registry's storage does not answer now; try again");
            return ApiError::from(told).with_header(RETRY_AFTER, HeaderValue::from(seconds));
        }
        _ => told(ErrorCode::Unknown, "the registry's storage failed; its log says why, under the request id of this answer"),
    };
    told.into()
}
