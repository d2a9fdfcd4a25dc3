//! Digests: the names of content, parsed once and kept as raw bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Sha256, Sha512};

use super::error::clip;

/// A hash algorithm whose digests this registry stores and serves.
///
/// Source: OCI image specification, "Registered algorithms".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, the canonical algorithm: content without a stated algorithm is named by it.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name as it stands before the colon of a digest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// How many hex digits a digest of this algorithm has.
    #[must_use]
    pub const fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    /// Reads an algorithm's name.
    ///
    /// # Errors
    /// [`DigestError::UnsupportedAlgorithm`] for any other name, registered elsewhere or not.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(DigestError::UnsupportedAlgorithm { algorithm: clip(other) }),
        }
    }
}

/// The digest of some content. Ordered as its text is.
///
/// Source: OCI image specification, "Digests".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Raw);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Raw {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Digest {
    /// Hashes `content`, which is whole and in memory. Use [`Hasher`](super::Hasher) for a stream.
    #[must_use]
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::sha256(<Sha256 as sha2::Digest>::digest(content).into()),
            Algorithm::Sha512 => Self::sha512(<Sha512 as sha2::Digest>::digest(content).into()),
        }
    }

    /// A SHA-256 digest from its raw bytes.
    #[must_use]
    pub const fn sha256(bytes: [u8; 32]) -> Self {
        Self(Raw::Sha256(bytes))
    }

    /// A SHA-512 digest from its raw bytes.
    #[must_use]
    pub const fn sha512(bytes: [u8; 64]) -> Self {
        Self(Raw::Sha512(bytes))
    }

    /// The algorithm that made this digest.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Raw::Sha256(_) => Algorithm::Sha256,
            Raw::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The raw hash, 32 or 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Raw::Sha256(bytes) => bytes,
            Raw::Sha512(bytes) => bytes,
        }
    }

    /// The hex digits after the colon, as a value to be formatted without an allocation.
    #[must_use]
    pub const fn encoded(&self) -> Hex<'_> {
        Hex(self.as_bytes())
    }

    /// The first two hex digits, which name the folder that a blob is sharded into; to be formatted without an allocation.
    #[must_use]
    pub fn shard(&self) -> Hex<'_> {
        Hex(&self.as_bytes()[..1])
    }

    /// The hex digits after the colon.
    #[must_use]
    pub fn hex(&self) -> String {
        self.encoded().to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm(), self.encoded())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads `algorithm:hex`. Only the canonical form is accepted, so equal digests have equal texts.
    ///
    /// # Errors
    /// A [`DigestError`] that tells a text which is no digest from a digest that this registry cannot serve.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some((algorithm, hex)) = text.split_once(':').filter(|(algorithm, hex)| has_digest_grammar(algorithm, hex)) else {
            return Err(DigestError::Malformed { text: clip(text) });
        };
        match algorithm.parse()? {
            Algorithm::Sha256 => decode(Algorithm::Sha256, hex).map(Self::sha256),
            Algorithm::Sha512 => decode(Algorithm::Sha512, hex).map(Self::sha512),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Bytes that format as lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // A digest is written at once: one call of the formatter instead of 64 or 128.
        let mut buffer = [0; 128];
        for (pair, byte) in buffer.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        let text = std::str::from_utf8(&buffer[..self.0.len() * 2]).map_err(|_| fmt::Error)?;
        f.write_str(text)
    }
}

/// Why a text is not a digest that this registry can serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not of the form `algorithm:encoded` at all.
    #[error("{text:?} is not a digest; a digest is algorithm:hex, for example sha256: and 64 hex digits")]
    Malformed {
        /// The text, clipped.
        text: String,
    },
    /// A digest of another algorithm, registered (sha384, blake3) or not.
    #[error("digest algorithm {algorithm:?} is not supported; use sha256 or sha512")]
    UnsupportedAlgorithm {
        /// The algorithm's name, clipped.
        algorithm: String,
    },
    /// Too few or too many digits.
    #[error("a {algorithm} digest has {} hex digits, got {got}", algorithm.hex_length())]
    Length {
        /// The algorithm that sets the length.
        algorithm: Algorithm,
        /// How many characters came after the colon.
        got: usize,
    },
    /// Hex digits in capitals, which would give one content two names.
    #[error("digest has {character:?} at digit {position}; write its hex digits in lower case")]
    UpperCase {
        /// Which digit after the colon, from 0.
        position: usize,
        /// The capital.
        character: char,
    },
    /// A character that is no hex digit.
    #[error("digest has {character:?} at digit {position}, which is not a hex digit")]
    NotHex {
        /// Which digit after the colon, from 0.
        position: usize,
        /// The character.
        character: char,
    },
}

