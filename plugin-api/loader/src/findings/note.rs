//! What is to be said of a driver's note, and of how the file keeps what it says.

use std::env::consts::ARCH;

use longshore_plugin_api::Capability;
use longshore_plugin_api::metadata::{AbiKind, DriverInfo};

use super::{Finding, FlawCode};
use crate::inspect::Inspection;
use crate::locate::file_name;
use crate::refusal::plain;
use crate::verify::Policy;

/// What Rust brings: the C runtime's `frame_dummy`, and the standard library's reader of the program's arguments. C brings the first.
const CONSTRUCTORS_OF_RUST: u64 = 2;
const CONSTRUCTORS_OF_C: u64 = 1;
/// How many names are told of many.
const NAMES_SHOWN: usize = 10;

/// All flaws that concern the note.
pub(super) fn flaws(inspection: &Inspection) -> Vec<Finding> {
    let info = inspection.info();
    let mut found: Vec<Finding> = empty_fields(info);
    found.extend(capabilities(info));
    found.extend(target(inspection));
    found.extend(name_of_file(inspection));
    found.extend(exports(inspection));
    found.extend(panics(inspection));
    found.extend(constructors(inspection));
    found
}

fn is_c(info: &DriverInfo) -> bool {
    info.abi.kind() == Some(AbiKind::C)
}

fn empty_fields(info: &DriverInfo) -> Vec<Finding> {
    let fields = [("version", &info.version), ("vendor", &info.vendor), ("licence", &info.licence), ("documentation", &info.documentation)];
    // Whoever writes a note by hand may leave these out; the SDK tells them.
    let built = [("target", &info.target), ("compiler", &info.compiler), ("sdk", &info.sdk)];
    let fields = fields.into_iter().chain(built.into_iter().filter(|_| !is_c(info)));
    let empty = fields.filter(|(_, value)| value.trim().is_empty());
    let mut found: Vec<_> = empty
        .map(|(name, _)| {
            Finding::new(FlawCode::NoteField, format!("the note's field {name} is empty"), "fill it in, and build the driver again")
        })
        .collect();
    if !info.documentation.trim().is_empty() && !info.documentation.contains("://") {
        let what = format!("the note's documentation is {:?}, which is no URL", plain(&info.documentation));
        found.push(Finding::new(FlawCode::NoteField, what, "give the URL of the driver's documentation"));
    }
    found
}

fn capabilities(info: &DriverInfo) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, name) in info.capabilities.iter().enumerate() {
        let shown = plain(name);
        if name.parse::<Capability>().is_err() {
            let what = format!("the contract knows no capability {shown:?}");
            found.push(Finding::new(
                FlawCode::NoteCapability,
                what,
                "upgrade the host, if the driver is newer than it; else mend the note",
            ));
        } else if info.capabilities[..number].contains(name) {
            found.push(Finding::new(FlawCode::NoteCapability, format!("the capability {shown:?} is declared twice"), "declare it once"));
        }
    }
    found
}

fn target(inspection: &Inspection) -> Option<Finding> {
    let target = &inspection.info().target;
    if target.is_empty() {
        return None;
    }
    let shown = plain(target);
    let is_gnu = inspection.needed().iter().any(|name| name == "libc.so.6");
    let what = if target.split('-').next() != Some(ARCH) {
        format!("the note's target is {shown:?}, the file is for {ARCH}")
    } else if !target.contains("linux") {
        format!("the note's target is {shown:?}, this host runs Linux")
    } else if is_gnu && !target.contains("gnu") {
        format!("the file needs glibc, and its note's target is {shown:?}")
    } else {
        return None;
    };
    Some(Finding::new(FlawCode::NoteTarget, what, "build the driver with its export macro, which tells the target; in C, mend the note"))
}

fn name_of_file(inspection: &Inspection) -> Option<Finding> {
    let own = file_name(&inspection.info().name);
    let called = inspection.path().file_name()?.to_string_lossy();
    let is_drivers = crate::locate::driver_name(&called).is_some();
    (is_drivers && called != own).then(|| {
        let what = format!("the file is called {:?}, the driver in it is {:?}", plain(&called), inspection.info().name);
        Finding::new(FlawCode::FileName, what, format!("call the file {own:?}"))
    })
}

fn exports(inspection: &Inspection) -> Option<Finding> {
    /// What linkers themselves add to a shared object.
    const LINKERS: [&str; 5] = ["_init", "_fini", "_edata", "_end", "__bss_start"];
    let host = Policy::of_this_host();
    // A file may have both entries.
    let known = |name: &String| [host.entry_symbol, host.c_entry_symbol].contains(&name.as_str()) || LINKERS.contains(&name.as_str());
    // A table that leads nowhere is refused by whoever looks for the entry in it.
    let mut more = inspection.exported().unwrap_or_default();
    more.retain(|name| !known(name));
    if more.is_empty() {
        return None;
    }
    let shown: Vec<_> = more.iter().take(NAMES_SHOWN).map(|name| plain(name)).collect();
    let what = format!("it exports {} symbols beside its entry, such as {}", more.len(), shown.join(", "));
    Some(Finding::new(FlawCode::Exports, what, "build a crate of type cdylib; in C, compile with -fvisibility=hidden"))
}

fn panics(inspection: &Inspection) -> Option<Finding> {
    if is_c(inspection.info()) || inspection.info().panic != "unwind" {
        return None;
    }
    let imported = inspection.imported().unwrap_or_default();
    let of_unwinder = |name: &String| name.starts_with("_Unwind_");
    // A library that has its unwinder inside imports none of it, and only its note can tell.
    let raises = !imported.iter().any(of_unwinder) || imported.iter().any(|name| name == "_Unwind_RaiseException");
    (!raises).then(|| {
        let what = "the note says \"unwind\", and the file can print a stack but not raise a panic";
        Finding::new(FlawCode::PanicUnclear, what, "build the driver with panic = \"unwind\" in its profile")
    })
}

fn constructors(inspection: &Inspection) -> Option<Finding> {
    let info = inspection.info();
    // The table for C may have been written in Rust.
    let of_language = if is_c(info) && !info.compiler.contains("rustc") { CONSTRUCTORS_OF_C } else { CONSTRUCTORS_OF_RUST };
    let count = inspection.constructors();
    (count > of_language).then(|| {
        let what = format!("{count} functions run when it is loaded, the language brings {of_language}");
        Finding::new(FlawCode::Constructors, what, "do what they do when an instance opens")
    })
}
