//! What an error tells, how long it can be read, and what it keeps.

use longshore_loader::api::MESSAGE_MAX_BYTES;
use longshore_loader::api::{Driver, DriverError, ErrorClass};
use serde_json::{Value, json};

use crate::case::Outcome;
use crate::cases::configuration::{answer_to, schema_of, settings_of};
use crate::trial::workload::provoke;
use crate::trial::{CALL, Random, Trial};
use crate::verdict::{Stop, hold};

/// Errors of an open instance, of a closed one, and of settings that do not fit.
async fn errors(it: &Trial) -> Result<Vec<(String, DriverError)>, Stop> {
    let mut found = Vec::new();
    for (what, settings) in [("settings that are a list", json!([])), ("an unknown setting", json!({ "no-such\nsetting": "\u{7}\n" }))] {
        found.extend(answer_to(it, &settings).await?.map(|error| (what.to_owned(), error)));
    }
    let long = Value::String("x".repeat(100_000));
    let names: Vec<_> = settings_of(it).into_iter().map(|(name, _)| name).collect();
    for name in names {
        let mut settings = settings_of(it);
        settings.insert(name.clone(), json!([long]));
        found.extend(answer_to(it, &Value::Object(settings)).await?.map(|error| (format!("{name} as a long list"), error)));
    }
    let driver = it.open().await?;
    let provoked = provoke(&driver).await?;
    found.extend(provoked.into_iter().filter_map(|provoked| Some((provoked.what.to_owned(), provoked.error?))));
    driver.close(&CALL).await?;
    found.extend(driver.health(&CALL).await.err().map(|error| ("health after close".to_owned(), error)));
    Ok(found)
}

pub(super) async fn messages_are_one_line(it: &Trial) -> Outcome {
    let schema = schema_of(it)?;
    let settings = settings_of(it);
    let secrets = settings.iter().filter(|(name, _)| schema.is_secret(&[name])).filter_map(|(_, value)| value.as_str());
    // A shorter one may be part of any text.
    let secrets: Vec<&str> = secrets.filter(|secret| secret.len() >= 4).collect();
    let errors = errors(it).await?;
    hold!(!errors.is_empty(), "nothing that is wrong was refused");
    for (what, error) in errors {
        let message = error.message();
        hold!(!message.trim().is_empty(), "{what} answers {} without a word", error.class());
        hold!(message.len() <= MESSAGE_MAX_BYTES, "{what} answers a message of {} bytes", message.len());
        hold!(!message.contains(char::is_control), "{what} answers a message with a control character: {message:?}");
        let whole = format!("{message} {:?}", error.causes());
        hold!(!secrets.iter().any(|secret| whole.contains(secret)), "{what} answers {} with a secret in its text", error.class());
    }
    Ok(())
}

pub(super) async fn errors_outlive_their_instance(it: &Trial) -> Outcome {
    let driver = it.open().await?;
    let provoked = provoke(&driver).await?;
    let errors: Vec<DriverError> = provoked.into_iter().filter_map(|provoked| provoked.error).collect();
    hold!(!errors.is_empty(), "no call failed");
    let before: Vec<(ErrorClass, String)> = errors.iter().map(|error| (error.class(), error.to_string())).collect();
    driver.close(&CALL).await?;
    drop(driver);
    // Memory that the instance gave back is written over.
    let mut random = Random::new(it.seed());
    let other: Vec<Vec<u8>> = (0..1000).map(|size| random.bytes(16 + size % 500)).collect();
    let again = std::thread::spawn(move || {
        let read: Vec<_> = errors.iter().map(|error| (error.class(), error.to_string())).collect();
        drop(errors);
        read
    });
    let again = again.join().map_err(|_| Stop::breach("reading an error on another thread panicked"))?;
    drop(other);
    for (before, after) in before.iter().zip(&again) {
        hold!(before == after, "after its instance was closed an error reads {after:?}, before it read {before:?}");
    }
    Ok(())
}
