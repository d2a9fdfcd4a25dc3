//! Settings that fit and lead nowhere.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Instant;

use longshore_loader::api::ErrorClass::{Config, Internal, Missing, NotFound, ReadOnly, Unauthorized};
use longshore_loader::api::{Driver, DriverError};
use serde_json::{Value, json};

use super::answer_to;
use crate::case::Outcome;
use crate::config::{Place, StoreKind};
use crate::trial::observe::Held;
use crate::trial::{CALL, LIMITS, Trial};
use crate::verdict::{Stop, hold, refused};

/// Settings of a store that cannot be, with what is wrong with it. What stands behind them lives as long as the value.
pub(in crate::cases) struct Unusable {
    pub(in crate::cases) what: &'static str,
    pub(in crate::cases) settings: Value,
    _listener: Option<TcpListener>,
}

/// Every way in which this driver's store can be out of reach; none for a store in memory.
pub(in crate::cases) fn unusable(it: &Trial) -> Result<Vec<Unusable>, Stop> {
    let config = &it.setting.config;
    let settings = |place: Place| config.settings(&place);
    match config.kind(it.info()) {
        StoreKind::Memory => Ok(Vec::new()),
        StoreKind::Files => {
            let file = it.folder().join("a-file");
            fs::write(&file, "in the way").map_err(|error| Stop::harness("a file cannot be written", error))?;
            let at = |folder: PathBuf| settings(Place { folder, ..it.setting.place.clone() });
            Ok(vec![
                Unusable { what: "a store below a file", settings: at(file), _listener: None },
                Unusable { what: "a store where nothing can be made", settings: at("/proc/self".into()), _listener: None },
            ])
        }
        StoreKind::Service => {
            let listen = || TcpListener::bind("127.0.0.1:0").map_err(|error| Stop::harness("no address is free", error));
            let at = |listener: &TcpListener| {
                let address = listener.local_addr().map_err(|error| Stop::harness("a listener's address", error))?;
                Ok::<_, Stop>(settings(Place { proxy: Some(address.to_string()), ..it.setting.place.clone() }))
            };
            let (silent, gone) = (listen()?, listen()?);
            let (silent_settings, gone_settings) = (at(&silent)?, at(&gone)?);
            if silent_settings == gone_settings {
                // Without {proxy} in the settings the harness cannot stand in front.
                return Ok(Vec::new());
            }
            // Its address is nobody's from here on.
            drop(gone);
            Ok(vec![
                // It takes connections, up to its queue, and never answers.
                Unusable { what: "a service that never answers", settings: silent_settings, _listener: Some(silent) },
                Unusable { what: "a service that is not there", settings: gone_settings, _listener: None },
            ])
        }
    }
}

/// What opening answers, or, for a driver that opens without looking, what its first call answers.
pub(in crate::cases) async fn first_answer(it: &Trial, settings: &Value) -> Result<Option<DriverError>, Stop> {
    match it.try_open(settings).await? {
        Err(error) => Ok(Some(error)),
        Ok(driver) => {
            let answer = driver.health(&CALL).await.err();
            driver.close(&CALL).await?;
            Ok(answer)
        }
    }
}

pub(super) async fn unusable_store_is_a_classified_error(it: &Trial) -> Outcome {
    // What loading makes, and what a library makes once for its process, is no leak of a failed `open`.
    it.open().await?.close(&CALL).await?;
    for settings in [json!(null), json!([]), json!("text"), json!(7)] {
        let answer = answer_to(it, &settings).await?;
        refused(answer.map_or(Ok(()), Err), &[Config], format_args!("settings that are {settings}"))?;
    }
    let is_service = it.is_service();
    for unusable in unusable(it)? {
        let (what, held, begin) = (unusable.what, Held::now(), Instant::now());
        let Some(error) = first_answer(it, &unusable.settings).await? else {
            return Err(Stop::breach(format!("{what} opens and is healthy")));
        };
        let took = begin.elapsed();
        hold!(took < LIMITS.open_limit, "{what} is not answered within {} s", LIMITS.open_limit.as_secs());
        hold!(
            ![Internal, NotFound].contains(&error.class()),
            "{what} answers {}, which does not tell what is wrong: {error}",
            error.class()
        );
        let local = [Config, Missing, Unauthorized, ReadOnly];
        hold!(is_service || local.contains(&error.class()), "{what} on this machine answers {}: {error}", error.class());
        hold!(!is_service || error.is_retryable() || error.class() == Config, "{what} may be back later, and the error says no: {error}");
        // At once: a failed open that still works on something has not failed yet.
        let left: Vec<_> = Held::now().since(&held).into_iter().filter(|item| item.starts_with("descriptor")).collect();
        hold!(left.is_empty(), "{what} left {}", left.join(", "));
    }
    Ok(())
}
