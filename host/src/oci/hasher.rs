//! Hashing a stream that may stop on one host and go on in another process, in the state format that distribution stores.

use std::fmt;

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256, Sha512};

use super::digest::{Algorithm, Digest};

/// A running hash.
///
/// Its state can be exported in the encoding of Go's `crypto/sha256` and `crypto/sha512`, which is what distribution keeps below
/// `_uploads/<id>/hashstates`, so either program continues an upload that the other began.
#[derive(Clone)]
pub struct Hasher {
    state: State,
    length: u64,
}

#[derive(Clone)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// How long a stream an imported state may claim to have hashed, in bytes. Far above any blob, and low enough that the count of bits cannot
/// overflow.
const LENGTH_MAX: u64 = 1 << 60;

impl Hasher {
    /// Starts a hash of nothing yet.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        };
        Self { state, length: 0 }
    }

    /// The algorithm this hash was started with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.state {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Hashes the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
        }
        self.length += bytes.len() as u64;
    }

    /// How many bytes have been hashed, those before an import included.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Ends the stream and names it.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self.state {
            State::Sha256(hash) => Digest::sha256(hash.finalize().into()),
            State::Sha512(hash) => Digest::sha512(hash.finalize().into()),
        }
    }

    /// The state as Go writes it: 108 bytes for SHA-256, 204 for SHA-512.
    ///
    /// That is a magic of four bytes, eight words big-endian, the buffer of one block, and the 64-bit count of bytes big-endian.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        match &self.state {
            State::Sha256(hash) => SHA256.to_go(&hash.serialize(), self.length),
            State::Sha512(hash) => SHA512.to_go(&hash.serialize(), self.length),
        }
    }

    /// Continues from an exported state, ours or distribution's.
    ///
    /// `None` means that the bytes must be hashed again from the start: the state is of another algorithm, of the format that distribution 2.6
    /// wrote, cut short, or otherwise not one that can be trusted to continue.
    #[must_use]
    pub fn import(algorithm: Algorithm, exported: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => {
                let mut ours = SerializedState::<Sha256>::default();
                let length = SHA256.to_rust(exported, &mut ours)?;
                Some(Self { state: State::Sha256(Sha256::deserialize(&ours).ok()?), length })
            }
            Algorithm::Sha512 => {
                let mut ours = SerializedState::<Sha512>::default();
                let length = SHA512.to_rust(exported, &mut ours)?;
                Some(Self { state: State::Sha512(Sha512::deserialize(&ours).ok()?), length })
            }
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({} after {} bytes)", self.algorithm(), self.length)
    }
}

/// Where the two encodings of one state keep their parts.
///
/// Go: magic, words big-endian, block, count of bytes (8 bytes big-endian). The sha2 crate: words little-endian, count of blocks (`counter`
/// bytes little-endian), fill of the buffer (one byte), then the buffer without its last byte, because a full buffer is always compressed
/// at once.
struct Format {
    magic: [u8; 4],
    word: usize,
    block: usize,
    counter: usize,
}

const SHA256: Format = Format { magic: *b"sha\x03", word: 4, block: 64, counter: 8 };
const SHA512: Format = Format { magic: *b"sha\x07", word: 8, block: 128, counter: 16 };

impl Format {
    const fn words(&self) -> usize {
        8 * self.word
    }

    const fn fill(&self, length: u64) -> usize {
        // The remainder is below 128, so it fits any usize.
        (length % self.block as u64) as usize
    }

    fn to_go(&self, ours: &[u8], length: u64) -> Vec<u8> {
        let mut exported = Vec::with_capacity(4 + self.words() + self.block + 8);
        exported.extend_from_slice(&self.magic);
        for word in ours[..self.words()].chunks_exact(self.word) {
            exported.extend(word.iter().rev());
        }
        let buffer = &ours[self.words() + self.counter + 1..];
        exported.extend_from_slice(&buffer[..self.fill(length)]);
        exported.resize(4 + self.words() + self.block, 0);
        exported.extend_from_slice(&length.to_be_bytes());
        exported
    }

