//! `longshore driver inspect`: all that one file says of itself and needs.

use std::path::Path;

use longshore_loader::Inspection;
use longshore_loader::api::metadata::Abi;

use super::{as_json, columns, examine, or_untold, sha256};
use crate::cli::{Exit, print, say};

pub(in crate::cli) fn inspect(path: &Path, json: bool) -> Result<(), Exit> {
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
