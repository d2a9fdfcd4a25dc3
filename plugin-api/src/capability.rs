//! Optional parts of the contract that a driver may declare.

use std::fmt;
use std::str::FromStr;

/// An optional call or property (driver contract, section 3, second table).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Capability {
    /// `put` with [`Condition::IfAbsent`](crate::Condition::IfAbsent).
    PutIfAbsent = 0,
    /// [`Driver::delete_prefix`](crate::Driver::delete_prefix).
    DeletePrefix = 1,
    /// [`Driver::copy`](crate::Driver::copy).
    Copy = 2,
    /// [`Driver::presign`](crate::Driver::presign).
    Presign = 3,
    /// `read` may answer with an open file.
    FileRegion = 4,
    /// [`Driver::upload_list`](crate::Driver::upload_list).
    UploadList = 5,
    /// `a` and `a/b` may both be objects.
    NestedObjects = 6,
    /// The driver stacks on another one, which `open` receives.
    Layer = 7,
}

impl Capability {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::PutIfAbsent,
        Self::DeletePrefix,
        Self::Copy,
        Self::Presign,
        Self::FileRegion,
        Self::UploadList,
        Self::NestedObjects,
        Self::Layer,
    ];

    /// The name used in metadata and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PutIfAbsent => "put_if_absent",
            Self::DeletePrefix => "delete_prefix",
            Self::Copy => "copy",
            Self::Presign => "presign",
            Self::FileRegion => "file_region",
            Self::UploadList => "upload_list",
            Self::NestedObjects => "nested_objects",
            Self::Layer => "layer",
        }
    }

    /// The extension table that carries the call across the boundary, for those that need one.
    pub const fn extension(self) -> Option<&'static str> {
        match self {
            Self::DeletePrefix => Some("delete_prefix/1"),
            Self::Copy => Some("copy/1"),
            Self::Presign => Some("presign/1"),
            Self::UploadList => Some("upload_list/1"),
            Self::PutIfAbsent | Self::FileRegion | Self::NestedObjects | Self::Layer => None,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Capability {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|capability| capability.name() == text).ok_or(())
    }
}

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u32);

impl Capabilities {
    /// The set of the given ones.
    pub fn of(all: &[Capability]) -> Self {
        all.iter().copied().collect()
    }

    /// True if `capability` was declared.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// The members, in the order of the contract.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.has(*capability))
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(all: I) -> Self {
        Self(all.into_iter().fold(0, |set, capability| set | 1 << capability as u32))
    }
}
