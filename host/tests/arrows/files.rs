//! The project's Rust files.

use std::fs;
use std::path::Path;

use crate::tokens::{Token, tokens};

/// A file with its tokens.
pub(crate) struct File {
    /// The path below the folder that was walked, with `/`.
    pub(crate) place: String,
    pub(crate) tokens: Vec<Token>,
}

/// All Rust files below `folder`, but for what builds left there.
pub(crate) fn rust_files(folder: &Path) -> Vec<File> {
    let mut files = Vec::new();
    walk(folder, "", &mut files);
    files
}

fn walk(folder: &Path, place: &str, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder can be read to its end");
        let name = entry.file_name().into_string().expect("names in the project are UTF-8");
        let place = format!("{place}{name}");
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() && name != "target" && name != "data" && !name.starts_with('.') {
            walk(&entry.path(), &format!("{place}/"), files);
        } else if kind.is_file() && name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).unwrap_or_else(|error| panic!("cannot read {place}: {error}"));
            files.push(File { place, tokens: tokens(&text) });
        }
    }
}
