//! A driver that never answers at the call which its settings name, or answers an error there. It logs when the host gives up a call that it does
//! not answer.
#![forbid(unsafe_code)]

use std::future::pending;

use longshore_plugin_api::{DriverError, ErrorClass, Host, Level, Settings};
use longshore_specimen_sound::{Around, Interference};
use serde::Deserialize;

longshore_plugin_api::export_driver! {
    driver: Around<Stalls>,
    name: "specimen-stalls",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// Where to stall.
pub struct Stalls {
    at: String,
    /// Answered there.
    error: Option<ErrorClass>,
    host: Host,
}

#[derive(Deserialize)]
struct StallsSettings {
    at: String,
    error: Option<String>,
}

/// What a stalled call holds.
struct Held<'a> {
    host: &'a Host,
    entry: &'static str,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.host.log(Level::Info, format_args!("{} was given up", self.entry));
    }
}

impl Interference for Stalls {
    async fn open(settings: Settings, host: Host) -> Result<Self, DriverError> {
        let StallsSettings { at, error } = settings.parse()?;
        let error = error.and_then(|name| ErrorClass::ALL.iter().copied().find(|class| class.name() == name));
        let stalls = Self { at, error, host };
        stalls.call("open").await?;
        Ok(stalls)
    }

    async fn call(&self, entry: &'static str) -> Result<(), DriverError> {
        if self.at != entry {
            return Ok(());
        }
        if let Some(class) = self.error {
            return Err(DriverError::new(class, "the settings want it"));
        }
        let host = &self.host;
        let _held = Held { host, entry };
        pending().await
    }

    fn entry(&self, _: &'static str) {}
}
