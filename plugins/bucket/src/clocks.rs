//! Clocks that differ: stores refuse what was signed long before or after their own time.

use std::time::{SystemTime, UNIX_EPOCH};

/// What to say where this machine's clock differs from the store's, whose time is `store` seconds after 1970; `None` where they differ by less
/// than `allowed_secs`, which no store minds.
pub fn clocks_differ(store: i64, allowed_secs: u64) -> Option<String> {
    let here = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs().cast_signed();
    differ(store, here, allowed_secs)
}

fn differ(store: i64, here: i64, allowed_secs: u64) -> Option<String> {
    let seconds = store.abs_diff(here);
    let place = if store > here { "behind" } else { "ahead of" };
    let minutes = (seconds + 30) / 60;
    let words = format!("the clock of this machine is {place} the store's by {minutes} min: set the clock that is wrong");
    (seconds > allowed_secs).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_difference_is_no_reason() {
        assert_eq!(differ(1_000_000, 1_000_000 + 240, 240), None);
        let words = differ(1_000_000, 1_000_000 + 16 * 60 + 10, 240).expect("that is much");
        assert!(words.contains("ahead of the store's by 16 min"), "{words}");
    }
}
