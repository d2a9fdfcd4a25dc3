//! `longshore driver explain`: what a code means.

use longshore_loader::FindingCode;
use longshore_loader::api::schema::nearest;
use serde_json::json;

use crate::cli::{Exit, print, say};

/// Prints what `code` means, or all codes without one.
pub(in crate::cli) fn explain(code: Option<&str>, as_json: bool) -> Result<(), Exit> {
    let codes: Vec<FindingCode> = match code {
        None => FindingCode::all().collect(),
        Some(text) => vec![FindingCode::find(text).ok_or_else(|| unknown(text))?],
    };
    if as_json {
        let all: Vec<_> = codes
            .iter()
            .map(|code| {
                let (group, severity) = (code.group().as_str(), code.severity().as_str());
                json!({ "code": code.as_str(), "group": group, "severity": severity, "meaning": code.meaning() })
            })
            .collect();
        return print(&format!("{:#}\n", serde_json::Value::from(all)));
    }
    let lines =
        codes.iter().map(|code| format!("{code} ({}, {})\n  {}\n", code.group().as_str(), code.severity().as_str(), code.meaning()));
    print(&lines.collect::<Vec<_>>().join("\n"))
}

fn unknown(text: &str) -> Exit {
    let codes: Vec<&str> = FindingCode::all().map(FindingCode::as_str).collect();
    let hint = match nearest(text, codes) {
        Some(other) => format!("did you mean {other:?}?"),
        None => "without a code, all of them are listed".to_owned(),
    };
    say(&format!("there is no code {text:?}; {hint}"));
    Exit::Usage
}
