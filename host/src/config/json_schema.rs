//! `longshore config schema`: a JSON Schema of `registry.toml`, with which editors complete and check it.
//!
//! It asks for no key, for a variable may give any; what a key or setting may be is as strict as when the registry reads it.

use longshore_loader::api::schema::{Kind, Object, Property, Schema, Unit};
use serde_json::{Map, Value as Json, json};

use super::keys::{self, NAME, POSITION};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A driver whose settings are known: its name and schema.
pub type NamedSchema = (String, Schema);

/// The schema of `registry.toml`, with the settings of these drivers.
pub fn json_schema(drivers: &[NamedSchema]) -> Json {
    let mut root = Table::default();
    for key in keys::all() {
        let steps: Vec<&str> = key.about.key.split('.').collect();
        root.add(&steps, host_key(key.about.key, &key.property, drivers));
    }
    let mut document = root.into_json();
    document["$schema"] = DIALECT.into();
    document["title"] = "Longshore's registry.toml".into();
    document["$defs"] = definitions(drivers);
    // A driver is chosen by its name, in a storage and in a layer.
    document["properties"]["storage"]["additionalProperties"]["$ref"] = "#/$defs/instance".into();
    document["properties"]["storage"]["additionalProperties"]["properties"]["layers"]["items"]["$ref"] = "#/$defs/instance".into();
    document
}

/// A table that is being put together: keys, or what every name or position holds.
#[derive(Default)]
struct Table {
    keys: Map<String, Json>,
    below: Vec<(String, Table)>,
}

