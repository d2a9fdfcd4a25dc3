//! Requests that never got an answer.

use longshore_plugin_api::{DriverError, ErrorClass};
use object_store::client::{HttpError, HttpErrorKind};

use crate::one_line;

/// Why a request, which was to `action`, got no answer: `timeout`, `unreachable` or `broken`. `place` are the settings that say where the
/// store is, as `is the endpoint` or `are account and endpoint`.
pub fn no_answer(action: &str, place: &str, error: &HttpError) -> DriverError {
    let why = one_line(error);
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["certificate", "UnknownIssuer"]) {
        let hint = "is its authority in ca_file, and is the endpoint's name right?";
        let message = format!("cannot {action}: the certificate of the other side is not trusted; {hint} {why}");
        return DriverError::new(ErrorClass::Unreachable, message).with_retryable(false);
    }
    let (class, what) = match error.kind() {
        // A connection that is not answered times out, and could not be made all the same.
        HttpErrorKind::Timeout | HttpErrorKind::Connect if has(&["timed out", "timeout"]) => {
            (ErrorClass::Timeout, format!("connecting to the store takes too long; {place} right?"))
        }
        HttpErrorKind::Timeout => (ErrorClass::Timeout, "the store does not answer in time".into()),
        HttpErrorKind::Connect => (ErrorClass::Unreachable, format!("the store cannot be reached; {place} right?")),
        _ => (ErrorClass::Broken, "the connection to the store broke:".into()),
    };
    DriverError::new(class, format!("cannot {action}: {what} {why}"))
}
