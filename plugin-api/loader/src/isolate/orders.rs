//! What a child is told before it loads a driver.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::confine::Confinement;

/// The first frame, as JSON; its descriptors are the driver's file and the memory for bodies, to the child and from it.
#[derive(Serialize, Deserialize)]
pub(super) struct Orders {
    /// The storage's name.
    pub(super) instance: String,
    /// Driver and storage, as errors name them.
    pub(super) origin: String,
    /// Complete settings. Secrets are among them, so this is neither logged nor an argument.
    pub(super) settings: Value,
    /// What the child may do.
    pub(super) confinement: Confinement,
}
