//! Settings that do not fit, handed to the driver by a host that checked nothing.

use longshore_loader::api::{DriverError, ErrorClass};
use serde_json::{Map, Value, json};

use super::values::{misfits, schema_of, settings_of};
use super::{answer_to, open_unchecked};
use crate::case::Outcome;
use crate::trial::workload::mixed;
use crate::trial::{CALL, Trial};
use crate::verdict::{Stop, hold};

/// Holds that `settings` are refused as `config`, and answers the error.
async fn refused(it: &Trial, settings: Map<String, Value>, what: &str) -> Result<DriverError, Stop> {
    match answer_to(it, &Value::Object(settings)).await? {
        None => Err(Stop::breach(format!("{what} opens the driver"))),
        Some(error) if error.class() == ErrorClass::Config => Ok(error),
        Some(error) => Err(Stop::breach(format!("{what} must answer config, and answered: {error}"))),
    }
}

pub(super) async fn unknown_setting_is_refused(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let known: Vec<String> = schema.properties().map(|(name, _)| name.to_owned()).collect();
    // As people write them: one letter twice, and a setting of some other driver.
    let misspelt = known.iter().filter_map(|name| Some((format!("{name}{}", name.chars().last()?), Some(name.clone()))));
    let others = ["no-such-setting", ""].map(|name| (name.to_owned(), None));
    for (unknown, meant) in misspelt.chain(others).filter(|(name, _)| !known.contains(name)) {
        let mut settings = settings_of(it);
        settings.insert(unknown.clone(), json!("any"));
        let error = refused(it, settings.clone(), &format!("the unknown setting {unknown:?}")).await?;
        hold!(error.message().contains(&unknown), "the refusal of the unknown setting {unknown:?} does not name it: {error}");
        let Some(meant) = meant else { continue };
        // What an operator reads, who is told before the driver is.
        let Err(faults) = schema.check(&Value::Object(settings)) else { continue };
        let near = faults.iter().find_map(|fault| fault.nearest.as_deref());
        hold!(near == Some(meant.as_str()), "the setting {unknown:?} is near to {meant:?}, and the schema's check names {near:?}");
    }
    Ok(())
}

pub(super) async fn every_fault_is_named_at_once(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let mut all_wrong = Map::new();
    let mut named = Vec::new();
    for (name, property) in schema.properties() {
        for (what, value) in misfits(property) {
            let mut settings = settings_of(it);
            settings.insert(name.to_owned(), value.clone());
            let error = refused(it, settings, &format!("{name} as {what}")).await?;
            hold!(error.message().contains(name), "the refusal of {name} as {what} does not name it: {error}");
            all_wrong.insert(name.to_owned(), value);
        }
        if property.required {
            let mut settings = settings_of(it);
            settings.remove(name);
            let error = refused(it, settings, &format!("settings without {name}")).await?;
            hold!(error.message().contains(name), "the refusal of settings without {name} does not name it: {error}");
            // Absent where all others are wrong, so that both kinds are there at once.
            if all_wrong.len() > 1 {
                all_wrong.remove(name);
            }
        }
        named.push(name);
    }
    let error = refused(it, all_wrong, "every setting wrong").await?;
    // A message ends at 4 KiB, and so may the names.
    let missed: Vec<_> = named.iter().filter(|name| !error.message().contains(**name)).copied().collect();
    let is_cut = error.message().len() >= 4000;
    hold!(is_cut || missed.is_empty(), "with every setting wrong at once, the refusal does not name {}: {error}", missed.join(", "));
    Ok(())
}

pub(super) async fn strange_settings_are_answered(it: &Trial) -> Outcome {
    const MIB: usize = 1 << 20;
    let schema = schema_of(it)?;
    // Whatever a driver makes of a path that is not absolute, it makes here.
    std::env::set_current_dir(it.folder()).map_err(|error| Stop::harness("the case's folder cannot be entered", error))?;
    let deep = |levels: usize| (0..levels).fold(json!("bottom"), |inner, _| json!({ "a": inner }));
    let scripts = "schlüssel-κλειδί-مفتاح-钥匙-🔑-e\u{301}-\u{202e}right\u{0}null";
    let strange = [
        ("a text of 1 MiB", json!("x".repeat(MIB))),
        ("100,000 elements", json!(vec![0; 100_000])),
        ("100 levels", deep(100)),
        ("1000 levels", deep(1000)),
        ("many scripts", json!(scripts)),
        ("an empty text", json!("")),
        ("an empty object", json!({})),
    ];
    let mut tried = vec![("a list as settings", json!([])), ("a text as settings", json!("")), ("nothing as settings", Value::Null)];
    for (what, value) in strange {
        let names = schema.properties().map(|(name, _)| name.to_owned()).chain(["unknown".to_owned(), scripts.to_owned()]);
        for name in names {
            let mut settings = settings_of(it);
            settings.insert(name, value.clone());
            tried.push((what, Value::Object(settings)));
        }
        tried.push((what, value));
    }
    for (what, settings) in tried {
        // Any answer will do, as long as there is one.
        let Some(error) = answer_to(it, &settings).await? else { continue };
        let begin: String = error.to_string().chars().take(200).collect();
        hold!(error.class() != ErrorClass::Internal, "{what} in the settings answers internal: {begin}");
        hold!(error.class() != ErrorClass::Timeout, "{what} in the settings is not answered: {begin}");
    }
    let checked = schema.check(&it.settings()).map_err(|_| Stop::Harness("the settings do not fit".to_owned()))?;
    let driver =
        open_unchecked(it, &checked).await?.map_err(|error| Stop::breach(format!("afterwards the driver does not open: {error}")))?;
    mixed(&driver).await?;
    longshore_loader::api::Driver::close(&driver, &CALL).await?;
    Ok(())
}
