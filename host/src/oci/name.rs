//! Names of repositories and ids of upload sessions. Each type is proof of its grammar.

use std::sync::Arc;

use super::error::clip;

/// The longest repository name, in bytes.
///
/// Source: distribution specification, "Pulling manifests", implementers' note; the limit is distribution's.
pub const NAME_MAX_BYTES: usize = 255;

/// The longest upload id, in bytes. Ours and distribution's are UUIDs of 36.
pub const UPLOAD_ID_MAX_BYTES: usize = 128;

/// Gives a newtype over checked text what every such type needs. Cloning counts a reference.
macro_rules! checked_text {
    ($(#[$docs:meta])* $name:ident, $error:ident, $check:ident) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                $check(text)?;
                Ok(Self(std::sync::Arc::from(text)))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

pub(super) use checked_text;

checked_text! {
    /// The name of a repository: lower-case parts joined by slashes. Ordered by bytes.
    ///
    /// Source: distribution specification, "Pulling manifests".
    RepositoryName, NameError, check_name
}

checked_text! {
    /// The id of an upload session, as it stands in the upload's URL and as the name of its folder.
    UploadId, UploadIdError, check_upload_id
}

impl UploadId {
    /// Makes an id from 16 random bytes: a UUID of version 4, because distribution's clean-up only understands UUIDs.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        let bits = u128::from_be_bytes(random);
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        // Hex digits and hyphens, 36 of them: an upload id.
        Self(Arc::from(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])))
    }
}

/// Why a text names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("the repository name is empty; write a name such as library/debian before the resource")]
    Empty,
    /// Longer than [`NAME_MAX_BYTES`].
    #[error("the repository name is {length} bytes long; at most {NAME_MAX_BYTES} are allowed")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// A character that the grammar does not allow where it stands.
    #[error("repository name {name:?} has {character:?} at byte {position}, where {rule}")]
    Character {
        /// The name, clipped.
        name: String,
        /// The character.
        character: char,
        /// The byte it begins at, from 0.
        position: usize,
        /// What may stand there.
        rule: &'static str,
    },
    /// A last part that is empty or ends in a separator.
    #[error("repository name {name:?} ends where {rule}")]
    Unfinished {
        /// The name, clipped.
        name: String,
        /// What must still follow.
        rule: &'static str,
    },
}

/// An upload id that this registry cannot have given out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id:?} is no upload id; use the URL of the last Location header as it was given, or begin a new upload")]
pub struct UploadIdError {
    /// The id, clipped.
    id: String,
}

/// Where in a repository name the matcher stands, and so what may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Word,
    Underscore,
    Hyphens,
    Separated,
}

impl Place {
    const fn rule(self) -> &'static str {
        match self {
            Self::Start => "a part must begin with a-z or 0-9",
            Self::Word => "only a-z, 0-9, a separator (. _ __ or hyphens) or / may follow",
            Self::Underscore => "another _ or a-z or 0-9 must follow",
            Self::Hyphens => "another - or a-z or 0-9 must follow",
            Self::Separated => "a-z or 0-9 must follow the separator",
        }
    }

    const fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (_, b'a'..=b'z' | b'0'..=b'9') => Some(Self::Word),
            (Self::Word, b'/') => Some(Self::Start),
            (Self::Word, b'.') | (Self::Underscore, b'_') => Some(Self::Separated),
            (Self::Word, b'_') => Some(Self::Underscore),
            (Self::Word | Self::Hyphens, b'-') => Some(Self::Hyphens),
            _ => None,
        }
    }
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(NameError::TooLong { length: name.len() });
    }
    let mut place = Place::Start;
    for (position, byte) in name.bytes().enumerate() {
        place = place.next(byte).ok_or_else(|| NameError::Character {
            name: clip(name),
            character: character_at(name, position),
            position,
            rule: place.rule(),
        })?;
    }
    if place == Place::Word { Ok(()) } else { Err(NameError::Unfinished { name: clip(name), rule: place.rule() }) }
}

fn check_upload_id(id: &str) -> Result<(), UploadIdError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=');
    let usable = !id.is_empty() && id.len() <= UPLOAD_ID_MAX_BYTES && id.bytes().all(allowed);
    // The id names a folder, so the two names that mean another folder are no ids.
    if usable && id != "." && id != ".." { Ok(()) } else { Err(UploadIdError { id: clip(id) }) }
}

/// The character that begins at `position`, which the matchers reach only over ASCII and which is therefore a boundary.
pub(super) fn character_at(text: &str, position: usize) -> char {
    text.get(position..).and_then(|rest| rest.chars().next()).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_fault(text: &str) -> String {
        text.parse::<RepositoryName>().expect_err("must be refused").to_string()
    }

    #[test]
    fn name_within_the_grammar_is_accepted() {
        let longest = "a".repeat(NAME_MAX_BYTES);
        for name in
            ["a", "0", "a-b", "a---b", "a.b", "a_b", "a__b", "a/b/c", "library/debian", "a0.b-c__d/e", "a/blobs/uploads", longest.as_str()]
        {
            assert_eq!(name.parse::<RepositoryName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn name_outside_the_grammar_is_refused() {
        let bad = [
            "", "/", "a/", "/a", "a//b", "A", "a.", ".a", "a..b", "a.-b", "a_-b", "a-_b", "a___b", "-a", "a-", "a-/b", "_a", "a/_b", "..",
            "a/../b", "a\0", "é", "a b", "a%2fb", "a:b", "a\\b", "a\n",
        ];
        for name in bad {
            assert!(name.parse::<RepositoryName>().is_err(), "{name:?}");
        }
        assert_eq!("a".repeat(256).parse::<RepositoryName>(), Err(NameError::TooLong { length: 256 }));
    }

    #[test]
    fn name_fault_says_which_character_and_where() {
        assert_eq!(
            name_fault("library/Debian"),
            r#"repository name "library/Debian" has 'D' at byte 8, where a part must begin with a-z or 0-9"#
        );
        assert_eq!(name_fault("a..b"), r#"repository name "a..b" has '.' at byte 2, where a-z or 0-9 must follow the separator"#);
        assert_eq!(
            name_fault("aé"),
            r#"repository name "aé" has 'é' at byte 1, where only a-z, 0-9, a separator (. _ __ or hyphens) or / may follow"#
        );
        assert_eq!(name_fault("a-"), r#"repository name "a-" ends where another - or a-z or 0-9 must follow"#);
    }

    #[test]
    fn upload_id_never_leaves_its_folder() {
        for id in ["018f3c0e-5b7a-4c1e-9d3f-a1b2c3d4e5f6", "a", "...", "a=b_c.d", "-"] {
            assert!(id.parse::<UploadId>().is_ok(), "{id:?}");
        }
        let long = "a".repeat(129);
        for id in ["", ".", "..", "a/b", "../a", "a\0", "a%2f", "a b", "é", long.as_str()] {
            assert!(id.parse::<UploadId>().is_err(), "{id:?}");
        }
    }

    #[test]
    fn upload_id_made_from_random_bytes_is_a_uuid() {
        assert_eq!(UploadId::from_random([0; 16]).as_str(), "00000000-0000-4000-8000-000000000000");
        assert_eq!(UploadId::from_random([255; 16]).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
