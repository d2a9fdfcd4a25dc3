//! From a driver's name to its file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use crate::note::is_driver_name;
use crate::refusal::{Refusal, RefusalCode, plain};

const FILE_PREFIX: &str = "liblongshore_driver_";
const FILE_SUFFIX: &str = ".so";

/// How a driver is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverSource {
    /// By name, looked for in the configured folders.
    Name(String),
    /// By its file.
    Path(PathBuf),
}

/// Driver files found by their names.
#[derive(Debug, Default)]
pub struct Scan {
    /// Ordered by name, then by folder.
    pub candidates: Vec<Candidate>,
    /// Folders that could not be read. One that does not exist is among them.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// A file whose name is that of a driver; whether it is one, [`inspect`](crate::inspect()) tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The driver's name according to the file's.
    pub name: String,
    /// The absolute path.
    pub path: PathBuf,
    /// The file of the same name in an earlier folder, which is used instead of this one.
    pub shadowed_by: Option<PathBuf>,
}

/// A folder in which a driver was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file that would be the driver's.
    pub path: PathBuf,
    /// What is there.
    pub found: Found,
}

/// What is in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The file that is used: the first one.
    Used,
    /// A file that is not used, because an earlier folder has one.
    Shadowed,
    /// The folder has no such file.
    Nothing,
    /// There is no such folder.
    NoFolder,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Every place where the driver `name` is looked for, in order, also beyond the first that has it.
///
/// # Errors
/// [`RefusalCode::NameInvalid`].
pub fn places(name: &str, folders: &[PathBuf]) -> Result<Vec<Place>, Refusal> {
    let file = checked_file_name(name)?;
    let mut is_found = false;
    let place = |folder: &PathBuf| {
        let path = folder.join(&file);
        let found = match path.symlink_metadata() {
            Ok(_) if is_found => Found::Shadowed,
            Ok(_) => Found::Used,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_dir() => Found::Nothing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Found::NoFolder,
            Err(error) => Found::Unknown(error.to_string()),
        };
        is_found |= found == Found::Used;
        Ok(Place { path: absolute(&path)?, found })
    };
    folders.iter().map(place).collect()
}

/// The absolute path of the file that `source` means.
///
/// Names are looked for in `folders`, in order, and nowhere else. A path is not looked at here; [`inspect`](crate::inspect()) opens it.
///
/// # Errors
/// [`RefusalCode::NameInvalid`]; [`RefusalCode::FileNotFound`], listing every place looked in and the nearest driver that is there.
pub fn locate(source: &DriverSource, folders: &[PathBuf]) -> Result<PathBuf, Refusal> {
    match source {
        DriverSource::Name(name) => locate_name(name, folders).map_err(|refusal| refusal.named(name)),
        DriverSource::Path(path) => absolute(path),
    }
}

/// Lists the driver files in `folders`, the first folder winning for each name.
pub fn scan(folders: &[PathBuf]) -> Scan {
    let mut scan = Scan::default();
    // The same folder given twice would shadow itself.
    let mut seen: Vec<&PathBuf> = Vec::new();
    for folder in folders {
        if seen.contains(&folder) {
            continue;
        }
        seen.push(folder);
        match candidates(folder) {
            Ok(found) => scan.candidates.extend(found),
            Err(error) => scan.unreadable.push((folder.clone(), error)),
        }
    }
    // Stable, so that files of one name stay in the order of their folders.
    scan.candidates.sort_by(|a, b| a.name.cmp(&b.name));
    let mut winners: BTreeMap<String, PathBuf> = BTreeMap::new();
    for candidate in &mut scan.candidates {
        candidate.shadowed_by = winners.get(&candidate.name).cloned();
        winners.entry(candidate.name.clone()).or_insert_with(|| candidate.path.clone());
    }
    scan
}

/// The file name of a driver.
pub(crate) fn file_name(driver: &str) -> String {
    format!("{FILE_PREFIX}{}{FILE_SUFFIX}", driver.replace('-', "_"))
}

/// The driver of a file name.
pub(crate) fn driver_name(file: &str) -> Option<String> {
    let name = file.strip_prefix(FILE_PREFIX)?.strip_suffix(FILE_SUFFIX)?.replace('_', "-");
    is_driver_name(&name).then_some(name)
}

fn absolute(path: &Path) -> Result<PathBuf, Refusal> {
    path::absolute(path).map_err(|error| {
        let why = format!("the current folder, to which it is relative, cannot be told: {error}");
        Refusal::new(RefusalCode::FileNotFound, path, why, "give the driver file's full path")
    })
}

fn checked_file_name(name: &str) -> Result<String, Refusal> {
    if is_driver_name(name) {
        return Ok(file_name(name));
    }
    Err(Refusal::new(
        RefusalCode::NameInvalid,
        Path::new(&plain(name)),
        "this is no driver's name, which is up to 32 of a-z, 0-9 and `-`, beginning with a letter",
        "give the name that `longshore driver list` shows, or the file by `path = …`",
    ))
}

