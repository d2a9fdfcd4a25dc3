//! Reads what a driver file says and needs, without running any of it.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use longshore_plugin_api::metadata::DriverInfo;
use rustix::fs::{Mode, OFlags};
use sha2::Digest;

use crate::elf::{Dynamic, Image, VersionNeed, unreadable};
use crate::note::{Note, build_id};
use crate::refusal::{Fault, Refusal, RefusalCode};
use crate::trust::Content;

/// A driver file for this machine, its note and its needs. Nothing of it has run.
///
/// The file stays open, so what is read later (symbols, digest) is of the same file, even if the path has come to mean another one since.
#[derive(Debug)]
pub struct Inspection {
    object: SharedObject,
    info: DriverInfo,
    raw_note: String,
    /// The private copy, once it was asked for.
    pub(crate) content: OnceLock<Arc<Content>>,
    /// The digest, if it was told before there was a copy.
    pub(crate) told: OnceLock<Sha256>,
}

/// A shared library for this machine, with or without a note.
#[derive(Debug)]
pub(crate) struct SharedObject {
    /// The absolute path.
    pub(crate) path: PathBuf,
    pub(crate) image: Image,
    pub(crate) dynamic: Dynamic,
    pub(crate) build_id: Option<String>,
}

/// Reads the driver file at `path`.
///
/// # Errors
/// Anything that is not a whole shared library for this processor with one readable driver note. Whether the driver fits this host and its
/// policy is asked of [`verify`](crate::verify()).
pub fn inspect(path: &Path) -> Result<Inspection, Refusal> {
    read(path).map_err(|fault| fault.refuse(path))
}

fn read(path: &Path) -> Result<Inspection, Fault> {
    SharedObject::read(path)?.inspect()
}

impl SharedObject {
    /// Reads the headers and tables of the file at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, Fault> {
        let (file, size) = open(path)?;
        let image = Image::open(file, size)?;
        let dynamic = Dynamic::read(&image)?;
        let path = std::path::absolute(path).map_err(|error| unreadable(&error))?;
        Ok(Self { path, build_id: build_id(&image), image, dynamic })
    }

    /// Reads the note too.
    pub(crate) fn inspect(self) -> Result<Inspection, Fault> {
        let note = Note::read(&self.image)?;
        Ok(Inspection { info: note.info, raw_note: note.json, content: OnceLock::new(), told: OnceLock::new(), object: self })
    }

    pub(crate) fn hardening(&self) -> Hardening {
        Hardening {
            executable_stack: self.image.executable_stack,
            writable_code: self.image.writable_code,
            relro: self.image.relro,
            bind_now: self.dynamic.bind_now,
            text_relocations: self.dynamic.text_relocations,
        }
    }
}

/// Opens a regular file and tells its size in bytes.
fn open(path: &Path) -> Result<(File, u64), Fault> {
    // Without NONBLOCK, opening a pipe waits for its writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| cannot_open(path, &errno.into()))?;
    let file = File::from(file);
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(Fault::new(
            RefusalCode::FileIsFolder,
            "it is a folder",
            "give the path of the driver's file in it, or add the folder to drivers.path and name the driver",
        ));
    }
    if !kind.is_file() {
        let kind = if kind.is_fifo() { "a pipe" } else { "a device" };
        return Err(Fault::new(RefusalCode::FileIsSpecial, format!("it is {kind}, not a file"), "give the path of the driver's file"));
    }
    Ok((file, metadata.len()))
}

fn cannot_open(path: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let missing = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
            let why = match missing {
                Some(folder) => format!("there is no such file, and no folder {folder:?}"),
                None if path.is_symlink() => "it is a link to a file that does not exist".into(),
                None => "there is no such file".into(),
            };
            Fault::new(RefusalCode::FileNotFound, why, "give the path of an existing driver file")
        }
        // What `open` answers for a socket.
        _ if path.metadata().is_ok_and(|it| it.file_type().is_socket()) => {
            Fault::new(RefusalCode::FileIsSpecial, "it is a socket, not a file", "give the path of the driver's file")
        }
        _ => unreadable(error),
    }
}

impl Inspection {
    pub(crate) fn object(&self) -> &SharedObject {
        &self.object
    }

    /// The absolute path that was asked for.
    pub fn path(&self) -> &Path {
        &self.object.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        self.object.image.bytes().file()
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.object.image.bytes().size()
    }

    /// What the note says.
    pub fn info(&self) -> &DriverInfo {
        &self.info
    }

    /// The note as it stands in the file, with the fields that this host does not know.
    pub fn raw_note(&self) -> &str {
        &self.raw_note
    }

    /// The libraries that it needs.
    pub fn needed(&self) -> &[String] {
        &self.object.dynamic.needed
    }

    /// The versions of its symbols that these libraries must have.
    pub fn version_needs(&self) -> &[VersionNeed] {
        &self.object.dynamic.versions
    }

    /// The folders in which it looks for its libraries before the system's own (RPATH and RUNPATH, each one may be several with `:`).
    pub fn search_path(&self) -> Vec<String> {
        [self.object.dynamic.rpath.as_slice(), self.object.dynamic.runpath.as_slice()].concat()
    }

