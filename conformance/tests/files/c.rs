//! The example of a driver in C, built as its own Makefile says.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The file, or `None` without a C compiler and make.
pub(crate) fn c_driver_file() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

#[expect(clippy::print_stderr, reason = "a test that was not made says so by name")]
fn build() -> Option<PathBuf> {
    let missing = ["cc", "make"].into_iter().find(|tool| Command::new(tool).arg("--version").output().is_err());
    if let Some(tool) = missing {
        eprintln!("skipped: there is no {tool} to build the driver in C with");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/c-driver");
    // Beside the drivers of the workspace, but where no host of a test looks.
    let test = std::env::current_exe().expect("a process knows its file");
    let folder = test.parent().expect("tests run in target/<profile>/deps").join("c-driver");
    let made = Command::new("make").arg("-C").arg(source).arg(format!("BUILD={}", folder.display())).output().expect("make runs");
    assert!(made.status.success(), "make: {}", String::from_utf8_lossy(&made.stderr));
    Some(folder.join("liblongshore_driver_c_files.so"))
}
