//! Every specimen of a remote driver is caught, as `specimens/caught-remote.txt` tells, and the one without a flaw keeps the contract over a
//! network that fails. The service is started here.
//!
//! The table is written as that of the test `specimens` is.

use std::process::ExitCode;

use longshore_driver_specimen_remote::{Flaw, service};

use caught::{Collection, Specimen};

mod caught;

const CONFIG: &str = r#"
[settings]
endpoint = "{proxy}"
namespace = "{unique}"
password = "PASSWORD"
flaw = "FLAW"

[store]
kind = "service"
address = "ADDRESS"
"#;

/// The cases of a service that are not in core.
const BEYOND_CORE: &[&str] = &["FLT-06", "FLT-07", "FLT-08", "FLT-09", "ERR-12"];

#[expect(clippy::print_stderr, reason = "without the service there is no test to fail")]
fn main() -> ExitCode {
    if let Some(code) = longshore_conformance::hidden::entered() {
        return code;
    }
    let address = match service::start(service::PASSWORD) {
        Ok(address) => address.to_string(),
        Err(error) => {
            eprintln!("the service does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let specimens = Flaw::ALL.iter().map(|flaw| Specimen { name: flaw.name(), number: flaw.number(), what: flaw.what() });
    let collection = Collection {
        driver: "specimen-remote",
        specimens: specimens.collect(),
        table: include_str!("../specimens/caught-remote.txt"),
        beyond_core: BEYOND_CORE,
        config: CONFIG.replace("ADDRESS", &address).replace("PASSWORD", service::PASSWORD),
    };
    collection.test_main()
}
