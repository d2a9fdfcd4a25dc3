//! The stable codes of refusals.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// Why a driver was refused, for programs. A code is never reused for something else; new ones may appear.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])+ #[doc = concat!("\n\nAs text: `", $name, "`.")] $variant,)+
        }

        impl RefusalCode {
            /// All codes, in the order in which a file is examined.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as it is printed and documented.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

codes! {
    /// The driver's name is outside of `[a-z][a-z0-9-]{0,31}`, so no file can have it.
    NameInvalid = "name-invalid",
    /// No file at the path, or no file of the driver's name in any of the folders; the sentence lists each place looked in.
    FileNotFound = "file-not-found",
    /// The path is a folder.
    FileIsFolder = "file-is-folder",
    /// The path is a device, a pipe or a socket.
    FileIsSpecial = "file-is-special",
    /// The file is there, but this process may not open or read it.
    FileNotReadable = "file-not-readable",
    /// The file has no bytes.
    FileEmpty = "file-empty",
    /// Not an ELF file: text, an archive, a library of another operating system.
    FileNotElf = "file-not-elf",
    /// The file ends before what its headers promise. Mapping it would kill the process with SIGBUS.
    FileTruncated = "file-truncated",
    /// The file contradicts itself, or holds a table beyond the loader's limits.
    FileMalformed = "file-malformed",
    /// A program instead of a library.
    FileIsExecutable = "file-is-executable",
    /// ELF, but neither library nor program: an object file that was not linked, or a core dump.
    FileNotLibrary = "file-not-library",
    /// Built for another processor.
    PlatformArchitecture = "platform-architecture",
    /// A 32-bit file.
    PlatformClass = "platform-class",
    /// The other byte order.
    PlatformEndianness = "platform-endianness",
    /// Needs a newer glibc than the one that runs, or another C library.
    PlatformLibc = "platform-libc",
    /// The file was changed while it was examined.
    FileChanged = "file-changed",
    /// No driver note: an ordinary library, or a driver without the export macro.
    NoteMissing = "note-missing",
    /// More than one driver note: two drivers were linked into one file.
    NoteDuplicate = "note-duplicate",
    /// The note's form is one that this host does not know.
    NoteUnknownVersion = "note-unknown-version",
    /// The note is not what its form says.
    NoteMalformed = "note-malformed",
    /// Every user of the machine may write to the file.
    PolicyWritableFile = "policy-writable-file",
    /// Every user of the machine may exchange the file, because its folder is writable by all.
    PolicyWritableFolder = "policy-writable-folder",
    /// The file or a folder that leads to it belongs to somebody else than root and the user that runs the host.
    PolicyOwner = "policy-owner",
    /// The members of a group that is not the host's may write to the file, or exchange it.
    PolicyGroup = "policy-group",
    /// The file's sha256 is not the pinned one.
    PolicyDigest = "policy-digest",
    /// The file's sha256 is not the one in the lock file.
    PolicyLock = "policy-lock",
    /// The file is another driver than the one asked for.
    NameMismatch = "name-mismatch",
    /// The driver is called in a way that this host does not speak.
    AbiKind = "abi-kind",
    /// Another major of the driver ABI.
    AbiMajor = "abi-major",
    /// The same major, but changed tables.
    AbiLayout = "abi-layout",
    /// The driver requires an extension that this host lacks.
    AbiExtension = "abi-extension",
    /// Another version of the driver contract.
    ContractVersion = "contract-version",
    /// Built with `panic = "abort"`: its first panic would end the host.
    PanicAbort = "panic-abort",
    /// The note says that the file is a driver, but the symbol that a host calls first is not exported.
    EntryMissing = "entry-missing",
    /// The driver brings a library of its own, beside its file, which no digest or signature covers.
    DependencyBeside = "dependency-beside",
    /// The lock file has the driver's sha256 for other platforms only.
    PolicyLockPlatform = "policy-lock-platform",
    /// Nobody vouches for the file: neither the host, nor the lock file, nor a signature.
    PolicyUnpinned = "policy-unpinned",
    /// The file beside it that should be its signature is none.
    PolicySignatureForm = "policy-signature-form",
    /// The signature is of a form that is not used any more.
    PolicySignatureLegacy = "policy-signature-legacy",
    /// The signature is by a key that the host does not know.
    PolicySignatureKey = "policy-signature-key",
    /// The signature is that of another content.
    PolicySignature = "policy-signature",
    /// A library that the driver needs is not installed.
    DependencyMissing = "dependency-missing",
    /// A library that the driver needs is installed, but older than the one it was linked with.
    DependencyVersion = "dependency-version",
    /// A function or variable that the driver needs is in none of its libraries.
    SymbolUnresolved = "symbol-unresolved",
    /// The driver or a library of its own wants thread-local memory that only programs can have at start.
    LoadStaticTls = "load-static-tls",
    /// The file system or a security rule forbids to run code from this file.
    LoadNoexec = "load-noexec",
    /// The private copy that is loaded in the file's place cannot be made.
    LoadCopy = "load-copy",
    /// The dynamic linker refused the file for another reason, which the sentence quotes.
    LoadFailed = "load-failed",
    /// As many versions of the driver as may be are in the process, where none can be unloaded.
    LoadGenerations = "load-generations",
    /// The file was loaded, but its first table is not one of the driver ABI.
    OpenHeader = "open-header",
    /// The file was loaded, but its tables differ from what its note says.
    OpenLayout = "open-layout",
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_kebab_case() {
        let names: HashSet<_> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), RefusalCode::ALL.len(), "each code has a text of its own");
        for name in names {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name} is kebab-case");
        }
    }
}
