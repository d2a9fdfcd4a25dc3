//! Who may have written a driver file, or put another one in its place: its owner, its group, and those of every folder that leads to it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::elf::unreadable;
use crate::inspect::Inspection;
use crate::refusal::{Fault, RefusalCode};

/// How many symbolic links a path may lead through, as many as Linux follows.
const LINKS_MAX: usize = 40;
const STICKY: u32 = 0o1000;

/// Refuses a file that every user of the machine may write or exchange; and if `owned`, one that anybody but root and this process's own
/// user and group may.
///
/// A sticky folder such as /tmp protects the folders in it, each of which is looked at itself; a file or link in it is refused, for a name
/// there belongs to whoever came first.
pub(crate) fn check(inspection: &Inspection, owned: bool) -> Result<(), Fault> {
    let metadata = inspection.file().metadata().map_err(|error| unreadable(&error))?;
    let path = inspection.path();
    if let Some(mode) = writable_by_all(&metadata) {
        return Err(Fault::new(
            RefusalCode::PolicyWritableFile,
            format!("every user of this machine may write to it (mode {mode:04o})"),
            format!("make sure that it is still the file you installed, then run chmod o-w {path:?}"),
        ));
    }
    if owned {
        ours(path, "it", &metadata)?;
    }
    for step in way(path).map_err(|error| unreadable(&error))? {
        step.check(owned)?;
    }
    Ok(())
}

/// A folder on the way to the file.
struct Step {
    folder: PathBuf,
    /// True if what is entered in it is a folder as well, not a link or the file.
    to_a_folder: bool,
}

impl Step {
    fn check(&self, owned: bool) -> Result<(), Fault> {
        let folder = &self.folder;
        let metadata = folder.metadata().map_err(|error| unreadable(&error))?;
        let protects = self.to_a_folder && metadata.mode() & STICKY != 0;
        if let Some(mode) = writable_by_all(&metadata).filter(|_| !protects) {
            return Err(Fault::new(
                RefusalCode::PolicyWritableFolder,
                format!("every user of this machine may exchange the files in its folder {folder:?} (mode {mode:04o})"),
                format!("move it to a folder of its own, or run chmod o-w {folder:?}"),
            ));
        }
        if owned && !protects {
            ours(folder, &format!("its folder {folder:?}"), &metadata)?;
        }
        Ok(())
    }
}

/// Refuses what somebody else may change: whoever owns it, and the members of its group if they may write.
fn ours(path: &Path, what: &str, metadata: &Metadata) -> Result<(), Fault> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if metadata.uid() != 0 && metadata.uid() != user {
        return Err(Fault::new(
            RefusalCode::PolicyOwner,
            format!("{what} belongs to user {}, neither to root nor to the user that runs the host ({user})", metadata.uid()),
            format!("make sure that it is still the file you installed, then run chown root {path:?}"),
        ));
    }
    if metadata.mode() & 0o020 != 0 && metadata.gid() != 0 && metadata.gid() != group {
        return Err(Fault::new(
            RefusalCode::PolicyGroup,
            format!("{what} may be changed by the members of group {} (mode {:04o})", metadata.gid(), metadata.mode() & 0o7777),
            format!("make sure that it is still the file you installed, then run chmod g-w {path:?}"),
        ));
    }
    Ok(())
}

fn writable_by_all(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode() & 0o7777;
    (mode & 0o002 != 0).then_some(mode)
}

/// The folders that the system goes through to open an absolute `path`: a link can be exchanged in its own folder, and its target in the
/// target's.
fn way(path: &Path) -> io::Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut links = 0;
    let mut at = PathBuf::from("/");
    let mut ahead: Vec<_> = names(path);
    while let Some(name) = ahead.pop() {
        if name.as_os_str() == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let kind = next.symlink_metadata()?.file_type();
        steps.push(Step { folder: at.clone(), to_a_folder: kind.is_dir() });
        if kind.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::other(format!("more than {LINKS_MAX} links lead to it")));
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            ahead.extend(names(&target));
        } else {
            at = next;
        }
    }
    Ok(steps)
}

/// The names of a path, the first one last.
fn names(path: &Path) -> Vec<PathBuf> {
    let name = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(PathBuf::from(component.as_os_str())),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn way_goes_through_every_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        for name in ["a", "b", "c"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("c/x.so"), "").unwrap();
        symlink(at("c"), at("b/folder")).unwrap();
        symlink("../b/folder/x.so", at("a/x.so")).unwrap();
        let steps = way(&at("a/x.so")).unwrap();
        let passed = |name: &str| steps.iter().find(|step| step.folder == at(name)).map(|step| step.to_a_folder);
        assert_eq!([passed("a"), passed("b"), passed("c")], [Some(false); 3], "each holds a link or the file");
        assert!(steps.iter().any(|step| step.folder == Path::new("/") && step.to_a_folder));

        symlink(at("round"), at("round")).unwrap();
        assert!(way(&at("round")).err().unwrap().to_string().contains("more than 40 links"));
    }
}
