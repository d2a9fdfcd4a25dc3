//! What lies in a folder of this machine, and a store of files with a fence around it: whatever the driver does outside of it is seen.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Instance, Trial};
use crate::verdict::Stop;

/// How much of a file is kept, in bytes.
const CONTENT_MAX_BYTES: usize = 1 << 20;

/// Paths of files, links and folders below a folder, with the bytes of files, the targets of links, and nothing for folders.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What lies below `folder`. Links are not followed.
pub(crate) fn files_below(folder: &Path) -> Result<Files, Stop> {
    let mut files = Files::new();
    add_below(folder, &mut files).map_err(|error| Stop::harness("reading the files of the store", error))?;
    Ok(files)
}

fn add_below(folder: &Path, files: &mut Files) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match add(&path, files) {
            // The driver may tidy up meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            added => added?,
        }
    }
    Ok(())
}

fn add(path: &Path, files: &mut Files) -> std::io::Result<()> {
    let kind = path.symlink_metadata()?.file_type();
    let content = if kind.is_symlink() {
        path.read_link()?.into_os_string().into_encoded_bytes()
    } else if kind.is_file() {
        let mut content = std::fs::read(path)?;
        content.truncate(CONTENT_MAX_BYTES);
        content
    } else {
        Vec::new()
    };
    files.insert(path.to_owned(), content);
    if kind.is_dir() { add_below(path, files) } else { Ok(()) }
}

/// `settings` with `respell` applied to every text that begins with the path of `folder`, and how many there are.
pub(crate) fn respell(settings: &mut Value, folder: &Path, respell: &dyn Fn(&str) -> String) -> usize {
    match settings {
        Value::String(text) if Path::new(text.as_str()).starts_with(folder) => {
            *text = respell(text);
            1
        }
        Value::Array(items) => items.iter_mut().map(|item| self::respell(item, folder, respell)).sum(),
        Value::Object(object) => object.values_mut().map(|item| self::respell(item, folder, respell)).sum(),
        _ => 0,
    }
}

/// An instance on a store of files that has a folder of ours around it.
pub(crate) struct Fenced {
    /// The instance.
    pub(crate) driver: Instance,
    /// The folder around it, which is ours.
    pub(crate) outside: PathBuf,
    /// The folders that the settings name: the store's.
    pub(crate) roots: Vec<PathBuf>,
}

impl Fenced {
    /// Opens another, empty store two levels below a folder of ours.
    pub(crate) async fn open(trial: &Trial) -> Result<Self, Stop> {
        let outside = trial.folder().join("outside");
        let mut settings = trial.settings_elsewhere("outside/inside")?;
        let roots = std::cell::RefCell::new(Vec::new());
        respell(&mut settings, &outside, &|text| {
            roots.borrow_mut().push(PathBuf::from(text));
            text.to_owned()
        });
        let roots = roots.into_inner();
        if roots.is_empty() {
            return Err(Stop::not_testable("no setting names a folder of the case: write {folder} where the store's folder stands"));
        }
        let opened = trial.try_open(&settings).await?;
        let driver = opened.map_err(|error| Stop::breach(format!("the driver does not open on another store: {error}")))?;
        Ok(Self { driver, outside, roots })
    }

    /// Leaves a file with `text` in every folder around the store, and answers where.
    pub(crate) fn plant(&self, name: &str, text: &str) -> Result<Vec<PathBuf>, Stop> {
        let folders = [self.outside.clone(), self.outside.join("inside")];
        let around = folders.into_iter().filter(|folder| !self.roots.contains(folder));
        around
            .map(|folder| {
                let path = folder.join(name);
                std::fs::write(&path, text).map_err(|error| Stop::harness("a file beside the store", error))?;
                Ok(path)
            })
            .collect()
    }

    /// What lies around the store.
    pub(crate) fn around(&self) -> Result<Files, Stop> {
        let mut files = files_below(&self.outside)?;
        files.retain(|path, _| !self.roots.iter().any(|root| path.starts_with(root)));
        Ok(files)
    }

    /// What lies in the store, by the path below its folder.
    pub(crate) fn inside(&self) -> Result<Files, Stop> {
        let mut inside = Files::new();
        for root in self.roots.iter().filter(|root| root.is_dir()) {
            let files = files_below(root)?;
            inside.extend(files.into_iter().map(|(path, content)| (path.strip_prefix(root).unwrap_or(&path).to_owned(), content)));
        }
        Ok(inside)
    }
}
