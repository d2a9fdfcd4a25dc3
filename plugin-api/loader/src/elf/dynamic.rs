//! The table that the dynamic linker goes by: needed libraries, symbol versions, exported symbols.

use object::U32;
use object::elf::{self, Dyn64, DynamicTag, GnuHashHeader, HashHeader, Sym64, Vernaux, Verneed};

use super::{ENDIAN, Endian, Image, is_program};
use crate::refusal::{Fault, plain};

/// The most libraries and search folders that one file may name; real drivers name fewer than ten.
const NAMES_MAX: usize = 256;
/// The most symbol versions that one file may need; libraries in C++ need some thirty.
const VERSIONS_MAX: usize = 1024;
/// The longest name of a library, a folder or a version.
const NAME_MAX_BYTES: u64 = 1024;
/// How far a chain of symbols with the same hash is followed.
const CHAIN_MAX: u32 = 4096;

/// A version of its symbols that a needed library must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNeed {
    /// The library, as `libc.so.6`.
    pub library: String,
    /// The version, as `GLIBC_2.34`.
    pub version: String,
}

/// What the dynamic table says.
#[derive(Debug)]
pub(crate) struct Dynamic {
    pub(crate) needed: Vec<String>,
    pub(crate) versions: Vec<VersionNeed>,
    pub(crate) search: Vec<String>,
    pub(crate) static_tls: bool,
    /// True if every symbol is looked up when the file is loaded.
    pub(crate) bind_now: bool,
    /// True if code is changed when the file is loaded, so that processes cannot share it.
    pub(crate) text_relocations: bool,
    /// How many functions run when the file is loaded.
    pub(crate) constructors: u64,
    pub(super) strings: Option<Strings>,
    pub(super) symbols: Option<u64>,
    pub(super) gnu_hash: Option<u64>,
    pub(super) sysv_hash: Option<u64>,
}

/// The string table's place in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strings {
    offset: u64,
    len: u64,
}

impl Dynamic {
    /// Reads the table of `image`.
    ///
    /// # Errors
    /// A program instead of a library; a table that leads nowhere.
    pub(crate) fn read(image: &Image) -> Result<Self, Fault> {
        let entries = Entries::read(image)?;
        if entries.flag(elf::DT_FLAGS_1, elf::DF_1_PIE.0) {
            return Err(is_program());
        }
        let strings = entries.strings(image)?;
        let names = |tag| entries.all(tag).map(|at| strings_of(strings)?.text(image, at)).collect::<Result<Vec<_>, _>>();
        let versions = match entries.first(elf::DT_VERNEED) {
            Some(address) => versions(image, strings_of(strings)?, address)?,
            None => Vec::new(),
        };
        Ok(Self {
            needed: names(elf::DT_NEEDED)?,
            search: [names(elf::DT_RPATH)?, names(elf::DT_RUNPATH)?].concat(),
            static_tls: entries.flag(elf::DT_FLAGS, elf::DF_STATIC_TLS.0),
            bind_now: entries.flag(elf::DT_FLAGS, elf::DF_BIND_NOW.0)
                || entries.flag(elf::DT_FLAGS_1, elf::DF_1_NOW.0)
                || entries.first(elf::DT_BIND_NOW).is_some(),
            text_relocations: entries.flag(elf::DT_FLAGS, elf::DF_TEXTREL.0) || entries.first(elf::DT_TEXTREL).is_some(),
            constructors: entries.first(elf::DT_INIT_ARRAYSZ).unwrap_or(0) / size_of::<u64>() as u64,
            versions,
            strings,
            symbols: entries.first(elf::DT_SYMTAB),
            gnu_hash: entries.first(elf::DT_GNU_HASH),
            sysv_hash: entries.first(elf::DT_HASH),
        })
    }

    /// True if the file defines `symbol` for others, found as the dynamic linker finds it.
    pub(crate) fn exports(&self, image: &Image, symbol: &str) -> Result<bool, Fault> {
        match (self.gnu_hash, self.sysv_hash) {
            (Some(table), _) => self.in_gnu_hash(image, table, symbol),
            (None, Some(table)) => self.in_sysv_hash(image, table, symbol),
            (None, None) => Ok(false),
        }
    }

