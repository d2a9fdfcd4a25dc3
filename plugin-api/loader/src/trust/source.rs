//! Why a driver file may be loaded: who vouches for it.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::signature::{self, TrustedKey};
use crate::inspect::{Inspection, Sha256};
use crate::refusal::{Fault, Refusal, RefusalCode};

/// What a host asks of driver files beyond that they fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustRule {
    /// Nothing: whoever may write to the folders is believed. As text `any`.
    #[default]
    Any,
    /// That they came with the host, or that somebody vouches for their content: the operator by a digest, a vendor by a signature; or that
    /// they run in a process of their own. As text `shipped-or-pinned`.
    ShippedOrPinned,
    /// That somebody vouches for their content, also for those that came with the host. As text `pinned`.
    Pinned,
}

/// What a host knows of whom to believe.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// What it asks for.
    pub rule: TrustRule,
    /// The host's program; files beside it, of the same owner, came with it.
    pub program: Option<PathBuf>,
    /// The lock file, for sentences.
    pub lock_file: PathBuf,
    /// The digest that the lock file has for this driver and this platform.
    pub locked: Option<Sha256>,
    /// The other platforms that it has a digest of this driver for.
    pub locked_elsewhere: Vec<String>,
    /// Keys whose signatures are believed.
    pub keys: Vec<TrustedKey>,
    /// True if the driver runs in a process of its own.
    pub isolated: bool,
    /// The command that pins the file, for the sentence of a refusal.
    pub pin_command: String,
}

/// Who vouches for a file that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustSource {
    /// The configuration, which has the file's digest.
    Configuration,
    /// The lock file, which has it.
    Lock,
    /// The host: the file came with it.
    Shipped,
    /// The holder of a configured key.
    Signature {
        /// The key's number.
        key: String,
        /// What the signer wrote beside the signature.
        comment: String,
    },
    /// Nobody, but the driver's process holds it in.
    Isolation,
    /// Nobody, and the host does not ask.
    Nobody,
}

impl TrustSource {
    /// One word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Lock => "lock",
            Self::Shipped => "shipped",
            Self::Signature { .. } => "signature",
            Self::Isolation => "isolation",
            Self::Nobody => "nobody",
        }
    }
}

impl fmt::Display for TrustSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration => f.write_str("its sha256 is in the configuration"),
            Self::Lock => f.write_str("its sha256 is in the lock file"),
            Self::Shipped => f.write_str("it came with the host: it lies beside its program and has the same owner"),
            Self::Signature { key, comment } => write!(f, "it is signed by the trusted key {key} ({comment})"),
            Self::Isolation => f.write_str("it runs in a process of its own"),
            Self::Nobody => f.write_str("the host loads any file (drivers.trust)"),
        }
    }
}

/// The platform of this host as a target triple: that of every file that it can load.
pub fn platform() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Compares the content with the digests that are known for it: `pin`, which is written in the configuration, or else the lock's.
pub(crate) fn digest(inspection: &Inspection, pin: Option<Sha256>, trust: &Trust) -> Result<Option<TrustSource>, Refusal> {
    let Some(want) = pin.or(trust.locked) else {
        return Ok(None);
    };
    let got = inspection.content_sha256()?;
    if got == want {
        return Ok(Some(if pin.is_some() { TrustSource::Configuration } else { TrustSource::Lock }));
    }
    let fault = match pin {
        Some(_) => Fault::new(
            RefusalCode::PolicyDigest,
            format!("its sha256 is {got}, pinned is {want}"),
            "if you installed this file yourself, pin its sha256; if not, find out who changed it",
        ),
        None => Fault::new(
            RefusalCode::PolicyLock,
            format!("its sha256 is {got}, that in {:?} is {want}", trust.lock_file),
            format!("if you installed this file yourself, run `{}`; if not, find out who changed it", trust.pin_command),
        ),
    };
    Err(inspection.refusal(fault))
}

/// Who vouches for a file without a known digest.
pub(crate) fn other(inspection: &Inspection, trust: &Trust) -> Result<TrustSource, Refusal> {
    match trust.rule {
        TrustRule::Any => return Ok(TrustSource::Nobody),
        TrustRule::ShippedOrPinned if is_shipped(inspection, trust.program.as_deref()) => return Ok(TrustSource::Shipped),
        TrustRule::ShippedOrPinned | TrustRule::Pinned => {}
    }
    let content = inspection.content()?;
    let unsigned = match signature::check(inspection.path(), content, trust) {
        Ok(Some(signed)) => return Ok(TrustSource::Signature { key: signed.key, comment: signed.comment }),
        Ok(None) => unpinned(trust),
        Err(fault) => fault,
    };
    if trust.isolated && trust.rule == TrustRule::ShippedOrPinned {
        return Ok(TrustSource::Isolation);
    }
    Err(inspection.refusal(unsigned))
}

/// Beside the host's program, and of the same owner: whoever could put it there could put another program there.
fn is_shipped(inspection: &Inspection, program: Option<&Path>) -> bool {
    let shipped = || {
        let program = program?.canonicalize().ok()?;
        let file = inspection.path().canonicalize().ok()?;
        let (theirs, ours) = (inspection.file().metadata().ok()?, program.metadata().ok()?);
        // The path has to mean the open file still.
        let now = file.metadata().ok()?;
        let same = (theirs.dev(), theirs.ino()) == (now.dev(), now.ino());
        Some(same && file.parent() == program.parent() && theirs.uid() == ours.uid())
    };
    shipped().unwrap_or(false)
}

fn unpinned(trust: &Trust) -> Fault {
    let (lock, platform, command) = (&trust.lock_file, platform(), &trust.pin_command);
    if !trust.locked_elsewhere.is_empty() {
        let others = trust.locked_elsewhere.join(", ");
        return Fault::new(
            RefusalCode::PolicyLockPlatform,
            format!("{lock:?} pins this driver for {others} and not for {platform}, which this host is"),
            format!("if you trust this file, run `{command}` on this machine: it keeps what is there and adds this platform"),
        );
    }
    let shipped = match trust.rule {
        TrustRule::Pinned => "",
        _ => "it did not come with the host, ",
    };
    Fault::new(
        RefusalCode::PolicyUnpinned,
        format!("nobody vouches for its content: {shipped}{lock:?} has no sha256 of it and no key of drivers.trusted_keys has signed it"),
        format!("if you trust this file, pin it: `{command}`"),
    )
}
