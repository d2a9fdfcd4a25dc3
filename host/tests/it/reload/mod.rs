//! Other drivers and another configuration, without a restart.

mod configuration;
mod drivers;
mod socket;

use serde_json::Value;

use crate::support::Registry;

/// Enough for a body to be under way.
const PART: usize = 300_000;

/// Waits until the new driver serves, and the old one has requests that go on.
#[track_caller]
fn waits(registry: &Registry) {
    let published = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with("the new drivers serve; "));
    registry.logged("the new driver serves while the old one is waited for", published);
}
