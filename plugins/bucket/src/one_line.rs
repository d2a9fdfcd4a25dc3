//! Errors of client libraries, for messages.

use std::error::Error;

/// An error with all that caused it, in one line; a cause that only repeats what was said is left out.
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