fn locate_name(name: &str, folders: &[PathBuf]) -> Result<PathBuf, Refusal> {
    let file = checked_file_name(name)?;
    let mut looked_in = Vec::new();
    for folder in folders {
        let path = folder.join(&file);
        // A dangling link or a folder of this name is found too: the operator means it, and `inspect` says what is wrong with it.
        match path.symlink_metadata() {
            Ok(_) => return absolute(&path),
            Err(error) => looked_in.push(place(folder, &error)),
        }
    }
    Err(not_found(name, &file, folders, &looked_in))
}

fn place(folder: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if folder.is_dir() => format!("{folder:?}"),
        io::ErrorKind::NotFound => format!("{folder:?} (no such folder)"),
        _ => format!("{folder:?} ({error})"),
    }
}

fn not_found(name: &str, file: &str, folders: &[PathBuf], looked_in: &[String]) -> Refusal {
    let why = if looked_in.is_empty() {
        "there are no folders to look in".into()
    } else {
        format!("there is no such file in {}", looked_in.join(", "))
    };
    let fix = match nearest(name, folders) {
        Some(other) => format!("use driver {other:?}, which is there, or add the folder of {name:?} to drivers.path"),
        None => "copy the driver's file into one of these folders, or add its folder to drivers.path".into(),
    };
    Refusal::new(RefusalCode::FileNotFound, Path::new(file), why, fix)
}

/// The driver in `folders` whose name is `name` but for a slip of the pen.
fn nearest(name: &str, folders: &[PathBuf]) -> Option<String> {
    let slips = (name.len() / 3).max(1);
    scan(folders)
        .candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, &candidate.name), candidate.name))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, name)| name)
}

fn candidates(folder: &Path) -> io::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(driver_name) {
            found.push(Candidate { name, path: path::absolute(entry.path())?, shadowed_by: None });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::write;

    fn folder_with(drivers: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for driver in drivers {
            write(folder.path().join(file_name(driver)), "").unwrap();
        }
        folder
    }

    fn named(name: &str, folders: &[PathBuf]) -> Result<PathBuf, Refusal> {
        locate(&DriverSource::Name(name.into()), folders)
    }

    #[test]
    fn name_is_found_in_the_first_folder_that_has_it() {
        let (first, second) = (folder_with(&["s3"]), folder_with(&["s3", "file-system"]));
        let folders = [first.path().to_owned(), second.path().to_owned()];
        assert_eq!(named("s3", &folders).unwrap(), first.path().join("liblongshore_driver_s3.so"));
        assert_eq!(named("file-system", &folders).unwrap(), second.path().join("liblongshore_driver_file_system.so"));
    }

    #[test]
    fn missing_name_lists_every_place_and_the_nearest_driver() {
        let there = folder_with(&["memory", "s3"]);
        let folders = [PathBuf::from("/no/such"), there.path().to_owned()];
        let refusal = named("memroy", &folders).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::FileNotFound);
        assert_eq!(
            refusal.to_string().replace(there.path().to_str().unwrap(), "/there"),
            "cannot load driver \"memroy\" from \"liblongshore_driver_memroy.so\": there is no such file in \"/no/such\" (no such folder), \
             \"/there\"; use driver \"memory\", which is there, or add the folder of \"memroy\" to drivers.path"
        );
        let refusal = named("azure", &folders).unwrap_err();
        assert_eq!(refusal.fix, "copy the driver's file into one of these folders, or add its folder to drivers.path");
    }

    #[test]
    fn places_tell_what_is_in_each_folder() {
        let (first, second) = (folder_with(&["s3"]), folder_with(&["s3", "a"]));
        let folders = ["/no/such".into(), first.path().to_owned(), second.path().to_owned()];
        let found = |name| places(name, &folders).unwrap().into_iter().map(|place| place.found).collect::<Vec<_>>();
        assert_eq!(found("s3"), [Found::NoFolder, Found::Used, Found::Shadowed]);
        assert_eq!(found("a"), [Found::NoFolder, Found::Nothing, Found::Used]);
        assert_eq!(places("../x", &folders).unwrap_err().code, RefusalCode::NameInvalid);
    }

    #[test]
    fn name_cannot_lead_out_of_the_folders() {
        let refusal = named("../../etc/x", &[]).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::NameInvalid);
    }

    #[test]
    fn path_becomes_absolute() {
        let path = locate(&DriverSource::Path("x.so".into()), &[]).unwrap();
        assert_eq!(path, std::env::current_dir().unwrap().join("x.so"));
    }

    #[test]
    fn scan_is_sorted_and_tells_what_is_shadowed() {
        let (first, second) = (folder_with(&["s3", "b-2"]), folder_with(&["s3", "a"]));
        write(first.path().join("libother.so"), "").unwrap();
        write(first.path().join("liblongshore_driver_UP.so"), "").unwrap();
        let folders = [first.path().to_owned(), second.path().to_owned(), first.path().to_owned(), "/no/such".into()];
        let scan = scan(&folders);
        let names: Vec<_> = scan.candidates.iter().map(|it| (it.name.as_str(), it.shadowed_by.as_deref())).collect();
        let winner = first.path().join("liblongshore_driver_s3.so");
        assert_eq!(names, [("a", None), ("b-2", None), ("s3", None), ("s3", Some(winner.as_path()))]);
        assert_eq!(scan.unreadable.len(), 1);
        assert_eq!(scan.unreadable[0].0, Path::new("/no/such"));
    }
}
