//! The libraries that a file needs, and those that they need, found as the dynamic linker would find them: `search.rs` has its order of places,
//! `cache.rs` reads its cache.

mod cache;
mod search;

use std::collections::VecDeque;
use std::path::PathBuf;

use super::{Finding, FindingCode};
use crate::inspect::SharedObject;
use crate::refusal::{RefusalCode, plain};
use search::{Place, Places};

/// The most libraries that are followed; a driver has some five.
const LIBRARIES_MAX: usize = 256;

/// A library that a driver file needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its name, as `libc.so.6`.
    pub name: String,
    /// Who needs it, if it is another library and not the driver's file.
    pub needed_by: Option<String>,
    /// Where it was found on this machine; `None` if it is missing.
    pub path: Option<PathBuf>,
}

/// One that was found, and what it needs.
struct Found {
    /// `None` for the driver's file itself.
    name: Option<String>,
    object: SharedObject,
    /// The folders of DT_RPATH of this file and of those that need it.
    inherited: Vec<Place>,
}

/// Follows the needed libraries of `object`, each name once, the nearest first.
pub(super) fn resolve(object: &SharedObject) -> Vec<Library> {
    let mut places = Places::of_this_process();
    let mut libraries: Vec<Library> = Vec::new();
    let mut queue = VecDeque::new();
    follow(object, None, &[], &mut places, &mut libraries, &mut queue);
    while let Some(Found { name, object, inherited }) = queue.pop_front() {
        follow(&object, name.as_deref(), &inherited, &mut places, &mut libraries, &mut queue);
    }
    libraries
}

fn follow(
    object: &SharedObject,
    name: Option<&str>,
    inherited: &[Place],
    places: &mut Places,
    libraries: &mut Vec<Library>,
    queue: &mut VecDeque<Found>,
) {
    let search = places.of(object, inherited);
    for needed in &object.dynamic.needed {
        if libraries.len() == LIBRARIES_MAX || libraries.iter().any(|library| library.name == *needed) {
            continue;
        }
        let found = places.find(needed, &search);
        let path = found.as_ref().map(|object| object.path.clone());
        libraries.push(Library { name: needed.clone(), needed_by: name.map(str::to_owned), path });
        let next = found.map(|object| Found { name: Some(needed.clone()), object, inherited: search.inherited.clone() });
        queue.extend(next);
    }
}

/// What keeps the dynamic linker from loading `object` with these libraries.
pub(super) fn findings(object: &SharedObject, libraries: &[Library]) -> Vec<Finding> {
    let missing = libraries.iter().filter(|library| library.path.is_none()).map(missing);
    missing.chain(too_old(object, libraries)).collect()
}

fn missing(library: &Library) -> Finding {
    let name = plain(&library.name);
    let of = library.needed_by.as_ref().map_or_else(|| "it".to_owned(), |other| format!("its library {:?}", plain(other)));
    Finding {
        code: FindingCode::Refusal(RefusalCode::DependencyMissing),
        what: format!("the library {name:?}, which {of} needs, is in none of the places where the dynamic linker looks"),
        fix: if name.starts_with("libstd-") {
            "build the driver without `-C prefer-dynamic`: Rust's library belongs inside of it".into()
        } else {
            format!("install the package that has {name:?}, or put its folder into LD_LIBRARY_PATH")
        },
    }
}

/// Versions that the file itself needs and an installed library has not. Those of glibc are compared with the host's, by number.
fn too_old(object: &SharedObject, libraries: &[Library]) -> Vec<Finding> {
    let mut found = Vec::new();
    let needs = object.dynamic.versions.iter().filter(|need| !need.version.starts_with("GLIBC_"));
    for need in needs {
        let library = libraries.iter().find(|library| library.name == need.library && library.needed_by.is_none());
        let Some(path) = library.and_then(|library| library.path.as_ref()) else { continue };
        // It could be read a moment ago; if it cannot now, nothing is known of it.
        let Ok(installed) = SharedObject::read(path) else { continue };
        if !installed.dynamic.has_version(&installed.image, &need.version).unwrap_or(true) {
            found.push(Finding {
                code: FindingCode::Refusal(RefusalCode::DependencyVersion),
                what: format!("it needs {}, which the installed {path:?} does not have", plain(&need.version)),
                fix: "install a newer version of this library, or build the driver against this one".into(),
            });
        }
    }
    found
}
