//! The settings an instance is opened with.

use serde::de::DeserializeOwned;

use crate::{DriverError, ErrorClass};

/// A JSON object that was checked against the driver's schema, with the schema's defaults filled in.
#[derive(Clone)]
pub struct Settings(serde_json::Value);

impl Settings {
    /// Wraps a JSON object.
    pub fn new(value: serde_json::Value) -> Self {
        Self(value)
    }

    /// Turns them into the driver's own type.
    ///
    /// # Errors
    /// `config`, naming what does not fit. It can only happen where the type asks for more than the schema does.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, DriverError> {
        serde_json::from_value(self.0).map_err(|error| DriverError::new(ErrorClass::Config, format!("settings do not fit: {error}")))
    }

    /// The JSON.
    pub fn as_json(&self) -> &serde_json::Value {
        &self.0
    }
}
