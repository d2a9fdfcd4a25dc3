//! All symbols that a file defines or needs, found by the size that its hash table tells.

use object::elf::{self, GnuHashHeader, HashHeader, Sym64};

use super::{Dynamic, ENDIAN, Endian, Image};
use crate::refusal::Fault;

/// The most symbols that are looked at; a library in C++ has some ten thousand.
const SYMBOLS_MAX: u32 = 65_536;
/// How many are read at a time: less than [`PIECE_MAX_BYTES`](super::PIECE_MAX_BYTES).
const SYMBOLS_AT_ONCE: u32 = 16_384;
/// The most names that are answered.
const NAMES_MAX: usize = 1024;

impl Dynamic {
    /// The symbols that have an address in this file and are seen by others.
    pub(crate) fn exported(&self, image: &Image) -> Result<Vec<String>, Fault> {
        self.names(image, |symbol| symbol.st_shndx.get(ENDIAN) != elf::SHN_UNDEF)
    }

    /// The symbols that the dynamic linker has to find elsewhere.
    pub(crate) fn imported(&self, image: &Image) -> Result<Vec<String>, Fault> {
        self.names(image, |symbol| symbol.st_shndx.get(ENDIAN) == elf::SHN_UNDEF)
    }

    /// Where in the file the symbol's own bytes begin, if it defines one of that name.
    pub(crate) fn offset_of(&self, image: &Image, name: &str) -> Result<Option<u64>, Fault> {
        for index in 0..self.symbol_count(image)? {
            if self.defines(image, index, name)? {
                let (offset, _) = image.locate(self.symbol(image, index)?.st_value.get(ENDIAN), "symbol")?;
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    /// The symbol at `index` of the table, which must be there.
    fn symbol(&self, image: &Image, index: u32) -> Result<Sym64<Endian>, Fault> {
        image.record_at(self.address_of(index), "symbol table")
    }

    /// `count` symbols from `first` on, in one read.
    fn some_symbols(&self, image: &Image, first: u32, count: u32) -> Result<Vec<Sym64<Endian>>, Fault> {
        let (offset, rest) = image.locate(self.address_of(first), "symbol table")?;
        if rest < u64::from(count) * size_of::<Sym64<Endian>>() as u64 {
            return Err(Fault::malformed("its symbol table reaches out of its segment"));
        }
        image.bytes.table(offset, count.into(), "symbol table")
    }

    fn address_of(&self, index: u32) -> u64 {
        self.symbols.unwrap_or(0).saturating_add(u64::from(index) * size_of::<Sym64<Endian>>() as u64)
    }

    fn names(&self, image: &Image, wanted: impl Fn(&Sym64<Endian>) -> bool) -> Result<Vec<String>, Fault> {
        let Some(strings) = self.strings.as_ref().filter(|_| self.symbols.is_some()) else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        let count = self.symbol_count(image)?;
        for first in (0..count).step_by(SYMBOLS_AT_ONCE as usize) {
            for symbol in self.some_symbols(image, first, (count - first).min(SYMBOLS_AT_ONCE))? {
                let name = symbol.st_name.get(ENDIAN);
                // The first symbol is none; sections have no name.
                if name == 0 || !wanted(&symbol) || is_private(&symbol) {
                    continue;
                }
                if names.len() == NAMES_MAX {
                    return Ok(names);
                }
                names.push(strings.text(image, name.into())?);
            }
        }
        Ok(names)
    }

    /// How many symbols there are: the table itself does not tell, its hash table does.
    fn symbol_count(&self, image: &Image) -> Result<u32, Fault> {
        let count = match (self.gnu_hash, self.sysv_hash) {
            (Some(table), _) => symbols_of_gnu_hash(image, table)?,
            (None, Some(table)) => image.record_at::<HashHeader<Endian>>(table, "hash table")?.chain_count.get(ENDIAN),
            (None, None) => 0,
        };
        if count > SYMBOLS_MAX {
            return Err(Fault::malformed(format!("it has {count} symbols, at most {SYMBOLS_MAX} are read")));
        }
        Ok(count)
    }
}

/// True for what the dynamic linker never shows to another file.
fn is_private(symbol: &Sym64<Endian>) -> bool {
    let is_local = symbol.st_bind() == elf::STB_LOCAL;
    let is_hidden = matches!(symbol.st_visibility(), elf::STV_HIDDEN | elf::STV_INTERNAL);
    is_local || is_hidden
}

/// The table has the symbols before its first one, which are those of others, and ends with the end of its last chain.
fn symbols_of_gnu_hash(image: &Image, table: u64) -> Result<u32, Fault> {
    let header: GnuHashHeader<Endian> = image.record_at(table, "hash table")?;
    let (count, base) = (header.bucket_count.get(ENDIAN), header.symbol_base.get(ENDIAN));
    if count > SYMBOLS_MAX {
        return Err(Fault::malformed(format!("its hash table has {count} buckets, at most {SYMBOLS_MAX} are read")));
    }
    let buckets = table.saturating_add(16 + 8 * u64::from(header.bloom_count.get(ENDIAN)));
    let chains = buckets.saturating_add(4 * u64::from(count));
    let mut last = 0;
    for bucket in 0..count {
        last = last.max(image.word_at(buckets.saturating_add(4 * u64::from(bucket)))?);
    }
    if last < base {
        return Ok(base);
    }
    while last <= SYMBOLS_MAX && image.word_at(chains.saturating_add(4 * u64::from(last - base)))? & 1 == 0 {
        last += 1;
    }
    Ok(last.saturating_add(1))
}
