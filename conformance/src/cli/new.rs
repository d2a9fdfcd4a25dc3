//! `new`: a folder with a driver that builds, keeps the contract, and is there to be changed.
//!
//! What it makes is the example `examples/minimal-driver` under another name: the example is compiled, tested and judged, and so is the
//! template.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::complain;
use crate::exit::Exit;

#[derive(Debug, clap::Args)]
pub(super) struct NewArguments {
    /// The driver's name, as registry.toml will call it: [a-z][a-z0-9-]{0,31}.
    name: String,
    /// The folder in which the driver's folder is made.
    #[arg(long = "in", value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// A folder of longshore-plugin-api to build against, instead of this version's tag in Longshore's repository.
    #[arg(long, value_name = "PATH")]
    plugin_api: Option<PathBuf>,
}

macro_rules! example {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../examples/minimal-driver/", $file)))),+]
    };
}

/// The files of a driver. The name in them is that of the example, and stands nowhere else in them.
const FILES: &[(&str, &str)] = example![
    ".github/workflows/ci.yml",
    ".gitignore",
    "Cargo.toml",
    "README.md",
    "rustfmt.toml",
    "settings.schema.json",
    "src/lib.rs",
    "src/list.rs",
    "src/upload.rs",
];

/// The name of the example.
const EXAMPLE: &str = "minimal";

/// How the example, which lies in Longshore's own repository, names what it is built against.
const EXAMPLE_PLUGIN_API: &str = r#"{ path = "../../plugin-api" }"#;

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The tag of this version; the checks that a driver's CI installs are those that made it.
const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Runs the command.
pub(super) fn new(arguments: &NewArguments) -> Exit {
    match make(arguments) {
        Ok(folder) => {
            // Whoever started it sees the folder, too.
            let _ = io::stdout().write_all(what_next(&arguments.name, &folder).as_bytes());
            Exit::Conformant
        }
        Err(text) => {
            complain(text);
            Exit::Usage
        }
    }
}

/// Makes the driver's folder, whole or not at all.
fn make(arguments: &NewArguments) -> Result<PathBuf, String> {
    let name = &arguments.name;
    check_name(name)?;
    let plugin_api = match &arguments.plugin_api {
        Some(path) => dependency_by_path(path)?,
        None => format!(r#"{{ git = "{REPOSITORY}", tag = "{TAG}" }}"#),
    };
    let folder = arguments.folder.join(name);
    check_free(&folder)?;
    let failed = |error: io::Error| format!("the driver cannot be made in {}: {error}", arguments.folder.display());
    // Beside its place, so that a rename puts it there.
    let half = tempfile::Builder::new().prefix(".longshore-new-").tempdir_in(&arguments.folder).map_err(failed)?;
    let whole = half.path().join(name);
    for (file, text) in FILES {
        write(&whole.join(file), &text_for(text, name, &plugin_api)).map_err(failed)?;
    }
    fs::rename(&whole, &folder).map_err(failed)?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
    fs::write(path, text)
}

/// A driver's name, by section 6 of the contract.
fn check_name(name: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.len() <= 32 && name.bytes().all(legal) && name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(format!("{name:?} is no name of a driver: it must be 1 to 32 of a-z, 0-9 and -, and begin with a letter"))
}

/// `Ok` if nothing is lost by making a folder there.
fn check_free(folder: &Path) -> Result<(), String> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{} exists and is not empty; choose another name, or another place with --in", folder.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("the driver cannot be made in {}: {error}", folder.display())),
    }
}

/// The dependency on a folder, in TOML.
fn dependency_by_path(path: &Path) -> Result<String, String> {
    let refused = |why: &str| format!("--plugin-api: {} {why}", path.display());
    let manifest = fs::read_to_string(path.join("Cargo.toml")).map_err(|error| refused(&format!("has no Cargo.toml to read: {error}")))?;
    if !manifest.lines().any(|line| line.trim() == r#"name = "longshore-plugin-api""#) {
        return Err(refused("is not the folder of longshore-plugin-api"));
    }
    // Absolute: it is read from another folder.
    let path = path.canonicalize().map_err(|error| refused(&error.to_string()))?;
    let path = path.to_str().ok_or_else(|| refused("is not UTF-8, as Cargo.toml is"))?;
    // A text of JSON is one of TOML.
    let quoted = serde_json::to_string(path).map_err(|error| refused(&error.to_string()))?;
    Ok(format!("{{ path = {quoted} }}"))
}

/// A file of the example for another driver. In the name of the driver's file, `-` is `_`.
fn text_for(text: &str, name: &str, plugin_api: &str) -> String {
    let mut pieces = text.split(EXAMPLE);
    let mut renamed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        renamed += &if renamed.ends_with("driver_") { name.replace('-', "_") } else { name.to_owned() };
        renamed += piece;
    }
    // Last, since a path may have any word in it.
    renamed.replace(EXAMPLE_PLUGIN_API, plugin_api)
}

fn what_next(name: &str, folder: &Path) -> String {
    let file = name.replace('-', "_");
    format!(
        "The driver {name:?} is in {folder}. It keeps objects in memory, and the contract. Next:

  cd {folder}
  cargo build --release
  longshore-conformance run target/release/liblongshore_driver_{file}.so

Then make it yours: src/lib.rs has its calls, settings.schema.json its settings.
What each call owes: {REPOSITORY}/blob/main/docs/driver-guide.md
",
        folder = folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_one_that_the_contract_allows() {
        for good in ["a", "s3", "my-store", "a-", &"a".repeat(32)] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
        for bad in ["", "3s", "-a", "My", "a_b", "a.b", "a/b", "../a", "ä", "a b", &"a".repeat(33)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn name_that_contains_the_examples_is_not_replaced_twice() {
        let text = text_for("liblongshore_driver_minimal.so is `minimal`", "my-minimal", "");
        assert_eq!(text, "liblongshore_driver_my_minimal.so is `my-minimal`");
    }

    #[test]
    fn template_names_the_plugin_api_and_this_version_where_they_are_replaced() {
        let file = |name: &str| FILES.iter().find(|(file, _)| *file == name).expect("the template has it").1;
        assert_eq!(file("Cargo.toml").matches(EXAMPLE_PLUGIN_API).count(), 1);
        assert!(file(".github/workflows/ci.yml").contains(&format!("--git {REPOSITORY} --tag {TAG} ")), "its CI installs this version");
    }
}
