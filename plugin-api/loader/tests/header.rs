//! The header for drivers in C is what the loader's tables are.

use std::path::{Path, PathBuf};
use std::process::Command;

use longshore_loader::inspect;

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

const NOTE: &str = r#"
#include "longshore_driver.h"
LONGSHORE_DRIVER_NOTE("{\"schema\":1,\"name\":\"in-cpp\",\"version\":\"1\",\"vendor\":\"\",\"licence\":\"\",\"documentation\":\"\","
                      "\"abi\":{\"kind\":\"c\",\"major\":1},\"contract\":1,\"capabilities\":[],\"consistency\":\"strong\","
                      "\"durability\":\"disk\",\"settings\":{}}")
"#;

/// Compiles a file that has a note only; `None` if the compiler is not there.
#[expect(clippy::print_stderr, reason = "a test that was not made says so by name")]
fn library(compiler: &str, flags: &[&str], source: &str, to: &Path) -> Option<()> {
    if Command::new(compiler).arg("--version").output().is_err() {
        eprintln!("skipped: there is no {compiler}");
        return None;
    }
    let source = to.with_file_name(source);
    std::fs::write(&source, NOTE).expect("the temporary folder is writable");
    let mut compiler = Command::new(compiler);
    compiler.args(["-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-Wl,--gc-sections", "-s", "-shared", "-fPIC"]).args(flags);
    let built = compiler.arg("-I").arg(folder()).arg("-o").arg(to).arg(source).output().expect("the compiler runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(())
}

/// The note survives what shrinks files, and is one whichever language includes the header.
#[test]
fn the_header_is_c_and_cpp_and_its_note_is_read() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dialects = [
        ("cc", &["-std=c99", "-pedantic"][..], "note.c"),
        ("cc", &["-std=c11"], "note.c"),
        ("c++", &["-std=c++11", "-pedantic"], "note.cpp"),
        ("c++", &["-std=c++20"], "note.cpp"),
    ];
    for (number, (compiler, flags, source)) in dialects.into_iter().enumerate() {
        let path = temporary.path().join(format!("{number}.so"));
        if library(compiler, flags, source, &path).is_some() {
            let inspection = inspect(&path).expect("the note is one");
            assert_eq!(inspection.info().name, "in-cpp", "{compiler} {flags:?}");
        }
    }
}