impl Table {
    fn add(&mut self, steps: &[&str], schema: Json) {
        match steps {
            [] => {}
            [last] => {
                self.keys.insert((*last).to_owned(), schema);
            }
            [first, rest @ ..] => {
                let position = self.below.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
                    self.below.push(((*first).to_owned(), Self::default()));
                    self.below.len() - 1
                });
                self.below[position].1.add(rest, schema);
            }
        }
    }

    fn into_json(self) -> Json {
        let mut properties = self.keys;
        for (name, table) in self.below {
            let table = table.into_json();
            match name.as_str() {
                NAME => return json!({ "type": "object", "additionalProperties": table }),
                POSITION => return json!({ "type": "array", "items": table }),
                _ => {
                    let whole = properties.remove(&name).map_or_else(|| table.clone(), |own| merged(own, &table));
                    properties.insert(name, whole);
                }
            }
        }
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// A key that is a value, and a table or list as well: `redirect = true` and `[storage.main.redirect]`; what `layers` holds.
fn merged(own: Json, table: &Json) -> Json {
    let mut whole = own;
    if whole["type"] == table["type"] {
        whole["items"] = table["items"].clone();
    } else {
        let value = json!({ "type": whole["type"] });
        if let Some(map) = whole.as_object_mut() {
            map.remove("type");
        }
        whole["anyOf"] = json!([value, table]);
    }
    whole
}

/// What a storage's and a layer's settings may be, by the driver's name; those of other drivers, and of files, are anything.
fn definitions(drivers: &[NamedSchema]) -> Json {
    let mut all = Map::new();
    let mut choices = Vec::new();
    for (name, schema) in drivers {
        let definition = format!("settings-{name}");
        choices.push(json!({
            "if": { "properties": { "driver": { "const": name } }, "required": ["driver"] },
            "then": { "properties": { "settings": { "$ref": format!("#/$defs/{definition}") } } }
        }));
        all.insert(definition, object(schema.as_object()));
    }
    all.insert("instance".to_owned(), if choices.is_empty() { json!({}) } else { json!({ "allOf": choices }) });
    all.insert("secret".to_owned(), reference());
    Json::Object(all)
}

/// Where a secret is.
fn reference() -> Json {
    let place = |key: &str, what: &str| json!({ "type": "object", "properties": { key: { "type": "string", "description": what } }, "required": [key], "additionalProperties": false });
    json!({
        "description": "where a secret is kept",
        "anyOf": [place("env", "the name of an environment variable"), place("file", "the path of a file")]
    })
}

fn host_key(key: &str, property: &Property, drivers: &[NamedSchema]) -> Json {
    let mut schema = described(property);
    match (&property.kind, property.secret) {
        (Kind::Array(_), true) => {
            schema["type"] = "array".into();
            schema["items"] = json!({ "$ref": "#/$defs/secret" });
        }
        // The keys of settings are the driver's: the definition of the instance has them.
        (Kind::Object(_), _) => schema["type"] = "object".into(),
        (Kind::Array(_), _) => {
            schema["type"] = "array".into();
            schema["items"] = json!({ "type": "string" });
        }
        _ => add_type(&mut schema, property),
    }
    if key.ends_with(".driver") {
        // An editor offers those that are there; others may be on the machine that serves.
        let names: Vec<&str> = drivers.iter().map(|(name, _)| name.as_str()).collect();
        let any = json!({ "type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$" });
        schema["anyOf"] = if names.is_empty() { json!([any]) } else { json!([{ "enum": names }, any]) };
    }
    schema
}

fn object(object: &Object) -> Json {
    let properties: Map<_, _> = object.properties().map(|(name, property)| (name.to_owned(), setting(property))).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": object.is_open() })
}

/// A driver's setting: every text of it may also stand elsewhere, and a secret has to.
fn setting(property: &Property) -> Json {
    let mut schema = described(property);
    match &property.kind {
        Kind::String { .. } if property.secret => schema["$ref"] = "#/$defs/secret".into(),
        Kind::String { .. } => {
            let mut text = json!({});
            add_type(&mut text, property);
            schema["anyOf"] = json!([text, { "$ref": "#/$defs/secret" }]);
        }
        _ => add_type(&mut schema, property),
    }
    schema
}

fn described(property: &Property) -> Json {
    let mut schema = json!({ "description": property.description });
    if let Some(default) = &property.default {
        schema["default"] = default.clone();
    }
    if !property.examples.is_empty() {
        schema["examples"] = property.examples.clone().into();
    }
    if let Some(deprecated) = &property.deprecated {
        schema["deprecated"] = true.into();
        let successor = deprecated.replaced_by.as_ref().map_or_else(String::new, |name| format!("use {name} instead: "));
        schema["description"] = format!("{successor}{}", property.description).into();
    }
    schema
}

fn add_type(schema: &mut Json, property: &Property) {
    let mut put = |keyword: &str, value: Json| {
        if !value.is_null() {
            schema[keyword] = value;
        }
    };
    match &property.kind {
        Kind::String { min_length, max_length } => {
            put("type", "string".into());
            put("minLength", json!(min_length));
            put("maxLength", json!(max_length));
        }
        Kind::Integer { minimum, maximum, unit: None } => {
            put("type", "integer".into());
            put("minimum", json!(minimum));
            put("maximum", json!(maximum));
        }
        Kind::Integer { minimum, maximum, unit: Some(unit) } => {
            let mut number = json!({ "type": "integer" });
            for (keyword, end) in [("minimum", minimum), ("maximum", maximum)] {
                if let Some(end) = end {
                    number[keyword] = json!(end);
                }
            }
            put("anyOf", json!([number, { "type": "string", "pattern": with_unit(*unit) }]));
        }
        Kind::Number { minimum, maximum } => {
            put("type", "number".into());
            put("minimum", json!(minimum));
            put("maximum", json!(maximum));
        }
        Kind::Boolean => put("type", "boolean".into()),
        Kind::Array(items) => {
            put("type", "array".into());
            put("items", setting(items));
        }
        Kind::Object(below) => {
            let Json::Object(keywords) = object(below) else { return };
            for (keyword, value) in keywords {
                put(&keyword, value);
            }
        }
    }
    if !property.allowed.is_empty() {
        put("enum", property.allowed.clone().into());
    }
}

/// A text such as `64KiB` or `5m`.
fn with_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Bytes => "^[0-9]+ *(B|[KMGT]iB|[kMGT]B)$",
        Unit::Seconds | Unit::Milliseconds => "^[0-9]+ *(ms|s|m|h|d)$",
    }
}
