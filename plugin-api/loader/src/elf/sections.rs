//! The sections: what linkers leave for debuggers and people. The dynamic linker does not look at them, so nothing may depend on them.

use object::elf::{self, FileHeader64, SectionHeader64};

use super::{Bounded, ENDIAN, Endian, Image};

/// The most sections that are looked at; libraries have some forty.
const SECTIONS_MAX: u64 = 4096;

/// The section headers; none if the file has none or they cannot be read.
pub(super) fn headers(bytes: &Bounded, header: &FileHeader64<Endian>) -> Vec<SectionHeader64<Endian>> {
    let (at, count, size) = (header.e_shoff.get(ENDIAN), u64::from(header.e_shnum.get(ENDIAN)), header.e_shentsize.get(ENDIAN));
    if at == 0 || count > SECTIONS_MAX || usize::from(size) != size_of::<SectionHeader64<Endian>>() {
        return Vec::new();
    }
    bytes.table(at, count, "section header table").unwrap_or_default()
}

impl Image {
    /// True if the file still has section headers that can be read.
    pub(crate) fn has_sections(&self) -> bool {
        !self.sections.is_empty()
    }

    /// True if the file still has the table of all its symbols, which `strip` takes out.
    pub(crate) fn has_all_symbols(&self) -> bool {
        self.sections.iter().any(|section| section.sh_type.get(ENDIAN) == elf::SHT_SYMTAB)
    }

    /// The size in bytes of the section that begins at `address`; `None` if none does, or if the file has no sections.
    pub(crate) fn section_bytes(&self, address: u64) -> Option<u64> {
        let starts = |section: &&SectionHeader64<Endian>| section.sh_addr.get(ENDIAN) == address && section.sh_size.get(ENDIAN) > 0;
        self.sections.iter().find(starts).map(|section| section.sh_size.get(ENDIAN))
    }
}
