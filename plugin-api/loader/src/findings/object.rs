//! What is to be said of a shared library, whatever its note says.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Finding, FlawCode, imports};
use crate::inspect::SharedObject;
use crate::refusal::plain;

/// Most of the thread-local memory that glibc keeps for libraries loaded late is left to others, in bytes.
const LATE_TLS_MAX_BYTES: u64 = 512;
/// The largest `.init` section of the C runtime's own, in bytes: it calls a profiler's start, if there is one.
const RUNTIME_INIT_MAX_BYTES: u64 = 32;

/// All flaws of the library itself.
pub(super) fn flaws(object: &SharedObject) -> Vec<Finding> {
    let mut found = hardening(object);
    found.extend(init_function(object));
    found.extend(thread_local_memory(object));
    found.extend(search_path(object));
    found.extend(imports::flaws(object));
    if object.build_id.is_none() {
        found.push(Finding::new(FlawCode::FileBuildId, "it has no build id", "link it with --build-id"));
    }
    if object.image.has_all_symbols() {
        let fix = "nothing, if it is to be debugged here; else run `strip` on it, which keeps the note";
        found.push(Finding::new(FlawCode::FileSymbols, "it was not stripped", fix));
    }
    found
}

fn hardening(object: &SharedObject) -> Vec<Finding> {
    let hardening = object.hardening();
    let flaws = [
        (hardening.executable_stack, FlawCode::StackExecutable, "its stack may hold code", "link it with -z noexecstack"),
        (
            hardening.writable_code,
            FlawCode::CodeWritable,
            "some of its memory may be both written and executed",
            "link it without -z rwx-segments or -N, and without a linker script that joins code and data",
        ),
        (hardening.text_relocations, FlawCode::CodeRelocated, "its code is changed when it is loaded", "compile all of it with -fPIC"),
        (!hardening.relro, FlawCode::RelroMissing, "its tables of addresses stay writable", "link it with -z relro"),
        (!hardening.bind_now, FlawCode::BindingLazy, "its symbols are bound one by one, later", "link it with -z now"),
    ];
    let there = flaws.into_iter().filter(|(is_so, ..)| *is_so);
    there.map(|(_, code, what, fix)| Finding::new(code, what, fix)).collect()
}

/// Linkers name a function of the C runtime here, the whole of a small section. Another one was named by `-init`.
fn init_function(object: &SharedObject) -> Option<Finding> {
    let address = object.dynamic.init?;
    match object.image.section_bytes(address) {
        Some(bytes) if bytes <= RUNTIME_INIT_MAX_BYTES => None,
        // Without section headers it cannot be told, and nearly every library has the runtime's.
        None if !object.image.has_sections() => None,
        _ => Some(Finding::new(
            FlawCode::InitFunction,
            format!("the function at address {address:#x} runs when it is loaded (DT_INIT)"),
            "link it without -init, and do what it does when an instance opens",
        )),
    }
}

fn thread_local_memory(object: &SharedObject) -> Option<Finding> {
    if !object.dynamic.static_tls {
        return None;
    }
    let bytes = object.image.tls_bytes;
    let code = if bytes >= LATE_TLS_MAX_BYTES { FlawCode::StaticTlsLarge } else { FlawCode::StaticTls };
    Some(Finding::new(
        code,
        format!("its {bytes} bytes of thread-local memory must come out of the little that is left for all libraries loaded late"),
        "build it without initial-exec thread-locals (-ftls-model=global-dynamic; jemalloc: feature `disable_initial_exec_tls`)",
    ))
}

fn search_path(object: &SharedObject) -> Vec<Finding> {
    let relative = object.dynamic.needed.iter().filter(|name| name.contains('/') && !name.starts_with('/'));
    let mut found: Vec<Finding> = relative
        .map(|name| {
            let what = format!("the library {name:?} is looked for below the folder that the host runs in");
            Finding::new(FlawCode::SearchPathUnsafe, what, "link the library by its name alone")
        })
        .collect();
    let dynamic = &object.dynamic;
    for folder in dynamic.rpath.iter().chain(&dynamic.runpath).flat_map(|folders| folders.split(':')) {
        found.push(match unsafe_place(object, folder) {
            Some(what) => {
                Finding::new(FlawCode::SearchPathUnsafe, what, "link it without -rpath, or with a folder that only root may write to")
            }
            None => Finding::new(
                FlawCode::SearchPath,
                format!("libraries are looked for in {folder:?} first"),
                "nothing, if its libraries are meant to come from there; else link it without -rpath",
            ),
        });
    }
    found
}

/// Why nobody should look for libraries there.
fn unsafe_place(object: &SharedObject, folder: &str) -> Option<String> {
    let shown = plain(folder);
    let beside = object.path.parent().unwrap_or(Path::new("/")).to_string_lossy();
    // The dynamic linker's own word for the file's folder.
    let place = folder.replace("${ORIGIN}", &beside).replace("$ORIGIN", &beside);
    if !place.starts_with('/') {
        return Some(format!("libraries are looked for in {shown:?}, which is below the folder that the host runs in"));
    }
    let mode = std::fs::metadata(&place).ok()?.permissions().mode() & 0o7777;
    (mode & 0o002 != 0).then(|| format!("libraries are looked for in {shown:?}, where every user may put one (mode {mode:04o})"))
}
