//! Settings against a [`Schema`](super::Schema): all faults at once, or the settings completed.

use serde_json::{Map, Value};

use super::fault::{SettingFault, SettingFaultKind, show};
use super::{Kind, Object, Property, Unit, nearest};

/// What a value should have been.
pub(super) struct Rejected {
    pub(super) rule: String,
}

pub(super) fn settings(object: &Object, settings: &Value) -> Result<Value, Vec<SettingFault>> {
    let mut check = Check::default();
    let completed = match settings {
        Value::Object(map) => check.object(object, map),
        other => check.reject(SettingFaultKind::WrongType, Some(other), "must be an object".to_owned()),
    };
    if check.faults.is_empty() { Ok(completed) } else { Err(check.faults) }
}

/// Checks one value of a schema's own, a default or an example.
pub(super) fn value(property: &Property, value: &Value) -> Result<Value, Rejected> {
    let mut check = Check::default();
    let completed = check.property(property, value);
    match check.faults.into_iter().next() {
        None => Ok(completed),
        Some(fault) if fault.path.is_empty() => Err(Rejected { rule: fault.rule }),
        Some(fault) => Err(Rejected { rule: format!("has a fault, {fault}") }),
    }
}

pub(super) fn deprecations(object: &Object, settings: &Value) -> Vec<SettingFault> {
    let mut check = Check::default();
    if let Value::Object(map) = settings {
        check.deprecated(object, map);
    }
    check.faults
}

#[derive(Default)]
struct Check {
    path: Vec<String>,
    faults: Vec<SettingFault>,
}

impl Check {
    fn object(&mut self, object: &Object, found: &Map<String, Value>) -> Value {
        let mut completed = Map::new();
        for (name, value) in found {
            let value = self.at(name, |check| match object.property(name) {
                Some(property) => check.property(property, value),
                None if object.open => value.clone(),
                None => check.unknown(object, name),
            });
            completed.insert(name.clone(), value);
        }
        for (name, property) in object.properties().filter(|(name, _)| !found.contains_key(*name)) {
            if let Some(default) = &property.default {
                completed.insert(name.to_owned(), default.clone());
            } else if property.required {
                self.at(name, |check| check.missing(property));
            }
        }
        Value::Object(completed)
    }

    fn property(&mut self, property: &Property, found: &Value) -> Value {
        let shown = (!property.secret).then_some(found);
        let before = self.faults.len();
        let completed = match (&property.kind, found) {
            (Kind::Object(object), Value::Object(map)) => self.object(object, map),
            (Kind::Array(items), Value::Array(list)) => self.array(items, list),
            (Kind::String { .. }, Value::String(text)) => self.string(property, text),
            (Kind::Integer { unit, .. }, _) => self.integer(property, *unit, found),
            (Kind::Number { .. }, Value::Number(_)) => self.number(property, found),
            (Kind::Boolean, Value::Bool(_)) => found.clone(),
            (kind, _) => self.reject(SettingFaultKind::WrongType, shown, format!("must be {}", with_article(kind.name()))),
        };
        if self.faults.len() == before && !property.allowed.is_empty() && !property.allowed.contains(&completed) {
            let allowed: Vec<_> = property.allowed.iter().map(Value::to_string).collect();
            return self.reject(SettingFaultKind::NotAllowed, shown, format!("must be {}", alternatives(&allowed)));
        }
        completed
    }

    fn array(&mut self, items: &Property, found: &[Value]) -> Value {
        found.iter().enumerate().map(|(index, value)| self.at(&index.to_string(), |check| check.property(items, value))).collect()
    }

    fn string(&mut self, property: &Property, text: &str) -> Value {
        let value = Value::from(text);
        if let Kind::String { min_length, max_length } = property.kind {
            let length = text.chars().count() as u64;
            if min_length.is_some_and(|least| length < least) || max_length.is_some_and(|most| length > most) {
                return self.out_of_range(property, &value);
            }
        }
        value
    }

    fn integer(&mut self, property: &Property, unit: Option<Unit>, found: &Value) -> Value {
        let number = match (found, unit) {
            (Value::String(text), Some(unit)) => unit.parse(text).and_then(|number| i64::try_from(number).ok()),
            _ => found.as_i64(),
        };
        let Some(number) = number else {
            let kind = if found.is_string() && unit.is_some() { SettingFaultKind::BadUnit } else { SettingFaultKind::WrongType };
            return self.reject(kind, Some(found), unit.map_or("must be an integer", Unit::rule).to_owned());
        };
        if let Kind::Integer { minimum, maximum, .. } = property.kind
            && (minimum.is_some_and(|least| number < least) || maximum.is_some_and(|most| number > most))
        {
            return self.out_of_range(property, found);
        }
        Value::from(number)
    }

