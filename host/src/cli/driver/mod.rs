//! `longshore driver`: what driver files say of themselves. None of their code runs.

mod inspect;
mod list;

use std::fmt::Write as _;
use std::path::Path;

use longshore_loader::{Inspection, Policy, Refusal, inspect as inspect_file, verify};
use serde_json::{Value, json};

pub(super) use inspect::inspect;
pub(super) use list::list;

/// A file that this host would load, or why not.
fn examine(path: &Path) -> Result<Inspection, Refusal> {
    let inspection = inspect_file(path)?;
    verify(&inspection, &Policy::of_this_host())?;
    Ok(inspection)
}

fn sha256(inspection: &Inspection) -> String {
    inspection.sha256().map_or_else(|error| format!("cannot be read: {error}"), |sha256| sha256.to_string())
}

fn as_json(path: &Path, shadowed_by: Option<&Path>, examined: &Result<Inspection, Refusal>) -> Value {
    let mut object = match examined {
        Ok(inspection) => {
            let mut object = serde_json::to_value(inspection.info()).unwrap_or_default();
            object["sha256"] = sha256(inspection).into();
            object["needs"] = json!({
                "libraries": inspection.needed(),
                "glibc": inspection.glibc_floor().map(|(major, minor)| format!("{major}.{minor}")),
                "static_tls": inspection.static_tls(),
            });
            object
        }
        Err(refusal) => json!({ "refused": { "code": refusal.code.as_str(), "why": refusal.why, "fix": refusal.fix } }),
    };
    object["path"] = path.display().to_string().into();
    if let Some(other) = shadowed_by {
        object["shadowed_by"] = other.display().to_string().into();
    }
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
