//! A case in words, the same in every report.

use crate::record::{CaseRecord, Standing};
use crate::verdict::Verdict;

/// A failed case as sentences: what the contract says, what came back, what was done, how to repeat it.
pub fn explain(case: &CaseRecord) -> String {
    let mut text = format!("{} {}\n", case.id, word(case));
    text += &format!("  the contract says: {} ({}, {})\n", case.rule, case.level.to_uppercase(), case.source);
    text += &format!("  what came back:    {}\n", case.verdict.sentence());
    if let Verdict::Fail(breach) = &case.verdict {
        if let Some(difference) = &breach.difference {
            text += &format!("  first difference:  {difference}\n");
        }
        for event in &breach.history {
            let end = event.end_us.map_or_else(|| "?".to_owned(), |end| end.to_string());
            let mark = if event.culprit { "  <- has no place in any order" } else { "" };
            text += &format!("    client {} {:>8}..{end:>8} us  {}{mark}\n", event.client, event.begin_us, event.text);
        }
    }
    if !case.trace.is_empty() {
        text += "  the last calls:\n";
        // All of them are in the JSON record.
        let from = case.trace.len().saturating_sub(8);
        text.extend(case.trace[from..].iter().map(|line| format!("    {line}\n")));
    }
    for (name, lines) in [("the driver printed", &case.output), ("the driver logged", &case.log)] {
        let lines: Vec<_> = lines.trim_end().lines().collect();
        if !lines.is_empty() {
            text += &format!("  {name}:\n");
            text.extend(lines[lines.len().saturating_sub(6)..].iter().map(|line| format!("    {line}\n")));
        }
    }
    if !case.repeat.is_empty() {
        text += &format!("  repeat it:         {}\n", case.repeat);
    }
    text
}

/// The verdict, and what the baseline makes of it.
pub(crate) fn word(case: &CaseRecord) -> String {
    match case.standing() {
        Standing::ExpectedFailure => format!("xfail ({})", case.verdict.name()),
        Standing::UnexpectedPass => "xpass".to_owned(),
        _ => case.verdict.name().to_owned(),
    }
}
