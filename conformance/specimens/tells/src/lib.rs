//! A driver that tells its secrets wherever it says anything: in its log, its errors and its panics. No host may pass them on.
#![forbid(unsafe_code)]

use longshore_plugin_api::{DriverError, ErrorClass, Host, Level, Settings};
use longshore_specimen_sound::{Around, Interference};
use serde::Deserialize;

longshore_plugin_api::export_driver! {
    driver: Around<Tells>,
    name: "specimen-tells",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// What it tells.
#[derive(Deserialize)]
pub struct Tells {
    token: String,
    #[serde(default)]
    proxy: String,
    opens: bool,
    #[serde(skip)]
    host: Option<Host>,
}

impl Tells {
    fn words(&self) -> String {
        format!("cannot log in with {:?} at {}", self.token, self.proxy)
    }

    fn log(&self) {
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            if let Some(host) = &self.host {
                host.log(level, self.words());
            }
        }
    }

    fn error(&self) -> DriverError {
        DriverError::new(ErrorClass::Unauthorized, self.words()).caused_by("header", &self.token)
    }
}

impl Interference for Tells {
    async fn open(settings: Settings, host: Host) -> Result<Self, DriverError> {
        let tells = Self { host: Some(host), ..settings.parse()? };
        tells.log();
        if tells.opens { Ok(tells) } else { Err(tells.error()) }
    }

    async fn call(&self, entry: &'static str) -> Result<(), DriverError> {
        self.log();
        match entry {
            "list" => panic!("{}", self.words()),
            "close" => Ok(()),
            _ => Err(self.error()),
        }
    }

    fn entry(&self, _: &'static str) {}
}
