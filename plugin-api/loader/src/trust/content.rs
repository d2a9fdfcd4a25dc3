//! The bytes of a driver file as they are hashed, checked and loaded: a private copy that nobody can change any more.
//!
//! A path means whatever file lies there at the moment, and a file may be overwritten while it is read, or while its code runs. So the file
//! is read once, from the descriptor that [`inspect`](crate::inspect()) opened, into memory that the kernel seals. What the digest and the
//! signature are of is what the dynamic linker maps.
//!
//! A copy in a folder would keep its name for debuggers, but needs a folder that this process may write to and run code from, leaves rubbish
//! behind when the host is killed, and can be changed by every process of the same user. The memory takes the file's size once for each
//! content, however many instances there are; it is called by the file's name in `/proc/<pid>/maps`, and its path
//! `/proc/<pid>/fd/<number>` leads debuggers and backtraces to the symbols as long as the process lives.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::io::Errno;
use sha2::Digest;

use crate::elf::unreadable;
use crate::inspect::{Inspection, Sha256, inspect};
use crate::refusal::{Fault, Refusal, RefusalCode};

/// The largest driver file that is copied, in bytes. Ones with all their debugging symbols are some hundred megabytes.
pub const CONTENT_MAX_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 128 * 1024;
/// What makes a memory file's content final.
const SEALED: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// How often a content that is busy is sealed, before it is said to be.
const SEAL_TRIES_MAX: u32 = 20;

/// A driver file's bytes, for ever the same.
#[derive(Debug)]
pub struct Content {
    file: File,
    size: u64,
    /// Once somebody has asked for it: a start that needs no digest does not wait for one.
    sha256: OnceLock<Sha256>,
}

/// The contents in use, each once: who has the same bytes shares the copy, and so the library.
static IN_USE: Mutex<Vec<Weak<Content>>> = Mutex::new(Vec::new());
/// Those that were loaded. glibc compares the paths of libraries before it opens any, so a descriptor's number must never be used again.
static LOADED: Mutex<Vec<Arc<Content>>> = Mutex::new(Vec::new());

/// The numbers of the descriptors that this process holds for private copies: who counts what a driver holds leaves them out.
pub fn content_descriptors() -> Vec<RawFd> {
    let in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.iter().filter_map(Weak::upgrade).map(|content| content.file.as_raw_fd()).collect()
}

impl Content {
    /// The content of an open file; `name` is what the copy is called in `/proc/<pid>/maps`.
    ///
    /// A file that is sealed already, as one that another process of the host hands over, is its own copy.
    fn of(file: &File, name: &str) -> Result<Arc<Self>, Fault> {
        may_run(file)?;
        let content = if is_sealed(file) { Self::sealed(file) } else { Self::copied(file, name) }?;
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|content| content.strong_count() > 0);
        for other in in_use.iter().filter_map(Weak::upgrade).filter(|other| other.size == content.size) {
            if other.digest()? == content.digest()? {
                return Ok(other);
            }
        }
        let content = Arc::new(content);
        in_use.push(Arc::downgrade(&content));
        Ok(content)
    }

    fn sealed(file: &File) -> Result<Self, Fault> {
        let file = file.try_clone().map_err(|error| cannot_copy(&error))?;
        let size = file.metadata().map_err(|error| cannot_copy(&error))?.len();
        if size > CONTENT_MAX_BYTES {
            return Err(cannot_copy(&too_large()));
        }
        Ok(Self { file, size, sha256: OnceLock::new() })
    }

    fn copied(file: &File, name: &str) -> Result<Self, Fault> {
        // Where a system forbids memory that runs (vm.memfd_noexec = 2), a file without a name takes its place.
        let copy = memory_file(name).or_else(|_| nameless_file(&std::env::temp_dir()));
        let mut copy = copy.map_err(|error| cannot_copy(&error))?;
        let size = for_each_piece(file, |piece| copy.write_all(piece));
        let size = size.map_err(|error| cannot_copy(&error))?;
        match seal(&copy, |tries| tries < SEAL_TRIES_MAX) {
            Ok(()) => {}
            // A file without a name cannot be sealed; that nobody else can open it has to do.
            Err(Errno::INVAL | Errno::PERM) => copy = read_only(&copy).map_err(|error| cannot_copy(&error))?,
            Err(errno) => return Err(cannot_copy(&errno.into())),
        }
        Ok(Self { file: copy, size, sha256: OnceLock::new() })
    }

    /// The digest of the bytes, which are read at the first call.
    ///
    /// # Errors
    /// The copy cannot be read, as from memory that fails.
    pub fn sha256(&self) -> io::Result<Sha256> {
        if let Some(known) = self.sha256.get() {
            return Ok(*known);
        }
        let mut hasher = sha2::Sha256::new();
        self.for_each_piece(|piece| hasher.update(piece))?;
        Ok(*self.sha256.get_or_init(|| Sha256(hasher.finalize().into())))
    }

    fn digest(&self) -> Result<Sha256, Fault> {
        self.sha256().map_err(|error| unreadable(&error))
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The copy, open for reading. It may be handed to another process, which has the same bytes then.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives all bytes to `take`, piece by piece.
    pub(crate) fn for_each_piece(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        for_each_piece(&self.file, |piece| {
            take(piece);
            Ok(())
        })?;
        Ok(())
    }

    /// The path by which the dynamic linker opens the copy. With the process's number, so that a debugger does not take it for one of its own.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Keeps the copy open for ever, once it was loaded.
    pub(crate) fn keep(self: &Arc<Self>) {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if !loaded.iter().any(|other| Arc::ptr_eq(other, self)) {
            loaded.push(self.clone());
        }
    }
}

