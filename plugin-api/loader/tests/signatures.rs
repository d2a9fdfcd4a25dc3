//! Signatures of minisign, made by its own crate and its own program: which are believed, and why the others are not.

mod bad_files;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bad_files::DriverFile;
use longshore_loader::{Policy, Refusal, RefusalCode, Trust, TrustRule, TrustSource, TrustedKey, inspect, verify};
use minisign::KeyPair;

/// Somebody who signs files.
struct Signer(KeyPair);

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().expect("there are random numbers"))
    }

    fn key(&self) -> TrustedKey {
        self.0.pk.to_base64().parse().expect("it is a key")
    }

    /// The signature of `content`, as the text of its file.
    fn sign(&self, content: &[u8], comment: &str) -> String {
        minisign::sign(None, &self.0.sk, content, Some(comment), None).expect("it can be signed").to_string()
    }
}

fn minisig(path: &Path) -> PathBuf {
    path.with_extension("so.minisig")
}

/// What a host with these keys says that believes nothing but signatures.
fn verified(path: &Path, keys: &[TrustedKey]) -> Result<TrustSource, Refusal> {
    let trust =
        Trust { rule: TrustRule::Pinned, keys: keys.to_vec(), pin_command: "longshore driver lock memory".into(), ..Trust::default() };
    verify(&inspect(path).expect("it is sound"), &Policy { trust, ..Policy::of_this_host() })
}

#[track_caller]
fn refused(path: &Path, keys: &[TrustedKey], code: RefusalCode, why: &str, fix: &str) {
    let refusal = verified(path, keys).expect_err("nobody vouches for it");
    let folder = path.parent().and_then(Path::to_str).expect("a path in UTF-8");
    assert_eq!((refusal.code, refusal.why.replace(folder, "DIR").as_str(), refusal.fix.as_str()), (code, why, fix));
}

#[test]
fn file_signed_by_a_trusted_key_is_believed() {
    let (file, signer) = (DriverFile::memory(), Signer::new());
    let path = file.write();
    fs::write(minisig(&path), signer.sign(&file.bytes, "timestamp:1 file:liblongshore_driver_memory.so")).expect("the folder is writable");
    let source = verified(&path, &[Signer::new().key(), signer.key()]).expect("the second key is the signer's");
    let comment = "timestamp:1 file:liblongshore_driver_memory.so".to_owned();
    assert_eq!(source, TrustSource::Signature { key: signer.key().id().to_owned(), comment });
}

#[test]
fn file_without_signature_is_not_believed() {
    let file = DriverFile::memory();
    let why = "nobody vouches for its content: \"\" has no sha256 of it and no key of drivers.trusted_keys has signed it";
    let fix = "if you trust this file, pin it: `longshore driver lock memory`";
    refused(&file.write(), &[Signer::new().key()], RefusalCode::PolicyUnpinned, why, fix);
}

#[test]
fn signature_by_an_unknown_key_is_not_believed() {
    let (file, signer, other) = (DriverFile::memory(), Signer::new(), Signer::new());
    let path = file.write();
    fs::write(minisig(&path), signer.sign(&file.bytes, "x")).expect("the folder is writable");
    let fix = "if that is the vendor's key, add it to drivers.trusted_keys, copied from where the vendor publishes it and not from beside the file; or \
         pin the file: `longshore driver lock memory`";
    for (keys, known) in [(vec![other.key()], format!("has {}", other.key().id())), (vec![], "has no keys".to_owned())] {
        let why = format!("it is signed by the key {}, which this host does not know (drivers.trusted_keys {known})", signer.key().id());
        refused(&path, &keys, RefusalCode::PolicySignatureKey, &why, fix);
    }
}

#[test]
fn signature_of_another_content_is_not_believed() {
    let (file, signer) = (DriverFile::memory(), Signer::new());
    let path = file.write();
    let fix = "get the file and its signature again from the driver's vendor; if they still differ, tell the vendor";
    let why = |what: &str| {
        let place = "\"DIR/liblongshore_driver_memory.so.minisig\"";
        format!("its signature {place} by the key {} is not that of this content{what}", signer.key().id())
    };
    let comment = "timestamp:1\tfile:liblongshore_driver_s3.so\thashed";
    fs::write(minisig(&path), signer.sign(b"another file", comment)).expect("the folder is writable");
    let other = why("; it says that it is that of \"liblongshore_driver_s3.so\"");
    refused(&path, &[signer.key()], RefusalCode::PolicySignature, &other, fix);

    // One byte of the file, of the comment, of the signature.
    let good = signer.sign(&file.bytes, "file:liblongshore_driver_memory.so 1");
    let mut changed = DriverFile::memory();
    changed.bytes.push(0);
    let changed_path = changed.write();
    fs::write(minisig(&changed_path), &good).expect("the folder is writable");
    refused(&changed_path, &[signer.key()], RefusalCode::PolicySignature, &why(""), fix);
    fs::write(minisig(&path), good.replace("memory.so 1", "memory.so 2")).expect("the folder is writable");
    refused(&path, &[signer.key()], RefusalCode::PolicySignature, &why(""), fix);
    let lines: Vec<_> = good.lines().collect();
    let forged = signer.sign(b"another file", "file:liblongshore_driver_memory.so 1");
    let mixed = [lines[0], forged.lines().nth(1).expect("it has lines"), lines[2], lines[3], ""].join("\n");
    fs::write(minisig(&path), mixed).expect("the folder is writable");
    refused(&path, &[signer.key()], RefusalCode::PolicySignature, &why(""), fix);
}

