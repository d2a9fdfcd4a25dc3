//! What failures mean: a class of the contract, a sentence that says what to do, and what the store said as data.

use http::HeaderMap;
use longshore_bucket::clocks_differ;
use longshore_plugin_api::{DriverError, ErrorClass};

/// By how much a signed request's date may be off ("Authorize with Shared Key").
const SKEW_MAX_SECS: u64 = 15 * 60;

/// The settings that say where the store is, for messages.
pub(super) const PLACE: &str = "are account and endpoint";

/// A request that was answered with an error.
pub(super) fn answered(action: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> DriverError {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty());
    let explanation = String::from_utf8_lossy(body);
    let code = header("x-ms-error-code").or_else(|| element(&explanation, "Code"));
    let (class, hint) = match header("x-ms-request-id") {
        // That a blob is absent is for the store to say.
        None if status == 404 => (ErrorClass::Broken, "this is not the blob service; is endpoint right?"),
        _ => meaning(status, code.unwrap_or_default()),
    };
    let skew = if class == ErrorClass::Unauthorized {
        header("date").and_then(time).and_then(|ms| clocks_differ(ms / 1000, SKEW_MAX_SECS))
    } else {
        None
    };
    let hint = skew.unwrap_or_else(|| hint.to_owned());
    // The rest of the message is the request's id and time.
    let said = element(&explanation, "Message").and_then(|text| text.lines().next());
    let said = [code, said.map(|text| text.trim_end_matches('.'))].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let (space, pause) = (if said.is_empty() { "" } else { " " }, if hint.is_empty() { "" } else { "; " });
    let message = format!("cannot {action}: the store answers {status}{space}{said}{pause}{hint}");
    let mut error = DriverError::new(class, message).caused_by("http_status", status);
    for (kind, value) in [("code", code), ("request_id", header("x-ms-request-id"))] {
        if let Some(value) = value {
            error = error.caused_by(kind, value);
        }
    }
    match header("retry-after").and_then(|text| text.trim().parse::<u32>().ok()).filter(|_| class.is_transient()) {
        Some(seconds) => error.retry_after_ms(seconds.min(3600) * 1000),
        None => error,
    }
}

/// The text of an XML element without others in it.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