impl Inspection {
    /// The file's bytes as a private copy, made at the first call. From then on [`verify`](crate::verify()) and [`load`](crate::load()) know
    /// only the copy, whatever becomes of the file.
    ///
    /// # Errors
    /// `file-changed` if the file is not any more what was inspected; `load-noexec`; `load-copy`.
    pub fn content(&self) -> Result<&Arc<Content>, Refusal> {
        if let Some(content) = self.content.get() {
            return Ok(content);
        }
        let refused = |fault: Fault| self.refusal(fault);
        let name = self.path().file_name().unwrap_or_default().to_string_lossy();
        let content = Content::of(self.file(), &name).map_err(refused)?;
        let told_another = match self.told.get() {
            Some(told) => *told != content.digest().map_err(refused)?,
            None => false,
        };
        if told_another || !self.says_the_same(&content.path()) {
            let fix = "install drivers by renaming a finished file into place, and try again";
            return Err(refused(Fault::new(RefusalCode::FileChanged, "it was changed while it was examined", fix)));
        }
        Ok(self.content.get_or_init(|| content))
    }

    /// The digest of the private copy: of what is loaded.
    ///
    /// # Errors
    /// As [`content`](Self::content); that the copy cannot be read.
    pub fn content_sha256(&self) -> Result<Sha256, Refusal> {
        self.content()?.digest().map_err(|fault| self.refusal(fault))
    }

    /// True if the copy is what was inspected, in all that a decision may rest on.
    fn says_the_same(&self, copy: &Path) -> bool {
        let Ok(copy) = inspect(copy) else { return false };
        (self.size(), self.raw_note(), self.build_id(), self.needed(), self.version_needs())
            == (copy.size(), copy.raw_note(), copy.build_id(), copy.needed(), copy.version_needs())
            && (self.search_path(), self.static_tls(), self.tls_bytes(), self.constructors(), self.hardening())
                == (copy.search_path(), copy.static_tls(), copy.tls_bytes(), copy.constructors(), copy.hardening())
    }
}

/// Memory has no mount options, so what a mount forbids is asked for here.
fn may_run(file: &File) -> Result<(), Fault> {
    let mount = rustix::fs::fstatvfs(file).map_err(|errno| unreadable(&errno.into()))?;
    if mount.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Err(Fault::new(
            RefusalCode::LoadNoexec,
            "it lies on a file system mounted with noexec, from which no code may run",
            "move the driver to a file system mounted without noexec",
        ));
    }
    Ok(())
}

/// True if the file is memory that nobody can change any more, as private copies are.
pub(crate) fn is_sealed(file: &impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SEALED))
}

/// A file in memory that may be mapped to be run.
fn memory_file(name: &str) -> io::Result<File> {
    const NAME_MAX_BYTES: usize = 200;
    let name = &name[..name.floor_char_boundary(NAME_MAX_BYTES)];
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match rustix::fs::memfd_create(name, flags | MemfdFlags::EXEC) {
        // Linux before 6.3 does not know the flag, and its memory files may be run.
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags),
        made => made,
    };
    Ok(File::from(made?))
}

/// Makes a memory file's content final. While the kernel moves one of its pages elsewhere it waits 150 ms and says `EBUSY`: then `again` is asked,
/// with how often it was tried.
fn seal(file: &File, mut again: impl FnMut(u32) -> bool) -> Result<(), Errno> {
    let mut tries = 0;
    loop {
        tries += 1;
        match rustix::fs::fcntl_add_seals(file, SEALED) {
            Err(Errno::BUSY) if again(tries) => {}
            sealed => return sealed,
        }
    }
}

