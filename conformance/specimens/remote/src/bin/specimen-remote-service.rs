//! The service of the specimen `remote`: prints where it listens, and ends when its standard input does.
#![forbid(unsafe_code)]

use std::io::Read;
use std::process::ExitCode;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "its address is what it is asked for")]
fn main() -> ExitCode {
    let password = std::env::args().nth(1).unwrap_or_else(|| longshore_driver_specimen_remote::service::PASSWORD.to_owned());
    match longshore_driver_specimen_remote::service::start(&password) {
        Ok(address) => println!("{address}"),
        Err(error) => {
            eprintln!("the service does not start: {error}");
            return ExitCode::FAILURE;
        }
    }
    // Whoever started it has ended, or asks it to.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
