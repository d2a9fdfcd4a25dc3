//! Keys and prefixes: the checked names of objects.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use crate::abi::cast;

/// The longest key, in bytes (driver contract, section 1).
pub const KEY_MAX_BYTES: usize = 1024;
/// The longest component of a key, in bytes (driver contract, section 1).
pub const COMPONENT_MAX_BYTES: usize = 255;

/// The name of an object: 1–1024 bytes, components of 1–255 bytes out of `A–Z a–z 0–9 . _ - % + = @ ~ ,` joined by single `/`.
///
/// Borrowed, like `str`; the owned form is [`KeyBuf`]. Keys are compared as bytes and are literal: `%41` is not `A`.
///
/// A driver of a service with shorter names may answer `invalid_key` to keys of more than 900 bytes, in every call alike.
///
/// Source: driver contract, section 1.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Key(str);

/// An owned [`Key`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBuf(String);

/// A place in the tree of keys: the empty root, or text of the same form as a [`Key`] (without a trailing `/`).
///
/// Source: driver contract, sections 1 and 4.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Prefix(str);

/// An owned [`Prefix`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrefixBuf(String);

/// Why a text is not a key; the sentence names the first fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    text: String,
    fault: &'static str,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a key: {}", self.text, self.fault)
    }
}

impl std::error::Error for KeyError {}