    fn number(&mut self, property: &Property, found: &Value) -> Value {
        if let (Kind::Number { minimum, maximum }, Some(number)) = (&property.kind, found.as_f64())
            && (minimum.is_some_and(|least| number < least) || maximum.is_some_and(|most| number > most))
        {
            return self.out_of_range(property, found);
        }
        found.clone()
    }

    fn out_of_range(&mut self, property: &Property, found: &Value) -> Value {
        let rule = format!("must be {}", property.range().unwrap_or_default());
        self.reject(SettingFaultKind::OutOfRange, (!property.secret).then_some(found), rule)
    }

    fn unknown(&mut self, object: &Object, name: &str) -> Value {
        let near = nearest(name, object.properties().map(|(known, _)| known)).map(str::to_owned);
        let known: Vec<_> = object.properties().map(|(known, _)| known).collect();
        let rule = match (&near, known.as_slice()) {
            (Some(_), _) => "is not a setting".to_owned(),
            (None, []) => "is not a setting; there are none".to_owned(),
            (None, known) => format!("is not a setting; there are {}", known.join(", ")),
        };
        let value = self.reject(SettingFaultKind::UnknownKey, None, rule);
        if let Some(fault) = self.faults.last_mut() {
            fault.nearest = near;
        }
        value
    }

    fn missing(&mut self, property: &Property) {
        let what = match property.description.as_str() {
            "" => format!("must be {}", with_article(property.kind.name())),
            description => description.trim_end_matches('.').to_owned(),
        };
        self.reject(SettingFaultKind::Missing, None, format!("is missing: {what}"));
    }

    fn deprecated(&mut self, object: &Object, found: &Map<String, Value>) {
        for (name, value) in found {
            let Some(property) = object.property(name) else { continue };
            self.at(name, |check| {
                if let Some(deprecated) = &property.deprecated {
                    let instead = deprecated.replaced_by.as_ref().map_or_else(String::new, |name| format!(", use {name}"));
                    check.reject(SettingFaultKind::Deprecated, None, format!("is deprecated{instead}"));
                }
                check.deprecated_below(property, value);
            });
        }
    }

    fn deprecated_below(&mut self, property: &Property, found: &Value) {
        match (&property.kind, found) {
            (Kind::Object(object), Value::Object(map)) => self.deprecated(object, map),
            (Kind::Array(items), Value::Array(list)) => {
                for (index, value) in list.iter().enumerate() {
                    self.at(&index.to_string(), |check| check.deprecated_below(items, value));
                }
            }
            _ => {}
        }
    }

    fn at<T>(&mut self, step: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_owned());
        let answer = check(self);
        self.path.pop();
        answer
    }

    fn reject(&mut self, kind: SettingFaultKind, found: Option<&Value>, rule: String) -> Value {
        self.faults.push(SettingFault { path: self.path.clone(), kind, found: found.map(show), rule, nearest: None });
        Value::Null
    }
}

fn with_article(name: &str) -> String {
    let article = if name.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {name}")
}

