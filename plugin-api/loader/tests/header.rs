//! The header for drivers in C is what the loader's tables are.

use std::path::{Path, PathBuf};

/// What cbindgen makes of the two files that say what crosses.
fn generated() -> String {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/c");
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).expect("the configuration is readable");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(sources.join("values.rs"))
        .with_src(sources.join("table.rs"))
        .generate()
        .expect("the tables can be said in C");
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).expect("the sources are UTF-8")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../c")
}

/// Drivers are compiled from the header, so it moves with the tables: run this test with LONGSHORE_WRITE_HEADER=1 after a change.
#[test]
fn the_header_is_that_of_the_tables() {
    let path = folder().join("longshore_driver.h");
    let now = generated();
    if std::env::var_os("LONGSHORE_WRITE_HEADER").is_some() {
        std::fs::write(&path, &now).expect("the header is writable");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("the header is readable");
    let changed: Vec<_> = now.lines().filter(|line| !committed.lines().any(|old| old == *line)).collect();
    assert!(
        now == committed,
        "the header is not that of the tables in src/c: add fields at a table's end only, and write the header again with \
         LONGSHORE_WRITE_HEADER=1\n{}",
        changed.join("\n")
    );
}
