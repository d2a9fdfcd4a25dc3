//! From JSON to a [`Schema`](super::Schema): every keyword is taken by name, and what nobody took is a fault.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::check::{self, Rejected};
use super::{Deprecated, Format, Kind, Object, Property, Schema, SchemaError, Unit, nearest};

const TYPES: &str = r#""string", "integer", "number", "boolean", "array" or "object""#;

pub(super) fn schema(json: &Value) -> Result<Schema, SchemaError> {
    let mut faults = Vec::new();
    let mut environment = Vec::new();
    let object = Keywords::of("", json, &mut faults).and_then(|mut keywords| {
        keywords.take("$schema");
        keywords.take("description");
        match keywords.text("type") {
            Some("object") | None => {}
            Some(_) => keywords.fault(r#"the root's "type" must be "object""#),
        }
        environment = keywords.variables();
        let object = keywords.object();
        keywords.finish("an object");
        object
    });
    match object {
        Some(root) if faults.is_empty() => Ok(Schema { root, environment }),
        _ => Err(SchemaError { faults }),
    }
}

/// The keywords of one place in the schema, and where to put its faults.
struct Keywords<'s> {
    at: String,
    json: &'s Map<String, Value>,
    taken: Vec<&'static str>,
    faults: &'s mut Vec<String>,
}

impl<'s> Keywords<'s> {
    fn of(at: &str, json: &'s Value, faults: &'s mut Vec<String>) -> Option<Self> {
        let place = if at.is_empty() { "the schema" } else { at };
        let Value::Object(json) = json else {
            faults.push(format!("{place}: must be an object of keywords"));
            return None;
        };
        Some(Self { at: place.to_owned(), json, taken: Vec::new(), faults })
    }

    fn fault(&mut self, sentence: impl AsRef<str>) {
        self.faults.push(format!("{}: {}", self.at, sentence.as_ref()));
    }

    fn take(&mut self, keyword: &'static str) -> Option<&'s Value> {
        self.taken.push(keyword);
        self.json.get(keyword)
    }

    /// Takes a keyword whose value `read` understands; `what` says what that is.
    fn value<T>(&mut self, keyword: &'static str, what: &str, read: impl FnOnce(&'s Value) -> Option<T>) -> Option<T> {
        let value = self.take(keyword)?;
        let read = read(value);
        if read.is_none() {
            self.fault(format!("{keyword:?} must be {what}"));
        }
        read
    }

