//! TAP 14: a line for each case, with directives for what is skipped or expected to fail, and a YAML block for what failed.

use super::explain;
use crate::record::{CaseRecord, Record, Standing};

/// The report.
pub(super) fn render(record: &Record) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", record.cases.len());
    for (name, value) in [("driver", &record.header.driver), ("sha256", &record.header.sha256)] {
        text += &format!("# {name} {value}\n");
    }
    text += &format!("# seed {}\n", record.header.seed);
    for (number, case) in record.cases.iter().enumerate() {
        text += &line(number + 1, case);
    }
    text
}

fn line(number: usize, case: &CaseRecord) -> String {
    let standing = case.standing();
    let (result, directive) = match standing {
        Standing::Passed => ("ok", String::new()),
        Standing::Skipped | Standing::Untested => ("ok", format!(" # SKIP {}", escape(&case.verdict.sentence()))),
        Standing::ExpectedFailure => ("not ok", format!(" # TODO {}", escape(case.expected.as_deref().unwrap_or("expected")))),
        // A rule that is no `must` is broken: it is told, and does not fail the run.
        Standing::Warned => ("not ok", format!(" # TODO {} is broken", case.level.to_uppercase())),
        Standing::UnexpectedPass => ("not ok", String::new()),
        Standing::Failed | Standing::Unknown => ("not ok", String::new()),
    };
    let mut text = format!("{result} {number} - {} {}{directive}\n", case.id, escape(&case.rule));
    if !matches!(standing, Standing::Passed | Standing::Skipped) {
        text += &format!("  ---\n  verdict: {}\n  seconds: {:.3}\n  explanation: |\n", case.verdict.name(), case.seconds);
        text.extend(explain(case).lines().map(|line| format!("    {line}\n")));
        text += "  ...\n";
    }
    text
}

/// A description of one line, in which `#` begins no directive.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}
