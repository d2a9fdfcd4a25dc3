//! The versions of symbols that a file needs of its libraries, and those that a library has.

use object::elf::{self, Verdaux, Verdef, Vernaux, Verneed};

use super::dynamic::Strings;
use super::{Dynamic, ENDIAN, Endian, Image};
use crate::refusal::Fault;

/// The most symbol versions that one file may need or have; libraries in C++ need some thirty, and have some sixty.
const VERSIONS_MAX: usize = 1024;

/// A version of its symbols that a needed library must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNeed {
    /// The library, as `libc.so.6`.
    pub library: String,
    /// The version, as `GLIBC_2.34`.
    pub version: String,
}

/// Walks the needed versions: a chain of libraries, each with a chain of versions. Weak ones may be absent, so they are left out.
pub(super) fn needed(image: &Image, strings: &Strings, mut library_at: u64) -> Result<Vec<VersionNeed>, Fault> {
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

impl Dynamic {
    /// True if the library has `version`, or has no versions at all: then the dynamic linker takes what it finds.
    pub(crate) fn has_version(&self, image: &Image, version: &str) -> Result<bool, Fault> {
        let (Some(mut at), Some(strings)) = (self.version_definitions, &self.strings) else {
            return Ok(true);
        };
        for _ in 0..VERSIONS_MAX {
            let definition: Verdef<Endian> = image.record_at(at, "table of versions")?;
            let name: Verdaux<Endian> = image.record_at(at.saturating_add(definition.vd_aux.get(ENDIAN).into()), "table of versions")?;
            if strings.is(image, name.vda_name.get(ENDIAN).into(), version)? {
                return Ok(true);
            }
            if definition.vd_next.get(ENDIAN) == 0 {
                return Ok(false);
            }
            at = at.saturating_add(definition.vd_next.get(ENDIAN).into());
        }
        Err(Fault::malformed(format!("it has more than {VERSIONS_MAX} symbol versions")))
    }
}