fn alternatives(allowed: &[String]) -> String {
    match allowed {
        [] => String::new(),
        [only] => only.clone(),
        [firsts @ .., last] => format!("{} or {last}", firsts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::schema::Schema;

    use super::*;

    fn schema() -> Schema {
        Schema::from_json(&json!({
            "required": ["root"],
            "properties": {
                "root": { "type": "string", "minLength": 1, "description": "folder that holds the store" },
                "durability": { "type": "string", "enum": ["disk", "process"], "default": "disk" },
                "buffer": { "type": "integer", "x-unit": "bytes", "minimum": 4096, "maximum": 1048576, "default": "64KiB" },
                "idle": { "type": "integer", "x-unit": "seconds", "default": 30 },
                "tries": { "type": "integer", "minimum": 1 },
                "ratio": { "type": "number", "minimum": 0, "maximum": 1 },
                "sync": { "type": "boolean" },
                "token": { "type": "string", "x-secret": true, "minLength": 8 },
                "retry": { "type": "object", "default": {}, "properties": { "max": { "type": "integer", "default": 3 } } },
                "tls": { "type": "object", "required": ["ca"], "properties": { "ca": { "type": "string" } } },
                "mirrors": { "type": "array", "items": { "type": "string" } },
                "labels": { "type": "object", "additionalProperties": true },
                "fsync": { "type": "boolean", "x-replaced-by": "durability" }
            }
        }))
        .unwrap()
    }

    fn sentences(settings: &Value) -> Vec<String> {
        schema().check(settings).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn settings_that_fit_come_back_with_defaults_and_plain_numbers() {
        let settings = json!({ "root": "data", "buffer": "1 MiB", "idle": "5m", "ratio": 1, "mirrors": ["a"], "labels": { "any": [1] } });
        let expected = json!({
            "root": "data", "durability": "disk", "buffer": 1048576, "idle": 300, "ratio": 1,
            "retry": { "max": 3 }, "mirrors": ["a"], "labels": { "any": [1] }
        });
        assert_eq!(schema().check(&settings).unwrap(), expected);
    }

    #[test]
    fn settings_with_faults_report_each_of_them_in_a_sentence() {
        let settings = json!({
            "durability": "fast", "buffer": "2MiB", "idle": "10 parsecs", "tries": 0, "ratio": 1.5, "sync": "yes",
            "retry": { "maximum": 1 }, "tls": {}, "mirrors": ["a", 2], "labels": [], "colour": 1, "rot": 1
        });
        let expected = [
            r#"buffer is "2MiB", must be 4KiB to 1MiB"#,
            "colour is not a setting; there are buffer, durability, fsync, idle, labels, mirrors, ratio, retry, root, sync, tls, token, tries",
            r#"durability is "fast", must be "disk" or "process""#,
            r#"idle is "10 parsecs", must be a whole number of seconds, or a text like "30s" or "5m""#,
            "labels is a list, must be an object",
            "mirrors.1 is 2, must be a string",
            "ratio is 1.5, must be 0 to 1",
            "retry.maximum is not a setting; there are max",
            "rot is not a setting",
            r#"sync is "yes", must be a boolean"#,
            "tls.ca is missing: must be a string",
            "tries is 0, must be at least 1",
            "root is missing: folder that holds the store",
        ];
        assert_eq!(sentences(&settings), expected);
        assert_eq!(sentences(&json!("data")), [r#"settings is "data", must be an object"#]);
    }

    #[test]
    fn settings_fault_carries_path_kind_and_nearest_name() {
        let faults = schema().check(&json!({ "root": "x", "retry": { "maxx": 1 } })).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].path, ["retry", "maxx"]);
        assert_eq!(faults[0].kind, SettingFaultKind::UnknownKey);
        assert_eq!(faults[0].nearest.as_deref(), Some("max"));
        let kind = |settings: Value| schema().check(&settings).unwrap_err()[0].kind;
        assert_eq!(kind(json!({ "root": "x", "buffer": "1x" })), SettingFaultKind::BadUnit);
        assert_eq!(kind(json!({ "root": "x", "buffer": true })), SettingFaultKind::WrongType);
        assert_eq!(kind(json!({ "root": "x", "tries": u64::MAX })), SettingFaultKind::WrongType);
        assert_eq!(kind(json!({ "root": "x", "tries": "3" })), SettingFaultKind::WrongType);
    }

    #[test]
    fn settings_fault_in_a_secret_never_shows_it() {
        assert_eq!(sentences(&json!({ "root": "x", "token": "hunter2" })), ["token must be at least 8 characters long"]);
        assert_eq!(sentences(&json!({ "root": "x", "token": 12345678 })), ["token must be a string"]);
    }

    #[test]
    fn settings_fault_with_a_long_value_is_cut() {
        let long = "é".repeat(10_000);
        let sentence = &sentences(&json!({ "root": "x", "durability": long }))[0];
        assert!(sentence.contains('…') && sentence.len() < 300, "{sentence}");
    }

    #[test]
    fn deprecated_settings_still_fit_and_are_warned_about() {
        let settings = json!({ "root": "x", "fsync": true });
        assert!(schema().check(&settings).is_ok());
        let warnings = schema().deprecations(&settings);
        assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fsync is deprecated, use durability"]);
        assert_eq!(warnings[0].kind, SettingFaultKind::Deprecated);
    }
}