/// The milliseconds since 1970 of a time as headers and lists have it.
pub(super) fn time(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// What a status and a code mean, and what to do ("Blob service error codes", "Common REST API error codes").
fn meaning(status: u16, code: &str) -> (ErrorClass, &'static str) {
    use ErrorClass as C;
    match code {
        "ContainerNotFound" | "ContainerBeingDeleted" | "ContainerDisabled" => (C::Missing, "is container right, and was it made?"),
        "BlobNotFound" | "CannotVerifyCopySource" if status == 404 => (C::NotFound, ""),
        "BlobAlreadyExists" => (C::AlreadyExists, ""),
        "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation" => {
            (C::Unauthorized, "are account and its key, SAS or token right, and is it still valid?")
        }
        // Of a firewall, and of the emulator for a wrong key.
        "AuthorizationFailure" => {
            (C::Unauthorized, "are account and its credentials right, and does the account's firewall let this machine in?")
        }
        "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions" | "AuthorizationServiceMismatch" => {
            (C::Unauthorized, "the SAS lacks a permission (it needs sp=racwdl), or the identity the role Storage Blob Data Contributor")
        }
        "KeyBasedAuthenticationNotPermitted" => (C::Unauthorized, "the account takes no keys; use an identity of Entra"),
        "AccountIsDisabled" => (C::Unauthorized, "the account is disabled"),
        "AuthorizationResourceTypeMismatch" => (C::Unauthorized, "the SAS is not for containers and blobs (srt=co)"),
        "BlobImmutableDueToPolicy" | "ContainerImmutabilityPolicyAlreadyExists" => {
            (C::ReadOnly, "a policy forbids to change or delete it yet")
        }
        "LeaseIdMissing" | "LeaseLost" => (C::ReadOnly, "another program holds a lease on it"),
        "BlobArchived" | "BlobBeingRehydrated" => (C::ReadOnly, "it is in the archive tier; bring it back to an online tier"),
        "InvalidBlockList" | "InvalidBlobOrBlock" => (C::Conflict, "somebody else wrote or committed blocks of it"),
        "InvalidBlobType" => (C::Conflict, "another program wrote it as a blob of another type"),
        "BlockCountExceedsLimit" | "BlockListTooLong" | "RequestBodyTooLarge" => (C::Full, ""),
        "InvalidRange" => (C::InvalidRange, ""),
        "InvalidUri" | "InvalidResourceName" | "OutOfRangeInput" => {
            (C::InvalidKey, "the store takes no such name; is it too long, with the root?")
        }
        "OperationTimedOut" => (C::Timeout, ""),
        "ServerBusy" => (C::Throttled, ""),
        "FeatureVersionMismatch" | "UnsupportedHeader" | "UnsupportedQueryParameter" => (C::Unsupported, "this store lacks it"),
        "Md5Mismatch" | "Crc64Mismatch" => (C::Broken, ""),
        _ => of_status(status),
    }
}

fn of_status(status: u16) -> (ErrorClass, &'static str) {
    use ErrorClass as C;
    match status {
        404 => (C::NotFound, ""),
        401 | 403 => (C::Unauthorized, "are the credentials right, and may they do that in this container?"),
        300..=399 | 400 | 405 => (C::Config, "are account, endpoint and container right?"),
        408 | 504 => (C::Timeout, ""),
        407 => (C::Config, "is proxy right, with its user and password?"),
        409 => (C::Conflict, ""),
        412 => (C::AlreadyExists, ""),
        416 => (C::InvalidRange, ""),
        429 | 503 => (C::Throttled, ""),
        501 => (C::Unsupported, "this store lacks it"),
        507 => (C::Full, ""),
        500..=599 => (C::Broken, ""),
        _ => (C::Internal, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("it is ASCII"))).collect()
    }

    #[test]
    fn codes_win_over_statuses_and_stand_in_header_or_body() {
        let class = |status, headers: &HeaderMap, body: &str| answered("read a", status, headers, body.as_bytes()).class();
        let id = ("x-ms-request-id", "1");
        assert_eq!(class(404, &headers(&[id, ("x-ms-error-code", "ContainerNotFound")]), ""), ErrorClass::Missing);
        assert_eq!(class(404, &headers(&[id]), "<Error><Code>ContainerNotFound</Code></Error>"), ErrorClass::Missing);
        assert_eq!(class(404, &headers(&[id]), ""), ErrorClass::NotFound);
        assert_eq!(class(404, &headers(&[]), ""), ErrorClass::Broken, "somebody else answered");
        assert_eq!(class(503, &headers(&[("x-ms-error-code", "ServerBusy")]), ""), ErrorClass::Throttled);
        assert_eq!(class(500, &headers(&[("x-ms-error-code", "OperationTimedOut")]), ""), ErrorClass::Timeout);
        assert_eq!(class(403, &headers(&[]), ""), ErrorClass::Unauthorized);
    }

    #[test]
    fn an_error_is_one_sentence_with_the_stores_words_and_ids() {
        let headers = headers(&[("x-ms-error-code", "ServerBusy"), ("x-ms-request-id", "id-1"), ("retry-after", "7")]);
        let error = answered(
            "read a",
            503,
            &headers,
            b"<Error><Code>ServerBusy</Code><Message>Egress is over the limit.\nRequestId:x</Message></Error>",
        );
        assert_eq!(error.message(), "cannot read a: the store answers 503 ServerBusy: Egress is over the limit");
        assert!(error.causes().iter().any(|cause| cause.kind == "request_id" && cause.value == "id-1"));
        assert_eq!(error.retry_after(), Some(7000));
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let headers = headers(&[("x-ms-error-code", "AuthenticationFailed"), ("date", "Tue, 05 Nov 2024 15:01:15 GMT")]);
        let error = answered("list", 403, &headers, b"");
        let told = ["ahead of the store's by ", "set the clock that is wrong"].iter().all(|words| error.message().contains(words));
        assert!(told, "{error}");
        assert_eq!(error.class(), ErrorClass::Unauthorized);
    }
}
