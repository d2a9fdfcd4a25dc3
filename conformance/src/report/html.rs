//! One page for a browser: nothing else is needed to read it, and it runs no script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{explain, timeline};
use crate::record::{CaseRecord, Record, Standing, Tally};
use crate::verdict::Verdict;

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; } .pass { color: #2e7d32; } .bad { color: #c62828; font-weight: bold; }
.warn { color: #b26a00; } .grey { color: #777; } code { background: #f6f6f6; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre, code { background: #262626; } th, td { border-color: #444; }
.timeline text { fill: #ddd; } }
";

/// The page.
pub(super) fn render(record: &Record) -> String {
    let (header, summary) = (&record.header, &record.summary);
    let wrong: Vec<_> = record.cases.iter().filter(|case| !matches!(case.standing(), Standing::Passed | Standing::Skipped)).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (header.driver) " and the driver contract" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 {
                    (header.driver) " " (header.driver_version) " "
                    @if summary.conformant { span.pass { "keeps the contract, as far as it was tried" } } @else { span.bad { "does not pass" } }
                }
                p { code { (header.file) } " sha256 " code { (header.sha256) } }
                p {
                    (header.began) ", profile " (header.profile) ", seed " (header.seed) ", " (format!("{:.1}", summary.seconds)) " s; ABI "
                    (header.abi) ", " (header.compiler) "; Linux " (header.kernel) ", " (header.file_system)
                }
                (tallies(record))
                @if !summary.untested_must.is_empty() {
                    p.bad { "Every MUST must be tried; these could not: " (summary.untested_must.join(", ")) }
                }
                @if !wrong.is_empty() {
                    h2 { "What did not pass" }
                    @for case in &wrong { (details(case)) }
                }
                h2 { "All cases" }
                table {
                    tr { th { "case" } th { "level" } th { "verdict" } th { "seconds" } th { "rule" } }
                    @for case in &record.cases { (row(case)) }
                }
            }
        }
    };
    page.into_string()
}

fn tallies(record: &Record) -> Markup {
    let summary = &record.summary;
    html! {
        table {
            tr { th {} th { "passed" } th { "failed" } th { "skipped" } th { "not testable" } th { "expected" } th { "harness errors" } }
            @for (name, tally) in [("MUST", &summary.must), ("SHOULD", &summary.should), ("MAY", &summary.may)] {
                @let Tally { passed, failed, skipped, not_testable, expected, harness_errors } = tally;
                tr { th { (name) } td { (passed) } td { (failed) } td { (skipped) } td { (not_testable) } td { (expected) } td { (harness_errors) } }
            }
        }
    }
}

fn class(case: &CaseRecord) -> &'static str {
    match case.standing() {
        Standing::Passed => "pass",
        Standing::Skipped | Standing::Untested => "grey",
        Standing::Warned | Standing::ExpectedFailure => "warn",
        Standing::Failed | Standing::Unknown | Standing::UnexpectedPass => "bad",
    }
}

fn details(case: &CaseRecord) -> Markup {
    html! {
        section id=(case.id) {
            h3 { (case.id) " " span class=(class(case)) { (case.verdict.name()) } }
            pre { (explain(case)) }
            @if let Verdict::Fail(breach) = &case.verdict {
                @if !breach.history.is_empty() { (timeline::render(&breach.history)) }
            }
        }
    }
}

fn row(case: &CaseRecord) -> Markup {
    html! {
        tr {
            td { (case.id) }
            td { (case.level) }
            td class=(class(case)) { (case.verdict.name()) }
            td { (format!("{:.2}", case.seconds)) }
            td {
                (case.rule)
                @if let Verdict::Skip { reason } = &case.verdict { " " span.grey { "(" (reason) ")" } }
                @for (name, value) in &case.notes { " " span.grey { (name) ": " (value) } }
            }
        }
    }
}