    fn in_gnu_hash(&self, image: &Image, table: u64, symbol: &str) -> Result<bool, Fault> {
        let header: GnuHashHeader<Endian> = image.record_at(table, "hash table")?;
        let (count, base) = (header.bucket_count.get(ENDIAN), header.symbol_base.get(ENDIAN));
        if count == 0 {
            return Ok(false);
        }
        let hash = elf::gnu_hash(symbol.as_bytes());
        let buckets = table.saturating_add(16 + 8 * u64::from(header.bloom_count.get(ENDIAN)));
        let chains = buckets.saturating_add(4 * u64::from(count));
        let first = image.word_at(buckets.saturating_add(4 * u64::from(hash % count)))?;
        if first < base {
            return Ok(false);
        }
        for step in 0..CHAIN_MAX {
            let index = first.saturating_add(step);
            let value = image.word_at(chains.saturating_add(4 * u64::from(index - base)))?;
            if value | 1 == hash | 1 && self.defines(image, index, symbol)? {
                return Ok(true);
            }
            if value & 1 == 1 {
                break;
            }
        }
        Ok(false)
    }

    fn in_sysv_hash(&self, image: &Image, table: u64, symbol: &str) -> Result<bool, Fault> {
        let header: HashHeader<Endian> = image.record_at(table, "hash table")?;
        let count = header.bucket_count.get(ENDIAN);
        if count == 0 {
            return Ok(false);
        }
        let buckets = table.saturating_add(8);
        let chains = buckets.saturating_add(4 * u64::from(count));
        let mut index = image.word_at(buckets.saturating_add(4 * u64::from(elf::hash(symbol.as_bytes()) % count)))?;
        for _ in 0..CHAIN_MAX {
            if index == 0 {
                break;
            }
            if self.defines(image, index, symbol)? {
                return Ok(true);
            }
            index = image.word_at(chains.saturating_add(4 * u64::from(index)))?;
        }
        Ok(false)
    }

    /// True if the symbol at `index` is called `name` and has an address in this file.
    pub(super) fn defines(&self, image: &Image, index: u32, name: &str) -> Result<bool, Fault> {
        let (Some(symbols), Some(strings)) = (self.symbols, self.strings) else {
            return Ok(false);
        };
        let at = symbols.saturating_add(u64::from(index) * size_of::<Sym64<Endian>>() as u64);
        let symbol: Sym64<Endian> = image.record_at(at, "symbol table")?;
        Ok(symbol.st_shndx.get(ENDIAN) != elf::SHN_UNDEF && strings.is(image, symbol.st_name.get(ENDIAN).into(), name)?)
    }
}

/// The table itself, up to its end mark.
struct Entries(Vec<(DynamicTag, u64)>);

impl Entries {
    fn read(image: &Image) -> Result<Self, Fault> {
        let Some((address, len)) = image.dynamic else {
            return Err(Fault::malformed("it has no dynamic table, as if it were linked statically"));
        };
        let (offset, rest) = image.locate(address, "dynamic table")?;
        if len > rest {
            return Err(Fault::malformed("its dynamic table reaches out of its segment"));
        }
        let table: Vec<Dyn64<Endian>> = image.bytes.table(offset, len / size_of::<Dyn64<Endian>>() as u64, "dynamic table")?;
        let entries = table.iter().map(|entry| (entry.d_tag.get(ENDIAN), entry.d_val.get(ENDIAN)));
        let entries: Vec<_> = entries.take_while(|(tag, _)| *tag != elf::DT_NULL).collect();
        let names = entries.iter().filter(|(tag, _)| [elf::DT_NEEDED, elf::DT_RPATH, elf::DT_RUNPATH].contains(tag)).count();
        if names > NAMES_MAX {
            return Err(Fault::malformed(format!("it names {names} libraries and search folders, at most {NAMES_MAX} are read")));
        }
        Ok(Self(entries))
    }

    fn all(&self, tag: DynamicTag) -> impl Iterator<Item = u64> {
        self.0.iter().filter(move |entry| entry.0 == tag).map(|entry| entry.1)
    }

    fn first(&self, tag: DynamicTag) -> Option<u64> {
        self.all(tag).next()
    }

    fn flag(&self, tag: DynamicTag, bit: u64) -> bool {
        self.all(tag).any(|flags| flags & bit != 0)
    }

