//! A driver whose presigned URLs lead to a server of the test. It logs for which key it signs, never the URL.
#![forbid(unsafe_code)]

use longshore_plugin_api::{DriverError, Host, Key, Level, Method, Settings};
use longshore_specimen_sound::{Around, Interference};
use serde::Deserialize;

longshore_plugin_api::export_driver! {
    driver: Around<Presigns>,
    name: "specimen-presigns",
    vendor: "Longshore",
    documentation: "https://github.com/longshore/longshore/tree/main/conformance/specimens",
    capabilities: [PutIfAbsent, DeletePrefix, Copy, Presign, UploadList, NestedObjects],
    consistency: Strong,
    durability: Memory,
    settings: include_str!("../settings.schema.json"),
}

/// Where its URLs lead.
pub struct Presigns {
    settings: PresignsSettings,
    host: Host,
}

#[derive(Deserialize)]
struct PresignsSettings {
    url: String,
    signature: String,
}

impl Interference for Presigns {
    async fn open(settings: Settings, host: Host) -> Result<Self, DriverError> {
        Ok(Self { settings: settings.parse()?, host })
    }

    async fn call(&self, _: &'static str) -> Result<(), DriverError> {
        Ok(())
    }

    fn entry(&self, _: &'static str) {}

    fn presigned(&self, key: &Key, method: Method, expires_ms: u64) -> Option<String> {
        let PresignsSettings { url, signature } = &self.settings;
        self.host.log(Level::Info, format_args!("signed {method:?} of {key}"));
        Some(format!("{url}/{key}?method={method:?}&expires_ms={expires_ms}&signature={signature}"))
    }
}
