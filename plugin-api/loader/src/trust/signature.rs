//! Detached signatures of driver files, as the program `minisign` makes them: `FILE.minisig` beside the file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use minisign_verify::{Error, PublicKey, Signature};

use super::content::Content;
use super::source::Trust;
use crate::elf::unreadable;
use crate::refusal::{Fault, RefusalCode, plain};

/// The largest signature file, in bytes. Its comments are the only part that may grow.
pub const SIGNATURE_MAX_BYTES: u64 = 16 * 1024;

/// A public key whose signatures this host believes.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedKey {
    text: String,
    key: PublicKey,
    id: String,
}

/// A text that is no public key of minisign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is the second line of minisign.pub, 56 letters that begin with RW")]
pub struct TrustedKeyError;

impl FromStr for TrustedKey {
    type Err = TrustedKeyError;

    fn from_str(text: &str) -> Result<Self, TrustedKeyError> {
        let key = PublicKey::from_base64(text).map_err(|_| TrustedKeyError)?;
        Ok(Self { text: text.to_owned(), key, id: key_id(text).ok_or(TrustedKeyError)? })
    }
}

impl TrustedKey {
    /// The key's number, as `minisign` shows it.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({})", self.id)
    }
}

/// A signature that holds.
pub(crate) struct Signed {
    pub(crate) key: String,
    /// What the signer wrote beside it, and signed too.
    pub(crate) comment: String,
}

/// The number of the key in the text of a key or signature: behind two letters for the form.
fn key_id(base64: &str) -> Option<String> {
    let bytes = BASE64_STANDARD.decode(base64).ok()?;
    let id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:X}", u64::from_le_bytes(id)))
}

/// Where the signature of the file at `path` is.
pub(crate) fn place(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// The signature beside `path`, over `content` and by a trusted key; `None` if there is no signature file.
pub(crate) fn check(path: &Path, content: &Content, trust: &Trust) -> Result<Option<Signed>, Fault> {
    let keys = &trust.keys;
    let place = place(path);
    let Some(text) = read(&place)? else {
        return Ok(None);
    };
    let signature = Signature::decode(&text).map_err(|error| unreadable_form(&place, &error))?;
    let id = text.lines().nth(1).and_then(key_id).unwrap_or_default();
    let Some(key) = keys.iter().find(|key| key.id == id) else {
        return Err(unknown_key(&id, keys, &trust.pin_command));
    };
    holds(key, &signature, content).map_err(|error| match error {
        Error::IoError(error) => unreadable(&error),
        Error::UnsupportedLegacyMode => legacy(&place),
        _ => mismatch(path, &place, key, &signature),
    })?;
    Ok(Some(Signed { key: id, comment: plain(signature.trusted_comment()) }))
}

fn holds(key: &TrustedKey, signature: &Signature, content: &Content) -> Result<(), Error> {
    let mut verifier = key.key.verify_stream(signature)?;
    content.for_each_piece(|piece| verifier.update(piece))?;
    verifier.finalize()
}

fn read(place: &Path) -> Result<Option<String>, Fault> {
    let fault = |why: String| {
        let fix = "get the signature again from the driver's vendor, or remove it";
        Fault::new(RefusalCode::PolicySignatureForm, format!("its signature {place:?} {why}"), fix)
    };
    let file = match File::open(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| fault(format!("cannot be read: {error}")))?,
    };
    let mut bytes = Vec::new();
    file.take(SIGNATURE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| fault(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > SIGNATURE_MAX_BYTES {
        return Err(fault(format!("is larger than {SIGNATURE_MAX_BYTES} bytes, which no signature is")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| fault("is no text, as minisign writes it".into()))
}

fn unreadable_form(place: &Path, error: &Error) -> Fault {
    Fault::new(
        RefusalCode::PolicySignatureForm,
        format!("its signature {place:?} is none of minisign's: {error}"),
        "get the signature again from the driver's vendor, or remove it",
    )
}

fn unknown_key(id: &str, keys: &[TrustedKey], pin_command: &str) -> Fault {
    let known: Vec<_> = keys.iter().map(TrustedKey::id).collect();
    let known = if known.is_empty() { "has no keys".into() } else { format!("has {}", known.join(", ")) };
    Fault::new(
        RefusalCode::PolicySignatureKey,
        format!("it is signed by the key {id}, which this host does not know (drivers.trusted_keys {known})"),
        format!(
            "if that is the vendor's key, add it to drivers.trusted_keys, copied from where the vendor publishes it and not from beside the \
             file; or pin the file: `{pin_command}`"
        ),
    )
}

fn legacy(place: &Path) -> Fault {
    Fault::new(
        RefusalCode::PolicySignatureLegacy,
        format!("its signature {place:?} is of minisign's old form, over the file itself instead of its hash"),
        "sign it again with minisign 0.10 or newer, without -l",
    )
}

/// That of another file, or one of file, signature and comment was changed: the sum cannot tell which.
fn mismatch(path: &Path, place: &Path, key: &TrustedKey, signature: &Signature) -> Fault {
    let named = signature.trusted_comment().split_whitespace().find_map(|word| word.strip_prefix("file:"));
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let other = match named.filter(|named| *named != own) {
        Some(named) => format!("; it says that it is that of {:?}", plain(named)),
        None => String::new(),
    };
    Fault::new(
        RefusalCode::PolicySignature,
        format!("its signature {place:?} by the key {} is not that of this content{other}", key.id),
        "get the file and its signature again from the driver's vendor; if they still differ, tell the vendor",
    )
}
