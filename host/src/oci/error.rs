//! The error codes a client may see, the status each is sent with, and the JSON body that carries them.

use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::digest::DigestError;
use super::manifest::ManifestError;
use super::name::{NameError, UploadIdError};
use super::page::PageError;
use super::query::QueryError;
use super::range::ChunkError;
use super::reference::{ReferenceError, TagError};
use super::route::{MethodError, RouteError};
use super::state::StateError;

/// What went wrong, in the words that clients test for.
///
/// Source: distribution specification, "Error Codes"; the last five are distribution's own, which clients know from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The repository holds no such blob.
    BlobUnknown,
    /// The upload cannot go on: its URL or state is not one that this registry gave out.
    BlobUploadInvalid,
    /// No upload of that id is in progress: finished, cancelled, expired, or never begun.
    BlobUploadUnknown,
    /// A digest is malformed, of an algorithm that is not supported, or not that of the content.
    DigestInvalid,
    /// A manifest refers to something the repository does not hold.
    ManifestBlobUnknown,
    /// A manifest is not one that this registry accepts.
    ManifestInvalid,
    /// The repository holds no such manifest or tag.
    ManifestUnknown,
    /// A repository name breaks the grammar.
    NameInvalid,
    /// No such repository.
    NameUnknown,
    /// The body's length is not the one that was promised.
    SizeInvalid,
    /// The client must say who it is.
    Unauthorized,
    /// The client may not do this.
    Denied,
    /// The registry does not do this, or not here.
    Unsupported,
    /// The client must slow down.
    TooManyRequests,
    /// A tag breaks the grammar.
    TagInvalid,
    /// A chunk does not begin where the upload stands.
    RangeInvalid,
    /// A page size is not a count.
    PaginationNumberInvalid,
    /// The registry failed for a reason that is not the client's.
    Unknown,
    /// The registry or its store cannot answer now.
    Unavailable,
}

impl ErrorCode {
    /// The code as it stands in a body.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::TagInvalid => "TAG_INVALID",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::Unknown => "UNKNOWN",
            Self::Unavailable => "UNAVAILABLE",
        }
    }

    /// The status it is sent with unless an error says otherwise. These are distribution's, which clients were written against.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown | Self::BlobUploadInvalid | Self::BlobUploadUnknown | Self::ManifestUnknown | Self::NameUnknown => {
                StatusCode::NOT_FOUND
            }
            Self::DigestInvalid
            | Self::ManifestBlobUnknown
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid
            | Self::TagInvalid
            | Self::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fault of a request, as the client is told of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProtocolError {
    /// The code that clients test for.
    pub code: ErrorCode,
    /// One sentence: what, where, why, what to do.
    pub message: String,
    /// What a program may want to know of it; `null` is not sent.
    pub detail: Value,
    /// Replaces the code's own status.
    pub status: Option<StatusCode>,
}

impl ProtocolError {
    /// An error with the code's own status and no detail.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: Value::Null, status: None }
    }

    /// Adds what a program may want to know.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Value>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Sends another status than the code's own.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or(self.code.status())
    }

    /// The JSON body of an answer that reports only this error.
    #[must_use]
    pub fn body(&self) -> Bytes {
        body(std::slice::from_ref(self))
    }
}

/// The JSON body of an answer that reports several errors at once, such as each blob that a manifest misses.
///
/// Source: distribution specification, "Error Codes".
#[must_use]
pub fn body(errors: &[ProtocolError]) -> Bytes {
    let entries: Vec<Value> = errors
        .iter()
        .map(|error| {
            let mut entry = json!({ "code": error.code.as_str(), "message": error.message });
            if !error.detail.is_null() {
                entry["detail"] = error.detail.clone();
            }
            entry
        })
        .collect();
    Bytes::from(json!({ "errors": entries }).to_string())
}

/// A client's text as an error may repeat it: at most 80 characters.
pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl From<DigestError> for ProtocolError {
    fn from(error: DigestError) -> Self {
        Self::new(ErrorCode::DigestInvalid, error.to_string())
    }
}

impl From<NameError> for ProtocolError {
    fn from(error: NameError) -> Self {
        Self::new(ErrorCode::NameInvalid, error.to_string())
    }
}

impl From<TagError> for ProtocolError {
    fn from(error: TagError) -> Self {
        Self::new(ErrorCode::TagInvalid, error.to_string())
    }
}

impl From<UploadIdError> for ProtocolError {
    fn from(error: UploadIdError) -> Self {
        Self::new(ErrorCode::BlobUploadInvalid, error.to_string())
    }
}

impl From<ReferenceError> for ProtocolError {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Tag(error) => error.into(),
            ReferenceError::Digest(error) => error.into(),
        }
    }
}

