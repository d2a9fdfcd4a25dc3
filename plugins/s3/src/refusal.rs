//! What the client's errors mean: a class of the contract, a sentence, and what the store said as data.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use longshore_bucket::one_line;
use longshore_plugin_api::{DriverError, ErrorClass};

use crate::clocks;

/// Codes of a bucket that is not where it was looked for.
const MISLED: [&str; 4] = ["AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"];

const PROXY_CREDENTIALS: &str = "the proxy wants credentials: write proxy as http://USER:PASSWORD@HOST:PORT";

/// The error of a request, which was to `action`.
pub(super) fn refused<E>(action: &str, error: &SdkError<E, HttpResponse>) -> DriverError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let Some(credentials) = without_credentials(action, error) {
        return credentials;
    }
    match error {
        SdkError::ServiceError(answer) => {
            let meta = answer.err().meta();
            answered(action, answer.raw(), meta.code(), meta.message())
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let known = answered(action, answer.raw(), None, Some(&one_line(error)));
            if status >= 400 { known } else { DriverError::new(ErrorClass::Broken, format!("cannot {action}: {}", one_line(error))) }
        }
        SdkError::TimeoutError(_) => DriverError::new(ErrorClass::Timeout, format!("cannot {action}: the store does not answer in time")),
        SdkError::DispatchFailure(failure) => unsent(action, failure.is_timeout(), &one_line(error)),
        _ => unsent(action, false, &one_line(error)),
    }
}

/// The refusal, if the cause is that there is nothing to sign a request with.
fn without_credentials(action: &str, error: &(dyn Error + 'static)) -> Option<DriverError> {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    let cause = causes.filter_map(|error| error.downcast_ref::<CredentialsError>()).next()?;
    let why = one_line(cause);
    Some(if matches!(cause, CredentialsError::ProviderTimedOut(_)) {
        DriverError::new(ErrorClass::Timeout, format!("cannot {action}: the credentials do not come in time: {why}"))
    } else {
        let hint = "give access_key and secret_key, or say with credentials where they come from";
        DriverError::new(ErrorClass::Unauthorized, format!("cannot {action}: no credentials were found; {hint}: {why}"))
    })
}

/// A request that never got an answer.
fn unsent(action: &str, timeout: bool, why: &str) -> DriverError {
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["certificate", "UnknownIssuer", "CertificateUnknown"]) {
        let hint = "is its authority in ca_file, and is the endpoint's name right?";
        return DriverError::new(ErrorClass::Unreachable, format!("cannot {action}: the store's certificate is not trusted; {hint} {why}"))
            .with_retryable(false);
    }
    if has(&["tunnel error"]) {
        return by_proxy(action, why);
    }
    if has(&["InvalidContentType"]) {
        let hint = "the endpoint does not speak TLS; must it be http://?";
        return DriverError::new(ErrorClass::Unreachable, format!("cannot {action}: {hint} {why}")).with_retryable(false);
    }
    if timeout {
        return DriverError::new(ErrorClass::Timeout, format!("cannot {action}: connecting to the store takes too long"));
    }
    if has(&["connection closed", "broken pipe", "Broken pipe", "reset", "IncompleteMessage", "invalid HTTP"]) {
        return DriverError::new(ErrorClass::Broken, format!("cannot {action}: the connection to the store broke: {why}"));
    }
    DriverError::new(
        ErrorClass::Unreachable,
        format!("cannot {action}: the store cannot be reached; is the endpoint right, and proxy if there is one? {why}"),
    )
}

/// A connection that the proxy did not make.
fn by_proxy(action: &str, why: &str) -> DriverError {
    let (class, says) = if why.contains("authorization required") {
        (ErrorClass::Config, PROXY_CREDENTIALS)
    } else if why.contains("underlying connection") {
        (ErrorClass::Unreachable, "the proxy cannot be reached; is proxy right?")
    } else {
        (ErrorClass::Unreachable, "the proxy does not connect to the store; is proxy right, and does it permit this endpoint?")
    };
    DriverError::new(class, format!("cannot {action}: {says} {why}"))
}