    /// The oldest glibc that can run it.
    pub fn glibc_floor(&self) -> Option<(u32, u32)> {
        self.glibc_need().map(|(version, _)| version)
    }

    /// The need behind [`glibc_floor`](Self::glibc_floor).
    pub(crate) fn glibc_need(&self) -> Option<((u32, u32), &VersionNeed)> {
        self.object
            .dynamic
            .versions
            .iter()
            .filter_map(|need| Some((glibc_version(&need.version)?, need)))
            .max_by_key(|(version, _)| *version)
    }

    /// True if it takes part of the little thread-local memory that is left over for libraries loaded late.
    pub fn static_tls(&self) -> bool {
        self.object.dynamic.static_tls
    }

    /// How much memory each thread of the process holds for it, in bytes.
    pub fn tls_bytes(&self) -> u64 {
        self.object.image.tls_bytes
    }

    /// How many functions of it run when it is loaded; a Rust library has one or two of its language's own.
    pub fn constructors(&self) -> u64 {
        self.object.dynamic.constructors
    }

    /// What its linker did against attacks on the process.
    pub fn hardening(&self) -> Hardening {
        self.object.hardening()
    }

    /// The linker's own number of the build, as hexadecimal digits.
    pub fn build_id(&self) -> Option<&str> {
        self.object.build_id.as_deref()
    }

    /// True if the file still has the table of all its symbols, which `strip` takes out.
    pub fn has_all_symbols(&self) -> bool {
        self.object.image.has_all_symbols()
    }

    /// The symbols that the file defines for others, at most 1024 of them.
    ///
    /// # Errors
    /// Symbol tables that lead nowhere.
    pub fn exported(&self) -> Result<Vec<String>, Refusal> {
        self.object.dynamic.exported(&self.object.image).map_err(|fault| self.refusal(fault))
    }

    /// The symbols that the file needs of others, at most 1024 of them.
    ///
    /// # Errors
    /// Symbol tables that lead nowhere.
    pub fn imported(&self) -> Result<Vec<String>, Refusal> {
        self.object.dynamic.imported(&self.object.image).map_err(|fault| self.refusal(fault))
    }

    pub(crate) fn refusal(&self, fault: Fault) -> Refusal {
        fault.refuse(&self.object.path).named(&self.info.name)
    }

    /// True if the file exports `symbol`.
    ///
    /// # Errors
    /// Symbol tables that lead nowhere.
    pub fn exports(&self, symbol: &str) -> Result<bool, Refusal> {
        self.object.dynamic.exports(&self.object.image, symbol).map_err(|fault| self.refusal(fault))
    }

    /// Where in the file the bytes of an exported `symbol` begin; `None` if the file does not define it.
    ///
    /// # Errors
    /// Symbol tables that lead nowhere.
    pub fn offset_of(&self, symbol: &str) -> Result<Option<u64>, Refusal> {
        self.object.dynamic.offset_of(&self.object.image, symbol).map_err(|fault| self.refusal(fault))
    }

    /// The digest of the file, which is read whole at the first call. What is loaded has the digest that was told, or is refused.
    ///
    /// # Errors
    /// The file cannot be read to its end.
    pub fn sha256(&self) -> io::Result<Sha256> {
        if let Some(content) = self.content.get() {
            return content.sha256();
        }
        if let Some(told) = self.told.get() {
            return Ok(*told);
        }
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 128 * 1024];
        let mut at = 0;
        loop {
            match self.file().read_at(&mut buffer, at)? {
                0 => return Ok(*self.told.get_or_init(|| Sha256(hasher.finalize().into()))),
                read => {
                    hasher.update(&buffer[..read]);
                    at += read as u64;
                }
            }
        }
    }
}

/// `GLIBC_2.34` as a pair. Versions of other libraries and glibc's marks without a number are `None`.
fn glibc_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// What a linker does, or leaves undone, against attacks on the process that loads its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardening {
    /// Loading the file makes every stack of the process executable.
    pub executable_stack: bool,
    /// Some of its memory may be both written and executed.
    pub writable_code: bool,
    /// Its tables of addresses become read-only once they were filled in.
    pub relro: bool,
    /// All of them are filled in when it is loaded, not one by one later.
    pub bind_now: bool,
    /// Its code is changed when it is loaded.
    pub text_relocations: bool,
}

/// The sha256 of a file, as text 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sha256 is 64 digits of 0-9 and a-f")]
pub struct Sha256Error;

impl FromStr for Sha256 {
    type Err = Sha256Error;

    fn from_str(text: &str) -> Result<Self, Sha256Error> {
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Sha256Error);
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| Sha256Error)?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glibc_versions_are_compared_as_numbers() {
        assert_eq!(glibc_version("GLIBC_2.34"), Some((2, 34)));
        assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
        for other in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GCC_3.0", "GLIBCXX_3.4", "GLIBC_2"] {
            assert_eq!(glibc_version(other), None, "{other}");
        }
    }

    #[test]
    fn sha256_reads_what_it_writes() {
        let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let digest: Sha256 = text.parse().unwrap();
        assert_eq!(digest.to_string(), text);
        for bad in ["", &text[1..], &text.to_uppercase(), "ä".repeat(32).as_str()] {
            assert_eq!(bad.parse::<Sha256>(), Err(Sha256Error), "{bad}");
        }
    }
}
