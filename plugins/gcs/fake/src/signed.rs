//! Signed URLs, version 4.
//!
//! Source: <https://cloud.google.com/storage/docs/authentication/canonical-requests>.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use sha2::{Digest, Sha256};

use crate::Service;
use crate::account::EMAIL;
use crate::refusal::Refusal;
use crate::request::Request;

/// The longest that one may be good for: seven days, in seconds.
const EXPIRES_MAX_SECS: u64 = 604_800;
const ALGORITHM: &str = "GOOG4-RSA-SHA256";

/// # Errors
/// The request is not the one that was signed, or comes too early or too late.
pub(crate) fn check(service: &Service, request: &Request, now: Timestamp) -> Result<(), Refusal> {
    let parameter = |name: &str| {
        let missing =
            || Refusal::new(400, "required", "MissingSecurityElement", format!("Your request was missing a required element: {name}"));
        request.parameter(name).ok_or_else(missing)
    };
    if parameter("X-Goog-Algorithm")? != ALGORITHM {
        return Err(invalid("X-Goog-Algorithm is not one that this server knows"));
    }
    let date = parameter("X-Goog-Date")?;
    let (email, scope) = parameter("X-Goog-Credential")?.split_once('/').ok_or_else(|| invalid("X-Goog-Credential has no scope"))?;
    check_scope(scope, date)?;
    check_time(date, parameter("X-Goog-Expires")?, now)?;
    let canonical = canonical(request, parameter("X-Goog-SignedHeaders")?)?;
    let hash: String = Sha256::digest(canonical.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{hash}");
    let signature = unhex(parameter("X-Goog-Signature")?).ok_or_else(|| invalid("X-Goog-Signature is no hexadecimal number"))?;
    if email != EMAIL || !service.account.has_signed(to_sign.as_bytes(), &signature) {
        let message = "Access denied. The request signature we calculated does not match the signature you provided. Check your Google secret \
                       key and signing method.";
        return Err(Refusal::new(403, "forbidden", "SignatureDoesNotMatch", message));
    }
    Ok(())
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(400, "invalid", "InvalidSecurity", message)
}

fn check_scope(scope: &str, date: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = scope.split('/').collect();
    match parts.as_slice() {
        [day, _, "storage", "goog4_request"] if date.starts_with(day) && day.len() == 8 => Ok(()),
        _ => Err(invalid("the scope in X-Goog-Credential is not the day, a location, storage and goog4_request")),
    }
}

fn check_time(date: &str, expires: &str, now: Timestamp) -> Result<(), Refusal> {
    let begin = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok().and_then(|date| Offset::UTC.to_timestamp(date).ok());
    let begin = begin.ok_or_else(|| invalid("X-Goog-Date is no time"))?.as_second();
    let expires: u64 = expires.parse().map_err(|_| invalid("X-Goog-Expires is no number"))?;
    if expires == 0 || expires > EXPIRES_MAX_SECS {
        return Err(invalid("X-Goog-Expires must be between 1 and 604800 seconds"));
    }
    let now = now.as_second();
    if now < begin - 900 {
        return Err(Refusal::new(403, "forbidden", "AccessDenied", "Request is not valid yet"));
    }
    if now >= begin + expires as i64 {
        return Err(Refusal::new(400, "invalid", "ExpiredToken", "The provided token has expired."));
    }
    Ok(())
}

/// The request as it has to be signed.
fn canonical(request: &Request, signed: &str) -> Result<String, Refusal> {
    let names: Vec<&str> = signed.split(';').collect();
    if !names.contains(&"host") || !names.is_sorted() {
        return Err(invalid("X-Goog-SignedHeaders must have the host, and be sorted"));
    }
    // What changes the meaning of a request must have been signed too.
    let loose = request.headers.keys().find(|name| name.as_str().starts_with("x-goog-") && !names.contains(&name.as_str()));
    if let Some(name) = loose {
        return Err(invalid(&format!("the field {name} is not signed")));
    }
    let fields: String = names.iter().map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default().trim())).collect();
    let mut query: Vec<&str> = request.raw_query.split('&').filter(|pair| !pair.starts_with("X-Goog-Signature=")).collect();
    query.sort_unstable();
    let payload = request.header("x-goog-content-sha256").unwrap_or("UNSIGNED-PAYLOAD");
    Ok(format!("{}\n{}\n{}\n{fields}\n{signed}\n{payload}", request.method, request.path, query.join("&")))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    pairs.collect()
}