/// A file in `folder` that no path leads to, of this process alone.
fn nameless_file(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(folder, flags, Mode::RUSR | Mode::XUSR)?))
}

fn read_only(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Gives the whole file to `take`, piece by piece, and answers how many bytes it had.
fn for_each_piece(file: &File, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            return Ok(at);
        }
        at += read as u64;
        if at > CONTENT_MAX_BYTES {
            return Err(too_large());
        }
        take(&buffer[..read])?;
    }
}

fn too_large() -> io::Error {
    let why = format!("the file is larger than {CONTENT_MAX_BYTES} bytes (`strip --strip-debug` makes it smaller)");
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

fn cannot_copy(error: &io::Error) -> Fault {
    Fault::new(
        RefusalCode::LoadCopy,
        format!("its private copy cannot be made: {error}"),
        "give the host memory for it; where vm.memfd_noexec is 2, set TMPDIR to a folder from which code may run",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.so");
        fs::write(&path, bytes).unwrap();
        (folder, File::open(path).unwrap())
    }

    fn read(file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        for_each_piece(file, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        bytes
    }

    #[test]
    fn content_outlives_the_file_and_cannot_be_written() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        let (folder, file) = file(&bytes);
        let content = Content::of(&file, "x.so").unwrap();
        fs::write(folder.path().join("x.so"), "other").unwrap();
        assert_eq!(read(content.file()), bytes, "the copy is what the file was");
        assert_eq!((content.size(), content.sha256().unwrap().0), (300_000, sha2::Sha256::digest(&bytes).into()));
        assert!(content.file().write_at(b"x", 0).is_err(), "nobody writes to it");
        assert!(content.file().set_len(0).is_err(), "nobody cuts it");
        let reopened = fs::OpenOptions::new().write(true).open(content.path());
        assert!(reopened.and_then(|file| file.write_at(b"x", 0)).is_err(), "nor by its path");
    }

    #[test]
    fn same_bytes_are_one_content_while_it_is_in_use() {
        let ((_one, one), (_two, two), (_other, other)) = (file(b"same bytes"), file(b"same bytes"), file(b"other bytes"));
        let first = Content::of(&one, "one").unwrap();
        assert!(Arc::ptr_eq(&first, &Content::of(&two, "two").unwrap()));
        assert!(content_descriptors().contains(&first.file().as_raw_fd()));
        assert!(!Arc::ptr_eq(&first, &Content::of(&other, "other").unwrap()));
        let path = first.path();
        first.keep();
        drop(first);
        assert_eq!(Content::of(&two, "two").unwrap().path(), path, "what was loaded stays in use");
    }

    #[test]
    fn sealed_file_is_its_own_copy() {
        let (_folder, file) = file(b"handed over");
        let content = Content::of(&file, "x.so").unwrap();
        let handed = File::open(content.path()).unwrap();
        assert!(is_sealed(&handed) && !is_sealed(&file));
        let sealed = Content::sealed(&handed).unwrap();
        assert_eq!((sealed.size(), sealed.sha256().unwrap()), (content.size(), content.sha256().unwrap()));
    }

    /// As a kernel that moves pages about: now and then a start failed on a machine that does.
    #[test]
    fn content_whose_page_is_held_elsewhere_is_sealed_a_moment_later() {
        let mut file = memory_file("x.so").unwrap();
        file.write_all(b"bytes").unwrap();
        let (end, start) = rustix::pipe::pipe().unwrap();
        rustix::pipe::splice(&file, Some(&mut 0), &start, None, 5, rustix::pipe::SpliceFlags::empty()).unwrap();
        let mut asked = Vec::new();
        let sealed = seal(&file, |tries| {
            asked.push(tries);
            rustix::io::read(&end, &mut [0; 5]).is_ok()
        });
        assert_eq!((sealed, asked), (Ok(()), vec![1]), "it is tried again, and the page is free then");
        assert!(is_sealed(&file));
    }

    #[test]
    fn nameless_file_takes_the_place_of_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = nameless_file(folder.path()).unwrap();
        file.write_all(b"bytes").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
        assert!(rustix::fs::fcntl_add_seals(&file, SEALED).is_err(), "it cannot be sealed");
        let copy = read_only(&file).unwrap();
        drop(file);
        assert_eq!(read(&copy), b"bytes");
        assert!(copy.write_at(b"x", 0).is_err());
    }
}
