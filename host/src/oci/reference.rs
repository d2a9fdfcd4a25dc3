//! References to manifests: tags and digests.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::digest::{Digest, DigestError};
use super::error::clip;
use super::name::{character_at, checked_text};

/// The longest tag, in bytes.
///
/// Source: distribution specification, "Pulling manifests".
pub const TAG_MAX_BYTES: usize = 128;

checked_text! {
    /// A tag. Ordered by bytes.
    ///
    /// Source: distribution specification, "Pulling manifests".
    Tag, TagError, check_tag
}

impl Tag {
    /// The tag under which clients keep the referrers of `subject` on a registry without the referrers API.
    ///
    /// Source: distribution specification, "Referrers Tag Schema": algorithm, hyphen, at most 64 characters of the encoded part.
    #[must_use]
    pub fn of_referrers(subject: &Digest) -> Self {
        let hex = subject.hex();
        // Letters, digits and one hyphen, at most 71 of them: a tag.
        Self(Arc::from(format!("{}-{}", subject.algorithm(), &hex[..64])))
    }
}

/// What names a manifest in a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// Whatever the tag points at now.
    Tag(Tag),
    /// The manifest with this digest.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// Reads a tag or a digest. A colon makes it a digest, since no tag has one: a broken digest is told as such and not looked up as a
    /// tag.
    ///
    /// # Errors
    /// [`ReferenceError`] with what is wrong with the tag or the digest.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            return Ok(Self::Digest(text.parse()?));
        }
        Ok(Self::Tag(text.parse()?))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Why a text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing at all.
    #[error("the tag is empty; write a tag such as latest, or a digest")]
    Empty,
    /// Longer than [`TAG_MAX_BYTES`].
    #[error("the tag is {length} bytes long; at most {TAG_MAX_BYTES} are allowed")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// A character that no tag has there.
    #[error(
        "tag {tag:?} has {character:?} at byte {position}; a tag is made of letters, digits, _ . and -, and begins with none of . and -"
    )]
    Character {
        /// The tag, clipped.
        tag: String,
        /// The character.
        character: char,
        /// The byte it begins at, from 0.
        position: usize,
    },
}

/// Why a text is neither a tag nor a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It has no colon and is no tag.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// It has a colon and is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

fn check_tag(tag: &str) -> Result<(), TagError> {
    if tag.is_empty() {
        return Err(TagError::Empty);
    }
    if tag.len() > TAG_MAX_BYTES {
        return Err(TagError::TooLong { length: tag.len() });
    }
    let allowed = |position, byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || position > 0 && matches!(byte, b'.' | b'-');
    match tag.bytes().enumerate().find(|&(position, byte)| !allowed(position, byte)) {
        None => Ok(()),
        Some((position, _)) => Err(TagError::Character { tag: clip(tag), character: character_at(tag, position), position }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::Algorithm;
    use super::*;

    #[test]
    fn tag_grammar_is_that_of_the_specification() {
        let longest = "v".repeat(TAG_MAX_BYTES);
        for tag in ["latest", "_", "1.0-rc_2", "V1", "sha256-ab", longest.as_str()] {
            assert_eq!(tag.parse::<Tag>().map(|tag| tag.to_string()).as_deref(), Ok(tag));
        }
        for tag in ["", ".", "..", "-a", ".a", "a b", "a:b", "a/b", "a+b", "é", "a\0", "a@b"] {
            assert!(tag.parse::<Tag>().is_err(), "{tag:?}");
        }
        assert_eq!("v".repeat(129).parse::<Tag>(), Err(TagError::TooLong { length: 129 }));
    }

    #[test]
    fn reference_with_a_colon_is_a_digest() {
        let digest = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(digest.to_string().parse(), Ok(Reference::Digest(digest)));
        assert!(matches!("sha256:baddigeststring".parse::<Reference>(), Err(ReferenceError::Digest(DigestError::Length { .. }))));
        assert!(matches!("sha256".parse::<Reference>(), Ok(Reference::Tag(_))));
    }

    #[test]
    fn tag_of_referrers_is_cut_at_64_digits() {
        let subject = Digest::of(Algorithm::Sha512, b"");
        let tag = Tag::of_referrers(&subject);
        assert_eq!(tag.as_str(), format!("sha512-{}", &subject.hex()[..64]));
        assert_eq!(tag.as_str().parse::<Tag>().as_ref(), Ok(&tag), "made tags obey the grammar too");
    }
}