fn answered(action: &str, answer: &HttpResponse, code: Option<&str>, message: Option<&str>) -> DriverError {
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name);
    let (class, hint) = match code {
        Some(code) if matches!(status, 400 | 403) && is_of_key_service(code, message.unwrap_or_default()) => {
            (ErrorClass::Config, "is kms_key right, and may these credentials use it?")
        }
        code => meaning(status, code.unwrap_or_default()),
    };
    let said = match (code, message) {
        (Some(code), Some(message)) if !message.is_empty() => format!("the store answers {status} {code}: {message}"),
        (Some(code), _) => format!("the store answers {status} {code}"),
        (None, Some(message)) if !message.is_empty() => format!("the store answers {status}: {message}"),
        _ => format!("the store answers {status}"),
    };
    let hint = match clocks::told(answer, code).or_else(|| elsewhere(answer, class, code)) {
        Some(hint) => format!("; {hint}"),
        None if hint.is_empty() => String::new(),
        None => format!("; {hint}"),
    };
    let ids = [("request_id", header("x-amz-request-id")), ("request_id_2", header("x-amz-id-2"))];
    // Stores give one of both with what they refuse.
    let nameless = code.is_none() && ids.iter().all(|(_, id)| id.is_none()) && matches!(status, 401 | 403 | 502 | 504);
    let hint = if nameless { format!("{hint}; the answer has no request id: it may be that of a proxy") } else { hint };
    let mut error = DriverError::new(class, format!("cannot {action}: {said}{hint}")).caused_by("http_status", status);
    if let Some(code) = code {
        error = error.caused_by("code", code);
    }
    for (kind, id) in ids {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            error = error.caused_by(kind, id);
        }
    }
    if let Some(seconds) = header("retry-after").and_then(|text| text.trim().parse::<u32>().ok()).filter(|_| class.is_transient()) {
        error = error.retry_after_ms(seconds.min(3600) * 1000);
    }
    error
}

/// Where the bucket is, if the store tells it: AWS in a header or, as Garage, in the body.
fn elsewhere(answer: &HttpResponse, class: ErrorClass, code: Option<&str>) -> Option<String> {
    let body = answer.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
    let element = |name: &str| Some(body.split_once(&format!("<{name}>"))?.1.split_once('<')?.0).filter(|text| !text.is_empty());
    let misled = code.is_some_and(|code| MISLED.contains(&code));
    let region = answer.headers().get("x-amz-bucket-region").filter(|_| class == ErrorClass::Config);
    let region = region.or_else(|| element("Region").filter(|_| misled))?;
    let endpoint = element("Endpoint").filter(|_| misled).map(|host| format!(", and endpoint to that of {host} if you have set it"));
    Some(format!("the bucket is elsewhere: set region to {region:?}{}", endpoint.unwrap_or_default()))
}

/// Whether the key service refuses: Ceph says that by the code of an unknown access key, AWS by codes of its own and by that of all denied access.
fn is_of_key_service(code: &str, message: &str) -> bool {
    code.starts_with("KMS.") || message.contains("kms-keyid") || message.contains("kms:")
}

