//! Listing: ordered pages of names.

use crate::{DriverError, ErrorClass, KeyBuf, ObjectInfo, Prefix, PrefixBuf};

/// The largest page (driver contract, section 4).
pub const LIMIT_MAX: u32 = 10_000;

/// What to list.
#[derive(Debug, Clone, Copy)]
pub struct ListRequest<'a> {
    /// Below what; by component, so `a/b` lists nothing of `a/bc`.
    pub prefix: &'a Prefix,
    /// Only names after this text, in byte order; it need not exist. A prefix compares with its final `/`.
    pub start_after: Option<&'a str>,
    /// How many entries at the most, 1–10,000.
    pub limit: u32,
    /// All objects below, instead of direct children.
    pub recursive: bool,
}

impl<'a> ListRequest<'a> {
    /// The direct children of `prefix`, from the start.
    pub fn children(prefix: &'a Prefix, limit: u32) -> Self {
        Self { prefix, start_after: None, limit, recursive: false }
    }

    /// All objects below `prefix`, from the start.
    pub fn objects(prefix: &'a Prefix, limit: u32) -> Self {
        Self { prefix, start_after: None, limit, recursive: true }
    }

    /// The page after `start_after`.
    #[must_use]
    pub fn after(mut self, start_after: Option<&'a str>) -> Self {
        self.start_after = start_after;
        self
    }

    /// Checks the limit; the boundary does this before a driver is called.
    ///
    /// # Errors
    /// `invalid_argument` outside 1–10,000.
    pub fn check(&self) -> Result<(), DriverError> {
        match self.limit {
            1..=LIMIT_MAX => Ok(()),
            limit => Err(DriverError::new(ErrorClass::InvalidArgument, format!("the limit of a list is 1 to 10000, not {limit}"))),
        }
    }
}

/// One name of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An object, and its facts where they cost the driver nothing.
    Object(KeyBuf, Option<ObjectInfo>),
    /// A deeper level; its text in a page ends in `/`, the prefix itself does not.
    Prefix(PrefixBuf),
}

impl Entry {
    /// The text that orders this entry and that `start_after` takes.
    pub fn text(&self) -> String {
        match self {
            Self::Object(key, _) => key.as_str().to_owned(),
            Self::Prefix(prefix) => format!("{prefix}/"),
        }
    }

    /// The last component, without a `/`.
    pub fn name(&self) -> &str {
        let text = match self {
            Self::Object(key, _) => key.as_str(),
            Self::Prefix(prefix) => prefix.as_str(),
        };
        text.rsplit_once('/').map_or(text, |(_, name)| name)
    }
}

/// A page of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// In the byte order of [`Entry::text`].
    pub entries: Vec<Entry>,
    /// False if nothing follows the last entry.
    pub more: bool,
}
