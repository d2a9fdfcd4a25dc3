//! The state of an upload inside its Location URL, sealed, so that any host that shares the key continues any upload.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_PAD_INDIFFERENT};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::digest::Algorithm;
use super::headers::printable;
use super::name::{RepositoryName, UploadId};
use super::route::Route;

/// The longest token a driver may want kept, in bytes.
pub const TOKEN_MAX_BYTES: usize = 4096;

/// The longest `_state` that is looked at, in characters: a token of full length twice in base64, two hash states, and room for names.
const SEALED_MAX: usize = 16 * 1024;

/// Bytes of the signature before the JSON.
const SIGNATURE_BYTES: usize = 32;

/// Keys that seal upload states: the first seals, all of them open, so a key can be replaced while uploads go on.
#[derive(Clone)]
pub struct SigningKeys {
    first: Hmac<Sha256>,
    others: Vec<Hmac<Sha256>>,
}

impl SigningKeys {
    /// Keys of any length, at least one. The same secret as distribution's `http.secret` opens its states.
    ///
    /// # Errors
    /// [`KeyError`] if there is no key or one is empty: everybody could seal with it.
    pub fn new<K: AsRef<[u8]>>(keys: impl IntoIterator<Item = K>) -> Result<Self, KeyError> {
        let mut prepared = keys.into_iter().enumerate().map(|(index, key)| {
            let key = key.as_ref();
            let fault = KeyError::Empty { position: index + 1 };
            if key.is_empty() { Err(fault) } else { Hmac::new_from_slice(key).map_err(|_| fault) }
        });
        let first = prepared.next().ok_or(KeyError::None)??;
        Ok(Self { first, others: prepared.collect::<Result<_, _>>()? })
    }

    fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.first.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Compares in constant time, so the time taken tells nothing about the right signature.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let mut keys = std::iter::once(&self.first).chain(&self.others);
        keys.any(|key| key.clone().chain_update(message).verify_slice(signature).is_ok())
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({} hidden)", self.others.len() + 1)
    }
}

/// Why keys cannot seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a single key.
    #[error("there is no signing key; give at least one")]
    None,
    /// A key without a byte.
    #[error("signing key {position} is empty; give at least one byte, better 32 random ones")]
    Empty {
        /// Which key, from 1.
        position: usize,
    },
}

/// What a host must know to continue an upload.
///
/// Sealed it is distribution's `_state`: base64 of an HMAC-SHA256 and a JSON object. Distribution reads `Name`, `UUID`, `Offset` and
/// `StartedAt` and ignores what we add; a state of distribution's opens here with no token and no hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// The repository that the upload belongs to.
    pub name: RepositoryName,
    /// The upload's id.
    pub id: UploadId,
    /// How many bytes the upload has.
    pub offset: u64,
    /// When the upload began; sealed to the second.
    pub started_at: Timestamp,
    /// What the driver wants to see again, at most [`TOKEN_MAX_BYTES`]; empty if it wants nothing.
    pub token: Vec<u8>,
    /// The exported state of each hash that runs along, see [`Hasher::export`](super::Hasher::export).
    pub hashes: BTreeMap<Algorithm, Vec<u8>>,
    /// True if the store has a record of where the upload stood at some time.
    pub recorded: bool,
}

/// The JSON inside a sealed state. Byte strings are base64 in it, as Go writes them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sealed {
    name: String,
    #[serde(rename = "UUID")]
    id: String,
    offset: u64,
    started_at: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hashes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recorded: bool,
}

impl UploadState {
    /// The value of `_state`.
    #[must_use]
    pub fn seal(&self, keys: &SigningKeys) -> String {
        let sealed = Sealed {
            name: self.name.to_string(),
            id: self.id.to_string(),
            offset: self.offset,
            started_at: format!("{:.0}", self.started_at),
            token: URL_SAFE.encode(&self.token),
            hashes: self.hashes.iter().map(|(algorithm, state)| (algorithm.to_string(), URL_SAFE.encode(state))).collect(),
            recorded: self.recorded,
        };
        // Texts and a number always serialize; an empty message could be opened by nobody.
        let json = serde_json::to_vec(&sealed).unwrap_or_default();
        let mut message = keys.sign(&json).to_vec();
        message.extend_from_slice(&json);
        URL_SAFE.encode(message)
    }

    /// The value of the `Location` header under which the upload goes on: a path, right behind any proxy.
    ///
    /// Source: distribution specification, "Pushing a blob in chunks".
    #[must_use]
    pub fn location(&self, keys: &SigningKeys) -> HeaderValue {
        let route = Route::Upload { name: self.name.clone(), id: self.id.clone() };
        printable(format!("{route}?_state={}", self.seal(keys)))
    }

