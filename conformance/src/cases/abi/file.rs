//! What the file is, read without running it.

use std::env::consts::ARCH;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use longshore_loader::api::Capability;
use longshore_loader::api::metadata::{CONTRACT, NOTE_MAX_BYTES, NOTE_SCHEMA};
use longshore_loader::{Policy, RefusalCode, verify};

use super::is_c;
use crate::case::Outcome;
use crate::trial::Trial;
use crate::verdict::{Stop, hold};

/// Most of the thread-local memory that glibc keeps for libraries loaded late is left to others, in bytes.
const LATE_TLS_MAX_BYTES: u64 = 512;
/// What the language brings: the C runtime's `frame_dummy`, and the standard library's reader of the program's arguments.
const CONSTRUCTORS_MAX: u64 = 2;

/// The first bytes of an ELF file up to its machine.
fn identity(file: &std::fs::File) -> Result<[u8; 20], Stop> {
    let mut head = [0; 20];
    file.read_exact_at(&mut head, 0).map_err(|error| Stop::harness("the beginning of a file", error))?;
    Ok(head)
}

pub(super) async fn file_is_for_this_machine(it: &Trial) -> Outcome {
    const SYSTEMS: [u8; 2] = [0, 3];
    let this = std::fs::File::open("/proc/self/exe").map_err(|error| Stop::harness("this program's file", error))?;
    let (ours, theirs) = (identity(&this)?, identity(it.inspection.file())?);
    hold!(theirs[..4] == ours[..4], "the file does not begin as an ELF file");
    hold!(theirs[4..6] == ours[4..6], "class and byte order are {:?}, this host's are {:?}", &theirs[4..6], &ours[4..6]);
    hold!(theirs[18..] == ours[18..], "the machine is {:?}, this host's is {:?}", &theirs[18..], &ours[18..]);
    hold!(SYSTEMS.contains(&theirs[7]), "the file is for the system of number {}, not for Linux", theirs[7]);
    let target = &it.info().target;
    if target.is_empty() && is_c(it) {
        return Ok(());
    }
    hold!(target.split('-').next() == Some(ARCH), "the note's target is {target:?}, the file is for {ARCH}");
    hold!(target.contains("linux"), "the note's target is {target:?}, this host runs Linux");
    Ok(())
}

pub(super) async fn note_is_whole(it: &Trial) -> Outcome {
    let (info, bytes) = (it.info(), it.inspection.raw_note().len());
    hold!(bytes <= NOTE_MAX_BYTES, "the note has {bytes} bytes, at most {NOTE_MAX_BYTES} are allowed");
    hold!(info.schema == NOTE_SCHEMA, "the note's version is {}, known is {NOTE_SCHEMA}", info.schema);
    let fields = [("version", &info.version), ("vendor", &info.vendor), ("licence", &info.licence), ("documentation", &info.documentation)];
    // Whoever writes a note by hand may leave these out; the SDK tells them.
    let built = [("target", &info.target), ("compiler", &info.compiler), ("sdk", &info.sdk)];
    let built = built.into_iter().filter(|(_, value)| !is_c(it) || !value.is_empty());
    for (name, value) in fields.into_iter().chain(built) {
        hold!(!value.trim().is_empty(), "the note's field {name} is empty");
    }
    hold!(info.documentation.contains("://"), "the note's documentation is {:?}, no URL", info.documentation);
    for (number, name) in info.capabilities.iter().enumerate() {
        let capability: Result<Capability, _> = name.parse();
        hold!(capability.is_ok(), "the contract knows no capability {name:?}");
        hold!(!info.capabilities[..number].contains(name), "the capability {name:?} is declared twice");
    }
    Ok(())
}

pub(super) async fn only_the_entry_is_exported(it: &Trial) -> Outcome {
    /// What linkers themselves add to a shared object.
    const LINKERS: [&str; 5] = ["_init", "_fini", "_edata", "_end", "__bss_start"];
    /// The entry of a driver in C, which a file may have beside the other one.
    const C_ENTRY: &str = "longshore_driver_c_v1";
    let entry = Policy::of_this_host().entry_symbol;
    let exported = it.inspection.exported().map_err(|refusal| Stop::breach(refusal.to_string()))?;
    let known = |name: &&String| *name == entry || *name == C_ENTRY || LINKERS.contains(&name.as_str());
    let more: Vec<_> = exported.iter().filter(|name| !known(name)).map(String::as_str).collect();
    let shown = more.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    hold!(more.is_empty(), "the file exports {} symbols beside its entry, such as {shown}", more.len());
    Ok(())
}

