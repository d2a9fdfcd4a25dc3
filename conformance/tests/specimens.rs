//! Every specimen is caught by the cases that are there to catch it: `specimens/caught.txt` names them, and each must fail on its specimen.
//!
//! The table is written from the results of all cases of core on all specimens, which takes the better part of an hour, and is reviewed. A part
//! of a specimen's name behind `--` runs only those:
//!
//! ```sh
//! cargo build --workspace
//! LONGSHORE_WRITE_CAUGHT=core cargo test -p longshore-conformance --test specimens
//! ```

use std::process::ExitCode;

use longshore_driver_specimen_flawed::Flaw;

use caught::{Collection, Specimen};

mod caught;

const CONFIG: &str = r#"
[settings]
root = "{folder}/store"
flaw = "FLAW"
password = "correct-horse"
"#;

fn main() -> ExitCode {
    if let Some(code) = longshore_conformance::hidden::entered() {
        return code;
    }
    let specimens = Flaw::ALL.iter().map(|flaw| Specimen { name: flaw.name(), number: flaw.number(), what: flaw.what() });
    let collection = Collection {
        driver: "specimen-flawed",
        specimens: specimens.collect(),
        table: include_str!("../specimens/caught.txt"),
        beyond_core: &[],
        config: CONFIG.to_owned(),
    };
    collection.test_main()
}
