//! What a driver file is as ELF, read without mapping it and without running it.
//!
//! Everything here trusts nothing: offsets and counts of a hostile file lead to a refusal, never to a panic or to much memory. Where the
//! dynamic linker goes by addresses instead of file offsets, so does this module: both see the same tables.

mod bounded;
mod dynamic;
mod sections;
mod symbols;
mod versions;

use std::env::consts::ARCH;
use std::fs::File;

use object::NativeEndian;
use object::elf::{self, FileHeader64, ProgramHeader64, SectionHeader64};

pub(crate) use bounded::{Bounded, PIECE_MAX_BYTES, unreadable};
pub(crate) use dynamic::Dynamic;
pub use versions::VersionNeed;

use crate::refusal::{Fault, RefusalCode};

/// The byte order of this host; files of the other one are refused before any record is read.
pub(crate) type Endian = NativeEndian;
/// Its value, which records want for each field.
pub(crate) const ENDIAN: Endian = NativeEndian;

/// A part of the file that is mapped when it is loaded.
#[derive(Debug, Clone, Copy)]
struct Load {
    address: u64,
    offset: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

/// A part of the file that holds notes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notes {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) align: u64,
}

/// A shared library for this host, whole as far as its headers tell.
#[derive(Debug)]
pub(crate) struct Image {
    bytes: Bounded,
    loads: Vec<Load>,
    notes: Vec<Notes>,
    /// Address and length of the dynamic table.
    dynamic: Option<(u64, u64)>,
    /// True if the file does not say that its stack holds no code; then the dynamic linker makes every stack of the process executable.
    pub(crate) executable_stack: bool,
    /// True if some memory is to be both written and executed.
    pub(crate) writable_code: bool,
    /// True if a part becomes read-only once it was relocated.
    pub(crate) relro: bool,
    /// How much memory each thread holds for it, in bytes.
    pub(crate) tls_bytes: u64,
    sections: Vec<SectionHeader64<Endian>>,
}

impl Image {
    /// Reads the headers of `file`, which is a regular file of `size` bytes.
    pub(crate) fn open(file: File, size: u64) -> Result<Self, Fault> {
        let bytes = Bounded::new(file, size);
        let header = identify(&bytes)?;
        let mut image = Self {
            bytes,
            loads: Vec::new(),
            notes: Vec::new(),
            dynamic: None,
            executable_stack: true,
            writable_code: false,
            relro: false,
            tls_bytes: 0,
            sections: Vec::new(),
        };
        for segment in program_headers(&image.bytes, &header)? {
            image.add(&segment)?;
        }
        image.check_loads()?;
        image.sections = sections::headers(&image.bytes, &header);
        Ok(image)
    }

    pub(crate) fn bytes(&self) -> &Bounded {
        &self.bytes
    }

    pub(crate) fn notes(&self) -> &[Notes] {
        &self.notes
    }

    /// Where in the file the byte for `address` is, and how many bytes of its segment follow.
    fn locate(&self, address: u64, what: &str) -> Result<(u64, u64), Fault> {
        self.loads
            .iter()
            .find(|load| load.address <= address && address - load.address < load.file_bytes)
            .map(|load| (load.offset + (address - load.address), load.file_bytes - (address - load.address)))
            .ok_or_else(|| Fault::malformed(format!("its {what} lies at address {address:#x}, where the file has no bytes")))
    }

    fn add(&mut self, segment: &ProgramHeader64<Endian>) -> Result<(), Fault> {
        let (offset, file_bytes) = (segment.p_offset.get(ENDIAN), segment.p_filesz.get(ENDIAN));
        let (address, memory_bytes) = (segment.p_vaddr.get(ENDIAN), segment.p_memsz.get(ENDIAN));
        let flags = segment.p_flags.get(ENDIAN);
        match segment.p_type.get(ENDIAN) {
            elf::PT_LOAD => {
                self.inside("loaded part", offset, file_bytes)?;
                self.writable_code |= flags.contains(elf::PF_W) && flags.contains(elf::PF_X);
                self.loads.push(Load { address, offset, file_bytes, memory_bytes });
            }
            elf::PT_NOTE => {
                self.inside("note segment", offset, file_bytes)?;
                self.notes.push(Notes { offset, len: file_bytes, align: segment.p_align.get(ENDIAN) });
            }
            elf::PT_DYNAMIC => self.dynamic = Some((address, file_bytes)),
            elf::PT_GNU_STACK => self.executable_stack = flags.contains(elf::PF_X),
            elf::PT_GNU_RELRO => self.relro = true,
            elf::PT_TLS => self.tls_bytes = memory_bytes,
            _ => {}
        }
        Ok(())
    }

    fn inside(&self, what: &str, offset: u64, len: u64) -> Result<(), Fault> {
        let end = offset.saturating_add(len);
        if end > self.bytes.size() { Err(self.bytes.ends_early(what, end)) } else { Ok(()) }
    }

    /// The dynamic linker reserves memory from the first to the last loaded part and maps each part over it without looking. Parts out of
    /// order would be mapped over the host's own memory, so they are refused here.
    fn check_loads(&self) -> Result<(), Fault> {
        if self.loads.is_empty() {
            return Err(Fault::malformed("it has nothing to load"));
        }
        let mut floor = 0;
        for load in &self.loads {
            let part = |fault: &str| Fault::malformed(format!("its part for address {:#x} {fault}", load.address));
            if load.address < floor {
                return Err(part("overlaps or precedes another one"));
            }
            if load.file_bytes > load.memory_bytes {
                return Err(part("is larger in the file than in memory"));
            }
            floor = load.address.checked_add(load.memory_bytes).ok_or_else(|| part("ends beyond all memory"))?;
        }
        Ok(())
    }
}