    /// Fills `ours` from Go's encoding and returns the count of bytes, or `None` if this is not such an encoding.
    fn to_rust(&self, exported: &[u8], ours: &mut [u8]) -> Option<u64> {
        let rest = exported.strip_prefix(&self.magic)?;
        if rest.len() != self.words() + self.block + 8 {
            return None;
        }
        let (words, rest) = rest.split_at(self.words());
        let (buffer, count) = rest.split_at(self.block);
        let length = u64::from_be_bytes(count.try_into().ok()?);
        if length > LENGTH_MAX {
            return None;
        }
        for (target, word) in ours.chunks_exact_mut(self.word).zip(words.chunks_exact(self.word)) {
            target.copy_from_slice(word);
            target.reverse();
        }
        let tail = &mut ours[self.words()..];
        tail[..8].copy_from_slice(&(length / self.block as u64).to_le_bytes());
        let fill = self.fill(length);
        // Below 128, see `fill`.
        tail[self.counter] = fill as u8;
        // Only the filled part means anything; what follows may be an older block's remains, which the sha2 crate would refuse.
        tail[self.counter + 1..][..fill].copy_from_slice(&buffer[..fill]);
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    fn message(length: u8) -> Vec<u8> {
        (0..length).map(|n| n.wrapping_mul(7).wrapping_add(3)).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        text.as_bytes()
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex"))
            .collect()
    }

    // Printed by Go 1.26: sha256.New() after message(100), sha512.New() after message(200), through encoding.BinaryMarshaler.
    const GO_SHA256: &str = "\
        73686103efd29b436f63eaf244f598951fbb7c8f2a517b27d2015d2951958d1b5d12bf47c3cad1d8dfe6edf4fb020910171e252c333a41484f565d64\
        6b727980878e959ca3aab1b8000000000000000000000000000000000000000000000000000000000000000000000064";
    const GO_SHA512: &str = "\
        7368610796a86b5c40ba44cd212db43934134ab6a115683b2c48d6a4d0700675e841e8182def191d24927d3be900f80af8ce3f9d80206ad24b8615b7\
        6a27b339440dc33b838a91989fa6adb4bbc2c9d0d7dee5ecf3fa01080f161d242b323940474e555c636a71787f868d949ba2a9b0b7bec5ccd3dae1e8\
        eff6fd040b121920272e353c434a51585f666d7400000000000000000000000000000000000000000000000000000000000000000000000000000000\
        0000000000000000000000000000000000000000000000c8";

    /// Semantics: "Either program continues an upload that the other began."
    #[test]
    fn state_exported_is_the_one_that_go_writes() {
        for (algorithm, length, known) in [(Algorithm::Sha256, 100, GO_SHA256), (Algorithm::Sha512, 200, GO_SHA512)] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&message(length));
            assert_eq!(hasher.export(), unhex(known), "{algorithm}");
        }
        let fresh = Hasher::new(Algorithm::Sha256).export();
        assert_eq!(fresh.len(), 108);
        assert_eq!(&fresh[..8], b"sha\x03\x6a\x09\xe6\x67");
    }

    #[test]
    fn state_written_by_go_is_continued() {
        for (algorithm, length, known) in [(Algorithm::Sha256, 100, GO_SHA256), (Algorithm::Sha512, 200, GO_SHA512)] {
            let mut hasher = Hasher::import(algorithm, &unhex(known)).expect("a state of Go's");
            assert_eq!(hasher.length(), u64::from(length));
            hasher.update(b"and the rest");
            let whole = [message(length), b"and the rest".to_vec()].concat();
            assert_eq!(hasher.finish(), Digest::of(algorithm, &whole), "{algorithm}");
        }
    }

    #[test]
    fn hash_cut_anywhere_finishes_equal() {
        let whole: Vec<u8> = (0..700_u32).map(|n| (n * n % 251) as u8).collect();
        for algorithm in BOTH {
            let want = Digest::of(algorithm, &whole);
            for cut in 0..=whole.len() {
                let mut first = Hasher::new(algorithm);
                first.update(&whole[..cut]);
                let mut second = Hasher::import(algorithm, &first.export()).expect("our own state");
                assert_eq!((second.algorithm(), second.length()), (algorithm, cut as u64));
                second.update(&whole[cut..]);
                assert_eq!(second.finish(), want, "{algorithm} cut at byte {cut}");
            }
        }
    }

    #[test]
    fn state_with_remains_in_its_buffer_is_continued() {
        let mut exported = unhex(GO_SHA256);
        exported[99] = 0xee; // the last byte of the block, after the 36 that count
        assert!(Hasher::import(Algorithm::Sha256, &exported).is_some(), "only the first length mod 64 bytes are meaningful");
    }

    #[test]
    fn state_that_cannot_be_trusted_means_rehash() {
        for algorithm in BOTH {
            let good = Hasher::new(algorithm).export();
            for length in 0..good.len() {
                assert!(Hasher::import(algorithm, &good[..length]).is_none(), "{algorithm}: {length} bytes are too few");
            }
            assert!(Hasher::import(algorithm, &[good.clone(), vec![0]].concat()).is_none(), "one byte too many");
            let mut other = good.clone();
            other[3] = 0x02;
            assert!(Hasher::import(algorithm, &other).is_none(), "unknown magic");
            let mut absurd = good.clone();
            absurd[good.len() - 8..].fill(0xff);
            assert!(Hasher::import(algorithm, &absurd).is_none(), "a length that no stream has");
        }
        assert!(Hasher::import(Algorithm::Sha512, &unhex(GO_SHA256)).is_none(), "another algorithm's state");
    }
}
