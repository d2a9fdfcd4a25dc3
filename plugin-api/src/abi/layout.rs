//! The fingerprint that freezes the tables: a text of every type that crosses, committed, compared by a test, hashed into each note.

use std::collections::HashMap;
use std::fmt::Write as _;

use abi_stable::StableAbi;
use abi_stable::std_types::utypeid::UTypeId;
use abi_stable::type_layout::{TLData, TypeLayout};

use super::tables::{
    CopyTable, DeletePrefixTable, DriverObject, HostObject, JobObject, PresignTable, ReaderObject, RootRef, UploadListTable, UploadObject,
};

/// The committed text. It changes only with the major, or before the first release with a note in the changelog.
pub const SNAPSHOT: &str = include_str!("../../abi-layout-1.txt");

/// The tables as this compiler lays them out: one line a type, numbered as they are met, with size, alignment and fields. Types of one name
/// (`RVec` of this and of that) have different numbers.
pub fn describe() -> String {
    let mut seen = Seen::default();
    let roots = [
        ("root", RootRef::LAYOUT),
        ("driver", DriverObject::LAYOUT),
        ("upload", UploadObject::LAYOUT),
        ("reader", ReaderObject::LAYOUT),
        ("job", JobObject::LAYOUT),
        ("host", HostObject::LAYOUT),
        ("delete_prefix/1", DeletePrefixTable::LAYOUT),
        ("copy/1", CopyTable::LAYOUT),
        ("presign/1", PresignTable::LAYOUT),
        ("upload_list/1", UploadListTable::LAYOUT),
    ];
    let mut text = String::new();
    for (name, layout) in roots {
        let _ = writeln!(text, "table {name} = {}", seen.visit(layout));
    }
    for line in seen.lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[derive(Default)]
struct Seen {
    numbers: HashMap<UTypeId, usize>,
    lines: Vec<String>,
}

impl Seen {
    /// Adds a type and all that it is made of; answers its number and name.
    fn visit(&mut self, layout: &'static TypeLayout) -> String {
        let id = layout.get_utypeid();
        if let Some(number) = self.numbers.get(&id) {
            return format!("#{number} {}", layout.name());
        }
        let number = self.lines.len();
        self.numbers.insert(id, number);
        self.lines.push(String::new());
        let mut line = format!("#{number} {}: size {} align {}", layout.full_type(), layout.size(), layout.alignment());
        let fields = match layout.data() {
            TLData::PrefixType(prefix) => Some(prefix.fields),
            _ => layout.get_fields(),
        };
        for field in fields.into_iter().flat_map(|fields| fields.iter()).chain(layout.phantom_fields().iter()) {
            let _ = write!(line, "; {}", field.name());
            if !field.is_function() {
                let _ = write!(line, ": {}", self.visit(field.layout()));
            }
            for function in field.function_range().iter() {
                let parameters: Vec<_> = function.param_type_layouts.iter().map(|parameter| self.visit(parameter())).collect();
                let _ = write!(line, " fn({})", parameters.join(", "));
                if let Some(result) = function.return_type_layout() {
                    let _ = write!(line, " -> {}", self.visit(result()));
                }
            }
        }
        self.lines[number] = line;
        format!("#{number} {}", layout.name())
    }
}

/// FNV-1a of the snapshot, as 16 hexadecimal digits: it tells tables apart, it defends against nothing.
pub(super) const FINGERPRINT: [u8; 16] = hex(fnv(SNAPSHOT.as_bytes()));

const fn fnv(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

const fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let mut at = 0;
    while at < 16 {
        digits[at] = b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15];
        at += 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables as two versions of a source might have them: the text tells each from the first.
    mod versions {
        macro_rules! version {
            ($name:ident { $($field:ident: $type:ty),* }) => {
                pub(super) mod $name {
                    #[repr(C)]
                    #[derive(abi_stable::StableAbi)]
                    pub(in super::super) struct Table {
                        $($field: $type),*
                    }
                }
            };
        }
        version!(released { call: extern "C" fn(u32) -> u64, flags: u64 });
        version!(retyped { call: extern "C" fn(u32) -> u64, flags: i64 });
        version!(reordered { flags: u64, call: extern "C" fn(u32) -> u64 });
        version!(renamed { invoke: extern "C" fn(u32) -> u64, flags: u64 });
        version!(longer { call: extern "C" fn(u32) -> u64, flags: u64, more: u64 });
        version!(parameter { call: extern "C" fn(u64) -> u64, flags: u64 });
        version!(answer { call: extern "C" fn(u32) -> u32, flags: u64 });
    }

    fn text(layout: &'static TypeLayout) -> String {
        let mut seen = Seen::default();
        seen.visit(layout);
        seen.lines.join("\n")
    }

    /// Each change that abi_stable would refuse, and each that it might let pass, changes the text, and with it the fingerprint.
    #[test]
    fn a_changed_table_has_another_text_and_fingerprint() {
        let released = text(versions::released::Table::LAYOUT);
        for (change, layout) in [
            ("a field's type", versions::retyped::Table::LAYOUT),
            ("the order", versions::reordered::Table::LAYOUT),
            ("a field's name", versions::renamed::Table::LAYOUT),
            ("one field more", versions::longer::Table::LAYOUT),
            ("a parameter's type", versions::parameter::Table::LAYOUT),
            ("an answer's type", versions::answer::Table::LAYOUT),
        ] {
            let changed = text(layout);
            assert_ne!(changed, released, "{change} is seen");
            assert_ne!(fnv(changed.as_bytes()), fnv(released.as_bytes()), "{change} changes the fingerprint");
        }
        assert_eq!(text(versions::released::Table::LAYOUT), released, "the text is the same each time");
        assert_eq!(
            super::super::ABI_LAYOUT.as_bytes(),
            hex(fnv(describe().as_bytes())),
            "the note repeats the fingerprint of the tables as they are"
        );
    }

    /// Driver contract, section 9: "The tables of a major are frozen whole".
    #[test]
    fn the_tables_are_those_of_the_snapshot() {
        let now = describe();
        if std::env::var_os("LONGSHORE_WRITE_LAYOUT").is_some() {
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/abi-layout-1.txt"), &now).expect("the snapshot is writable");
            return;
        }
        let changed: Vec<_> = now.lines().filter(|line| !SNAPSHOT.lines().any(|old| old == *line)).collect();
        assert!(
            now == SNAPSHOT,
            "a table of ABI major 1 changed. Undo it and add an extension table instead; before the first release, move the snapshot with \
             LONGSHORE_WRITE_LAYOUT=1 in a commit of its own with a line in the changelog.\n{}",
            changed.join("\n")
        );
    }
}
