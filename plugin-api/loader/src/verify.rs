//! Decides whether an inspected driver file may be loaded into this host.

use longshore_plugin_api::metadata::{Abi, AbiKind, CONTRACT};

use crate::inspect::{Inspection, Sha256};
use crate::refusal::{Fault, Refusal, RefusalCode, plain};
use crate::trust::{self, Trust, TrustRule, TrustSource};

/// What this host is, and what its operator asks of a driver file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The driver's name, if it was asked for by name.
    pub expected_name: Option<String>,
    /// The only content that may be loaded.
    pub sha256: Option<Sha256>,
    /// True to load a file whoever could have written it.
    pub allow_writable: bool,
    /// True to load a file whose panics end its process, which then has to be its own.
    pub allow_abort: bool,
    /// Who has to vouch for it.
    pub trust: Trust,
    /// The ABI major that this host speaks.
    pub host_abi_major: u32,
    /// The fingerprint of its tables.
    pub host_layout: String,
    /// The extension tables that it offers to drivers.
    pub host_extensions: Vec<String>,
    /// The running glibc's version.
    pub host_glibc: (u32, u32),
    /// The symbol that it calls first.
    pub entry_symbol: &'static str,
    /// The major of the table that it calls in a driver in C.
    pub host_c_major: u32,
    /// The symbol of that table.
    pub c_entry_symbol: &'static str,
}

/// Compares the file with `policy`, still without running any of it; answers who vouches for it.
///
/// Who may have written the file comes first: what it says of itself is worth nothing before that. Who vouches for it comes last, so that
/// nobody is asked to pin a file that would not be loaded.
///
/// # Errors
/// The first reason not to load it.
pub fn verify(inspection: &Inspection, policy: &Policy) -> Result<TrustSource, Refusal> {
    let refused = |fault| inspection.refusal(fault);
    if !policy.allow_writable {
        trust::owner(inspection, policy.trust.rule != TrustRule::Any).map_err(refused)?;
    }
    let known = trust::digest(inspection, policy.sha256, &policy.trust)?;
    fits(inspection, policy).map_err(refused)?;
    entry(inspection, policy)?;
    match known {
        Some(source) => Ok(source),
        None => trust::other(inspection, &policy.trust),
    }
}

/// Whether the file is the driver that was asked for, and one that this host can call.
pub(crate) fn fits(inspection: &Inspection, policy: &Policy) -> Result<(), Fault> {
    name(inspection, policy)?;
    abi(inspection, policy)?;
    contract(inspection)?;
    panics(inspection, policy)?;
    libc(inspection, policy)?;
    trust::nothing_beside(inspection)
}

fn name(inspection: &Inspection, policy: &Policy) -> Result<(), Fault> {
    let name = &inspection.info().name;
    match &policy.expected_name {
        Some(expected) if expected != name => Err(Fault::new(
            RefusalCode::NameMismatch,
            format!("driver {expected:?} was asked for, the file says that it is {name:?}"),
            format!("ask for {name:?}, or install the file of {expected:?} under its own name"),
        )),
        _ => Ok(()),
    }
}

fn abi(inspection: &Inspection, policy: &Policy) -> Result<(), Fault> {
    let abi = &inspection.info().abi;
    match abi.kind() {
        Some(AbiKind::Rust) => rust_abi(abi, policy)?,
        Some(AbiKind::C) => c_abi(abi, policy)?,
        None => {
            return Err(Fault::new(
                RefusalCode::AbiKind,
                format!("it is called through tables of the kind {:?}, this host calls \"rust\" and \"c\"", plain(&abi.kind)),
                "build the driver with longshore-plugin-api or longshore_driver.h, or use a host that speaks the driver's kind",
            ));
        }
    }
    let lacking: Vec<_> = abi.requires.iter().filter(|name| !policy.host_extensions.contains(name)).map(|name| plain(name)).collect();
    if !lacking.is_empty() {
        return Err(Fault::new(
            RefusalCode::AbiExtension,
            format!("it cannot do without the host's {}, which this host lacks", quoted(&lacking)),
            "upgrade the host, or use a version of the driver that asks for less",
        ));
    }
    Ok(())
}

