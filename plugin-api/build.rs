//! Hands the compiler's version and the target to the driver note: both are facts of the build that no macro can name.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|answer| String::from_utf8(answer.stdout).ok())
        .map_or_else(|| "unknown".into(), |text| text.trim().to_owned());
    let target = env::var("TARGET").unwrap_or_else(|_| "unknown".into());
    println!("cargo:rustc-env=LONGSHORE_COMPILER={version}");
    println!("cargo:rustc-env=LONGSHORE_TARGET={target}");
    println!("cargo:rerun-if-changed=build.rs");
}