impl From<RouteError> for ProtocolError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NotFound { .. } => Self::new(ErrorCode::Unsupported, error.to_string()).with_status(StatusCode::NOT_FOUND),
            RouteError::Escape { .. } => Self::new(ErrorCode::NameInvalid, error.to_string()),
            RouteError::Name(error) => error.into(),
            RouteError::Reference(error) => error.into(),
            RouteError::Digest(error) => error.into(),
            RouteError::UploadId(error) => error.into(),
        }
    }
}

impl From<MethodError> for ProtocolError {
    fn from(error: MethodError) -> Self {
        Self::new(ErrorCode::Unsupported, error.to_string()).with_detail(json!({ "allow": error.allow }))
    }
}

impl From<QueryError> for ProtocolError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Escape { code, .. } => Self::new(code, error.to_string()),
            QueryError::TooManyTags { count, max } => Self::new(ErrorCode::TagInvalid, error.to_string())
                .with_detail(json!({ "count": count, "max": max }))
                .with_status(StatusCode::URI_TOO_LONG),
            QueryError::Digest { .. } => Self::new(ErrorCode::DigestInvalid, error.to_string()),
            QueryError::Name { .. } => Self::new(ErrorCode::NameInvalid, error.to_string()),
            QueryError::Tag { .. } => Self::new(ErrorCode::TagInvalid, error.to_string()),
        }
    }
}

impl From<PageError> for ProtocolError {
    fn from(error: PageError) -> Self {
        match error {
            PageError::Number { ref given } => {
                let detail = json!({ "n": given });
                Self::new(ErrorCode::PaginationNumberInvalid, error.to_string()).with_detail(detail)
            }
            PageError::Last(error) => *error,
        }
    }
}

impl From<ChunkError> for ProtocolError {
    fn from(error: ChunkError) -> Self {
        let message = error.to_string();
        match error {
            // Not 416: a client answers that by asking for the offset and sending the same header again.
            ChunkError::Malformed { .. } => Self::new(ErrorCode::RangeInvalid, message).with_status(StatusCode::BAD_REQUEST),
            ChunkError::Backwards { .. } => Self::new(ErrorCode::RangeInvalid, message),
            ChunkError::OutOfOrder { offset, first } => {
                Self::new(ErrorCode::RangeInvalid, message).with_detail(json!({ "expected": offset, "got": first }))
            }
            ChunkError::Length { promised, got } => {
                Self::new(ErrorCode::SizeInvalid, message).with_detail(json!({ "expected": promised, "got": got }))
            }
        }
    }
}

impl From<ManifestError> for ProtocolError {
    fn from(error: ManifestError) -> Self {
        let message = error.to_string();
        let plain = Self::new(ErrorCode::ManifestInvalid, message);
        match error {
            ManifestError::TooLarge { limit_bytes } => {
                plain.with_detail(json!({ "limit_bytes": limit_bytes })).with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            ManifestError::Json { line, column, .. } => plain.with_detail(json!({ "line": line, "column": column })),
            ManifestError::Missing { path } | ManifestError::Digest { path, .. } | ManifestError::Size { path, .. } => {
                plain.with_detail(json!({ "path": path }))
            }
            _ => plain,
        }
    }
}

impl From<StateError> for ProtocolError {
    fn from(error: StateError) -> Self {
        Self::new(ErrorCode::BlobUploadInvalid, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_has_the_shape_of_the_specification() {
        let error = ProtocolError::new(ErrorCode::BlobUnknown, "no such blob").with_detail(json!({ "digest": "sha256:00" }));
        let body: Value = serde_json::from_slice(&error.body()).expect("json");
        assert_eq!(body, json!({ "errors": [{ "code": "BLOB_UNKNOWN", "message": "no such blob", "detail": { "digest": "sha256:00" } }] }));
        let bare: Value = serde_json::from_slice(&ProtocolError::new(ErrorCode::Denied, "no").body()).expect("json");
        assert_eq!(bare, json!({ "errors": [{ "code": "DENIED", "message": "no" }] }));
    }

    #[test]
    fn body_of_several_errors_keeps_their_order() {
        let errors = ["a", "b"].map(|message| ProtocolError::new(ErrorCode::ManifestBlobUnknown, message));
        let body: Value = serde_json::from_slice(&body(&errors)).expect("json");
        assert_eq!(body["errors"][1]["message"], "b");
    }

    #[test]
    fn status_of_an_error_overrides_that_of_its_code() {
        let error = ProtocolError::from(ManifestError::TooLarge { limit_bytes: 4 });
        assert_eq!((error.code, error.status()), (ErrorCode::ManifestInvalid, StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(ErrorCode::BlobUploadInvalid.status(), StatusCode::NOT_FOUND, "distribution's status, which clients know");
    }

    #[test]
    fn clip_cuts_between_characters() {
        assert_eq!(clip("short"), "short");
        assert_eq!(clip(&"é".repeat(81)).chars().count(), 81);
    }
}
