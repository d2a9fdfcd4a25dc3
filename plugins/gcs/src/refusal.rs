//! What the store's errors mean: a class of the contract, a sentence, and what the store said as data.

use std::error::Error;

use jiff::fmt::rfc2822;
use longshore_bucket::http::{no_answer, read_whole};
use longshore_bucket::{clocks_differ, one_line};
use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::client::{HttpError, HttpResponse};
use quick_xml::de;
use serde::Deserialize;

/// The largest refusal that is read, in bytes.
const REFUSAL_MAX_BYTES: usize = 64 * 1024;
/// How far clocks may be apart before that is why a token is refused, in seconds.
const SKEW_SECS: u64 = 120;

/// The settings that say where the store is, for messages.
pub(super) const PLACE: &str = "is the endpoint";

/// A request for which there is no token.
pub(super) fn no_token(action: &str, error: &object_store::Error) -> DriverError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(unanswered) = cause.downcast_ref::<HttpError>() {
            return no_answer(&format!("{action}: no token can be got: cannot ask for one"), PLACE, unanswered);
        }
        source = cause.source();
    }
    let hint = "are the credentials right, and is this machine's service account allowed to have tokens?";
    DriverError::new(ErrorClass::Unauthorized, format!("cannot {action}: no token can be got; {hint} {}", one_line(error)))
}

/// What an answer says that refuses a request.
pub(super) async fn refused(action: &str, answer: HttpResponse, has_credentials: bool) -> DriverError {
    let (parts, body) = answer.into_parts();
    let status = parts.status.as_u16();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let text = read_whole(body, REFUSAL_MAX_BYTES).await.unwrap_or_default();
    let Said { code, message } = said(&text);
    let (class, hint) = meaning(status, &code, &message);
    let sent = header("date").filter(|_| status == 401).and_then(|date| rfc2822::parse(date).ok());
    let hint = match sent.and_then(|sent| clocks_differ(sent.timestamp().as_second(), SKEW_SECS)) {
        Some(words) => format!("; {words}"),
        None if status == 401 && !has_credentials => "; the bucket is not public, so it needs credentials".into(),
        None if hint.is_empty() => String::new(),
        None => format!("; {hint}"),
    };
    let named = [code.as_str(), message.as_str()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    let said = if named.is_empty() { String::new() } else { format!(" {named}") };
    let mut error =
        DriverError::new(class, format!("cannot {action}: the store answers {status}{said}{hint}")).caused_by("http_status", status);
    if !code.is_empty() {
        error = error.caused_by("code", code);
    }
    if let Some(id) = header("x-guploader-uploadid") {
        error = error.caused_by("request_id", id);
    }
    if let Some(secs) = header("retry-after").and_then(|text| text.trim().parse::<u32>().ok()).filter(|_| class.is_transient()) {
        error = error.retry_after_ms(secs.min(3600) * 1000);
    }
    error
}

/// A code and a sentence of the store's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    code: String,
    message: String,
}

/// Reads a refusal of either interface. Another one, of a proxy say, says nothing.
fn said(text: &[u8]) -> Said {
    #[derive(Deserialize)]
    struct Json {
        error: JsonError,
    }
    #[derive(Deserialize)]
    struct JsonError {
        message: String,
        #[serde(default)]
        errors: Vec<Detail>,
    }
    #[derive(Deserialize)]
    struct Detail {
        reason: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Xml {
        code: String,
        #[serde(default)]
        message: String,
    }
    if let Ok(Json { error }) = serde_json::from_slice(text) {
        let code = error.errors.into_iter().next().map(|detail| detail.reason).unwrap_or_default();
        return Said { code, message: error.message };
    }
    let xml = std::str::from_utf8(text).ok().and_then(|text| de::from_str::<Xml>(text).ok());
    xml.map_or_else(Said::default, |Xml { code, message }| Said { code, message })
}

/// What a status and a code mean, and what to do.
///
/// Sources: <https://cloud.google.com/storage/docs/json_api/v1/status-codes>, <https://cloud.google.com/storage/docs/xml-api/reference-status>.
fn meaning(status: u16, code: &str, message: &str) -> (ErrorClass, &'static str) {
    use ErrorClass as C;
    match code {
        "NoSuchBucket" => (C::Missing, "is bucket right, and was it made?"),
        // The JSON interface has one word for both.
        "notFound" if message.contains("bucket does not exist") => (C::Missing, "is bucket right, and was it made?"),
        "NoSuchKey" | "NoSuchUpload" | "notFound" => (C::NotFound, ""),
        "rateLimitExceeded" | "userRateLimitExceeded" | "SlowDown" => (C::Throttled, ""),
        "quotaExceeded" | "uploadTooLarge" | "EntityTooLarge" => (C::Full, ""),
        "InvalidPart" | "InvalidPartOrder" => (C::Conflict, ""),
        "BadDigest" | "RequestTimeout" => (C::Broken, ""),
        "userProjectMissing" | "UserProjectMissing" => (C::Config, "the bucket asks who pays; set user_project"),
        "retentionPolicyNotMet" | "objectUnderActiveHold" | "ObjectUnderActiveHold" => {
            (C::ReadOnly, "the bucket keeps its objects for a time")
        }
        _ => of_status(status),
    }
}

fn of_status(status: u16) -> (ErrorClass, &'static str) {
    use ErrorClass as C;
    match status {
        300..=399 => (C::Config, "is endpoint right?"),
        400 => (C::Config, "are bucket, storage_class and kms_key right?"),
        401 => (C::Unauthorized, "are the credentials right, and still valid?"),
        403 => (C::Unauthorized, "does the account have the role Storage Object User (or Admin) on this bucket?"),
        404 | 410 => (C::NotFound, ""),
        405 => (C::ReadOnly, ""),
        408 | 504 => (C::Timeout, ""),
        412 => (C::AlreadyExists, ""),
        413 | 507 => (C::Full, ""),
        416 => (C::InvalidRange, ""),
        // 409: somebody else changes the object at this moment.
        409 | 429 | 503 => (C::Throttled, ""),
        501 => (C::Unsupported, ""),
        500..=599 => (C::Broken, ""),
        _ => (C::Internal, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_interfaces_are_read() {
        let json = br#"{"error":{"code":412,"message":"no","errors":[{"message":"no","reason":"conditionNotMet","domain":"global"}]}}"#;
        assert_eq!(said(json), Said { code: "conditionNotMet".into(), message: "no".into() });
        let xml = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code><Message>no &amp; no</Message><Details>x</Details></Error>";
        assert_eq!(said(xml), Said { code: "NoSuchKey".into(), message: "no & no".into() });
        assert_eq!(said(b"<html>Bad Gateway"), Said::default());
    }

    #[test]
    fn a_missing_bucket_is_told_from_a_missing_object() {
        assert_eq!(meaning(404, "notFound", "The specified bucket does not exist.").0, ErrorClass::Missing);
        assert_eq!(meaning(404, "notFound", "No such object: a/b").0, ErrorClass::NotFound);
        assert_eq!(meaning(404, "NoSuchBucket", "").0, ErrorClass::Missing);
        assert_eq!(meaning(403, "rateLimitExceeded", "").0, ErrorClass::Throttled);
        assert_eq!(meaning(403, "", "").0, ErrorClass::Unauthorized);
        assert_eq!(meaning(500, "backendError", "").0, ErrorClass::Broken);
    }
}
