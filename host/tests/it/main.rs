//! The registry as clients and operators meet it: the real program with real driver files, over real connections.
//!
//! Each file is one subject. The drivers are looked for beside the program, so `cargo build --workspace` comes first.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a seed and the log of a registry that failed belong into the output")]

mod bad_input;
mod blob;
mod call_counts;
mod calls;
mod catalog;
mod concurrent;
mod config;
mod delete;
mod disk;
mod driver_cli;
mod driver_findings;
mod driver_probe;
mod driver_why;
mod errors;
mod http;
mod isolation;
mod killed_hosts;
mod layers;
mod limits;
mod manifest;
mod manifest_refused;
mod many_hosts;
mod mount;
mod observe;
mod plan;
mod process;
mod purge;
mod redirect;
mod reference;
mod referrer;
mod reload;
mod resume;
mod secrets;
mod support;
mod tag;
mod trust;
mod upload;