/// A key of the same number is another key all the same.
#[test]
fn key_that_borrows_a_number_is_not_believed() {
    let (file, signer, thief) = (DriverFile::memory(), Signer::new(), Signer::new());
    let path = file.write();
    let mut stolen = thief.0.sk.clone();
    let mut bytes = stolen.to_bytes();
    // Form, derivation, sum, salt and limits come before the number.
    let at = bytes.windows(8).position(|window| window == thief.0.sk.keynum()).expect("its number is in it");
    bytes[at..at + 8].copy_from_slice(signer.0.sk.keynum());
    stolen = minisign::SecretKey::from_bytes(&bytes).expect("it is a key");
    let forged = minisign::sign(None, &stolen, file.bytes.as_slice(), Some("x"), None).expect("it can be signed").to_string();
    fs::write(minisig(&path), forged).expect("the folder is writable");
    assert_eq!(verified(&path, &[signer.key()]).expect_err("another key").code, RefusalCode::PolicySignature);
}

#[test]
fn file_that_is_no_signature_is_told_apart() {
    let (file, signer) = (DriverFile::memory(), Signer::new());
    let path = file.write();
    let fix = "get the signature again from the driver's vendor, or remove it";
    let place = "its signature \"DIR/liblongshore_driver_memory.so.minisig\"";
    let good = signer.sign(&file.bytes, "x");
    for (text, what) in [
        (b"".to_vec(), "is none of minisign's: Invalid encoding in minisign data"),
        (good.lines().take(2).collect::<Vec<_>>().join("\n").into_bytes(), "is none of minisign's: Invalid encoding in minisign data"),
        (
            good.replace("\nRU", "\nAA").into_bytes(),
            "is none of minisign's: This signature algorithm is not supported by this implementation",
        ),
        (vec![0xff; 100], "is no text, as minisign writes it"),
        (vec![b'x'; 20_000], "is larger than 16384 bytes, which no signature is"),
    ] {
        fs::write(minisig(&path), text).expect("the folder is writable");
        refused(&path, &[signer.key()], RefusalCode::PolicySignatureForm, &format!("{place} {what}"), fix);
    }
}

/// The vendor's program, both forms of its signatures.
#[test]
fn signature_of_the_program_minisign_is_believed() {
    let file = DriverFile::memory();
    let path = file.write();
    let run = |arguments: &[&str]| Command::new("minisign").current_dir(file.folder()).args(arguments).output();
    let Ok(made) = run(&["-G", "-W", "-f", "-p", "key.pub", "-s", "key.sec"]) else {
        return eprintln!("skipped: there is no minisign to sign with");
    };
    assert!(made.status.success(), "minisign makes a key: {made:?}");
    let public = fs::read_to_string(file.folder().join("key.pub")).expect("it is written");
    let key: TrustedKey = public.lines().nth(1).expect("it has two lines").parse().expect("it is a key");
    assert!(public.lines().next().is_some_and(|line| line.ends_with(&format!(" {}", key.id()))), "{public} is called as there: {key:?}");
    let sign = |form: &str| {
        let signed = run(&[form, DriverFile::NAME, "-s", "key.sec"]).expect("it ran before");
        assert!(signed.status.success(), "minisign signs: {signed:?}");
    };
    sign("-HSm");
    let source = verified(&path, std::slice::from_ref(&key)).expect("it is signed");
    assert!(matches!(source, TrustSource::Signature { comment, .. } if comment.contains("file:liblongshore_driver_memory.so")));

    sign("-Slm");
    let why =
        "its signature \"DIR/liblongshore_driver_memory.so.minisig\" is of minisign's old form, over the file itself instead of its hash";
    refused(&path, &[key], RefusalCode::PolicySignatureLegacy, why, "sign it again with minisign 0.10 or newer, without -l");
}