fn c_abi(abi: &Abi, policy: &Policy) -> Result<(), Fault> {
    let ours = policy.host_c_major;
    if abi.major == ours {
        return Ok(());
    }
    Err(Fault::new(
        RefusalCode::AbiMajor,
        format!("built for major {} of the table for C, this host speaks {ours}", abi.major),
        format!("build the driver with the longshore_driver.h of major {ours}, or use a host that speaks the driver's"),
    ))
}

fn rust_abi(abi: &Abi, policy: &Policy) -> Result<(), Fault> {
    let ours = policy.host_abi_major;
    let rebuild = format!("build the driver with a longshore-plugin-api of ABI major {ours}, or use a host that speaks the driver's");
    if abi.major != ours {
        let why = format!("built for ABI major {}, this host speaks {ours}", abi.major);
        return Err(Fault::new(RefusalCode::AbiMajor, why, rebuild));
    }
    if abi.layout != policy.host_layout {
        let theirs = plain(&abi.layout);
        let why =
            format!("its tables of ABI major {ours} are {theirs:?}, this host's are {:?}: one of them was changed", policy.host_layout);
        return Err(Fault::new(RefusalCode::AbiLayout, why, "build the driver with a released longshore-plugin-api of this host's time"));
    }
    Ok(())
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn contract(inspection: &Inspection) -> Result<(), Fault> {
    let theirs = inspection.info().contract;
    if theirs == CONTRACT {
        return Ok(());
    }
    Err(Fault::new(
        RefusalCode::ContractVersion,
        format!("it keeps driver contract {theirs}, this host relies on {CONTRACT}"),
        format!("use a version of the driver for contract {CONTRACT}, or a host for contract {theirs}"),
    ))
}

fn panics(inspection: &Inspection, policy: &Policy) -> Result<(), Fault> {
    let strategy = &inspection.info().panic;
    // C has no panics; where a driver's language has them, none leaves a call (longshore_driver.h).
    if policy.allow_abort || strategy == "unwind" || inspection.info().abi.kind() == Some(AbiKind::C) {
        return Ok(());
    }
    Err(Fault::new(
        RefusalCode::PanicAbort,
        format!("it was built with panic = {:?}: its first panic would end the host", plain(strategy)),
        "build the driver with panic = \"unwind\" in its profile, or give it a process of its own: isolation = \"process\"",
    ))
}

fn libc(inspection: &Inspection, policy: &Policy) -> Result<(), Fault> {
    let musl = |name: &&String| name.starts_with("libc.musl-") || *name == "libc.so";
    let (host_major, host_minor) = policy.host_glibc;
    if let Some(library) = inspection.needed().iter().find(musl) {
        return Err(Fault::new(
            RefusalCode::PlatformLibc,
            format!("it needs {library:?}, the C library musl; this host runs on glibc {host_major}.{host_minor}"),
            "install the driver's build for a -linux-gnu target",
        ));
    }
    match inspection.glibc_need() {
        Some(((major, minor), need)) if (major, minor) > policy.host_glibc => Err(Fault::new(
            RefusalCode::PlatformLibc,
            format!(
                "it needs glibc {major}.{minor} ({} of {}), this host runs on {host_major}.{host_minor}",
                plain(&need.version),
                plain(&need.library)
            ),
            format!("build the driver on a system with glibc {host_major}.{host_minor} or older, or run the host on a newer system"),
        )),
        _ => Ok(()),
    }
}

/// Looks for the entry without asking the dynamic linker: to ask it, the file would have to be loaded, and loading runs its constructors.
pub(crate) fn entry(inspection: &Inspection, policy: &Policy) -> Result<(), Refusal> {
    let (symbol, fix) = match inspection.info().abi.kind() {
        Some(AbiKind::C) => {
            (policy.c_entry_symbol, "define the driver's table under this name, visible from outside, as longshore_driver.h has it")
        }
        _ => {
            (policy.entry_symbol, "keep the symbol: build a crate of type cdylib, and leave it out of version scripts and of `strip` lists")
        }
    };
    if inspection.exports(symbol)? {
        return Ok(());
    }
    let why = format!("it does not export {symbol:?}, the symbol that a host calls first");
    let fault = Fault::new(RefusalCode::EntryMissing, why, fix);
    Err(fault.refuse(inspection.path()).named(&inspection.info().name))
}
