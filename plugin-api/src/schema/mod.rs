//! The schema of a driver's settings: a small dialect of JSON Schema, read from the driver's file before any of its code runs.
//!
//! A driver embeds it as the `settings` of its [metadata](crate::metadata); the host checks `settings` in `registry.toml` against it and
//! hands the driver an object that fits, with defaults filled in and units made numbers. [`Settings::parse`](crate::Settings::parse)
//! then turns that object into the driver's own type.
//!
//! ```json
//! {
//!   "type": "object",
//!   "required": ["root"],
//!   "properties": {
//!     "root": { "type": "string", "minLength": 1, "description": "folder that holds the store" },
//!     "buffer": { "type": "integer", "x-unit": "bytes", "minimum": 4096, "default": "1MiB", "description": "bytes read at once" },
//!     "token": { "type": "string", "x-secret": true, "description": "the back-end's password" }
//!   }
//! }
//! ```
//!
//! | keyword | on | meaning |
//! |---|---|---|
//! | `type` | everything | `string`, `integer`, `number`, `boolean`, `array`, `object` |
//! | `properties`, `required` | objects | the known keys, and those that have to be there |
//! | `additionalProperties` | objects | `false` unless written: an unknown key is a fault; `true` lets any through unchecked |
//! | `items` | arrays | what each element is |
//! | `minimum`, `maximum` | integers, numbers | the range, ends included |
//! | `minLength`, `maxLength` | strings | the length in characters |
//! | `enum` | strings, integers, numbers | the only values allowed |
//! | `default` | everything but required keys | the value of an absent key; an object's own defaults are filled into it |
//! | `description`, `examples` | everything | help for people; examples have to fit |
//! | `deprecated`, `x-replaced-by` | everything | `true`; what to use instead. Either one alone is enough |
//! | `x-secret` or `writeOnly` | strings | `true`: written as a reference in `registry.toml`, never printed |
//! | `format` | strings | `path` or `url`: what a driver in a process of its own may reach; the text is not checked by it (see [`Format`]) |
//! | `x-unit` | integers | `bytes`, `seconds`, `milliseconds`: texts such as `"64MiB"` and `"10s"` are accepted too (see [`Unit`]) |
//!
//! `$schema` may stand at the root, and `x-environment`: a list of the environment's variables that the driver reads, such as `"AWS_*"`. A
//! driver in a process of its own finds no other. Any other keyword makes the schema unreadable: a rule that nobody checks would be a promise broken in
//! silence.
//!
//! Source: driver contract, section 6.

mod check;
mod fault;
mod read;
mod unit;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

pub use fault::{SettingFault, SettingFaultKind};
pub use unit::Unit;

/// A readable schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    root: Object,
    environment: Vec<String>,
}

/// The keys of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    properties: BTreeMap<String, Property>,
    open: bool,
}

/// What one setting may be, and what people should know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Its type, with the limits that go with it.
    pub kind: Kind,
    /// True if the key has to be there.
    pub required: bool,
    /// The value of an absent key, already in the form that the driver receives.
    pub default: Option<Value>,
    /// The only values allowed; empty if there is no such list.
    pub allowed: Vec<Value>,
    /// One sentence for people, or nothing.
    pub description: String,
    /// Values that fit.
    pub examples: Vec<Value>,
    /// Set if the key should no longer be used.
    pub deprecated: Option<Deprecated>,
    /// True if the value is never shown to anyone.
    pub secret: bool,
    /// What a text names.
    pub format: Option<Format>,
}

/// What a text names outside of the driver: it may reach that from a process of its own, and not much else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A file or folder, with all that is below it.
    Path,
    /// A service. A driver that has such a setting may use the network, whether or not the setting is written.
    Url,
}

/// The type of a setting. A limit that is `None` is no limit.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are the keywords of the module's table")]
pub enum Kind {
    /// A text; lengths in characters.
    String { min_length: Option<u64>, max_length: Option<u64> },
    /// A whole number that fits in 64 bits with a sign.
    Integer { minimum: Option<i64>, maximum: Option<i64>, unit: Option<Unit> },
    /// Any number.
    Number { minimum: Option<f64>, maximum: Option<f64> },
    /// `true` or `false`.
    Boolean,
    /// A list of elements of one kind.
    Array(Box<Property>),
    /// An object of its own.
    Object(Object),
}

/// A key that goes out of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecated {
    /// What to use instead.
    pub replaced_by: Option<String>,
}

/// Why a schema cannot be read: every fault, each with its place in the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// One sentence each, such as `properties.root: unknown keyword "pattern"`.
    pub faults: Vec<String>,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// All faults at once: an unknown keyword, one that does not go with its type, a limit upside down, a default that does not fit.
    pub fn from_json(json: &Value) -> Result<Self, SchemaError> {
        read::schema(json)
    }

    /// Checks settings and completes them: absent keys get their defaults, texts with a unit become integers.
    ///
    /// # Errors
    /// All faults at once. A fault never shows the value of a secret.
    pub fn check(&self, settings: &Value) -> Result<Value, Vec<SettingFault>> {
        check::settings(&self.root, settings)
    }

    /// The deprecated keys that these settings use, as sentences to warn with.
    pub fn deprecations(&self, settings: &Value) -> Vec<SettingFault> {
        check::deprecations(&self.root, settings)
    }

    /// The environment's variables that the driver reads; a final `*` stands for any ending.
    pub fn environment(&self) -> &[String] {
        &self.environment
    }

    /// The keys at the top, in the order of their names.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.root.properties()
    }

    /// The keys at the top, as an object like any nested one.
    pub fn as_object(&self) -> &Object {
        &self.root
    }

    /// The property at a path of keys; below an array any step leads to its elements.
    pub fn property(&self, path: &[impl AsRef<str>]) -> Option<&Property> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.root.property(first.as_ref())?, |property, step| property.child(step.as_ref()))
    }

    /// True if the value at `path` must not be shown.
    pub fn is_secret(&self, path: &[impl AsRef<str>]) -> bool {
        self.property(path).is_some_and(|property| property.secret)
    }

    /// What an absent key at `path` becomes.
    pub fn default(&self, path: &[impl AsRef<str>]) -> Option<&Value> {
        self.property(path)?.default.as_ref()
    }
}