    fn strings(&self, image: &Image) -> Result<Option<Strings>, Fault> {
        let (Some(address), Some(len)) = (self.first(elf::DT_STRTAB), self.first(elf::DT_STRSZ)) else {
            return Ok(None);
        };
        let (offset, rest) = image.locate(address, "string table")?;
        if len > rest {
            return Err(Fault::malformed("its string table reaches out of its segment"));
        }
        Ok(Some(Strings { offset, len }))
    }
}

fn strings_of(strings: Option<Strings>) -> Result<Strings, Fault> {
    strings.ok_or_else(|| Fault::malformed("it names libraries, but has no string table"))
}

impl Strings {
    /// The string at `at`. One that a terminal would obey is no name of anything.
    pub(super) fn text(self, image: &Image, at: u64) -> Result<String, Fault> {
        let len = self.len.saturating_sub(at).min(NAME_MAX_BYTES);
        let bytes = image.bytes.bytes(self.offset.saturating_add(at), len, "string table")?;
        let text = bytes.as_slice().split(|byte| *byte == 0).next().unwrap_or_default();
        if text.len() as u64 == len {
            return Err(Fault::malformed(format!("the name at byte {at} of its string table has no end within {NAME_MAX_BYTES} bytes")));
        }
        let text = String::from_utf8_lossy(text).into_owned();
        if text.contains(char::is_control) {
            return Err(Fault::malformed(format!("the name {:?} in its string table holds a control character", plain(&text))));
        }
        Ok(text)
    }

    /// True if the string at `at` is `name`; without a limit of its own, because symbols of C++ are long.
    fn is(self, image: &Image, at: u64, name: &str) -> Result<bool, Fault> {
        let len = name.len() as u64 + 1;
        if self.len.saturating_sub(at) < len {
            return Ok(false);
        }
        let bytes = image.bytes.bytes(self.offset.saturating_add(at), len, "string table")?;
        Ok(bytes.as_slice().strip_suffix(&[0]) == Some(name.as_bytes()))
    }
}

impl Image {
    /// One record at an address.
    pub(super) fn record_at<T: object::Pod>(&self, address: u64, what: &str) -> Result<T, Fault> {
        let (offset, rest) = self.locate(address, what)?;
        if rest < size_of::<T>() as u64 {
            return Err(Fault::malformed(format!("its {what} reaches out of its segment")));
        }
        self.bytes.record(offset, what)
    }

    pub(super) fn word_at(&self, address: u64) -> Result<u32, Fault> {
        Ok(self.record_at::<U32<Endian>>(address, "hash table")?.get(ENDIAN))
    }
}

/// Walks the needed versions: a chain of libraries, each with a chain of versions. Weak ones may be absent, so they are left out.
fn versions(image: &Image, strings: Strings, mut library_at: u64) -> Result<Vec<VersionNeed>, Fault> {
    let mut found = Vec::new();
    // Libraries count as steps too, or a chain of libraries without versions would have no limit.
    let mut steps = 0;
    let mut step = || {
        steps += 1;
        if steps > VERSIONS_MAX { Err(Fault::malformed(format!("it needs more than {VERSIONS_MAX} symbol versions"))) } else { Ok(()) }
    };
    loop {
        step()?;
        let need: Verneed<Endian> = image.record_at(library_at, "table of needed versions")?;
        let library = strings.text(image, need.vn_file.get(ENDIAN).into())?;
        let mut version_at = library_at.saturating_add(need.vn_aux.get(ENDIAN).into());
        for _ in 0..need.vn_cnt.get(ENDIAN) {
            step()?;
            let aux: Vernaux<Endian> = image.record_at(version_at, "table of needed versions")?;
            if !aux.vna_flags.get(ENDIAN).contains(elf::VER_FLG_WEAK) {
                let version = strings.text(image, aux.vna_name.get(ENDIAN).into())?;
                found.push(VersionNeed { library: library.clone(), version });
            }
            if aux.vna_next.get(ENDIAN) == 0 {
                break;
            }
            version_at = version_at.saturating_add(aux.vna_next.get(ENDIAN).into());
        }
        if need.vn_next.get(ENDIAN) == 0 {
            return Ok(found);
        }
        library_at = library_at.saturating_add(need.vn_next.get(ENDIAN).into());
    }
}
