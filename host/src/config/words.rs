//! A key's or setting's type, range and default in words; the same for `explain`, the reference pages and the examples.

use longshore_loader::api::schema::{Format, Kind, Property, Unit};
use serde_json::Value as Json;

use super::show::toml;

/// What stands in place of a secret's value.
pub(super) const REFERENCE: &str = r#"{ env = "NAME" }"#;

/// The type, with its range: `size in bytes, 8KiB to 1MiB`.
pub(super) fn kind(property: &Property) -> String {
    let range = property.range().map_or_else(String::new, |range| format!(", {range}"));
    if !property.allowed.is_empty() {
        return property.allowed.iter().map(toml).collect::<Vec<_>>().join(" or ");
    }
    match &property.kind {
        Kind::String { .. } if property.secret => "secret".to_owned(),
        Kind::Array(_) if property.secret => "list of secrets".to_owned(),
        Kind::String { .. } => match property.format {
            Some(Format::Path) => format!("path{range}"),
            Some(Format::Url) => format!("URL{range}"),
            None => format!("text{range}"),
        },
        Kind::Integer { unit: Some(Unit::Bytes), .. } => format!("size in bytes{range}"),
        Kind::Integer { unit: Some(Unit::Seconds), .. } => format!("duration in seconds{range}"),
        Kind::Integer { unit: Some(Unit::Milliseconds), .. } => format!("duration in milliseconds{range}"),
        Kind::Integer { unit: None, .. } => format!("whole number{range}"),
        Kind::Number { .. } => format!("number{range}"),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Array(items) if matches!(items.kind, Kind::String { .. }) => "list of texts".to_owned(),
        Kind::Array(items) => format!("list, each a {}", kind(items)),
        Kind::Object(_) => "table".to_owned(),
    }
}

/// The default as one would write it: `"64KiB"`, `true`; none if there is none.
pub(super) fn default(property: &Property) -> Option<String> {
    property.default.as_ref().map(|value| written(property, value))
}

/// A value as one would write it.
pub(super) fn written(property: &Property, value: &Json) -> String {
    match (property.unit(), value.as_u64()) {
        (Some(unit), Some(number)) if unit.words(number) != number.to_string() => toml(&unit.words(number).into()),
        _ => toml(value),
    }
}

/// What to use instead of a key that should no longer be used.
pub(super) fn deprecation(property: &Property) -> Option<String> {
    let deprecated = property.deprecated.as_ref()?;
    Some(deprecated.replaced_by.as_ref().map_or_else(|| "deprecated".to_owned(), |key| format!("deprecated, use {key}")))
}
