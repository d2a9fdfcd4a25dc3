//! Clocks that differ: S3 refuses what was signed more than 15 minutes before or after its own time.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

/// The code of S3 for a request whose time is wrong.
pub(super) const SKEWED: &str = "RequestTimeTooSkewed";
/// Clocks that differ by less, in seconds, are not why a request was refused: the least that any store allows is more.
const ALLOWED: u64 = 4 * 60;

/// What to say of a refusal that clocks are the reason for, if the answer tells the store's time. An answer to HEAD has no code.
pub(super) fn told(answer: &HttpResponse, code: Option<&str>) -> Option<String> {
    let told = answer.headers().get("date")?;
    let store = DateTime::from_str(told, DateTimeFormat::HttpDate).ok()?.secs();
    let here = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs().cast_signed();
    (code == Some(SKEWED) || code.is_none() && answer.status().as_u16() == 403).then(|| differ(store, here)).flatten()
}

/// The difference of two times in seconds, in words; `None` for one that stores allow.
fn differ(store: i64, here: i64) -> Option<String> {
    let seconds = store.abs_diff(here);
    let place = if store > here { "behind" } else { "ahead of" };
    let minutes = (seconds + 30) / 60;
    let words = format!("the clock of this machine is {place} the store's by {minutes} min: set the clock that is wrong");
    (seconds > ALLOWED).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_difference_is_no_reason() {
        assert_eq!(differ(1_000_000, 1_000_000 + 240), None);
        let words = differ(1_000_000, 1_000_000 + 16 * 60 + 10).expect("that is much");
        assert!(words.contains("ahead of the store's by 16 min"), "{words}");
    }
}
