//! The note that a driver file carries: its JSON, composed while the driver is compiled.

use crate::Capability;
use crate::metadata::{CONTRACT, Consistency, Durability, NOTE_SCHEMA};

/// An ELF note with the owner `longshore` and type 1; `N` is the text's length rounded up to 4.
#[repr(C, align(4))]
pub struct Note<const N: usize> {
    owner_size: u32,
    text_size: u32,
    kind: u32,
    owner: [u8; 12],
    text: [u8; N],
}

impl<const N: usize> Note<N> {
    /// The note of `text`.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        assert!(bytes.len() <= crate::metadata::NOTE_MAX_BYTES, "a driver's note has at most 64 KiB");
        assert!(N == bytes.len().next_multiple_of(4), "the note's length is the text's, rounded up to 4");
        let mut padded = [0; N];
        let mut at = 0;
        while at < bytes.len() {
            padded[at] = bytes[at];
            at += 1;
        }
        Self { owner_size: 10, text_size: bytes.len() as u32, kind: crate::metadata::NOTE_TYPE, owner: *b"longshore\0\0\0", text: padded }
    }
}

/// What [`export_driver!`](crate::export_driver) knows of a driver.
pub struct NoteParts {
    /// The driver's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Who makes it.
    pub vendor: &'static str,
    /// An SPDX expression.
    pub licence: &'static str,
    /// A URL.
    pub documentation: &'static str,
    /// What it declares.
    pub capabilities: &'static [Capability],
    /// Extension tables beyond those of the capabilities.
    pub offers: &'static [&'static str],
    /// Extension tables of the host that it needs.
    pub requires: &'static [&'static str],
    /// Whether writes are seen at once.
    pub consistency: Consistency,
    /// What writes survive.
    pub durability: Durability,
    /// `unwind` or `abort`, as the driver is compiled.
    pub panic: &'static str,
    /// The settings' schema, JSON.
    pub settings: &'static str,
}

/// How many bytes the JSON of `parts` has.
pub const fn note_length(parts: &NoteParts) -> usize {
    render::<0>(parts).at
}

/// The JSON of `parts`; `N` is its [`note_length`].
pub const fn note_text<const N: usize>(parts: &NoteParts) -> [u8; N] {
    render::<N>(parts).bytes
}

/// Counts what is written, and keeps as much of it as there is room for.
struct Sink<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Sink<N> {
    const fn byte(&mut self, byte: u8) {
        if self.at < N {
            self.bytes[self.at] = byte;
        }
        self.at += 1;
    }

    const fn raw(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self.byte(bytes[at]);
            at += 1;
        }
    }

    /// `text` as a JSON string.
    const fn string(&mut self, text: &str) {
        let bytes = text.as_bytes();
        self.byte(b'"');
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at] >= b' ', "a driver's name, version, vendor, licence and URL have no control characters");
            if matches!(bytes[at], b'"' | b'\\') {
                self.byte(b'\\');
            }
            self.byte(bytes[at]);
            at += 1;
        }
        self.byte(b'"');
    }

    const fn field(&mut self, name: &str, text: &str) {
        self.byte(b',');
        self.string(name);
        self.byte(b':');
        self.string(text);
    }

    const fn number(&mut self, number: u32) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.byte(b'0' + (number % 10) as u8);
    }

    const fn strings(&mut self, first: bool, texts: &[&str]) -> bool {
        let mut first = first;
        let mut at = 0;
        while at < texts.len() {
            if !first {
                self.byte(b',');
            }
            first = false;
            self.string(texts[at]);
            at += 1;
        }
        first
    }
}

const fn render<const N: usize>(parts: &NoteParts) -> Sink<N> {
    let mut sink = Sink { bytes: [0; N], at: 0 };
    sink.raw("{\"schema\":");
    sink.number(NOTE_SCHEMA);
    sink.field("name", parts.name);
    sink.field("version", parts.version);
    sink.field("vendor", parts.vendor);
    sink.field("licence", parts.licence);
    sink.field("documentation", parts.documentation);
    sink.raw(",\"abi\":{\"kind\":\"rust\",\"major\":");
    sink.number(super::ABI_MAJOR);
    sink.field("layout", super::ABI_LAYOUT);
    sink.raw(",\"offers\":[");
    let (mut at, mut first) = (0, true);
    while at < parts.capabilities.len() {
        if let Some(table) = parts.capabilities[at].extension() {
            first = sink.strings(first, &[table]);
        }
        at += 1;
    }
    sink.strings(first, parts.offers);
    sink.raw("],\"requires\":[");
    sink.strings(true, parts.requires);
    sink.raw("]},\"contract\":");
    sink.number(CONTRACT);
    sink.raw(",\"capabilities\":[");
    let (mut at, mut first) = (0, true);
    while at < parts.capabilities.len() {
        first = sink.strings(first, &[parts.capabilities[at].name()]);
        at += 1;
    }
    sink.raw("]");
    let consistency = match parts.consistency {
        Consistency::Strong => "strong",
        Consistency::Eventual => "eventual",
    };
    let durability = match parts.durability {
        Durability::Disk => "disk",
        Durability::Process => "process",
        Durability::Memory => "memory",
    };
    sink.field("consistency", consistency);
    sink.field("durability", durability);
    sink.field("panic", parts.panic);
    sink.field("target", env!("LONGSHORE_TARGET"));
    sink.field("compiler", env!("LONGSHORE_COMPILER"));
    sink.field("sdk", env!("CARGO_PKG_VERSION"));
    sink.raw(",\"settings\":");
    sink.raw(parts.settings);
    sink.raw("}");
    sink
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::DriverInfo;

    const PARTS: NoteParts = NoteParts {
        name: "sample",
        version: "1.2.3",
        vendor: "A \"quoted\" \\ vendor",
        licence: "Apache-2.0",
        documentation: "https://example.org",
        capabilities: &[Capability::Copy, Capability::FileRegion],
        offers: &["echo/1"],
        requires: &["clock/1"],
        consistency: Consistency::Eventual,
        durability: Durability::Disk,
        panic: "unwind",
        settings: r#"{"properties":{}}"#,
    };
    const TEXT: [u8; note_length(&PARTS)] = note_text(&PARTS);

    #[test]
    fn the_note_reads_back_as_what_was_said() {
        let info = DriverInfo::from_json(&TEXT).expect("the note is JSON of the right form");
        assert_eq!((info.name.as_str(), info.vendor.as_str()), ("sample", "A \"quoted\" \\ vendor"));
        assert_eq!(info.abi.offers, ["copy/1", "echo/1"]);
        assert_eq!(info.abi.requires, ["clock/1"]);
        assert_eq!(info.capabilities, ["copy", "file_region"]);
        assert_eq!(info.abi.layout, crate::abi::ABI_LAYOUT);
    }
}
