//! The table that a driver in C exports, checked before anything of it is called.

use std::mem::{align_of, offset_of, size_of};

use libloading::os::unix::Library;
use longshore_plugin_api::Capability;
use longshore_plugin_api::metadata::DriverInfo;

use super::table::DriverTable;
use super::values::LONGSHORE_C_MAJOR;
use crate::refusal::{Fault, RefusalCode};

/// The symbol under which a driver in C exports its table.
pub(crate) const ENTRY_SYMBOL: &str = "longshore_driver_c_v1";

/// How large the first minor's table was. It never changes: what comes later stands behind it.
const FIRST_SIZE: usize = 216;
/// Larger tables are none: with eight bytes a call, this is room for thousands of calls.
const SIZE_MAX: usize = 64 * 1024;

/// What each table of every minor begins with.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    struct_size: u32,
    major: u16,
    minor: u16,
}

const _: () = assert!(offset_of!(DriverTable, major) == offset_of!(Head, major) && size_of::<Head>() == 8);
const _: () = assert!(size_of::<DriverTable>() >= FIRST_SIZE);

/// The table of a loaded library.
///
/// # Errors
/// `entry-missing`; `open-header` for what is no table of this major; `open-layout` if a function is missing, one that every driver has or one
/// of a capability that the note declares.
pub(crate) fn entry(library: &Library, info: &DriverInfo) -> Result<&'static DriverTable, Fault> {
    let table = copied(exported(library)?)?;
    complete(&table, info)?;
    Ok(Box::leak(table))
}

fn exported(library: &Library) -> Result<*const Head, Fault> {
    let missing = |error: libloading::Error| {
        let why = format!("it has no entry {ENTRY_SYMBOL:?}: {error}");
        Fault::new(RefusalCode::EntryMissing, why, "define the driver's table under this name, as longshore_driver.h declares it")
    };
    let name = c"longshore_driver_c_v1";
    // SAFETY: only the symbol's address is taken; `copied` looks at what is there.
    let symbol = unsafe { library.get::<*const Head>(name.to_bytes_with_nul()) }.map_err(missing)?;
    let address = symbol.as_raw_ptr().cast_const().cast::<Head>();
    if address.is_null() || !address.cast::<DriverTable>().is_aligned() {
        let why = format!("its entry {ENTRY_SYMBOL:?} is at {address:?}, where no table can be");
        return Err(Fault::new(RefusalCode::OpenHeader, why, "define the entry as a constant longshore_driver_table"));
    }
    Ok(address)
}

/// The part of the table that this host knows, as a table of its own. Functions that an older minor lacks are absent.
fn copied(theirs: *const Head) -> Result<Box<DriverTable>, Fault> {
    // SAFETY: the note and the symbol say that a table begins here, and it is aligned; every table begins with a head.
    let head = unsafe { *theirs };
    sane(head)?;
    let mut ours = Box::new(DriverTable::empty());
    let known = (head.struct_size as usize).min(size_of::<DriverTable>());
    // SAFETY: the table says that it has `struct_size` bytes, which covers `known`; ours has as many, and its fields take any bits that a
    // table of this major may hold there (numbers, and functions of these types or NULL).
    unsafe { std::ptr::copy_nonoverlapping(theirs.cast::<u8>(), std::ptr::from_mut(&mut *ours).cast::<u8>(), known) };
    Ok(ours)
}

fn sane(head: Head) -> Result<(), Fault> {
    let size = head.struct_size as usize;
    if head.major != LONGSHORE_C_MAJOR {
        let why = format!("its table is of major {}, this host calls {LONGSHORE_C_MAJOR}", head.major);
        return Err(Fault::new(RefusalCode::OpenHeader, why, "build the driver with the longshore_driver.h of this host's major"));
    }
    if !(FIRST_SIZE..=SIZE_MAX).contains(&size) || !size.is_multiple_of(align_of::<DriverTable>()) {
        let why = format!("its table says that it has {size} bytes, a table of major {LONGSHORE_C_MAJOR} has {FIRST_SIZE} or more");
        return Err(Fault::new(RefusalCode::OpenHeader, why, "set struct_size to sizeof(longshore_driver_table)"));
    }
    Ok(())
}

