//! The driver contract, on a strict fake of the store that is started here: every case of the profile core is a test of this driver.
//!
//! The fake ends pages early, so that a page of the contract takes several of the store's.

use std::process::ExitCode;

use longshore_conformance::embedded::{Driver, test_main};
use longshore_gcs_fake::{Fake, Options};

#[expect(clippy::print_stderr, reason = "without the store there is no test to fail")]
fn main() -> ExitCode {
    if let Some(code) = longshore_conformance::hidden::entered() {
        return code;
    }
    let fake = match Fake::start(Options { page_max: 100, made: Some("case-".into()), ..Options::default() }) {
        Ok(fake) => fake,
        Err(error) => {
            eprintln!("the fake does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let settings = serde_json::json!({ "endpoint": "http://{proxy}", "bucket": "case-{unique}", "key": fake.key_file() });
    let config = serde_json::json!({ "settings": settings, "store": { "kind": "service", "address": fake.address().to_string() } });
    let driver = Driver { config: serde_json::from_value(config).ok(), ..Driver::of_this_crate("gcs") };
    test_main(&[driver])
}
