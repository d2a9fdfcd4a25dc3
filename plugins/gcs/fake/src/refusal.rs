//! What the store refuses, in the words of both interfaces.
//!
//! Sources: <https://cloud.google.com/storage/docs/json_api/v1/status-codes>, <https://cloud.google.com/storage/docs/xml-api/reference-status>.

use serde_json::json;

use crate::reply::Reply;

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The word that the JSON interface has for it.
    reason: &'static str,
    /// The word that the XML interface has for it.
    code: &'static str,
    pub(crate) message: String,
    /// Where it is the range that is refused: the object's size in bytes.
    size: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, reason: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, code, message: message.into(), size: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", "InvalidArgument", message)
    }

    pub(crate) fn no_object(bucket: &str, name: &str) -> Self {
        Self::new(404, "notFound", "NoSuchKey", format!("No such object: {bucket}/{name}"))
    }

    pub(crate) fn no_bucket() -> Self {
        Self::new(404, "notFound", "NoSuchBucket", "The specified bucket does not exist.")
    }

    pub(crate) fn no_upload() -> Self {
        Self::new(404, "notFound", "NoSuchUpload", "The requested upload was not found.")
    }

    pub(crate) fn no_method() -> Self {
        Self::new(405, "methodNotAllowed", "MethodNotAllowed", "The specified method is not allowed against this resource.")
    }

    pub(crate) fn condition() -> Self {
        let message = "At least one of the pre-conditions you specified did not hold.";
        Self::new(412, "conditionNotMet", "PreconditionFailed", message)
    }

    /// A reader has what it asks for already; the answer has no body.
    pub(crate) fn not_modified() -> Self {
        Self::new(304, "notModified", "NotModified", "")
    }

    pub(crate) fn range(size: u64) -> Self {
        let refusal = Self::new(416, "requestedRangeNotSatisfiable", "InvalidRange", "The requested range cannot be satisfied.");
        Self { size: Some(size), ..refusal }
    }

    pub(crate) fn digest(which: &str) -> Self {
        Self::new(400, "invalid", "BadDigest", format!("Provided {which} hash does not match the content received."))
    }

    pub(crate) fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(401, "authError", "AuthenticationRequired", message)
    }

    pub(crate) fn forbidden(who: &str) -> Self {
        let message = format!(
            "{who} does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' denied on \
             resource (or it may not exist)."
        );
        Self::new(403, "forbidden", "AccessDenied", message)
    }

    pub(crate) fn into_json(self) -> Reply {
        if self.status == 304 {
            return Reply::empty(304);
        }
        let detail = json!({ "message": self.message, "domain": "global", "reason": self.reason });
        let body = json!({ "error": { "code": self.status, "message": self.message, "errors": [detail] } });
        self.fields(Reply::json(self.status, &body))
    }

    pub(crate) fn into_xml(self) -> Reply {
        if self.status == 304 {
            return Reply::empty(304);
        }
        let (code, message) = (self.code, crate::xml::escaped(&self.message));
        self.fields(Reply::xml(self.status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")))
    }

    fn fields(&self, reply: Reply) -> Reply {
        let reply = match self.size {
            Some(size) => reply.with("content-range", format!("bytes */{size}")),
            None => reply,
        };
        if self.status == 401 { reply.with("www-authenticate", "Bearer realm=\"https://accounts.google.com/\"") } else { reply }
    }
}
