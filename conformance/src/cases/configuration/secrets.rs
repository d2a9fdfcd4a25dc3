//! What must never leave: the values of secret settings.

use longshore_loader::api::schema::Kind;
use longshore_loader::api::{Condition, Driver, DriverError};
use serde_json::{Map, Value, json};

use super::unusable::unusable;
use super::values::{schema_of, settings_of};
use super::{answer_to, open_unchecked};
use crate::case::Outcome;
use crate::trial::said::{log, printed};
use crate::trial::workload::provoke;
use crate::trial::{CALL, Instance, Random, Trial, key};
use crate::verdict::{Stop, hold};

/// A text that nothing has by chance, as long as the setting wants it.
fn canary(random: &mut Random, min_length: Option<u64>) -> String {
    let text = format!("canary{:016x}", random.number());
    let least = usize::try_from(min_length.unwrap_or(0)).unwrap_or(0);
    text.repeat(least.div_ceil(text.len()).max(1))
}

/// Holds that no canary is in an error: in its message, its causes, its whole text.
fn silent(error: &DriverError, canaries: &[String], what: &str) -> Outcome {
    let text = format!("{error} {:?}", error.causes());
    let told = canaries.iter().any(|canary| text.contains(canary.as_str()));
    // Nor does the report of this breach tell it.
    hold!(!told, "{what} answers {} with the value of a secret setting in its text", error.class());
    Ok(())
}

/// Calls of every kind; with wrong credentials most of them fail.
async fn errors_of(driver: &Instance) -> Vec<DriverError> {
    let put = driver.put(&CALL, key("a"), "b".into(), Condition::Always).await.err();
    let provoked = match provoke(driver).await {
        Ok(provoked) => provoked.into_iter().filter_map(|provoked| provoked.error).collect(),
        Err(error) => vec![error],
    };
    let health = driver.health(&CALL).await.err();
    put.into_iter().chain(provoked).chain(health).collect()
}

pub(super) async fn secrets_stay_inside(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let mut random = Random::new(it.seed());
    let mut canaries = Vec::new();
    let mut with_canaries = |mut settings: Map<String, Value>| {
        for (name, property) in schema.properties().filter(|(_, property)| property.secret) {
            let Kind::String { min_length, .. } = property.kind else { continue };
            let text = canary(&mut random, min_length);
            settings.insert(name.to_owned(), json!(text));
            canaries.push(text);
        }
        settings
    };
    let good = with_canaries(settings_of(it));
    // Settings that do not fit beside the secrets, and secrets of a wrong type.
    let mut unknown = with_canaries(settings_of(it));
    unknown.insert("no-such-setting".into(), json!(1));
    let listed = with_canaries(settings_of(it));
    let is_secret = |name: &str| schema.is_secret(&[name]);
    let listed: Map<_, _> =
        listed.into_iter().map(|(name, value)| if is_secret(&name) { (name, json!([value])) } else { (name, value) }).collect();
    let mut nowhere = Vec::new();
    for unusable in unusable(it)? {
        let Value::Object(settings) = &unusable.settings else { continue };
        nowhere.push((unusable.what, with_canaries(settings.clone()), unusable));
    }
    let mut errors: Vec<(&str, DriverError)> = Vec::new();
    match open_unchecked(it, &completed(&schema, good)?).await? {
        Err(error) => errors.push(("open with wrong secrets", error)),
        Ok(driver) => {
            errors.extend(errors_of(&driver).await.into_iter().map(|error| ("a call with wrong secrets", error)));
            driver.close(&CALL).await?;
        }
    }
    for (what, settings) in [("an unknown setting beside secrets", unknown), ("secrets of a wrong type", listed)] {
        errors.extend(answer_to(it, &Value::Object(settings)).await?.map(|error| (what, error)));
    }
    for (what, settings, _standing) in nowhere {
        errors.extend(answer_to(it, &completed(&schema, settings)?).await?.map(|error| (what, error)));
    }
    for (what, error) in &errors {
        silent(error, &canaries, what)?;
    }
    for (place, text) in [("the log", log(it)?), ("what was printed", printed()?)] {
        hold!(!canaries.iter().any(|canary| text.contains(canary.as_str())), "the value of a secret setting is in {place}");
    }
    it.note("errors looked at", errors.len());
    Ok(())
}

/// Settings as a host hands them over.
fn completed(schema: &longshore_loader::api::schema::Schema, settings: Map<String, Value>) -> Result<Value, Stop> {
    let checked = schema.check(&Value::Object(settings));
    // A secret may be too long for its schema, and then this case has nothing to put there.
    checked.map_err(|_| Stop::not_testable("no text of the harness's fits the secret settings"))
}
