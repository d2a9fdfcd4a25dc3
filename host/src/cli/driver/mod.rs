//! `longshore driver`: what driver files are, before and while they run. `list` and `inspect` run none of their code; `probe` and `why` do so in a
//! process of its own.

mod explain;
mod findings;
mod inspect;
mod list;
mod probe;
mod why;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use longshore_loader::{DriverSource, Examination, Inspection, Refusal, is_driver_name, locate};
use serde_json::{Value, json};

use super::{ConfigFile, Exit};

pub(super) use explain::explain;
pub(super) use inspect::inspect;
pub(super) use list::list;
pub(super) use probe::probe;
pub(super) use why::why;

/// The file that somebody asked for: by its path, or by a driver's name, which is looked for in the configured folders.
fn file_of(asked: &Path, config: &ConfigFile) -> Result<Result<PathBuf, Refusal>, Exit> {
    match asked.to_str() {
        Some(name) if is_driver_name(name) && !asked.exists() => {
            let folders = config.load()?.drivers.path;
            Ok(locate(&DriverSource::Name(name.to_owned()), &folders))
        }
        _ => Ok(Ok(asked.to_owned())),
    }
}

fn sha256(inspection: &Inspection) -> String {
    inspection.sha256().map_or_else(|error| format!("cannot be read: {error}"), |sha256| sha256.to_string())
}

/// A file for programs: what it says of itself if that can be read, what it needs, and everything to be said of it.
fn as_json(path: &Path, shadowed_by: Option<&Path>, examined: &Examination) -> Value {
    let mut object = examined.inspection.as_ref().map_or_else(|_| json!({}), |inspection| said(inspection, examined));
    if let Some(refusal) = examined.refusals().next() {
        object["refused"] = json!({ "code": refusal.code.as_str(), "why": refusal.what, "fix": refusal.fix });
    }
    object["findings"] = examined.findings.iter().map(findings::as_json).collect();
    object["path"] = path.display().to_string().into();
    if let Some(other) = shadowed_by {
        object["shadowed_by"] = other.display().to_string().into();
    }
    object
}

fn said(inspection: &Inspection, examined: &Examination) -> Value {
    let mut object = serde_json::to_value(inspection.info()).unwrap_or_default();
    let hardening = inspection.hardening();
    object["sha256"] = sha256(inspection).into();
    object["size"] = inspection.size().into();
    object["build_id"] = inspection.build_id().into();
    object["stripped"] = (!inspection.has_all_symbols()).into();
    object["constructors"] = inspection.constructors().into();
    object["search_path"] = inspection.search_path().into();
    object["hardening"] = json!({
        "executable_stack": hardening.executable_stack,
        "writable_code": hardening.writable_code,
        "text_relocations": hardening.text_relocations,
        "relro": hardening.relro,
        "bind_now": hardening.bind_now,
    });
    object["needs"] = json!({
        "libraries": inspection.needed(),
        "glibc": inspection.glibc_floor().map(|(major, minor)| format!("{major}.{minor}")),
        "static_tls": inspection.static_tls(),
        "tls_bytes": inspection.tls_bytes(),
        "found": examined.libraries.iter().map(|library| json!({
            "name": library.name,
            "needed_by": library.needed_by,
            "path": library.path.as_ref().map(|path| path.display().to_string()),
        })).collect::<Vec<_>>(),
    });
    object
}

/// Columns as wide as their widest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..count).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

/// What a note by hand, as of a driver in C, may leave out.
fn or_untold(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}
