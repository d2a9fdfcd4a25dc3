//! The binary: everything is in the library.
#![forbid(unsafe_code)]

fn main() -> longshore::cli::Exit {
    // Before anything else: a driver's process is this program too.
    longshore::cli::become_probe();
    longshore::cli::become_driver();
    longshore::cli::run()
}