/// Whether both halves follow the image specification's grammar for digests of any algorithm, known or not.
fn has_digest_grammar(algorithm: &str, encoded: &str) -> bool {
    let component = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    algorithm.split(['+', '.', '_', '-']).all(component)
        && !encoded.is_empty()
        && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
}

fn decode<const N: usize>(algorithm: Algorithm, hex: &str) -> Result<[u8; N], DigestError> {
    if hex.len() != 2 * N {
        return Err(DigestError::Length { algorithm, got: hex.len() });
    }
    let mut bytes = [0; N];
    for (index, (byte, pair)) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)).enumerate() {
        *byte = nibble(pair[0], 2 * index)? << 4 | nibble(pair[1], 2 * index + 1)?;
    }
    Ok(bytes)
}

fn nibble(digit: u8, position: usize) -> Result<u8, DigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Err(DigestError::UpperCase { position, character: char::from(digit) }),
        _ => Err(DigestError::NotHex { position, character: char::from(digit) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_of_known_content_is_the_published_one() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
        assert_eq!(
            Digest::of(Algorithm::Sha512, b"abc").hex(),
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        );
    }

    #[test]
    fn digest_text_survives_parsing_and_json() {
        for text in [EMPTY.to_owned(), Digest::of(Algorithm::Sha512, b"x").to_string()] {
            let digest: Digest = text.parse().expect("a digest");
            assert_eq!(digest.to_string(), text);
            let json = serde_json::to_string(&digest).expect("serializes");
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Digest>(&json).expect("deserializes"), digest);
        }
        assert_eq!(EMPTY.parse::<Digest>().map(|digest| digest.shard().to_string()), Ok("e3".to_owned()));
    }

    #[test]
    fn digest_order_is_the_order_of_its_text() {
        let mut digests: Vec<Digest> =
            (0..40_u8).flat_map(|n| [Digest::of(Algorithm::Sha512, &[n]), Digest::of(Algorithm::Sha256, &[n])]).collect();
        digests.sort();
        let texts: Vec<String> = digests.iter().map(Digest::to_string).collect();
        assert!(texts.is_sorted(), "pages are ordered by text, sets by value: both must agree");
    }

    #[test]
    fn digest_faults_are_told_apart() {
        let fault = |text: &str| text.parse::<Digest>().expect_err("must be refused");
        for text in ["", ":", "sha256", "sha256:", ":abc", "sha256/abc", "SHA256:abc", "sha256:a b", "sha256::", "sha256:é", "+sha256:ab"]
        {
            assert!(matches!(fault(text), DigestError::Malformed { .. }), "{text:?} is no digest");
        }
        for text in ["sha384:ab", "blake3:ab", "test+algorithm:AB=_-", "md5:00"] {
            assert!(matches!(fault(text), DigestError::UnsupportedAlgorithm { .. }), "{text:?} is a digest of another algorithm");
        }
        assert_eq!(fault("sha256:baddigeststring"), DigestError::Length { algorithm: Algorithm::Sha256, got: 15 });
        assert_eq!(fault(&EMPTY.replace("sha256", "sha512")), DigestError::Length { algorithm: Algorithm::Sha512, got: 64 });
        assert_eq!(fault(&EMPTY.replace("e3b0", "E3b0")), DigestError::UpperCase { position: 0, character: 'E' });
        assert_eq!(fault(&EMPTY.replace("e3b0", "e3z0")), DigestError::NotHex { position: 2, character: 'z' });
    }

    #[test]
    fn digest_fault_of_a_huge_text_is_a_short_sentence() {
        let sentence = "x".repeat(1 << 20).parse::<Digest>().expect_err("no digest").to_string();
        assert!(sentence.len() < 300, "an error must not echo a client's megabyte");
    }
}
