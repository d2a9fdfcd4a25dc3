//! Values that fit a setting, and values that do not.

use longshore_loader::api::schema::{Kind, Property, Schema};
use serde_json::{Map, Value, json};

use crate::config::schema;
use crate::trial::{Random, Trial};
use crate::verdict::Stop;

/// The schema in the file.
pub(crate) fn schema_of(it: &Trial) -> Result<Schema, Stop> {
    schema(it.info()).map_err(|error| Stop::breach(error.to_string()))
}

/// The settings of the case's store as an object.
pub(crate) fn settings_of(it: &Trial) -> Map<String, Value> {
    match it.settings() {
        Value::Object(settings) => settings,
        _ => Map::new(),
    }
}

/// Values that do not fit a setting, each with what is wrong with it.
pub(crate) fn misfits(property: &Property) -> Vec<(&'static str, Value)> {
    let mut found = vec![("null", Value::Null)];
    let enumerated = !property.allowed.is_empty();
    match &property.kind {
        Kind::String { min_length, max_length } => {
            found.extend([("a number", json!(7)), ("a list", json!(["a"]))]);
            if enumerated {
                found.push(("a value that is not listed", json!("none-of-these")));
            }
            if min_length.is_some_and(|least| least > 0) {
                found.push(("an empty text", json!("")));
            }
            // A text of any length would be no test of anything else.
            if let Some(most) = max_length.and_then(|most| usize::try_from(most).ok()).filter(|most| *most < 100_000) {
                found.push(("a text that is too long", json!("x".repeat(most + 1))));
            }
        }
        Kind::Integer { minimum, maximum, unit } => {
            found.extend([("a boolean", json!(true)), ("a fraction", json!(10.5)), ("a text without a number", json!("many"))]);
            found.push(match unit {
                Some(_) => ("an unknown unit", json!("10 parsecs")),
                None => ("a number with a unit, where there is none", json!("10MB")),
            });
            found.push(("a number as a text", json!("10")));
            found.extend(minimum.and_then(|least| least.checked_sub(1)).map(|number| ("a number below the range", json!(number))));
            found.extend(maximum.and_then(|most| most.checked_add(1)).map(|number| ("a number above the range", json!(number))));
            found.push(("a number of more than 64 bits with a sign", json!(u64::MAX)));
        }
        Kind::Number { minimum, maximum } => {
            found.extend([("a boolean", json!(true)), ("a text", json!("10"))]);
            found.extend(minimum.map(|least| ("a number below the range", json!(least - 1.0))));
            found.extend(maximum.map(|most| ("a number above the range", json!(most + 1.0))));
        }
        Kind::Boolean => found.extend([("a text", json!("yes")), ("a number", json!(1))]),
        Kind::Array(_) => found.extend([("a text", json!("a")), ("an object", json!({}))]),
        Kind::Object(_) => found.extend([("a text", json!("a")), ("a list", json!([]))]),
    }
    found
}

/// A value that fits a setting and can do no harm; `None` for texts, which may name files and addresses, and for what is made of them.
pub(crate) fn fitting(property: &Property, random: &mut Random) -> Option<Value> {
    if property.secret {
        return None;
    }
    if !property.allowed.is_empty() {
        return Some(random.one_of(&property.allowed).clone());
    }
    match &property.kind {
        Kind::Boolean => Some(json!(random.below(2) == 0)),
        Kind::Integer { minimum, maximum, unit } => {
            let (least, most) = (minimum.unwrap_or(0), maximum.unwrap_or(i64::MAX));
            // Halved often, so that small numbers come as often as large ones.
            let span = least.abs_diff(most) >> random.below(64);
            let offset = if span == u64::MAX { random.number() } else { random.number() % (span + 1) };
            let number = *random.one_of(&[least, most, least.saturating_add_unsigned(offset)]);
            // In one of the two forms that an operator may write.
            match (unit, u64::try_from(number)) {
                (Some(unit), Ok(number)) if unit.parse(&unit.words(number)).is_some() && random.below(2) == 0 => {
                    Some(json!(unit.words(number)))
                }
                _ => Some(json!(number)),
            }
        }
        Kind::Number { minimum, maximum } => {
            let (least, most) = (minimum.unwrap_or(0.0), maximum.unwrap_or(1e6));
            Some(json!(least + (most - least) * (random.below(1001) as f64 / 1000.0)))
        }
        Kind::String { .. } | Kind::Array(_) | Kind::Object(_) => None,
    }
}

/// True if a setting says where the case's own store is, by the configuration with its placeholders.
pub(super) fn names_place(template: &Map<String, Value>, name: &str) -> bool {
    template.get(name).is_some_and(|value| value.to_string().contains('{'))
}

/// The names of the settings that another value can do no harm to: not where the store is.
pub(crate) fn harmless(it: &Trial, schema: &Schema) -> Vec<String> {
    let is_place = |name: &str| names_place(&it.setting.config.settings, name);
    let mut random = Random::new(0);
    let free = schema.properties().filter(|(name, property)| !is_place(name) && fitting(property, &mut random).is_some());
    free.map(|(name, _)| name.to_owned()).collect()
}