    /// Opens the `_state` of a request for the upload `id` of `name`.
    ///
    /// # Errors
    /// [`StateError`], in the order of its variants. Nothing of a state is looked at before its signature.
    pub fn open(sealed: &str, keys: &SigningKeys, name: &RepositoryName, id: &UploadId) -> Result<Self, StateError> {
        if sealed.len() > SEALED_MAX {
            return Err(StateError::Malformed);
        }
        let message = URL_SAFE_PAD_INDIFFERENT.decode(sealed).map_err(|_| StateError::Malformed)?;
        let (signature, json) = message.split_at_checked(SIGNATURE_BYTES).ok_or(StateError::Malformed)?;
        if !keys.verify(json, signature) {
            return Err(StateError::Signature);
        }
        let sealed: Sealed = serde_json::from_slice(json).map_err(|_| StateError::Malformed)?;
        if sealed.name != name.as_str() || sealed.id != id.as_str() {
            return Err(StateError::OtherUpload { name: sealed.name, id: sealed.id });
        }
        Ok(Self {
            name: name.clone(),
            id: id.clone(),
            offset: sealed.offset,
            started_at: sealed.started_at.parse().map_err(|_| StateError::Malformed)?,
            token: decode(&sealed.token)?,
            hashes: decode_hashes(&sealed.hashes)?,
            recorded: sealed.recorded,
        })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, StateError> {
    URL_SAFE_PAD_INDIFFERENT.decode(text).map_err(|_| StateError::Malformed)
}

/// Skips algorithms that this version does not know: the hash is then made again from the stored bytes.
fn decode_hashes(hashes: &BTreeMap<String, String>) -> Result<BTreeMap<Algorithm, Vec<u8>>, StateError> {
    let known = hashes.iter().filter_map(|(algorithm, state)| Some((algorithm.parse().ok()?, state)));
    known.map(|(algorithm, state)| Ok((algorithm, decode(state)?))).collect()
}

/// Why an upload state does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Not of the form that any host writes.
    #[error("parameter _state is not an upload state; use the URL of the last Location header exactly as it was given")]
    Malformed,
    /// Sealed with a key that is not ours, or changed since.
    #[error(
        "parameter _state was not sealed by this registry; use the last Location header as given, or begin a new upload; \
         hosts behind one address must share their signing key"
    )]
    Signature,
    /// Sealed by us, for another URL.
    #[error(
        "parameter _state belongs to upload {id:?} of {name:?}, not to the one in the path; use each Location header with its own upload"
    )]
    OtherUpload {
        /// The repository it was sealed for.
        name: String,
        /// The upload it was sealed for.
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str]) -> SigningKeys {
        SigningKeys::new(secrets).expect("keys")
    }

    fn state() -> UploadState {
        UploadState {
            name: "library/debian".parse().expect("a name"),
            id: UploadId::from_random([7; 16]),
            offset: 4_194_304,
            started_at: "2026-01-02T03:04:05Z".parse().expect("a time"),
            token: vec![0, 255, 1],
            hashes: BTreeMap::from([(Algorithm::Sha256, vec![1; 108]), (Algorithm::Sha512, vec![2; 204])]),
            recorded: true,
        }
    }

    fn open(sealed: &str, keys: &SigningKeys) -> Result<UploadState, StateError> {
        let UploadState { name, id, .. } = state();
        UploadState::open(sealed, keys, &name, &id)
    }

    /// Seals any JSON, as a holder of the key could.
    fn seal_json(json: &str, keys: &SigningKeys) -> String {
        URL_SAFE.encode([&keys.sign(json.as_bytes())[..], json.as_bytes()].concat())
    }

    #[test]
    fn state_survives_its_url() {
        let keys = keys(&["secret"]);
        assert_eq!(open(&state().seal(&keys), &keys), Ok(state()));
        assert_eq!(open(state().seal(&keys).trim_end_matches('='), &keys), Ok(state()), "some clients drop the padding");
        let location = state().location(&keys);
        let location = location.to_str().expect("ascii");
        assert!(location.starts_with("/v2/library/debian/blobs/uploads/07070707-0707-4707-8707-070707070707?_state="), "{location}");
    }

    #[test]
    fn state_is_sealed_to_the_second() {
        let keys = keys(&["secret"]);
        let precise = UploadState { started_at: "2026-01-02T03:04:05.999Z".parse().expect("a time"), ..state() };
        assert_eq!(open(&precise.seal(&keys), &keys), Ok(state()));
    }

    #[test]
    fn state_of_an_older_key_opens_while_that_key_is_listed() {
        let (old, both, new) = (keys(&["old"]), keys(&["new", "old"]), keys(&["new"]));
        assert_eq!(open(&state().seal(&old), &both), Ok(state()));
        assert_eq!(open(&state().seal(&both), &new), Ok(state()), "the first key seals");
        assert_eq!(open(&state().seal(&old), &new), Err(StateError::Signature));
    }

    #[test]
    fn state_changed_anywhere_is_refused() {
        let keys = keys(&["secret"]);
        let message = URL_SAFE.decode(state().seal(&keys)).expect("base64");
        for index in 0..message.len() {
            let mut changed = message.clone();
            changed[index] ^= 1;
            assert_eq!(open(&URL_SAFE.encode(&changed), &keys), Err(StateError::Signature), "byte {index}");
        }
    }

    #[test]
    fn state_of_another_upload_is_refused() {
        let keys = keys(&["secret"]);
        let other: RepositoryName = "library/other".parse().expect("a name");
        let sealed = state().seal(&keys);
        assert!(matches!(UploadState::open(&sealed, &keys, &other, &state().id), Err(StateError::OtherUpload { .. })));
        let id = UploadId::from_random([8; 16]);
        assert!(matches!(UploadState::open(&sealed, &keys, &state().name, &id), Err(StateError::OtherUpload { .. })));
    }

    #[test]
    fn state_that_is_none_is_refused_without_a_panic() {
        let keys = keys(&["secret"]);
        let long = "A".repeat(SEALED_MAX + 4);
        for sealed in ["", "AAAA", "%%%", "é", "====", long.as_str()] {
            assert_eq!(open(sealed, &keys), Err(StateError::Malformed), "{sealed:.9}");
        }
        for json in [
            "",
            "{}",
            "[]",
            r#"{"Name":"library/debian","UUID":"07070707-0707-4707-8707-070707070707","Offset":-1,"StartedAt":"2026-01-02T03:04:05Z"}"#,
        ] {
            assert_eq!(open(&seal_json(json, &keys), &keys), Err(StateError::Malformed), "{json}");
        }
    }

    /// Semantics: "An upload that distribution began goes on here when both share a secret."
    #[test]
    fn state_written_by_distribution_opens() {
        let keys = keys(&["secret"]);
        // Printed by a Go program that does what distribution documents, for offset 12 and the name, id and time below.
        let sealed = "2ixVNksjFRWKyf08_eEDRM6nczt8mOB-cvORll1IQDF7Ik5hbWUiOiJsaWJyYXJ5L2RlYmlhbiIsIlVVSUQiOiIwNzA3MDcwNy0wNzA3LTQ3MD\
            ctODcwNy0wNzA3MDcwNzA3MDciLCJPZmZzZXQiOjEyLCJTdGFydGVkQXQiOiIyMDI2LTAxLTAyVDAzOjA0OjA1WiJ9";
        let want = UploadState { offset: 12, token: vec![], hashes: BTreeMap::new(), recorded: false, ..state() };
        assert_eq!(open(sealed, &keys), Ok(want));
        let json = r#"{"Name":"library/debian","UUID":"07070707-0707-4707-8707-070707070707","Offset":12,"StartedAt":"TIME"}"#;
        let json = json.replace("TIME", "2026-01-02T05:04:05.123456789+02:00");
        let opened = open(&seal_json(&json, &keys), &keys).expect("Go writes fractions and offsets too");
        assert_eq!(opened.started_at.as_second(), state().started_at.as_second());
    }

    #[test]
    fn state_with_the_longest_token_still_opens() {
        let keys = keys(&["secret"]);
        let full = UploadState { name: "a".repeat(255).parse().expect("a name"), token: vec![7; TOKEN_MAX_BYTES], ..state() };
        assert_eq!(UploadState::open(&full.seal(&keys), &keys, &full.name, &full.id).as_ref(), Ok(&full));
    }

    #[test]
    fn keys_that_seal_nothing_are_refused() {
        assert_eq!(SigningKeys::new::<&str>([]).err(), Some(KeyError::None));
        assert_eq!(SigningKeys::new(["a", ""]).err(), Some(KeyError::Empty { position: 2 }));
        assert_eq!(format!("{:?}", keys(&["a", "b"])), "SigningKeys(2 hidden)");
    }
}
