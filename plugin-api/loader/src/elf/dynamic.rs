//! The table that the dynamic linker goes by: needed libraries, symbol versions, exported symbols.

use std::borrow::Cow;

use object::U32;
use object::elf::{self, Dyn64, DynamicTag, GnuHashHeader, HashHeader, Sym64};

use super::bounded::Aligned;
use super::versions::{self, VersionNeed};
use super::{ENDIAN, Endian, Image, is_program};
use crate::refusal::{Fault, plain};

/// The most libraries and search folders that one file may name; real drivers name fewer than ten.
const NAMES_MAX: usize = 256;
/// The largest string table that is kept in memory while a file is looked at.
const STRINGS_KEPT_MAX_BYTES: u64 = 64 * 1024;
/// The longest name of a library, a folder or a version.
const NAME_MAX_BYTES: u64 = 1024;
/// How far a chain of symbols with the same hash is followed.
const CHAIN_MAX: u32 = 4096;

/// What the dynamic table says.
#[derive(Debug)]
pub(crate) struct Dynamic {
    pub(crate) needed: Vec<String>,
    pub(crate) versions: Vec<VersionNeed>,
    /// Where it looks for its libraries, and theirs, before LD_LIBRARY_PATH; without meaning where there is a `runpath`.
    pub(crate) rpath: Vec<String>,
    /// Where it looks for its libraries after LD_LIBRARY_PATH.
    pub(crate) runpath: Vec<String>,
    /// True if the system's own folders are not looked into.
    pub(crate) no_default_folders: bool,
    pub(crate) static_tls: bool,
    /// True if every symbol is looked up when the file is loaded.
    pub(crate) bind_now: bool,
    /// True if code is changed when the file is loaded, so that processes cannot share it.
    pub(crate) text_relocations: bool,
    /// How many functions run when the file is loaded.
    pub(crate) constructors: u64,
    /// The address of a function that runs before them.
    pub(crate) init: Option<u64>,
    pub(super) version_definitions: Option<u64>,
    pub(super) strings: Option<Strings>,
    pub(super) symbols: Option<u64>,
    pub(super) gnu_hash: Option<u64>,
    pub(super) sysv_hash: Option<u64>,
}

/// The string table: its place in the file, and its bytes if it is small, as nearly all are.
#[derive(Debug)]
pub(super) struct Strings {
    offset: u64,
    len: u64,
    kept: Option<Aligned>,
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
        let names = |tag| entries.all(tag).map(|at| strings_of(strings.as_ref())?.text(image, at)).collect::<Result<Vec<_>, _>>();
        let versions = match entries.first(elf::DT_VERNEED) {
            Some(address) => versions::needed(image, strings_of(strings.as_ref())?, address)?,
            None => Vec::new(),
        };
        Ok(Self {
            needed: names(elf::DT_NEEDED)?,
            rpath: names(elf::DT_RPATH)?,
            runpath: names(elf::DT_RUNPATH)?,
            no_default_folders: entries.flag(elf::DT_FLAGS_1, elf::DF_1_NODEFLIB.0),
            static_tls: entries.flag(elf::DT_FLAGS, elf::DF_STATIC_TLS.0),
            bind_now: entries.flag(elf::DT_FLAGS, elf::DF_BIND_NOW.0)
                || entries.flag(elf::DT_FLAGS_1, elf::DF_1_NOW.0)
                || entries.first(elf::DT_BIND_NOW).is_some(),
            text_relocations: entries.flag(elf::DT_FLAGS, elf::DF_TEXTREL.0) || entries.first(elf::DT_TEXTREL).is_some(),
            constructors: entries.first(elf::DT_INIT_ARRAYSZ).unwrap_or(0) / size_of::<u64>() as u64,
            init: entries.first(elf::DT_INIT),
            version_definitions: entries.first(elf::DT_VERDEF),
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
        let (Some(symbols), Some(strings)) = (self.symbols, &self.strings) else {
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
        let kept = (len <= STRINGS_KEPT_MAX_BYTES).then(|| image.bytes.bytes(offset, len, "string table")).transpose()?;
        Ok(Some(Strings { offset, len, kept }))
    }
}

fn strings_of(strings: Option<&Strings>) -> Result<&Strings, Fault> {
    strings.ok_or_else(|| Fault::malformed("it names libraries, but has no string table"))
}

impl Strings {
    /// `len` bytes from `at` on, which lie in the table.
    fn bytes(&self, image: &Image, at: u64, len: u64) -> Result<Cow<'_, [u8]>, Fault> {
        // Where the table is kept, both fit into memory.
        let kept = self.kept.as_ref().and_then(|kept| kept.as_slice().get(at as usize..)?.get(..len as usize));
        match kept {
            Some(bytes) => Ok(bytes.into()),
            None => Ok(image.bytes.bytes(self.offset.saturating_add(at), len, "string table")?.as_slice().to_vec().into()),
        }
    }

    /// The string at `at`. One that a terminal would obey is no name of anything.
    pub(super) fn text(&self, image: &Image, at: u64) -> Result<String, Fault> {
        let len = self.len.saturating_sub(at).min(NAME_MAX_BYTES);
        let bytes = self.bytes(image, at, len)?;
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
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
    pub(super) fn is(&self, image: &Image, at: u64, name: &str) -> Result<bool, Fault> {
        let len = name.len() as u64 + 1;
        if self.len.saturating_sub(at) < len {
            return Ok(false);
        }
        let bytes = self.bytes(image, at, len)?;
        Ok(bytes.strip_suffix(&[0]) == Some(name.as_bytes()))
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
