//! What is measured: a call, with objects of a size, by a number of clients at once.

use std::fmt;
use std::str::FromStr;

use longshore_loader::api::schema::Unit;
use serde::{Deserialize, Serialize};

/// The largest object that is put at once (driver contract, section 3, `put`).
const PUT_MAX_BYTES: u64 = 4 << 20;

/// A call that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Call {
    /// `stat` of one of several objects.
    Stat,
    /// A page of 100 of 1000 names; the size does not matter.
    List,
    /// `put` of a whole object, up to 4 MiB.
    Put,
    /// An upload in chunks of 1 MiB.
    Upload,
    /// `read` of a whole object, to its end.
    Read,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Stat, Self::List, Self::Put, Self::Upload, Self::Read];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::List => "list",
            Self::Put => "put",
            Self::Upload => "upload",
            Self::Read => "read",
        }
    }

    /// True if the call moves an object's bytes.
    pub const fn moves_bytes(self) -> bool {
        matches!(self, Self::Put | Self::Upload | Self::Read)
    }
}

impl FromStr for Call {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|call| call.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A number of bytes, written as `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Unit::Bytes.parse(text).map(Self).ok_or_else(|| format!("{text:?} is no size, e.g. 64KiB"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
            bytes => format!("{bytes} B"),
        };
        f.pad(&text)
    }
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The call.
    pub call: Call,
    /// The object's size.
    pub size: Size,
    /// How many clients call at once.
    pub clients: usize,
}

impl Cell {
    /// Every call with every size and number of clients, as far as it makes sense: a call that moves no bytes has one size, a `put` at most
    /// 4 MiB.
    pub fn all(calls: &[Call], sizes: &[Size], clients: &[usize]) -> Vec<Self> {
        let mut cells = Vec::new();
        for call in calls {
            let sizes = sizes.iter().take(if call.moves_bytes() { usize::MAX } else { 1 });
            for size in sizes.filter(|size| *call != Call::Put || size.0 <= PUT_MAX_BYTES) {
                cells.extend(clients.iter().map(|clients| Self { call: *call, size: *size, clients: *clients }));
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_those_that_make_sense() {
        let sizes = [Size(1024), Size(64 << 20)];
        let cells = Cell::all(&Call::ALL, &sizes, &[1, 4]);
        let count = |call| cells.iter().filter(|cell| cell.call == call).count();
        assert_eq!([count(Call::Stat), count(Call::List), count(Call::Put), count(Call::Upload), count(Call::Read)], [2, 2, 2, 4, 4]);
        assert_eq!("64KiB".parse(), Ok(Size(65536)));
        assert_eq!(Size(65536).to_string(), "64 KiB");
        assert!("64 parsecs".parse::<Size>().is_err());
    }
}
