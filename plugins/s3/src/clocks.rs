//! Clocks that differ: S3 refuses what was signed more than 15 minutes before or after its own time.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use longshore_bucket::clocks_differ;

/// The code of S3 for a request whose time is wrong.
pub(super) const SKEWED: &str = "RequestTimeTooSkewed";
/// Clocks that differ by less are not why a request was refused: the least that any store allows is more.
const ALLOWED_SECS: u64 = 4 * 60;

/// What to say of a refusal that clocks are the reason for, if the answer tells the store's time. An answer to HEAD has no code.
pub(super) fn told(answer: &HttpResponse, code: Option<&str>) -> Option<String> {
    let told = answer.headers().get("date")?;
    let store = DateTime::from_str(told, DateTimeFormat::HttpDate).ok()?.secs();
    (code == Some(SKEWED) || code.is_none() && answer.status().as_u16() == 403).then(|| clocks_differ(store, ALLOWED_SECS)).flatten()
}
