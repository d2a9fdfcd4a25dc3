//! `longshore driver`: what driver files say of themselves. None of their code runs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use longshore_loader::api::metadata::Abi;
use longshore_loader::{Candidate, Inspection, Policy, Refusal, inspect as inspect_file, scan, verify};
use serde_json::{Value, json};

use super::{Exit, print, say};

pub(super) fn list(folders: &[PathBuf], json: bool) -> Result<(), Exit> {
    let scan = scan(folders);
    let rows: Vec<(Candidate, Result<Inspection, Refusal>)> =
        scan.candidates.into_iter().map(|file| (file.clone(), examine(&file.path))).collect();
    for (folder, error) in &scan.unreadable {
        say(&format!("cannot look into {}: {error}", folder.display()));
    }
    if json {
        let all: Vec<Value> = rows.iter().map(|(file, examined)| as_json(&file.path, file.shadowed_by.as_deref(), examined)).collect();
        return print(&format!("{:#}\n", Value::from(all)));
    }
    if rows.is_empty() {
        say("no driver file in any of the folders; a driver's file is called liblongshore_driver_<name>.so");
        return Ok(());
    }
    print(&table(&rows))
}

pub(super) fn inspect(path: &Path, json: bool) -> Result<(), Exit> {
    let examined = examine(path);
    if json {
        print(&format!("{:#}\n", as_json(path, None, &examined)))?;
    }
    match examined {
        Ok(inspection) if !json => print(&details(&inspection)),
        Ok(_) => Ok(()),
        Err(refusal) => {
            say(&format!("{refusal} [{}]", refusal.code));
            Err(Exit::Driver)
        }
    }
}

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

fn table(rows: &[(Candidate, Result<Inspection, Refusal>)]) -> String {
    let head = ["NAME", "VERSION", "ABI", "CONTRACT", "LICENCE", "COMPILER", "SHA256", "CAPABILITIES", "FILE"].map(str::to_owned).to_vec();
    let mut cells = vec![head];
    let mut notes = String::new();
    for (file, examined) in rows {
        let place = file.path.display().to_string();
        match examined {
            Ok(inspection) => {
                let info = inspection.info();
                let abi = format!("{} {}", info.abi.kind, info.abi.major);
                let (contract, digest) = (info.contract.to_string(), sha256(inspection).chars().take(12).collect());
                let capabilities = info.capabilities.join(",");
                let compiler = or_untold(&info.compiler);
                let row = [&info.name, &info.version, &abi, &contract, &info.licence, &compiler, &digest, &capabilities, &place];
                cells.push(row.map(Clone::clone).to_vec());
            }
            Err(refusal) => {
                let mut row = vec!["-".to_owned(); 9];
                (row[0], row[1], row[8]) = (file.name.clone(), "refused".into(), place);
                cells.push(row);
                let _ = writeln!(notes, "{refusal} [{}]", refusal.code);
            }
        }
        if let Some(other) = &file.shadowed_by {
            let _ = writeln!(notes, "{} is not used: {} comes first", file.path.display(), other.display());
        }
    }
    let table = columns(&cells);
    if notes.is_empty() { table } else { format!("{table}\n{notes}") }
}

/// What a note by hand, as of a driver in C, may leave out.
fn or_untold(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// Kind and major, and the tables' fingerprint where the kind has one.
fn abi(abi: &Abi) -> String {
    match abi.layout.as_str() {
        "" => format!("{} {}", abi.kind, abi.major),
        layout => format!("{} {} (tables {layout})", abi.kind, abi.major),
    }
}

fn details(inspection: &Inspection) -> String {
    let info = inspection.info();
    let or_none = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let glibc = inspection.glibc_floor().map_or_else(|| "any".to_owned(), |(major, minor)| format!("{major}.{minor} or newer"));
    let rows = [
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
        ("libraries", or_none(inspection.needed())),
        ("glibc", glibc),
        ("size", format!("{} bytes", inspection.size())),
        ("sha256", sha256(inspection)),
        ("file", inspection.path().display().to_string()),
    ];
    let cells: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let schema = serde_json::to_string_pretty(&info.settings).unwrap_or_default();
    format!("{}settings\n{}\n", columns(&cells), schema.lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end())
}
