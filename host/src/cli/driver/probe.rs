//! `longshore driver probe`: loads a file in a process of its own, asks it what it is, and tells what that did.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use longshore_loader::probe::{Output, Probe, Probed, Stage, probe as load_elsewhere};
use longshore_loader::{Examination, Finding, Inspection, Policy, examine};
use serde_json::{Value, json};

use super::{columns, file_of, findings};
use crate::cli::{ConfigFile, Exit, print, say};

pub(in crate::cli) fn probe(asked: &Path, config: &ConfigFile, limit_secs: u64, json: bool) -> Result<(), Exit> {
    let examined = file_of(asked, config)?.map_or_else(Examination::from, |path| examine(&path, &Policy::of_this_host()));
    let inspection = match (&examined.inspection, examined.refusals().next()) {
        (Ok(inspection), None) => inspection,
        // What the host would not load is not loaded elsewhere either: its tables may be read wrongly.
        (inspection, _) => return refused(inspection.as_ref().ok(), &examined, json),
    };
    let probed = run(inspection, Duration::from_secs(limit_secs))?;
    print(&if json { format!("{:#}\n", as_json(inspection, &probed)) } else { for_people(inspection, &probed) })?;
    match probed.findings.first() {
        Some(worst) if !probed.passed() => {
            say(&format!("probe of driver {:?} from {:?}: {worst}", inspection.info().name, inspection.path()));
            Err(Exit::Driver)
        }
        _ => Ok(()),
    }
}

/// Loads one driver, without opening it.
pub(super) fn run(inspection: &Inspection, limit: Duration) -> Result<Probe, Exit> {
    load_elsewhere(&[Probed { inspection, settings: &Value::Null }], None, limit).map_err(|error| cannot_start(&error))
}

pub(super) fn cannot_start(error: &std::io::Error) -> Exit {
    say(&format!("cannot probe: the process that would load the driver cannot be started: {error}"));
    Exit::Driver
}

fn refused(inspection: Option<&Inspection>, examined: &Examination, json: bool) -> Result<(), Exit> {
    let refusals: Vec<Finding> = examined.refusals().cloned().collect();
    if json {
        let list: Vec<Value> = refusals.iter().map(findings::as_json).collect();
        let name = inspection.map(|inspection| &inspection.info().name);
        print(&format!("{:#}\n", json!({ "name": name, "reached": null, "findings": list })))?;
    }
    let name = inspection.map_or_else(String::new, |inspection| format!(" {:?}", inspection.info().name));
    for refusal in &refusals {
        say(&format!("driver{name} is not probed, for no host would load it: {refusal}"));
    }
    Err(Exit::Driver)
}

/// How far it came, as it is printed.
pub(super) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Probed => "probed",
        Stage::Loaded => "loaded",
        Stage::Handshake => "handshake",
        Stage::Opened => "opened",
        Stage::Healthy => "healthy",
    }
}

/// A probe for programs, without what the driver is.
pub(super) fn probe_as_json(probed: &Probe) -> Value {
    let output = |output: &Output| json!({ "bytes": output.bytes, "tail": output.tail });
    json!({
        "reached": probed.reached.map(stage),
        "ended": probed.ended,
        "stdout": output(&probed.stdout),
        "stderr": output(&probed.stderr),
        "findings": probed.findings.iter().map(findings::as_json).collect::<Vec<_>>(),
    })
}

fn as_json(inspection: &Inspection, probed: &Probe) -> Value {
    let mut object = probe_as_json(probed);
    object["says"] = serde_json::to_value(inspection.info()).unwrap_or_default();
    object["name"] = inspection.info().name.as_str().into();
    object["path"] = inspection.path().display().to_string().into();
    object
}

fn for_people(inspection: &Inspection, probed: &Probe) -> String {
    let info = inspection.info();
    let mut rows = vec![("file", inspection.path().display().to_string())];
    if probed.reached >= Some(Stage::Handshake) {
        rows.extend([
            ("name", info.name.clone()),
            ("version", info.version.clone()),
            ("vendor", info.vendor.clone()),
            ("abi", format!("{} {}", info.abi.kind, info.abi.major)),
            ("contract", info.contract.to_string()),
            ("capabilities", info.capabilities.join(", ")),
            ("consistency", format!("{:?}", info.consistency).to_lowercase()),
            ("durability", format!("{:?}", info.durability).to_lowercase()),
        ]);
    }
    rows.push(("reached", probed.reached.map_or("nothing", stage).to_owned()));
    rows.push(("ended", probed.ended.clone()));
    let cells: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    let printed = [("stdout", &probed.stdout), ("stderr", &probed.stderr)].map(|(name, output)| printed(name, output)).concat();
    format!("{}{printed}\n{}", columns(&cells), findings::table(&probed.findings))
}

/// The last lines of what was printed, without what a terminal would obey.
pub(super) fn printed(name: &str, output: &Output) -> String {
    const LINES_MAX: usize = 20;
    if output.bytes == 0 {
        return String::new();
    }
    let lines: Vec<&str> = output.tail.lines().collect();
    let mut text = format!("{name} ({} bytes)\n", output.bytes);
    for line in &lines[lines.len().saturating_sub(LINES_MAX)..] {
        let plain: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let _ = writeln!(text, "  {plain}");
    }
    text
}
