//! User and password in a URL, which drivers take in settings that are no secrets, such as a proxy's address.

use std::borrow::Cow;
use std::ops::Range;

/// Where in a text the user and password of a URL stand.
fn position(text: &str) -> Option<Range<usize>> {
    let start = text.find("://")? + 3;
    let end = text[start..].find(['/', '?', '#', ' ', '"']).map_or(text.len(), |end| start + end);
    text[start..end].rfind('@').map(|at| start..start + at)
}

/// The user and password of a URL in a text.
pub(super) fn of(text: &str) -> Option<&str> {
    position(text).map(|range| &text[range])
}

/// The text with the user and password of its URL hidden.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    match position(text) {
        Some(range) => format!("{}(hidden){}", &text[..range.start], &text[range.end..]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_of_a_url_is_found_and_hidden() {
        assert_eq!(
            (of("http://u:p@ss@proxy:3128/x@y"), hidden("http://u:p@ss@proxy:3128/x@y").as_ref()),
            (Some("u:p@ss"), "http://(hidden)@proxy:3128/x@y")
        );
        for text in ["http://proxy:3128", "http://proxy/a@b", "u:p@proxy", "", "://"] {
            assert_eq!((of(text), hidden(text).as_ref()), (None, text));
        }
    }
}
