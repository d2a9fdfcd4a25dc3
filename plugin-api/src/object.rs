//! What is known of an object without reading it.

/// Facts about one object.
///
/// What a write answers is what `stat` answers right after. Where a service does not tell it, `modified` may be off by 2 s and `version`
/// absent; the size never.
///
/// Source: driver contract, section 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The whole object's size in bytes.
    pub size: u64,
    /// When the content was last replaced, in milliseconds since 1970-01-01 UTC.
    pub modified: i64,
    /// Opaque text of at most 128 bytes that changes whenever the content is replaced, where the back-end has one.
    pub version: Option<Box<str>>,
}

impl ObjectInfo {
    /// An object of `size` bytes, replaced `modified` milliseconds after 1970, without a version.
    pub const fn new(size: u64, modified: i64) -> Self {
        Self { size, modified, version: None }
    }
}