fn complete(table: &DriverTable, info: &DriverInfo) -> Result<(), Fault> {
    let absent = table.absent();
    if !absent.is_empty() {
        let why = format!("its table lacks {}, which every driver has", absent.join(", "));
        return Err(Fault::new(RefusalCode::OpenLayout, why, "set these fields of the driver's longshore_driver_table"));
    }
    match info.known_capabilities().iter().find(|capability| !table.offers(*capability)) {
        None => Ok(()),
        Some(Capability::Layer) => {
            let why = "its note declares layer, which a driver in C cannot offer";
            Err(Fault::new(RefusalCode::OpenLayout, why, "take it out of the note"))
        }
        Some(capability) => {
            let why = format!("its note declares {capability}, but its table has no function for it");
            Err(Fault::new(RefusalCode::OpenLayout, why, "set this field of the table, or take the capability out of the note"))
        }
    }
}

impl DriverTable {
    /// The functions that every driver has and this one lacks.
    fn absent(&self) -> Vec<&'static str> {
        let all = [
            ("open", self.open.is_some()),
            ("close", self.close.is_some()),
            ("health", self.health.is_some()),
            ("stat", self.stat.is_some()),
            ("read_open", self.read_open.is_some()),
            ("read_next", self.read_next.is_some()),
            ("read_close", self.read_close.is_some()),
            ("put", self.put.is_some()),
            ("list", self.list.is_some()),
            ("remove", self.remove.is_some()),
            ("upload_begin", self.upload_begin.is_some()),
            ("upload_resume", self.upload_resume.is_some()),
            ("upload_offset", self.upload_offset.is_some()),
            ("upload_write", self.upload_write.is_some()),
            ("upload_suspend", self.upload_suspend.is_some()),
            ("upload_commit", self.upload_commit.is_some()),
            ("upload_abort", self.upload_abort.is_some()),
            ("upload_drop", self.upload_drop.is_some()),
        ];
        all.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect()
    }

    /// True if the table has what a capability needs.
    fn offers(&self, capability: Capability) -> bool {
        match capability {
            Capability::DeletePrefix => self.delete_prefix.is_some(),
            Capability::Copy => self.copy.is_some(),
            Capability::Presign => self.presign.is_some(),
            Capability::UploadList => self.upload_list.is_some(),
            Capability::PutIfAbsent | Capability::FileRegion | Capability::NestedObjects => true,
            Capability::Layer => false,
        }
    }

    const fn empty() -> Self {
        Self {
            struct_size: 0,
            major: 0,
            minor: 0,
            reserved: [0; 4],
            open: None,
            close: None,
            health: None,
            stat: None,
            read_open: None,
            read_next: None,
            read_close: None,
            put: None,
            list: None,
            remove: None,
            upload_begin: None,
            upload_resume: None,
            upload_offset: None,
            upload_write: None,
            upload_suspend: None,
            upload_commit: None,
            upload_abort: None,
            upload_drop: None,
            delete_prefix: None,
            copy: None,
            presign: None,
            upload_list: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(struct_size: u32, major: u16) -> Option<String> {
        let fault = sane(Head { struct_size, major, minor: 7 }).err()?;
        let refusal = fault.refuse(std::path::Path::new("/d/x.so"));
        assert_eq!(refusal.code, RefusalCode::OpenHeader);
        Some(refusal.why)
    }

    /// A later minor's table is longer, and its beginning is the first one.
    #[test]
    fn tables_of_this_major_and_any_minor_are_read() {
        let ours = size_of::<DriverTable>() as u32;
        for size in [FIRST_SIZE as u32, ours, ours + 8, 65_536] {
            assert_eq!(why(size, LONGSHORE_C_MAJOR), None, "{size}");
        }
    }

    #[test]
    fn absurd_heads_are_refused() {
        for size in [0, 8, FIRST_SIZE as u32 - 8, FIRST_SIZE as u32 + 4, 65_544, u32::MAX] {
            let expected = format!("its table says that it has {size} bytes, a table of major 1 has {FIRST_SIZE} or more");
            assert_eq!(why(size, LONGSHORE_C_MAJOR), Some(expected));
        }
        assert_eq!(why(FIRST_SIZE as u32, 2), Some("its table is of major 2, this host calls 1".into()));
    }
}
