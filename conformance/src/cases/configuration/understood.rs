//! What the schema says, and what the driver understands.

use longshore_loader::api::schema::{Kind, Object, Property, Schema};
use longshore_loader::api::{Driver, ErrorClass};
use serde_json::{Map, Value};

use super::answer_to;
use super::values::{fitting, harmless, misfits, names_place, schema_of, settings_of};
use crate::case::Outcome;
use crate::trial::workload::mixed;
use crate::trial::{CALL, Random, Trial};
use crate::verdict::{Stop, hold};

/// How many configurations are tried.
const CONFIGURATIONS: usize = 500;

pub(super) async fn schema_is_whole(it: &Trial) -> Outcome {
    // It is read whole: types, limits and defaults that do not go together are errors of reading.
    let schema = schema_of(it)?;
    let mut silent = Vec::new();
    without_words(schema.as_object(), "", &mut silent);
    hold!(silent.is_empty(), "nothing tells people what these settings are: {}", silent.join(", "));
    Ok(())
}

/// The settings without a description, by their paths.
fn without_words(object: &Object, above: &str, found: &mut Vec<String>) {
    for (name, property) in object.properties() {
        let path = format!("{above}{name}");
        if property.description.trim().is_empty() {
            found.push(path.clone());
        }
        if let Kind::Object(inner) = &property.kind {
            without_words(inner, &format!("{path}."), found);
        }
    }
}

pub(super) async fn least_and_most_settings_open(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let settings = settings_of(it);
    let least = Value::Object(least(&schema, &settings, &it.setting.config.settings, it.is_service()));
    let mut most = settings.clone();
    for (name, property) in schema.properties() {
        if let (Some(default), false) = (&property.default, settings.contains_key(name)) {
            most.insert(name.to_owned(), default.clone());
        }
    }
    for (what, settings) in [("the least settings", least), ("every default written out", most.into())] {
        let opened = it.try_open(&settings).await?;
        let driver = opened.map_err(|error| Stop::breach(format!("with {what} the driver does not open: {error}")))?;
        mixed(&driver).await?;
        driver.close(&CALL).await?;
    }
    for (name, property) in schema.properties() {
        for example in &property.examples {
            let mut settings = settings.clone();
            settings.insert(name.to_owned(), example.clone());
            let fits = schema.check(&settings.into());
            hold!(fits.is_ok(), "the example {example} of {name} does not fit the schema it is in");
        }
    }
    Ok(())
}

