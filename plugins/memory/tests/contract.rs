//! The driver contract: every case of the profile core is a test of this driver.

use std::process::ExitCode;

use longshore_conformance::embedded::{Driver, test_main};

fn main() -> ExitCode {
    test_main(&[Driver::of_this_crate("memory")])
}
