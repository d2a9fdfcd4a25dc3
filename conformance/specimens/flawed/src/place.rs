//! Where an object lies: a folder for each component, and a file `!` in it for the object.
//!
//! A component's folder is named `=` and the component. One of 255 bytes leaves no room for that: its folder is `+` and all but the last byte,
//! with a folder `+` and that byte in it. So every key has a place, `a` and `a/b` together too.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of the file in a component's folder.
pub(crate) const OBJECT: &str = "!";
/// The longest component that has a folder of one name, in bytes.
const SINGLE_MAX: usize = 254;

/// The folder of a key or a prefix below `objects`.
pub(crate) fn folder(objects: &Path, components: &str) -> PathBuf {
    let mut folder = objects.to_owned();
    for component in components.split('/').filter(|component| !component.is_empty()) {
        if component.len() <= SINGLE_MAX {
            folder.push(format!("={component}"));
        } else {
            // Components are ASCII: any place is between characters.
            let (most, last) = component.split_at(SINGLE_MAX);
            folder.push(format!("+{most}"));
            folder.push(format!("+{last}"));
        }
    }
    folder
}

/// The components that have folders in `folder`, with these.
pub(crate) fn components(folder: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(component) = name.strip_prefix('=') {
            found.push((component.to_owned(), entry.path()));
        } else if let Some(most) = name.strip_prefix('+') {
            for last in std::fs::read_dir(entry.path())? {
                let last = last?;
                if let Some(end) = last.file_name().to_str().and_then(|name| name.strip_prefix('+')) {
                    found.push((format!("{most}{end}"), last.path()));
                }
            }
        }
    }
    Ok(found)
}

/// What lies at a path, if anything does.
pub(crate) fn look(path: &Path) -> std::io::Result<Option<Metadata>> {
    match path.symlink_metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        found => found.map(Some),
    }
}

/// True if an object lies below `folder`.
pub(crate) fn has_below(folder: &Path) -> std::io::Result<bool> {
    let components = match components(folder) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(false),
        found => found?,
    };
    for (_, folder) in components {
        if look(&folder.join(OBJECT))?.is_some_and(|metadata| metadata.is_file()) || has_below(&folder)? {
            return Ok(true);
        }
    }
    Ok(false)
}
