//! `longshore driver list`: the driver files in the configured folders, and the worst that is to be said of each.

use std::fmt::Write as _;
use std::path::PathBuf;

use longshore_loader::{Candidate, DriverSource, Examination, Policy, examine, locate, scan};
use serde_json::Value;

use super::{as_json, columns, or_untold, sha256};
use crate::cli::{Exit, print, say};

/// The columns; a file that cannot be read has the first, the second and the last two.
const HEAD: [&str; 10] = ["NAME", "VERSION", "ABI", "CONTRACT", "LICENCE", "COMPILER", "SHA256", "CAPABILITIES", "WORST", "FILE"];

/// Lists the drivers that are `called`, or all.
pub(in crate::cli) fn list(folders: &[PathBuf], called: &[String], json: bool) -> Result<(), Exit> {
    let mut scan = scan(folders);
    if let Some(name) = called.iter().find(|name| !scan.candidates.iter().any(|file| file.name == **name)) {
        let refusal = locate(&DriverSource::Name(name.clone()), folders).err();
        say(&refusal.map_or_else(|| format!("there is no driver {name:?}"), |refusal| format!("{refusal} [{}]", refusal.code)));
        return Err(Exit::Driver);
    }
    scan.candidates.retain(|file| called.is_empty() || called.contains(&file.name));
    let policy = Policy::of_this_host();
    let rows: Vec<(Candidate, Examination)> =
        scan.candidates.into_iter().map(|file| (file.clone(), examine(&file.path, &policy))).collect();
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

fn table(rows: &[(Candidate, Examination)]) -> String {
    let mut cells = vec![HEAD.map(str::to_owned).to_vec()];
    let mut notes = String::new();
    for (file, examined) in rows {
        cells.push(row(file, examined));
        if let Some(refusal) = examined.refusals().next() {
            let name = examined.inspection.as_ref().map_or_else(|_| String::new(), |it| format!(" {:?}", it.info().name));
            let _ = writeln!(notes, "cannot load driver{name} from {:?}: {refusal}", file.path);
        }
        if let Some(other) = &file.shadowed_by {
            let _ = writeln!(notes, "{} is not used: {} comes first", file.path.display(), other.display());
        }
    }
    let table = columns(&cells);
    if notes.is_empty() { table } else { format!("{table}\n{notes}") }
}

fn row(file: &Candidate, examined: &Examination) -> Vec<String> {
    let mut row = vec!["-".to_owned(); HEAD.len()];
    match &examined.inspection {
        Ok(inspection) => {
            let info = inspection.info();
            let digest = sha256(inspection).chars().take(12).collect();
            let abi = format!("{} {}", info.abi.kind, info.abi.major);
            let (contract, capabilities) = (info.contract.to_string(), info.capabilities.join(","));
            let compiler = or_untold(&info.compiler);
            let said = [info.name.clone(), info.version.clone(), abi, contract, info.licence.clone(), compiler, digest, capabilities];
            row.splice(..said.len(), said);
        }
        Err(_) => (row[0], row[1]) = (file.name.clone(), "refused".into()),
    }
    row[HEAD.len() - 2] = examined.worst().map_or("-", longshore_loader::Severity::as_str).to_owned();
    row[HEAD.len() - 1] = file.path.display().to_string();
    row
}
