//! A job's summary: the tally, then what failed, then all cases.

use super::cut;
use crate::record::{CaseRecord, Record, Standing};

/// The summary.
pub(super) fn render(record: &Record) -> String {
    let (header, summary) = (&record.header, &record.summary);
    let verdict = if summary.conformant { "keeps the contract, as far as it was tried" } else { "does not pass" };
    let mut text = format!("## {} {} {verdict}\n\n", cell(&header.driver), cell(&header.driver_version));
    text += &format!(
        "`{}`, sha256 `{}`, profile {}, seed {}, {:.1} s\n\n",
        header.file, header.sha256, header.profile, header.seed, summary.seconds
    );
    text += "| | passed | failed | skipped | not testable | expected | harness errors |\n|---|---|---|---|---|---|---|\n";
    for (name, tally) in [("MUST", &summary.must), ("SHOULD", &summary.should), ("MAY", &summary.may)] {
        text += &format!(
            "| {name} | {} | {} | {} | {} | {} | {} |\n",
            tally.passed, tally.failed, tally.skipped, tally.not_testable, tally.expected, tally.harness_errors
        );
    }
    if !summary.untested_must.is_empty() {
        text += &format!("\nEvery MUST must be tried; these could not: {}\n", summary.untested_must.join(", "));
    }
    let wrong = |case: &&CaseRecord| !matches!(case.standing(), Standing::Passed | Standing::Skipped);
    text += &table("What did not pass", record.cases.iter().filter(wrong));
    text += "\n<details><summary>All cases</summary>\n";
    text += &table("", record.cases.iter());
    text += "\n</details>\n";
    text
}

fn table<'c>(title: &str, cases: impl Iterator<Item = &'c CaseRecord>) -> String {
    let rows: String = cases
        .map(|case| {
            let what = cut(&case.verdict.sentence(), 500);
            format!("| {} | {} | {} | {} | {} |\n", case.id, case.level, case.verdict.name(), cell(&case.rule), cell(&what))
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let title = if title.is_empty() { String::new() } else { format!("\n### {title}\n") };
    format!("{title}\n| case | level | verdict | rule | what came back |\n|---|---|---|---|---|\n{rows}")
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}