/// The required settings alone; of a service also those that nothing but an operator knows: where it is and who asks it, which have no
/// default, and which of its stores is the case's own.
fn least(schema: &Schema, settings: &Map<String, Value>, template: &Map<String, Value>, is_service: bool) -> Map<String, Value> {
    let is_needed = |name: &str| {
        let Some(property) = schema.property(&[name]) else { return false };
        property.required || is_service && (property.default.is_none() || names_place(template, name))
    };
    settings.iter().filter(|(name, _)| is_needed(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) async fn schema_and_driver_agree(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let names = harmless(it, &schema);
    if names.is_empty() {
        return Err(Stop::not_testable("every setting of this driver is a text, which may name files and addresses"));
    }
    let property = |name: &String| schema.property(&[name]).ok_or_else(|| Stop::Harness(format!("the schema lost {name}")));
    let mut random = Random::new(it.seed());
    for round in 0..CONFIGURATIONS {
        let mut settings = settings_of(it);
        for name in &names {
            if random.below(2) == 0 {
                let value = fitting(property(name)?, &mut random);
                settings.extend(value.map(|value| (name.clone(), value)));
            }
        }
        let wrong = random.one_of(&names).clone();
        if round % 2 == 1 {
            let (_, value) = random.one_of(&misfits(property(&wrong)?)).clone();
            settings.insert(wrong.clone(), value);
        }
        let settings = Value::Object(settings);
        let shown = shown(&settings, &names, |name| schema.property(&[name]));
        let checked = schema.check(&settings);
        let fits = checked.is_ok();
        // A host hands over what the check completed; what does not fit gets to a driver only from a host that checks nothing.
        let answer = answer_to(it, &checked.unwrap_or(settings)).await?;
        let class = answer.as_ref().map(longshore_loader::api::DriverError::class);
        let names_two = answer.as_ref().is_some_and(|error| settings_in(&schema, error.message()) >= 2);
        match (fits, class) {
            // A schema does not tell which settings go together.
            (true, Some(ErrorClass::Config)) if names_two => {}
            (true, Some(ErrorClass::Config)) => {
                return Err(Stop::breach(format!("settings that the schema allows are refused: {shown} answers {answer:?}")));
            }
            (false, None) => return Err(Stop::breach(format!("settings that the schema does not allow open the driver: {shown}"))),
            (false, Some(class)) => hold!(class == ErrorClass::Config, "settings that do not fit are refused as {class}: {shown}"),
            _ => {}
        }
    }
    Ok(())
}

/// How many settings of the schema a text names.
fn settings_in(schema: &Schema, text: &str) -> usize {
    let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    schema.properties().filter(|(name, _)| words.contains(name)).count()
}

/// The generated part of settings, for people.
fn shown<'s>(settings: &Value, names: &[String], property: impl Fn(&str) -> Option<&'s Property>) -> String {
    let generated = names.iter().filter(|name| property(name).is_some_and(|property| !property.secret));
    let texts = generated.filter_map(|name| Some(format!("{name} = {}", settings.get(name)?)));
    texts.collect::<Vec<_>>().join(", ")
}

pub(super) async fn deprecated_setting_still_works(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let mut random = Random::new(it.seed());
    let mut tried = 0;
    for (name, property) in schema.properties().filter(|(_, property)| property.deprecated.is_some()) {
        let known = property.default.iter().chain(&property.examples).next().cloned();
        let Some(value) = known.or_else(|| fitting(property, &mut random)) else { continue };
        tried += 1;
        let mut settings = settings_of(it);
        settings.insert(name.to_owned(), value.clone());
        let settings = Value::Object(settings);
        let warnings = schema.deprecations(&settings);
        let of_it = warnings.iter().filter(|warning| warning.path == [name]).count();
        hold!(of_it == 1, "the deprecated setting {name} is warned about {of_it} times");
        let driver = it.try_open(&settings).await?;
        let driver = driver.map_err(|error| Stop::breach(format!("the deprecated {name} = {value} does not open the driver: {error}")))?;
        driver.close(&CALL).await?;
    }
    if tried == 0 {
        return Err(Stop::not_testable("the deprecated settings have neither a default nor an example"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn least_settings_of_a_service_are_those_that_nothing_else_tells() {
        let property = |kind: &str| json!({"type": kind, "description": "a setting"});
        let with_default = |kind: &str, default: Value| json!({"type": kind, "default": default, "description": "a setting"});
        let properties = json!({
            "bucket": property("string"), "endpoint": property("string"),
            "root": with_default("string", json!("")), "parts": with_default("integer", json!(4)),
        });
        let schema = json!({"type": "object", "required": ["bucket"], "properties": properties});
        let schema = Schema::from_json(&schema).expect("it is a schema");
        let template = r#"{"bucket": "b", "endpoint": "http://{proxy}", "root": "{unique}", "parts": 7}"#;
        let template: Map<String, Value> = serde_json::from_str(template).expect("it is an object");
        let names = |is_service| least(&schema, &template, &template, is_service).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(false), ["bucket"]);
        assert_eq!(names(true), ["bucket", "endpoint", "root"], "a default is taken from the schema, unless it names another store");
    }

    #[test]
    fn settings_are_found_in_a_sentence_as_whole_words() {
        let properties = json!({"key": {"type": "string"}, "access_key": {"type": "string"}, "credentials": {"type": "string"}});
        let schema = Schema::from_json(&json!({"type": "object", "properties": properties})).expect("it is a schema");
        assert_eq!(settings_in(&schema, "access_key: is of no use with the credentials chosen"), 2);
        assert_eq!(settings_in(&schema, "access_key: is too short"), 1);
    }
}
