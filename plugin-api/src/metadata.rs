//! What a driver file says of itself before any of its code runs: the JSON of its ELF note.
//!
//! Source: driver contract, section 6. The host reads it with [`DriverInfo::from_json`]; [`export_driver!`](crate::export_driver)
//! writes it while the driver is compiled.

use serde::{Deserialize, Serialize};

use crate::{Capabilities, Capability};

/// The section that holds the note.
pub const NOTE_SECTION: &str = ".note.longshore.driver";
/// The note's owner.
pub const NOTE_OWNER: &str = "longshore";
/// The note's type.
pub const NOTE_TYPE: u32 = 1;
/// The largest note, in bytes.
pub const NOTE_MAX_BYTES: usize = 64 * 1024;
/// The version of the JSON's own form.
pub const NOTE_SCHEMA: u32 = 1;
/// The contract's version.
pub const CONTRACT: u32 = 1;

/// All that a driver file says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriverInfo {
    /// The version of this form; a host reads those that it knows.
    pub schema: u32,
    /// `[a-z][a-z0-9-]{0,31}`; the file is `liblongshore_driver_<name>.so` with `-` as `_`.
    pub name: String,
    /// The driver's own version.
    pub version: String,
    /// Who makes it.
    pub vendor: String,
    /// An SPDX expression.
    pub licence: String,
    /// A URL.
    pub documentation: String,
    /// How it is called.
    pub abi: Abi,
    /// The contract's version that it keeps.
    pub contract: u32,
    /// Names of [`Capability`]; a host ignores those that it does not know.
    pub capabilities: Vec<String>,
    /// Whether a write is seen at once by everyone.
    pub consistency: Consistency,
    /// What an answered write survives, unless settings say otherwise.
    pub durability: Durability,
    /// What a panic does: only `unwind` can be contained in the host's process. Empty for a driver in C.
    #[serde(default)]
    pub panic: String,
    /// The target triple. This and the next two are for people; whoever writes a note by hand may leave them out.
    #[serde(default)]
    pub target: String,
    /// The compiler's name and version.
    #[serde(default)]
    pub compiler: String,
    /// The version of `longshore-plugin-api`, or of the C header.
    #[serde(default)]
    pub sdk: String,
    /// The settings' schema (see [`schema`](crate::schema)).
    pub settings: serde_json::Value,
}

/// How a driver is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abi {
    /// `rust` or `c`.
    pub kind: String,
    /// The major: equal majors fit.
    pub major: u32,
    /// A fingerprint of the major's tables; a driver with another one was built from a changed table. Empty for `c`, whose table tells its size.
    #[serde(default)]
    pub layout: String,
    /// Extension tables that the driver offers. None for `c`: what it offers beyond the capabilities stands at its table's end.
    #[serde(default)]
    pub offers: Vec<String>,
    /// Extension tables of the host that it cannot do without.
    #[serde(default)]
    pub requires: Vec<String>,
}

/// The kinds that [`Abi::kind`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbiKind {
    /// The tables in [`abi`](crate::abi).
    Rust,
    /// The table in `longshore_driver.h`.
    C,
}

impl Abi {
    /// The kind, if it is known.
    pub fn kind(&self) -> Option<AbiKind> {
        match self.kind.as_str() {
            "rust" => Some(AbiKind::Rust),
            "c" => Some(AbiKind::C),
            _ => None,
        }
    }
}

/// Driver contract, section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// An answered write is seen by every later call of every instance.
    Strong,
    /// Not always; the host refuses it as primary storage unless told to accept it.
    Eventual,
}

/// Driver contract, section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// An answered write survives the machine losing power.
    Disk,
    /// It survives the process being killed.
    Process,
    /// It is gone with the process.
    Memory,
}

impl DriverInfo {
    /// Reads a note's JSON.
    ///
    /// # Errors
    /// What does not fit, with line and column.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The declared capabilities that this version of the contract knows.
    pub fn known_capabilities(&self) -> Capabilities {
        self.capabilities.iter().filter_map(|name| name.parse::<Capability>().ok()).collect()
    }
}