impl Key {
    /// Checks `text`; no copy is made.
    ///
    /// # Errors
    /// The first rule of section 1 that `text` breaks.
    pub fn parse(text: &str) -> Result<&Self, KeyError> {
        check(text)?;
        Ok(cast::key(text))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, first to last.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Everything before the last `/`: the root for a key of one component.
    pub fn parent(&self) -> &Prefix {
        cast::prefix(self.0.rsplit_once('/').map_or("", |(parent, _)| parent))
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl Prefix {
    /// The empty prefix, below which every key lies.
    pub fn root() -> &'static Self {
        cast::prefix("")
    }

    /// Checks `text`, which may be empty; no copy is made.
    ///
    /// # Errors
    /// The first rule of section 1 that `text` breaks.
    pub fn parse(text: &str) -> Result<&Self, KeyError> {
        if !text.is_empty() {
            check(text)?;
        }
        Ok(cast::prefix(text))
    }

    /// The prefix as text, without a trailing `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the empty prefix.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What follows this prefix and its `/` in `key`, or `None` when `key` does not lie below (`a/b` is not above `a/bc`).
    pub fn strip<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.is_root() {
            return Some(key);
        }
        key.strip_prefix(&self.0)?.strip_prefix('/')
    }
}

/// Every rule of section 1. Each side of the boundary asks on each call, so most keys take a short way.
fn check(text: &str) -> Result<(), KeyError> {
    if is_plain(text.as_bytes()) {
        return Ok(());
    }
    let fault = |fault| Err(KeyError { text: text.chars().take(80).collect(), fault });
    if text.is_empty() {
        return fault("it is empty");
    }
    if text.len() > KEY_MAX_BYTES {
        return fault("it is longer than 1024 bytes");
    }
    if !text.bytes().all(allowed) {
        return fault("a character is outside A–Z a–z 0–9 . _ - % + = @ ~ , and /");
    }
    for component in text.split('/') {
        match component {
            "" => return fault("a component is empty (a slash at an end, or two in a row)"),
            "." | ".." => return fault("a component is \".\" or \"..\""),
            _ if component.len() > COMPONENT_MAX_BYTES => return fault("a component is longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

/// How many bytes [`is_plain`] judges at once.
const LANES: usize = 16;

/// True for most keys, and for none that breaks a rule: no component begins with a dot or is empty, and all of it is shorter than the longest
/// component. What is left to judge is each byte and the next one, without a branch, which the compiler turns into vector code: 20 ns for a
/// blob's key where a walk along the components takes 80.
fn is_plain(bytes: &[u8]) -> bool {
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let length = bytes.len();
    if length <= LANES || length > COMPONENT_MAX_BYTES || matches!(first, b'/' | b'.') || *last == b'/' || !allowed(*last) {
        return false;
    }
    let mut faults = [false; LANES];
    let mut judge = |at: usize| {
        let (these, next) = (&bytes[at..at + LANES], &bytes[at + 1..at + 1 + LANES]);
        for lane in 0..LANES {
            let bad_component = (these[lane] == b'/') & ((next[lane] == b'/') | (next[lane] == b'.'));
            faults[lane] |= !allowed(these[lane]) | bad_component;
        }
    };
    // The last step covers what is left over, and some bytes again.
    let last_step = length - LANES - 1;
    (0..last_step).step_by(LANES).for_each(&mut judge);
    judge(last_step);
    faults == [false; LANES]
}

/// The alphabet and the slash, as arithmetic without branches.
fn allowed(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let run = byte.wrapping_sub(b'+') < 15; // + , - . / 0-9 stand together
    let other = (byte == b'_') | (byte == b'%') | (byte == b'=') | (byte == b'@') | (byte == b'~');
    letter | run | other
}

macro_rules! owned {
    ($owned:ident, $borrowed:ident, $cast:path) => {
        impl $owned {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            /// The first rule of section 1 that `text` breaks.
            pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
                let text = text.into();
                $borrowed::parse(&text)?;
                Ok(Self(text))
            }
        }
        impl Deref for $owned {
            type Target = $borrowed;
            fn deref(&self) -> &$borrowed {
                $cast(&self.0)
            }
        }
        impl Borrow<$borrowed> for $owned {
            fn borrow(&self) -> &$borrowed {
                self
            }
        }
        impl AsRef<$borrowed> for $owned {
            fn as_ref(&self) -> &$borrowed {
                self
            }
        }
        impl ToOwned for $borrowed {
            type Owned = $owned;
            fn to_owned(&self) -> $owned {
                $owned(self.0.to_owned())
            }
        }
        impl From<$owned> for String {
            fn from(owned: $owned) -> String {
                owned.0
            }
        }
        impl fmt::Debug for $borrowed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl fmt::Display for $borrowed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $owned {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl fmt::Display for $owned {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
owned!(KeyBuf, Key, cast::key);
owned!(PrefixBuf, Prefix, cast::prefix);

impl PrefixBuf {
    /// The key of `name` below this prefix.
    ///
    /// # Errors
    /// As [`Key::parse`].
    pub fn join(&self, name: &str) -> Result<KeyBuf, KeyError> {
        KeyBuf::new(if self.is_root() { name.to_owned() } else { format!("{self}/{name}") })
    }
}

impl From<KeyBuf> for PrefixBuf {
    fn from(key: KeyBuf) -> Self {
        Self(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_as_the_alphabet_says() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%+=@~,";
        for byte in 0..=127u8 {
            let text = format!("x{}y", char::from(byte));
            let legal = alphabet.as_bytes().contains(&byte) || byte == b'/';
            assert_eq!(Key::parse(&text).is_ok(), legal, "{text:?}");
        }
        assert!(Key::parse("naïve").is_err(), "keys are pure ASCII");
    }

    #[test]
    fn bad_shapes_are_refused() {
        let long = "a".repeat(256);
        for text in ["", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/..", "a b", "a\0b", long.as_str()] {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
        assert!(Key::parse(&vec!["abc"; 257].join("/")).is_err(), "1027 bytes are too many");
    }

    /// The short way says yes to no text that the rules refuse, whatever its length and wherever its fault.
    #[test]
    fn short_way_agrees_with_the_rules() {
        let by_the_rules = |text: &str| {
            let components = text.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= COMPONENT_MAX_BYTES);
            (1..=KEY_MAX_BYTES).contains(&text.len()) && components && text.bytes().all(allowed)
        };
        let sound = "docker/registry/v2/a-b_c.d/0123456789%+=@~,/ABCDEFGHIJKLMNOPQRSTUVWXYZ/data";
        for length in (1..sound.len()).filter(|length| !sound[..*length].ends_with('/')) {
            assert!(is_plain(&sound.as_bytes()[..length]) || length <= LANES, "most keys take the short way");
            for at in 0..length {
                for put in ["/", ".", "/.", "//", "/./", "/../", " ", "\0", "\u{7f}", "é", "a"] {
                    let text = [&sound[..at], put, &sound[at..length]].concat();
                    assert_eq!(Key::parse(&text).is_ok(), by_the_rules(&text), "{text:?}");
                    assert!(!is_plain(text.as_bytes()) || by_the_rules(&text), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn good_shapes_are_kept_literally() {
        for text in ["a", "...", ".hidden", "a/b/c", "%41", "-", "~", &"a".repeat(255), &vec!["abc"; 256].join("/")] {
            assert_eq!(Key::parse(text).map(Key::as_str), Ok(text));
        }
    }

    #[test]
    fn prefixes_hold_by_component() {
        let prefix = PrefixBuf::new("a/b").expect("legal");
        assert_eq!(prefix.strip("a/b/c"), Some("c"));
        assert_eq!(prefix.strip("a/bc"), None);
        assert_eq!(Prefix::root().strip("a"), Some("a"));
        assert_eq!(Key::parse("a/b").expect("legal").parent().as_str(), "a");
        assert!(Key::parse("a").expect("legal").parent().is_root());
    }
}
