//! From the kernel's error numbers to the classes of the contract.

use std::fmt;

use longshore_plugin_api::{DriverError, ErrorClass};
use rustix::io::Errno;

/// The error of a system call: `doing` is a verb with its noun (`write key`), `name` what it was done to.
pub(crate) fn failed(doing: &str, name: impl fmt::Display, errno: Errno) -> DriverError {
    let class = class(errno);
    let cause = match name_of(errno) {
        Some(short) => format!("{} {short}", errno.raw_os_error()),
        None => errno.raw_os_error().to_string(),
    };
    DriverError::new(class, format!("cannot {doing} \"{name}\"{}", reason(class))).caused_by("errno", cause)
}

/// True if the name leads to no object: nothing is there, or something that is none (driver contract, section 3, `not_found`).
pub(crate) fn is_absent(errno: Errno) -> bool {
    // A symlink is LOOP, a name below an object NOTDIR, a socket or a pipe without a writer NXIO.
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::NODEV)
}

/// True if a folder could not be removed because something is in it.
pub(crate) fn is_not_empty(errno: Errno) -> bool {
    matches!(errno, Errno::NOTEMPTY | Errno::EXIST)
}

fn class(errno: Errno) -> ErrorClass {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => ErrorClass::Full,
        Errno::ROFS => ErrorClass::ReadOnly,
        Errno::ACCESS | Errno::PERM => ErrorClass::Unauthorized,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::NOLCK | Errno::BUSY | Errno::AGAIN => ErrorClass::Throttled,
        Errno::IO | Errno::UCLEAN | Errno::BADMSG | Errno::NODATA => ErrorClass::Broken,
        Errno::STALE | Errno::NODEV | Errno::NXIO | Errno::NOTCONN | Errno::HOSTDOWN | Errno::SHUTDOWN => ErrorClass::Unreachable,
        Errno::TIMEDOUT => ErrorClass::Timeout,
        // Callers answer for keys that are absent; what remains is the root or the private folder.
        Errno::NOENT => ErrorClass::Missing,
        Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR | Errno::LOOP => ErrorClass::Conflict,
        // A mount inside the root: objects could not be renamed into it.
        Errno::XDEV => ErrorClass::Config,
        _ => ErrorClass::Internal,
    }
}

fn reason(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Full => ": the filesystem or a quota is full; free space or raise the quota",
        ErrorClass::ReadOnly => ": the filesystem is mounted read-only",
        ErrorClass::Unauthorized => ": the permissions of the folder refuse it; give it to the user that runs the registry",
        ErrorClass::Throttled => ": too many files are open or memory is short; raise the limit of open files",
        ErrorClass::Broken => ": the disk reports a fault; look at the kernel's log",
        ErrorClass::Unreachable => ": the filesystem's device or server is gone",
        ErrorClass::Missing => ": the root folder or the driver's folder in it was removed; restore it and restart",
        ErrorClass::Conflict => ": a file, folder or link is in its way",
        ErrorClass::Config => ": it lies on another filesystem than the root; nothing may be mounted inside the root",
        _ => "",
    }
}

fn name_of(errno: Errno) -> Option<&'static str> {
    const NAMES: &[(Errno, &str)] = &[
        (Errno::ACCESS, "EACCES"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::BADMSG, "EBADMSG"),
        (Errno::BUSY, "EBUSY"),
        (Errno::DQUOT, "EDQUOT"),
        (Errno::EXIST, "EEXIST"),
        (Errno::FBIG, "EFBIG"),
        (Errno::INVAL, "EINVAL"),
        (Errno::IO, "EIO"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::LOOP, "ELOOP"),
        (Errno::MFILE, "EMFILE"),
        (Errno::NFILE, "ENFILE"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NOENT, "ENOENT"),
        (Errno::NOLCK, "ENOLCK"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::NOTEMPTY, "ENOTEMPTY"),
        (Errno::NXIO, "ENXIO"),
        (Errno::PERM, "EPERM"),
        (Errno::ROFS, "EROFS"),
        (Errno::STALE, "ESTALE"),
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::UCLEAN, "EUCLEAN"),
        (Errno::XDEV, "EXDEV"),
    ];
    NAMES.iter().find(|(known, _)| *known == errno).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_number_and_get_their_class() {
        for (errno, class, cause) in [
            (Errno::NOSPC, ErrorClass::Full, "28 ENOSPC"),
            (Errno::ROFS, ErrorClass::ReadOnly, "30 EROFS"),
            (Errno::ACCESS, ErrorClass::Unauthorized, "13 EACCES"),
            (Errno::MFILE, ErrorClass::Throttled, "24 EMFILE"),
            (Errno::IO, ErrorClass::Broken, "5 EIO"),
        ] {
            let error = failed("write key", "a/b", errno);
            assert_eq!(error.class(), class, "{errno:?}");
            assert_eq!(error.causes()[0].value, cause);
            assert!(error.message().starts_with("cannot write key \"a/b\""), "{error}");
        }
    }
}