impl Object {
    /// The keys, in the order of their names.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.properties.iter().map(|(name, property)| (name.as_str(), property))
    }

    /// True if other keys are let through unchecked.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// One key.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(name)
    }
}

impl Property {
    /// One step down: a key of an object, or any element of an array.
    pub fn child(&self, step: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Object(object) => object.property(step),
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The unit, if it is an integer that has one.
    pub fn unit(&self) -> Option<Unit> {
        match self.kind {
            Kind::Integer { unit, .. } => unit,
            _ => None,
        }
    }

    /// The range in words, `4KiB to 1MiB` or `at least 1`, if there is one.
    pub fn range(&self) -> Option<String> {
        match self.kind {
            Kind::String { min_length, max_length } => range(min_length, max_length).map(|range| format!("{range} characters long")),
            Kind::Integer { minimum, maximum, unit } => range(minimum.map(|n| words(n, unit)), maximum.map(|n| words(n, unit))),
            Kind::Number { minimum, maximum } => range(minimum, maximum),
            Kind::Boolean | Kind::Array(_) | Kind::Object(_) => None,
        }
    }
}

impl Kind {
    /// The name that `type` has in a schema.
    pub fn name(&self) -> &'static str {
        match self {
            Self::String { .. } => "string",
            Self::Integer { .. } => "integer",
            Self::Number { .. } => "number",
            Self::Boolean => "boolean",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("; "))
    }
}

impl std::error::Error for SchemaError {}

/// The name among `known` that a misspelt one most likely means; none if nothing is near.
///
/// At most a third of the characters may differ, and at least one.
pub fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase());
    let allowed = |name: &str| (found.len().max(name.len()) / 3).max(1);
    // Texts from outside may be long, and the measure takes time in proportion to both lengths.
    let near = |name: &&str| found.len().abs_diff(name.len()) <= allowed(name) && distance(name) <= allowed(name);
    known.into_iter().filter(near).min_by_key(|name| distance(name))
}

fn range(least: Option<impl fmt::Display>, most: Option<impl fmt::Display>) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => {
            let (least, most) = (least.to_string(), most.to_string());
            Some(if least == most { least } else { format!("{least} to {most}") })
        }
        (Some(least), None) => Some(format!("at least {least}")),
        (None, Some(most)) => Some(format!("at most {most}")),
        (None, None) => None,
    }
}

fn words(number: i64, unit: Option<Unit>) -> String {
    match (unit, u64::try_from(number)) {
        (Some(unit), Ok(number)) => unit.words(number),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filesystem() -> Schema {
        Schema::from_json(&json!({
            "type": "object",
            "required": ["root"],
            "properties": {
                "root": { "type": "string" },
                "durability": { "type": "string", "enum": ["disk", "process"], "default": "disk" },
                "buffer": { "type": "integer", "x-unit": "bytes", "minimum": 4096, "maximum": 1048576, "default": "64KiB" },
                "mirrors": { "type": "array", "items": { "type": "object", "properties": { "token": { "type": "string", "x-secret": true } } } }
            }
        }))
        .unwrap()
    }

    #[test]
    fn property_of_a_path_is_found_through_arrays_and_objects() {
        let schema = filesystem();
        assert!(schema.is_secret(&["mirrors", "7", "token"]));
        assert!(!schema.is_secret(&["root"]));
        assert!(schema.property(&["mirrors", "0", "nothing"]).is_none());
        assert!(schema.property(&[""; 0]).is_none());
        assert_eq!(schema.properties().map(|(name, _)| name).collect::<Vec<_>>(), ["buffer", "durability", "mirrors", "root"]);
    }

    #[test]
    fn property_tells_its_default_and_range_in_the_schemas_unit() {
        let schema = filesystem();
        assert_eq!(schema.default(&["buffer"]), Some(&json!(65536)));
        assert_eq!(schema.property(&["buffer"]).unwrap().range().unwrap(), "4KiB to 1MiB");
        assert_eq!(schema.property(&["root"]).unwrap().range(), None);
        assert_eq!(range(Some(64), Some(64)).unwrap(), "64", "a length that is fixed is no range");
    }

    #[test]
    fn nearest_name_is_named_only_when_it_is_near() {
        let known = ["listen", "drain_secs", "header_max_bytes"];
        assert_eq!(nearest("listn", known), Some("listen"));
        assert_eq!(nearest("LISTEN", known), Some("listen"));
        assert_eq!(nearest("header_max_byte", known), Some("header_max_bytes"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
        assert_eq!(nearest("", known), None);
    }
}
