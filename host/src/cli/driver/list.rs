//! `longshore driver list`: the driver files in the configured folders.

use std::fmt::Write as _;
use std::path::PathBuf;

use longshore_loader::{Candidate, Inspection, Refusal, scan};
use serde_json::Value;

use super::{as_json, columns, examine, or_untold, sha256};
use crate::cli::{Exit, print, say};

pub(in crate::cli) fn list(folders: &[PathBuf], json: bool) -> Result<(), Exit> {
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