pub(super) async fn libraries_come_from_safe_folders(it: &Trial) -> Outcome {
    for name in it.inspection.needed() {
        hold!(!name.contains('/') || name.starts_with('/'), "the library {name:?} is looked for below the working directory");
    }
    let beside = it.inspection.path().parent().unwrap_or(Path::new("/")).to_string_lossy();
    for folder in it.inspection.search_path().iter().flat_map(|folders| folders.split(':')) {
        // The dynamic linker's own word for the file's folder.
        let place = folder.replace("${ORIGIN}", &beside).replace("$ORIGIN", &beside);
        hold!(place.starts_with('/'), "libraries are looked for in {folder:?}, which is below the working directory");
        let mode = std::fs::metadata(&place).map_or(0, |metadata| metadata.permissions().mode());
        hold!(mode & 0o002 == 0, "libraries are looked for in {folder:?}, where every user may put one (mode {:04o})", mode & 0o7777);
    }
    it.note("libraries", it.inspection.needed().join(" "));
    Ok(())
}

pub(super) async fn libc_is_this_hosts(it: &Trial) -> Outcome {
    let policy = Policy { allow_writable: true, ..Policy::of_this_host() };
    match verify(&it.inspection, &policy) {
        Err(refusal) if refusal.code == RefusalCode::PlatformLibc => return Err(Stop::breach(refusal.to_string())),
        // Other reasons have cases of their own.
        _ => {}
    }
    let gnu = it.inspection.needed().iter().any(|name| name == "libc.so.6");
    let target = &it.info().target;
    let is_told = !target.is_empty() || !is_c(it);
    hold!(!gnu || !is_told || target.contains("gnu"), "the file needs glibc, and its note's target is {target:?}");
    if let Some((major, minor)) = it.inspection.glibc_floor() {
        it.note("oldest glibc", format!("{major}.{minor}"));
    }
    Ok(())
}

pub(super) async fn panics_unwind(it: &Trial) -> Outcome {
    let info = it.info();
    hold!(info.panic == "unwind", "the note says that a panic leads to {:?}", info.panic);
    let imported = it.inspection.imported().map_err(|refusal| Stop::breach(refusal.to_string()))?;
    let of_unwinder = |name: &String| name.starts_with("_Unwind_");
    // A library that has its unwinder inside imports none of it, and only its note can tell.
    let raises = !imported.iter().any(of_unwinder) || imported.iter().any(|name| name == "_Unwind_RaiseException");
    hold!(raises, "the note says \"unwind\", and the file can print a stack but not raise a panic");
    hold!(info.contract == CONTRACT, "the note's contract is {}, this harness judges {CONTRACT}", info.contract);
    Ok(())
}

pub(super) async fn file_is_hardened(it: &Trial) -> Outcome {
    let hardening = it.inspection.hardening();
    let lacking = [
        (hardening.executable_stack, "it makes the process's stacks executable (link with -z noexecstack)"),
        (hardening.writable_code, "some of its memory may be both written and executed"),
        (hardening.text_relocations, "its code is changed when it is loaded (compile with -fPIC)"),
        (!hardening.relro, "its tables of addresses stay writable (link with -z relro)"),
        (!hardening.bind_now, "its symbols are bound one by one, later (link with -z now)"),
    ];
    let lacking: Vec<_> = lacking.iter().filter(|(is_so, _)| *is_so).map(|(_, sentence)| *sentence).collect();
    hold!(lacking.is_empty(), "{}", lacking.join("; "));
    Ok(())
}

pub(super) async fn thread_local_memory_is_small(it: &Trial) -> Outcome {
    let bytes = it.inspection.tls_bytes();
    let takes = it.inspection.static_tls() && bytes >= LATE_TLS_MAX_BYTES;
    hold!(!takes, "its {bytes} bytes of thread-local memory must come out of the little that is left for all libraries loaded late");
    it.note("thread-local memory", format!("{bytes} bytes"));
    Ok(())
}

pub(super) async fn constructors_are_the_languages_own(it: &Trial) -> Outcome {
    let count = it.inspection.constructors();
    hold!(count <= CONSTRUCTORS_MAX, "{count} functions run when the file is loaded, the language brings {CONSTRUCTORS_MAX}");
    Ok(())
}

pub(super) async fn build_is_identified(it: &Trial) -> Outcome {
    let Some(id) = it.inspection.build_id() else {
        return Err(Stop::breach("the file has no build id (link with --build-id)"));
    };
    it.note("build id", id);
    Ok(())
}
