//! The program `longshore-conformance`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    longshore_conformance::hidden::entered().unwrap_or_else(longshore_conformance::cli::main)
}
