//! The places in which the dynamic linker looks for a library, in its order.
//!
//! Source: ld.so(8). A name with a slash is a path. Any other is looked for in DT_RPATH of the file and of those that need it (unless the file has
//! DT_RUNPATH), in LD_LIBRARY_PATH, in DT_RUNPATH of the file, in the cache, and in the system's own folders.

use std::env::consts::ARCH;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cache;
use crate::inspect::SharedObject;

/// A folder in which libraries are looked for.
pub(super) type Place = PathBuf;

/// The places that are the same for all files of a process.
pub(super) struct Places {
    /// LD_LIBRARY_PATH.
    environment: Vec<Place>,
    system: Vec<Place>,
    /// Read when it is needed first.
    cache: Option<Vec<u8>>,
}

/// The places of one file.
pub(super) struct Search {
    /// DT_RPATH of the file and of those that need it.
    pub(super) inherited: Vec<Place>,
    runpath: Vec<Place>,
    system_too: bool,
    ignores_inherited: bool,
}

impl Places {
    pub(super) fn of_this_process() -> Self {
        let listed = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        Self { environment: of_environment(&listed), system: system_folders(), cache: None }
    }

    /// The places of `object`, which is needed by files that hand down `inherited`.
    pub(super) fn of(&self, object: &SharedObject, inherited: &[Place]) -> Search {
        let dynamic = &object.dynamic;
        let runpath = expanded(&dynamic.runpath, &object.path);
        // Where both are there, the older one has no meaning.
        let own = if runpath.is_empty() { expanded(&dynamic.rpath, &object.path) } else { Vec::new() };
        Search {
            inherited: own.into_iter().chain(inherited.iter().cloned()).collect(),
            ignores_inherited: !runpath.is_empty(),
            runpath,
            system_too: !dynamic.no_default_folders,
        }
    }

    /// The library of that name, if there is one for this machine in these places. A file of the name that is something else is passed over.
    pub(super) fn find(&mut self, name: &str, search: &Search) -> Option<SharedObject> {
        if name.contains('/') {
            return library(Path::new(name));
        }
        let inherited = if search.ignores_inherited { &[][..] } else { &search.inherited };
        let first = inherited.iter().chain(&self.environment).chain(&search.runpath);
        let mut found = first.into_iter().find_map(|folder| library(&folder.join(name)));
        if found.is_none() && search.system_too {
            let cache = self.cache.get_or_insert_with(cache::read);
            found = cache::paths(cache, name).find_map(|path| library(&path));
            found = found.or_else(|| self.system.iter().find_map(|folder| library(&folder.join(name))));
        }
        found
    }
}

fn library(path: &Path) -> Option<SharedObject> {
    // Most places do not have it: asking for that first costs one call.
    path.is_file().then(|| SharedObject::read(path).ok()).flatten()
}

/// An empty item is the working directory.
fn of_environment(listed: &OsString) -> Vec<Place> {
    if listed.is_empty() {
        return Vec::new();
    }
    let here = |folder: PathBuf| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    listed.to_string_lossy().split([':', ';']).map(|folder| here(PathBuf::from(folder))).collect()
}

/// The folders that the linker of this C library was built with, of the distributions that there are.
fn system_folders() -> Vec<Place> {
    let multiarch = format!("{ARCH}-linux-gnu");
    ["/lib", "/usr/lib"]
        .into_iter()
        .flat_map(|folder| [format!("{folder}/{multiarch}"), format!("{folder}64"), folder.to_owned()])
        .map(PathBuf::from)
        .collect()
}

/// The folders of DT_RPATH or DT_RUNPATH, with the linker's words replaced.
fn expanded(listed: &[String], file: &Path) -> Vec<Place> {
    if listed.is_empty() {
        return Vec::new();
    }
    // The linker takes the file's folder with links resolved in the way to it, not in its last part.
    let origin = file.parent().and_then(|folder| folder.canonicalize().ok()).unwrap_or_default();
    let origin = origin.to_string_lossy();
    let folders = listed.iter().flat_map(|folders| folders.split(':')).filter(|folder| !folder.is_empty());
    let with = |folder: &str, lib: &str| {
        let words = [("ORIGIN", &*origin), ("PLATFORM", ARCH), ("LIB", lib)];
        words
            .iter()
            .fold(folder.to_owned(), |text, (word, value)| text.replace(&format!("${{{word}}}"), value).replace(&format!("${word}"), value))
    };
    let multiarch = format!("lib/{ARCH}-linux-gnu");
    folders
        .flat_map(|folder| match folder.contains("LIB") {
            true => vec![with(folder, &multiarch), with(folder, "lib64")],
            false => vec![with(folder, "")],
        })
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_linker_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        let origin = folder.path().canonicalize().unwrap();
        let listed = ["$ORIGIN/../lib:/opt/a".to_owned(), "${ORIGIN}".to_owned()];
        assert_eq!(expanded(&listed, &file), [origin.join("../lib"), "/opt/a".into(), origin]);
        let lib = expanded(&["/opt/$LIB".to_owned()], &file);
        assert_eq!(lib, [PathBuf::from(format!("/opt/lib/{ARCH}-linux-gnu")), "/opt/lib64".into()]);
    }

    #[test]
    fn empty_items_of_the_environment_are_the_working_directory() {
        assert_eq!(of_environment(&"/a::/b".into()), [PathBuf::from("/a"), ".".into(), "/b".into()]);
        assert_eq!(of_environment(&"".into()), Vec::<PathBuf>::new());
    }
}