/// The header of a 64-bit file for this machine that is a library or a position-independent program.
fn identify(bytes: &Bounded) -> Result<FileHeader64<Endian>, Fault> {
    let size = bytes.size();
    if size == 0 {
        return Err(Fault::new(RefusalCode::FileEmpty, "the file is empty", "copy the file again, whole, and rename it into place"));
    }
    let head = bytes.bytes(0, size.min(64), "header")?;
    let head = head.as_slice();
    if !head.starts_with(&elf::ELFMAG[..head.len().min(4)]) {
        return Err(not_elf(head));
    }
    let header_bytes = size_of::<FileHeader64<Endian>>() as u64;
    if size < header_bytes {
        return Err(bytes.ends_early("header", header_bytes));
    }
    check_platform(head)?;
    let header = bytes.record::<FileHeader64<Endian>>(0, "header")?;
    match header.e_type.get(ENDIAN) {
        elf::ET_DYN => Ok(header),
        elf::ET_EXEC => Err(is_program()),
        other => Err(Fault::new(
            RefusalCode::FileNotLibrary,
            match other {
                elf::ET_REL => "it is an object file that was not linked".into(),
                elf::ET_CORE => "it is a core dump".into(),
                other => format!("it is an ELF file of type {}, not a shared library", other.0),
            },
            "give the shared library (lib….so) that the build of the driver makes",
        )),
    }
}

/// The refusal of a program.
fn is_program() -> Fault {
    Fault::new(
        RefusalCode::FileIsExecutable,
        "it is a program, not a shared library",
        "give the shared library (lib….so) that the build of the driver makes: a crate with crate-type = [\"cdylib\"]",
    )
}

/// Compares class, byte order and machine, which lie at the same place in every ELF file, with this host's.
fn check_platform(head: &[u8]) -> Result<(), Fault> {
    const NATIVE_DATA: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
    let (class, data) = (head[4], head[5]);
    if !matches!(class, 1 | 2) || !matches!(data, 1 | 2) {
        return Err(Fault::malformed(format!("its header has class {class} and byte order {data}")));
    }
    let machine = [head[18], head[19]];
    let machine = if data == 1 { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    let built_for = machine_name(machine);
    let fix = format!("install the driver's build for 64-bit {ARCH} Linux");
    if class == 1 {
        let why = format!("it is a 32-bit library for {built_for}, this host runs 64-bit {ARCH}");
        return Err(Fault::new(RefusalCode::PlatformClass, why, fix));
    }
    if data != NATIVE_DATA {
        let order = if data == 1 { "little" } else { "big" };
        let why = format!("it is a {order}-endian library for {built_for}, this host runs {ARCH} in the other byte order");
        return Err(Fault::new(RefusalCode::PlatformEndianness, why, fix));
    }
    if built_for != ARCH {
        return Err(Fault::new(RefusalCode::PlatformArchitecture, format!("it was built for {built_for}, this host runs {ARCH}"), fix));
    }
    Ok(())
}

/// The machine in the words of `std::env::consts::ARCH`.
fn machine_name(machine: u16) -> String {
    match elf::Machine(machine) {
        elf::EM_X86_64 => "x86_64".into(),
        elf::EM_386 => "x86".into(),
        elf::EM_AARCH64 => "aarch64".into(),
        elf::EM_ARM => "arm".into(),
        elf::EM_RISCV => "riscv64".into(),
        elf::EM_PPC64 => "powerpc64".into(),
        elf::EM_S390 => "s390x".into(),
        elf::EM_LOONGARCH => "loongarch64".into(),
        elf::EM_MIPS => "mips64".into(),
        elf::EM_SPARCV9 => "sparc64".into(),
        _ => format!("ELF machine {machine}"),
    }
}

/// Says what a file is that is not ELF: usually the wrong file of a download or a build folder.
fn not_elf(head: &[u8]) -> Fault {
    let shared_library = "give the driver's shared library (lib….so)";
    let (what, fix) = match head {
        [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] | [0xfd, b'7', b'z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            ("a compressed file", "unpack it and give the shared library in it")
        }
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => ("a static library or a package", shared_library),
        [b'M', b'Z', ..] => ("a file for Windows", "install the driver's build for Linux"),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => ("a file for macOS", "install the driver's build for Linux"),
        text if text.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..)) => ("a text file", shared_library),
        _ => ("a file of an unknown kind", shared_library),
    };
    Fault::new(RefusalCode::FileNotElf, format!("it is {what}, not an ELF shared library"), fix)
}

fn program_headers(bytes: &Bounded, header: &FileHeader64<Endian>) -> Result<Vec<ProgramHeader64<Endian>>, Fault> {
    let (count, size) = (header.e_phnum.get(ENDIAN), header.e_phentsize.get(ENDIAN));
    if count == 0 || count == elf::PN_XNUM || usize::from(size) != size_of::<ProgramHeader64<Endian>>() {
        return Err(Fault::malformed(format!("its header tells of {count} program headers of {size} bytes")));
    }
    bytes.table(header.e_phoff.get(ENDIAN), count.into(), "program header table")
}