    fn text(&mut self, keyword: &'static str) -> Option<&'s str> {
        self.value(keyword, "a string", Value::as_str)
    }

    fn flag(&mut self, keyword: &'static str) -> bool {
        self.value(keyword, "true or false", Value::as_bool).unwrap_or(false)
    }

    fn list(&mut self, keyword: &'static str) -> &'s [Value] {
        self.value(keyword, "a list", Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn variables(&mut self) -> Vec<String> {
        let name = |name: &str| {
            let name = name.strip_suffix('*').unwrap_or(name);
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let names = |value: &Value| value.as_array()?.iter().map(|one| one.as_str().filter(|one| name(one)).map(str::to_owned)).collect();
        self.value("x-environment", r#"a list of names of variables such as "HOME" or "AWS_*""#, names).unwrap_or_default()
    }

    fn below(&self, step: &str) -> String {
        if self.at == "the schema" { step.to_owned() } else { format!("{}.{step}", self.at) }
    }

    fn limits<T: PartialOrd>(
        &mut self,
        least: &'static str,
        most: &'static str,
        what: &str,
        read: fn(&Value) -> Option<T>,
    ) -> (Option<T>, Option<T>) {
        let limits = (self.value(least, what, read), self.value(most, what, read));
        if let (Some(low), Some(high)) = &limits
            && low > high
        {
            self.fault(format!("{least:?} is above {most:?}"));
        }
        limits
    }

    fn object(&mut self) -> Option<Object> {
        let open = self.flag("additionalProperties");
        let empty = Map::new();
        let listed = self.value("properties", "an object", Value::as_object);
        let mut properties = BTreeMap::new();
        for (name, json) in listed.unwrap_or(&empty) {
            let at = self.below(&format!("properties.{name}"));
            properties.insert(name.clone(), Keywords::of(&at, json, self.faults).and_then(Keywords::property));
        }
        for name in self.list("required") {
            self.require(name, &mut properties);
        }
        // A property that cannot be read has left its fault; the object is of no use then.
        let properties = properties.into_iter().map(|(name, property)| Some((name, property?))).collect::<Option<_>>()?;
        Some(Object { properties, open })
    }

    fn require(&mut self, name: &Value, properties: &mut BTreeMap<String, Option<Property>>) {
        match name.as_str().and_then(|name| properties.get_mut(name)) {
            Some(Some(property)) if property.default.is_some() => {
                self.fault(format!("{name} is required and has a default; keep one of the two"));
            }
            Some(Some(property)) => property.required = true,
            Some(None) => {}
            None => self.fault(format!(r#""required" lists {name}, which is not one of the properties"#)),
        }
    }

    fn property(mut self) -> Option<Property> {
        let name = match self.text("type") {
            Some(name) => name,
            None if self.json.contains_key("type") => return None,
            None => {
                self.fault(format!(r#""type" is missing; it must be {TYPES}"#));
                return None;
            }
        };
        let kind = self.kind(name)?;
        let secret = matches!(kind, Kind::String { .. }) && (self.flag("x-secret") | self.flag("writeOnly"));
        let format = matches!(kind, Kind::String { .. }).then(|| self.value("format", r#""path" or "url""#, format)).flatten();
        let valued = matches!(kind, Kind::String { .. } | Kind::Integer { .. } | Kind::Number { .. });
        let description = self.text("description").unwrap_or_default().to_owned();
        let is_deprecated = self.flag("deprecated");
        let replaced_by = self.text("x-replaced-by").map(str::to_owned);
        let deprecated = (is_deprecated || replaced_by.is_some()).then_some(Deprecated { replaced_by });
        let (allowed, examples) = (Vec::new(), Vec::new());
        let mut property = Property { kind, required: false, default: None, allowed, description, examples, deprecated, secret, format };
        if valued {
            property.allowed = self.allowed(&property);
        }
        property.default = self.take("default").and_then(|value| self.fitting("default", value, &property));
        property.examples = self.list("examples").iter().filter_map(|value| self.fitting("examples", value, &property)).collect();
        self.finish(&format!("type {name:?}"));
        Some(property)
    }

    fn kind(&mut self, name: &str) -> Option<Kind> {
        match name {
            "string" => {
                let (min_length, max_length) = self.limits("minLength", "maxLength", "a whole number", Value::as_u64);
                Some(Kind::String { min_length, max_length })
            }
            "integer" => {
                let (minimum, maximum) = self.limits("minimum", "maximum", "a whole number", Value::as_i64);
                let unit = self.value("x-unit", r#""bytes", "seconds" or "milliseconds""#, unit);
                Some(Kind::Integer { minimum, maximum, unit })
            }
            "number" => {
                let (minimum, maximum) = self.limits("minimum", "maximum", "a number", Value::as_f64);
                Some(Kind::Number { minimum, maximum })
            }
            "boolean" => Some(Kind::Boolean),
            "array" => self.items(),
            "object" => self.object().map(Kind::Object),
            other => {
                self.fault(format!(r#""type" is {other:?}, must be {TYPES}"#));
                None
            }
        }
    }

    fn items(&mut self) -> Option<Kind> {
        let Some(json) = self.take("items") else {
            self.fault(r#"an array needs "items", which says what its elements are"#);
            return None;
        };
        let at = self.below("items");
        let items = Keywords::of(&at, json, self.faults)?.property()?;
        Some(Kind::Array(Box::new(items)))
    }

    fn allowed(&mut self, property: &Property) -> Vec<Value> {
        if self.json.contains_key("enum") && self.list("enum").is_empty() {
            self.fault(r#""enum" must list at least one value"#);
        }
        self.list("enum").iter().filter_map(|value| self.fitting("enum", value, property)).collect()
    }

    fn fitting(&mut self, keyword: &str, value: &Value, property: &Property) -> Option<Value> {
        match check::value(property, value) {
            Ok(value) => Some(value),
            Err(Rejected { rule }) => {
                self.fault(format!("{keyword:?} does not fit: it {rule}"));
                None
            }
        }
    }

    fn finish(mut self, place: &str) {
        let unknown = self.json.keys().filter(|keyword| !self.taken.contains(&keyword.as_str()));
        for keyword in unknown.collect::<Vec<_>>() {
            let hint = nearest(keyword, self.taken.iter().copied()).map(|near| format!("; did you mean {near:?}?"));
            self.fault(format!("unknown keyword {keyword:?} for {place}{}", hint.unwrap_or_default()));
        }
    }
}

fn format(value: &Value) -> Option<Format> {
    match value.as_str()? {
        "path" => Some(Format::Path),
        "url" => Some(Format::Url),
        _ => None,
    }
}

fn unit(value: &Value) -> Option<Unit> {
    Unit::ALL.into_iter().find(|unit| value.as_str() == Some(unit.name()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::schema::Schema;

    use super::*;

    fn faults(schema: &Value) -> Vec<String> {
        Schema::from_json(schema).unwrap_err().faults
    }

    fn faults_of(property: &Value) -> Vec<String> {
        faults(&json!({ "properties": { "p": property } }))
    }

    #[test]
    fn schema_of_nothing_is_an_object_without_keys() {
        let schema = Schema::from_json(&json!({})).unwrap();
        assert_eq!(schema.properties().count(), 0);
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        assert!(Schema::from_json(&json!({ "$schema": dialect, "type": "object", "properties": {} })).is_ok());
    }

    #[test]
    fn schema_with_an_unknown_keyword_is_refused_with_its_place() {
        let schema = json!({
            "propertys": {},
            "properties": {
                "a": { "type": "string", "pattern": "x" },
                "b": { "type": "string", "minimum": 1 },
                "c": { "type": "array", "items": { "type": "object", "properties": { "d": { "type": "boolean", "defualt": true } } } }
            }
        });
        let expected = [
            r#"properties.a: unknown keyword "pattern" for type "string""#,
            r#"properties.b: unknown keyword "minimum" for type "string""#,
            r#"properties.c.items.properties.d: unknown keyword "defualt" for type "boolean"; did you mean "default"?"#,
            r#"the schema: unknown keyword "propertys" for an object; did you mean "properties"?"#,
        ];
        assert_eq!(faults(&schema), expected);
    }

    #[test]
    fn schema_that_contradicts_itself_is_refused() {
        let cases = [
            (json!({ "type": "integer", "minimum": 3, "maximum": 2 }), r#""minimum" is above "maximum""#),
            (json!({ "type": "integer", "minimum": 3, "default": 2 }), r#""default" does not fit: it must be at least 3"#),
            (json!({ "type": "string", "enum": ["a"], "default": "b" }), r#""default" does not fit: it must be "a""#),
            (json!({ "type": "string", "enum": [1] }), r#""enum" does not fit: it must be a string"#),
            (json!({ "type": "string", "enum": [] }), r#""enum" must list at least one value"#),
            (
                json!({ "type": "integer", "x-unit": "bytes", "examples": ["1 parsec"] }),
                "\"examples\" does not fit: it must be a whole number of bytes, or a text like \"64KiB\" or \"4MiB\"",
            ),
            (json!({ "type": "integer", "x-unit": "miles" }), r#""x-unit" must be "bytes", "seconds" or "milliseconds""#),
            (json!({ "type": "text" }), r#""type" is "text", must be "string", "integer", "number", "boolean", "array" or "object""#),
            (json!({ "type": 3 }), r#""type" must be a string"#),
            (json!({}), r#""type" is missing; it must be "string", "integer", "number", "boolean", "array" or "object""#),
            (json!({ "type": "array" }), r#"an array needs "items", which says what its elements are"#),
            (json!({ "type": "string", "x-secret": "yes" }), r#""x-secret" must be true or false"#),
            (json!({ "type": "integer", "minimum": 1.5 }), r#""minimum" must be a whole number"#),
            (json!(true), "must be an object of keywords"),
        ];
        for (property, expected) in cases {
            assert_eq!(faults_of(&property), [format!("properties.p: {expected}")], "{property}");
        }
    }

    #[test]
    fn schema_whose_required_key_is_unknown_or_has_a_default_is_refused() {
        let schema = json!({ "required": ["a", "b"], "properties": { "a": { "type": "boolean", "default": true } } });
        let expected = [
            r#"the schema: "a" is required and has a default; keep one of the two"#,
            r#"the schema: "required" lists "b", which is not one of the properties"#,
        ];
        assert_eq!(faults(&schema), expected);
        assert_eq!(faults(&json!([])), ["the schema: must be an object of keywords"]);
        assert_eq!(faults(&json!({ "type": "array" }))[0], r#"the schema: the root's "type" must be "object""#);
    }

    #[test]
    fn schema_marks_secrets_and_deprecated_keys() {
        let schema = Schema::from_json(&json!({ "properties": {
            "a": { "type": "string", "writeOnly": true },
            "b": { "type": "string", "deprecated": true },
            "c": { "type": "string", "x-replaced-by": "a" }
        } }))
        .unwrap();
        assert!(schema.is_secret(&["a"]) && !schema.is_secret(&["b"]));
        assert_eq!(schema.property(&["b"]).unwrap().deprecated, Some(Deprecated { replaced_by: None }));
        assert_eq!(schema.property(&["c"]).unwrap().deprecated, Some(Deprecated { replaced_by: Some("a".to_owned()) }));
    }
}
