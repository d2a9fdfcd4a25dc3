//! The fake as a program: prints where it listens, and ends when its standard input does.
#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::process::ExitCode;

use longshore_gcs_fake::{Fake, Options};

const USAGE: &str = "usage: gcs-fake [--listen HOST:PORT] [--bucket NAME]... [--forbidden NAME]... [--made PREFIX] [--key-file PATH] [--page-max N] \
                     [--anonymous]";

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "its address is what it is asked for")]
fn main() -> ExitCode {
    match start() {
        Ok(fake) => println!("{}", fake.address()),
        Err(error) => {
            eprintln!("gcs-fake: {error}");
            return ExitCode::FAILURE;
        }
    }
    // Whoever started it has ended, or asks it to.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}

fn start() -> io::Result<&'static Fake> {
    let (mut options, mut key_file) = (Options::default(), None);
    let (mut buckets, mut forbidden) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--anonymous" {
            options.anonymous = true;
            continue;
        }
        let value = arguments.next().ok_or_else(usage)?;
        match name.as_str() {
            "--listen" => options.listen = value.parse().map_err(|_| usage())?,
            "--bucket" => buckets.push(value),
            "--forbidden" => forbidden.push(value),
            "--made" => options.made = Some(value),
            "--key-file" => key_file = Some(value),
            "--page-max" => options.page_max = value.parse().map_err(|_| usage())?,
            _ => return Err(usage()),
        }
    }
    if !buckets.is_empty() {
        options.buckets = buckets;
    }
    if !forbidden.is_empty() {
        options.forbidden = forbidden;
    }
    let fake = Fake::start(options)?;
    if let Some(path) = key_file {
        std::fs::write(path, fake.key_file())?;
    }
    // It serves until the process ends.
    Ok(Box::leak(Box::new(fake)))
}

fn usage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, USAGE)
}
