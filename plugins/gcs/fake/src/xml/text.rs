//! XML as it is written and read here: elements with text, and no attributes.

/// Text as it stands in an element.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An element with a text.
pub(super) fn element(name: &str, value: impl std::fmt::Display) -> String {
    format!("<{name}>{}</{name}>", escaped(&value.to_string()))
}

/// What stands in each element of that name.
pub(super) fn inside<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(open.as_str()).skip(1).filter_map(|rest| Some(rest.split_once(close.as_str())?.0)).collect()
}

/// The text of an element that [`escaped`] was done to.
pub(super) fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#34;", "\"").replace("&amp;", "&")
}
