//! Findings for people and for programs.

use std::fmt::Write as _;
use std::io::IsTerminal;

use longshore_loader::{Finding, Severity};
use serde_json::{Value, json};

/// A finding for programs.
pub(super) fn as_json(finding: &Finding) -> Value {
    json!({
        "code": finding.code.as_str(),
        "group": finding.code.group().as_str(),
        "severity": finding.severity().as_str(),
        "what": finding.what,
        "why": finding.code.meaning(),
        "fix": finding.fix,
    })
}

/// How many there are of each severity, as `1 refused, 2 warnings`; `none` without any.
pub(super) fn counted(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity() == severity).count();
    let several = |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let (refused, warnings, notices) = (count(Severity::Refused), count(Severity::Warning), count(Severity::Notice));
    let mut parts = Vec::new();
    if refused > 0 {
        parts.push(format!("{refused} refused"));
    }
    if warnings > 0 {
        parts.push(several(warnings, "warning"));
    }
    if notices > 0 {
        parts.push(several(notices, "notice"));
    }
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// Each with what, why and how to fix; coloured on a terminal.
pub(super) fn table(findings: &[Finding]) -> String {
    let colours = std::io::stdout().is_terminal();
    let mut text = format!("findings  {}\n", counted(findings));
    for finding in findings {
        let (code, group) = (finding.code, finding.code.group().as_str());
        let _ = writeln!(text, "\n{}  {code}  ({group})", coloured(finding.severity(), colours));
        for (name, value) in [("what", finding.what.as_str()), ("why", code.meaning()), ("fix", &finding.fix)] {
            let _ = writeln!(text, "  {name:<4}  {value}");
        }
    }
    text
}

fn coloured(severity: Severity, colours: bool) -> String {
    let colour = match severity {
        Severity::Refused => 31,
        Severity::Warning => 33,
        Severity::Notice => 36,
    };
    if colours { format!("\x1b[{colour}m{}\x1b[0m", severity.as_str()) } else { severity.as_str().to_owned() }
}