/// What a status and a code mean, and what to do. Codes first: stores do not agree on statuses.
fn meaning(status: u16, code: &str) -> (ErrorClass, &'static str) {
    use ErrorClass as C;
    match code {
        "NoSuchKey" | "NoSuchUpload" | "NotFound" => (C::NotFound, ""),
        "NoSuchBucket" => (C::Missing, "is bucket right, and was it made?"),
        "AccessDenied" | "AllAccessDisabled" => (C::Unauthorized, "may these credentials do that in this bucket, and is it yours?"),
        "InvalidAccessKeyId" => (C::Unauthorized, "the store does not know access_key"),
        "SignatureDoesNotMatch" => (C::Unauthorized, "is secret_key right? (and region, for some stores)"),
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => (C::Unauthorized, "the session token is over"),
        clocks::SKEWED => (C::Unauthorized, "the clocks of this machine and of the store differ: set the clock that is wrong"),
        code if MISLED.contains(&code) => (C::Config, "is region right?"),
        "SlowDown" | "TooManyRequests" | "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "ServiceUnavailable" => {
            (C::Throttled, "")
        }
        "QuotaExceeded" | "InsufficientCapacity" | "EntityTooLarge" | "XMinioStorageFull" | "InsufficientStorage" => (C::Full, ""),
        "InvalidPart" | "InvalidPartOrder" => (C::Conflict, ""),
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" => (C::Broken, ""),
        "RequestTimeout" => (C::Timeout, ""),
        "KeyTooLongError" | "KeyTooLong" => (C::InvalidKey, "the store's names have 1,024 bytes at the most, root included"),
        "InvalidRange" => (C::InvalidRange, ""),
        "PreconditionFailed" => (C::AlreadyExists, ""),
        // Somebody else creates the object at this moment: soon it will be there, or not.
        "ConditionalRequestConflict" | "OperationAborted" => (C::Throttled, ""),
        "NotImplemented" => (C::Unsupported, "this store lacks it"),
        "MethodNotAllowed" | "ReadOnlyAccessMode" => (C::ReadOnly, ""),
        _ => (of_status(status), hint_of_status(status)),
    }
}

fn of_status(status: u16) -> ErrorClass {
    use ErrorClass as C;
    match status {
        404 => C::NotFound,
        401 | 403 => C::Unauthorized,
        301 | 307 | 308 | 400 => C::Config,
        405 => C::ReadOnly,
        407 => C::Config,
        408 | 504 => C::Timeout,
        409 => C::Conflict,
        412 => C::AlreadyExists,
        416 => C::InvalidRange,
        429 | 503 => C::Throttled,
        501 => C::Unsupported,
        507 => C::Full,
        500..=599 => C::Broken,
        _ => C::Internal,
    }
}

fn hint_of_status(status: u16) -> &'static str {
    match status {
        301 | 307 | 308 => "is region right?",
        400 => "are region, endpoint and path_style right, and customer_key if the object has one?",
        401 | 403 => "are the credentials right, and may they do that in this bucket?",
        407 => PROXY_CREDENTIALS,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_win_over_statuses() {
        assert_eq!(meaning(404, "NoSuchBucket").0, ErrorClass::Missing);
        assert_eq!(meaning(404, "").0, ErrorClass::NotFound);
        assert_eq!(meaning(400, "ExpiredToken").0, ErrorClass::Unauthorized);
        assert_eq!(meaning(503, "Unheard").0, ErrorClass::Throttled);
        assert_eq!(meaning(500, "").0, ErrorClass::Broken);
    }

    #[test]
    fn the_key_service_is_told_from_the_store() {
        assert!(is_of_key_service("KMS.DisabledException", "the key is disabled"));
        assert!(is_of_key_service("AccessDenied", "User: registry is not authorized to perform: kms:GenerateDataKey on resource"));
        assert!(!is_of_key_service("AccessDenied", "User: registry is not authorized to perform: s3:GetObject on resource kms-images/x"));
    }

    #[test]
    fn what_was_never_answered_is_told_apart() {
        let class = |why| unsent("read", false, why).class();
        assert_eq!(class("tcp connect error: Connection refused"), ErrorClass::Unreachable);
        assert_eq!(class("invalid peer certificate: UnknownIssuer"), ErrorClass::Unreachable);
        assert!(!unsent("read", false, "invalid peer certificate: UnknownIssuer").is_retryable());
        assert_eq!(class("connection closed before message completed"), ErrorClass::Broken);
    }

    #[test]
    fn missing_credentials_are_told_from_what_speaks_of_them() {
        let class = |cause: CredentialsError| {
            let error = SdkError::<std::io::Error>::construction_failure(cause);
            without_credentials("read", &error).map(|error| error.class())
        };
        assert_eq!(class(CredentialsError::not_loaded("profile `absent` was not defined")), Some(ErrorClass::Unauthorized));
        assert_eq!(class(CredentialsError::provider_timed_out(std::time::Duration::from_secs(5))), Some(ErrorClass::Timeout));
        assert!(without_credentials("read", &std::io::Error::other("no credentials")).is_none());
    }
}
