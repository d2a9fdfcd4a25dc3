//! What the file is, read without running it. What is to be said of a file is the loader's to find; the contract says which of it is a breach.

use std::os::unix::fs::FileExt;

use longshore_loader::api::metadata::{CONTRACT, NOTE_MAX_BYTES, NOTE_SCHEMA};
use longshore_loader::{FindingCode, FlawCode, RefusalCode, verify};

use crate::case::Outcome;
use crate::trial::Trial;
use crate::verdict::{Stop, hold};

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
    free_of(it, &[FlawCode::NoteTarget])
}

/// Holds that the file has no finding of these codes.
fn free_of(it: &Trial, codes: &[FlawCode]) -> Outcome {
    let flaws = it.inspection.flaws();
    let found: Vec<_> = flaws.iter().filter(|flaw| codes.iter().any(|code| flaw.code == FindingCode::Flaw(*code))).collect();
    let said: Vec<_> = found.iter().map(|flaw| format!("{} ({})", flaw.what, flaw.fix)).collect();
    hold!(found.is_empty(), "{}", said.join("; "));
    Ok(())
}

pub(super) async fn note_is_whole(it: &Trial) -> Outcome {
    let (info, bytes) = (it.info(), it.inspection.raw_note().len());
    hold!(bytes <= NOTE_MAX_BYTES, "the note has {bytes} bytes, at most {NOTE_MAX_BYTES} are allowed");
    hold!(info.schema == NOTE_SCHEMA, "the note's version is {}, known is {NOTE_SCHEMA}", info.schema);
    free_of(it, &[FlawCode::NoteField, FlawCode::NoteCapability])
}

pub(super) async fn only_the_entry_is_exported(it: &Trial) -> Outcome {
    free_of(it, &[FlawCode::Exports])
}

pub(super) async fn libraries_come_from_safe_folders(it: &Trial) -> Outcome {
    it.note("libraries", it.inspection.needed().join(" "));
    free_of(it, &[FlawCode::SearchPathUnsafe])
}

pub(super) async fn libc_is_this_hosts(it: &Trial) -> Outcome {
    match verify(&it.inspection, &it.policy()) {
        Err(refusal) if refusal.code == RefusalCode::PlatformLibc => return Err(Stop::breach(refusal.to_string())),
        // Other reasons have cases of their own.
        _ => {}
    }
    if let Some((major, minor)) = it.inspection.glibc_floor() {
        it.note("oldest glibc", format!("{major}.{minor}"));
    }
    free_of(it, &[FlawCode::NoteTarget])
}

pub(super) async fn panics_unwind(it: &Trial) -> Outcome {
    let info = it.info();
    // What ends at a panic runs in a process of its own, and only there (section 9).
    let may_abort = it.policy().allow_abort && info.panic == "abort";
    hold!(info.panic == "unwind" || may_abort, "the note says that a panic leads to {:?}", info.panic);
    free_of(it, &[FlawCode::PanicUnclear])?;
    hold!(info.contract == CONTRACT, "the note's contract is {}, this harness judges {CONTRACT}", info.contract);
    Ok(())
}

pub(super) async fn file_is_hardened(it: &Trial) -> Outcome {
    use FlawCode::{BindingLazy, CodeRelocated, CodeWritable, RelroMissing, StackExecutable};
    free_of(it, &[StackExecutable, CodeWritable, CodeRelocated, RelroMissing, BindingLazy])
}

pub(super) async fn thread_local_memory_is_small(it: &Trial) -> Outcome {
    it.note("thread-local memory", format!("{} bytes", it.inspection.tls_bytes()));
    free_of(it, &[FlawCode::StaticTlsLarge])
}

pub(super) async fn constructors_are_the_languages_own(it: &Trial) -> Outcome {
    free_of(it, &[FlawCode::Constructors, FlawCode::InitFunction])
}

pub(super) async fn build_is_identified(it: &Trial) -> Outcome {
    it.note("build id", it.inspection.build_id().unwrap_or("none"));
    free_of(it, &[FlawCode::FileBuildId])
}
