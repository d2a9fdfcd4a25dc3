//! Partial answers: what `fields` does not name is not told.
//!
//! Source: <https://cloud.google.com/storage/docs/json_api#partial-response>.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The fields that a selector like `items(name,size),nextPageToken` names.
///
/// # Errors
/// The selector cannot be read.
pub(super) fn only(selector: Option<&str>, value: Value) -> Result<Value, Refusal> {
    let Some(selector) = selector.filter(|selector| *selector != "*") else { return Ok(value) };
    let mut rest = selector;
    let value = select(&mut rest, &value)?;
    if rest.is_empty() { Ok(value) } else { Err(wrong(selector)) }
}

fn wrong(selector: &str) -> Refusal {
    Refusal::new(400, "invalidParameter", "InvalidArgument", format!("Invalid field selection {selector}"))
}

/// Takes names from `rest` up to its end or a closing bracket.
fn select(rest: &mut &str, value: &Value) -> Result<Value, Refusal> {
    let mut found = Map::new();
    loop {
        let end = rest.find([',', '(', ')', '/']).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if name.is_empty() {
            return Err(wrong(rest));
        }
        let below = value.get(name).cloned();
        let below = match tail.chars().next() {
            Some('(') => {
                *rest = &tail[1..];
                let below = each(rest, below)?;
                *rest = rest.strip_prefix(')').ok_or_else(|| wrong(rest))?;
                below
            }
            Some('/') => return Err(wrong("a/b, which this server does not know")),
            _ => {
                *rest = tail;
                below
            }
        };
        if let Some(below) = below {
            found.insert(name.to_owned(), below);
        }
        match rest.strip_prefix(',') {
            Some(more) => *rest = more,
            None => return Ok(Value::Object(found)),
        }
    }
}

/// The same selection out of each item of a list, or out of the one value.
fn each(rest: &mut &str, value: Option<Value>) -> Result<Option<Value>, Refusal> {
    match value {
        Some(Value::Array(items)) => {
            let selector = *rest;
            // The selector is read at least once, also for no items.
            select(rest, &Value::Null)?;
            let selected = items.iter().map(|item| select(&mut { selector }, item)).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(Value::Array(selected)))
        }
        Some(value) => select(rest, &value).map(Some),
        None => select(rest, &Value::Null).map(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_named_fields_are_left() {
        let value = json!({ "items": [{ "name": "a", "size": "1", "id": "x" }], "kind": "k", "nextPageToken": "t" });
        let left = only(Some("nextPageToken,items(name,size),prefixes"), value.clone()).unwrap();
        assert_eq!(left, json!({ "items": [{ "name": "a", "size": "1" }], "nextPageToken": "t" }));
        assert_eq!(only(None, value.clone()).unwrap(), value);
        assert!(only(Some("items(name"), value).is_err(), "a bracket is open");
    }
}
