//! `longshore driver inspect`: all that one file says of itself and needs, and everything that is to be said of it.

use std::path::Path;

use longshore_loader::api::metadata::Abi;
use longshore_loader::{Examination, Inspection, Policy, examine};

use super::{as_json, columns, file_of, findings, or_untold, sha256};
use crate::cli::{ConfigFile, Exit, print, say};

pub(in crate::cli) fn inspect(asked: &Path, config: &ConfigFile, json: bool) -> Result<(), Exit> {
    let found = file_of(asked, config)?;
    let path = found.clone().unwrap_or_else(|refusal| refusal.path);
    let examined = found.map_or_else(Examination::from, |path| examine(&path, &Policy::of_this_host()));
    if json {
        print(&format!("{:#}\n", as_json(&path, None, &examined)))?;
    } else {
        print(&for_people(&examined))?;
    }
    let Some(first) = examined.refusals().next() else { return Ok(()) };
    match &examined.inspection {
        Err(refusal) => say(&format!("{refusal} [{}]", refusal.code)),
        Ok(inspection) => {
            let (name, path) = (&inspection.info().name, inspection.path());
            say(&format!("cannot load driver {name:?} from {path:?}: {first}"));
        }
    }
    Err(Exit::Driver)
}

/// A file that cannot be read as a library has one finding, which is told anyway.
fn for_people(examined: &Examination) -> String {
    match &examined.inspection {
        Ok(inspection) => format!("{}\n{}", details(inspection, examined), findings::table(&examined.findings)),
        Err(_) if examined.findings.len() > 1 => findings::table(&examined.findings),
        Err(_) => String::new(),
    }
}

/// Kind and major, and the tables' fingerprint where the kind has one.
fn abi(abi: &Abi) -> String {
    match abi.layout.as_str() {
        "" => format!("{} {}", abi.kind, abi.major),
        layout => format!("{} {} (tables {layout})", abi.kind, abi.major),
    }
}

/// Each library and where this machine has it.
fn libraries(examined: &Examination) -> Vec<String> {
    let line = |library: &longshore_loader::Library| {
        let place = library.path.as_ref().map_or_else(|| "missing".to_owned(), |path| path.display().to_string());
        let of = library.needed_by.as_ref().map_or_else(String::new, |other| format!(" (needed by {other})"));
        format!("{}: {place}{of}", library.name)
    };
    let lines: Vec<String> = examined.libraries.iter().map(line).collect();
    if lines.is_empty() { vec!["none".to_owned()] } else { lines }
}

fn hardening(inspection: &Inspection) -> String {
    let hardening = inspection.hardening();
    let marks = [
        (!hardening.executable_stack, "no executable stack"),
        (!hardening.writable_code, "no writable code"),
        (!hardening.text_relocations, "no text relocations"),
        (hardening.relro, "relro"),
        (hardening.bind_now, "bind now"),
    ];
    let kept: Vec<&str> = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, name)| *name).collect();
    if kept.is_empty() { "none".to_owned() } else { kept.join(", ") }
}

fn thread_local(inspection: &Inspection) -> String {
    let kind = if inspection.static_tls() { ", static" } else { "" };
    format!("{} bytes{kind}", inspection.tls_bytes())
}

fn details(inspection: &Inspection, examined: &Examination) -> String {
    let info = inspection.info();
    let or_none = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let glibc = inspection.glibc_floor().map_or_else(|| "any".to_owned(), |(major, minor)| format!("{major}.{minor} or newer"));
    let mut rows = vec![
        ("name", info.name.clone()),
        ("version", info.version.clone()),
        ("vendor", info.vendor.clone()),
        ("licence", info.licence.clone()),
        ("documentation", info.documentation.clone()),
        ("abi", abi(&info.abi)),
        ("extensions", or_none(&info.abi.offers)),
        ("needs of the host", or_none(&info.abi.requires)),
        ("contract", info.contract.to_string()),
        ("capabilities", or_none(&info.capabilities)),
        ("consistency", format!("{:?}", info.consistency).to_lowercase()),
        ("durability", format!("{:?}", info.durability).to_lowercase()),
        ("panic", or_untold(&info.panic)),
        ("target", or_untold(&info.target)),
        ("compiler", or_untold(&info.compiler)),
        ("sdk", or_untold(&info.sdk)),
        ("glibc", glibc),
        ("thread-local memory", thread_local(inspection)),
        ("constructors", inspection.constructors().to_string()),
        ("search path", or_none(&inspection.search_path())),
        ("hardening", hardening(inspection)),
        ("stripped", if inspection.has_all_symbols() { "no" } else { "yes" }.to_owned()),
        ("build id", or_untold(inspection.build_id().unwrap_or_default())),
        ("size", format!("{} bytes", inspection.size())),
        ("sha256", sha256(inspection)),
        ("file", inspection.path().display().to_string()),
    ];
    rows.extend(std::iter::once("libraries").chain(std::iter::repeat("")).zip(libraries(examined)));
    let cells: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let schema = serde_json::to_string_pretty(&info.settings).unwrap_or_default();
    format!("{}settings\n{}\n", columns(&cells), schema.lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end())
}
