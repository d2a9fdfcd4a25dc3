//! Removal: one object, or everything below a prefix. Folders that are left empty go with it, since an emptied prefix is `not_found`.

use std::os::fd::OwnedFd;

use longshore_plugin_api::{DriverError, Key, Level, Prefix};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use crate::errno::{failed, is_absent, is_not_empty};
use crate::folders::{self, Kind};
use crate::private::{Id, Private};
use crate::root::{FOLDER, child};
use crate::store::Store;
use crate::work::Stop;
use crate::write::sync_all;

/// Removes an object. A link that somebody planted in its place is no object.
pub(crate) fn object(store: &Store, key: &Key) -> Result<(), DriverError> {
    let answer = |errno| {
        if is_absent(errno) { store.not_found(key) } else { failed("delete key", key, errno) }
    };
    let folder = store.root.at(key.parent().as_str(), FOLDER).map_err(answer)?;
    let stat = rustix::fs::statat(&folder, key.name(), AtFlags::SYMLINK_NOFOLLOW).map_err(answer)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(store.not_found(key));
    }
    rustix::fs::unlinkat(&folder, key.name(), AtFlags::empty()).map_err(answer)?;
    prune(store, key.parent().as_str(), folder)
}

/// Removes all keys below a prefix: the folder is renamed into the private one, so they vanish together, and is emptied there.
pub(crate) fn below(store: &Store, prefix: &Prefix, stop: &Stop) -> Result<(), DriverError> {
    let answer = |errno| {
        if is_absent(errno) { store.not_found(prefix) } else { failed("delete prefix", prefix, errno) }
    };
    let (outer, name) = prefix.as_str().rsplit_once('/').unwrap_or(("", prefix.as_str()));
    let folder = store.root.at(outer, FOLDER).map_err(answer)?;
    let inner = child(&folder, name, FOLDER).map_err(answer)?;
    if !folders::has_object(&inner, folders::room(prefix.as_str())).map_err(answer)? {
        return Err(store.not_found(prefix));
    }
    let private = store.private()?;
    let trash = Id::random()?;
    match rustix::fs::renameat(&folder, name, &private.temporary, trash.as_str()) {
        Ok(()) => {
            // The keys are gone; what follows only gives space back, and the next sweep takes up what is left.
            if let Err(error) = tree(private, &private.temporary, trash.as_str(), stop) {
                store.host.log(Level::Warn, format_args!("the space of \"{prefix}/\" is not free yet: {error}"));
            }
        }
        // A mount, or a folder of another user: it stays and is emptied.
        Err(Errno::XDEV | Errno::BUSY | Errno::ACCESS | Errno::PERM) => empty(&inner, folders::room(prefix.as_str()), stop, &answer)?,
        Err(errno) => return Err(answer(errno)),
    }
    prune(store, prefix.as_str(), folder)
}

/// Removes the folder at `path` and those above it if they are empty, and makes all that was removed durable. `folder` is the one whose
/// entry was removed last.
fn prune(store: &Store, path: &str, folder: OwnedFd) -> Result<(), DriverError> {
    let left = folders::prune(&store.root, path).unwrap_or(folder);
    if store.is_durable() {
        sync_all(&left).map_err(|errno| failed("sync the removal of", path, errno))?;
    }
    Ok(())
}

/// Removes a whole tree in a private folder. Deeper folders are moved up before they are emptied, so that no depth is too much.
pub(crate) fn tree(private: &Private, holder: &OwnedFd, name: &str, stop: &Stop) -> Result<(), DriverError> {
    let failed = |errno| failed("remove the tree", name, errno);
    let mut left = vec![name.to_owned()];
    let mut holder = holder;
    while let Some(name) = left.pop() {
        stop.check()?;
        match child(holder, &name, FOLDER) {
            Ok(folder) => {
                loop {
                    empty_tree(private, &folder, &mut left, stop)?;
                    match rustix::fs::unlinkat(holder, &name, AtFlags::REMOVEDIR) {
                        // A second remover of the same tree came first.
                        Ok(()) | Err(Errno::NOENT) => break,
                        // A write that had opened the folder before it was moved: its object goes with the others.
                        Err(errno) if is_not_empty(errno) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                }
            }
            Err(errno) if is_absent(errno) => {}
            Err(errno) => return Err(failed(errno)),
        }
        holder = &private.temporary;
    }
    Ok(())
}

/// Unlinks what is in `folder`; folders that are not empty move to the private one and are added to `left`.
fn empty_tree(private: &Private, folder: &OwnedFd, left: &mut Vec<String>, stop: &Stop) -> Result<(), DriverError> {
    // Names read while others are removed may be passed over: until a pass finds none.
    loop {
        let mut found = false;
        let mut fault = None;
        folders::each_name(folder, &mut |name, kind| {
            found = true;
            fault = stop.check().and_then(|()| take_out(private, folder, name, kind, left)).err();
            fault.is_none()
        })
        .map_err(|errno| failed("remove from", "a removed tree", errno))?;
        match fault {
            Some(fault) => return Err(fault),
            None if !found => return Ok(()),
            None => {}
        }
    }
}

fn take_out(private: &Private, folder: &OwnedFd, name: &str, kind: Kind, left: &mut Vec<String>) -> Result<(), DriverError> {
    let flags = if kind == Kind::Folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    match rustix::fs::unlinkat(folder, name, flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) if is_not_empty(errno) => {
            let id = Id::random()?;
            match rustix::fs::renameat(folder, name, &private.temporary, id.as_str()) {
                Ok(()) => left.push(id.as_str().to_owned()),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed("remove", name, errno)),
            }
            Ok(())
        }
        Err(errno) => Err(failed("remove", name, errno)),
    }
}

/// Removes the objects below a folder that cannot be moved, and the folders that this empties. Strays stay.
fn empty(folder: &OwnedFd, room: usize, stop: &Stop, answer: &dyn Fn(Errno) -> DriverError) -> Result<(), DriverError> {
    stop.check()?;
    let mut names = Vec::new();
    folders::each_name(folder, &mut |name, kind| {
        if name.len() <= room && folders::is_component(name) {
            names.push((name.to_owned(), kind));
        }
        true
    })
    .map_err(answer)?;
    for (name, kind) in names {
        let removed = match kind {
            Kind::Folder => {
                if let Ok(inner) = child(folder, &name, FOLDER) {
                    empty(&inner, room.saturating_sub(name.len() + 1), stop, answer)?;
                }
                rustix::fs::unlinkat(folder, name.as_str(), AtFlags::REMOVEDIR)
            }
            Kind::Object | Kind::Other => rustix::fs::unlinkat(folder, name.as_str(), AtFlags::empty()),
        };
        match removed {
            Ok(()) | Err(Errno::NOENT | Errno::BUSY) => {}
            Err(errno) if is_not_empty(errno) => {}
            Err(errno) => return Err(answer(errno)),
        }
    }
    Ok(())
}
