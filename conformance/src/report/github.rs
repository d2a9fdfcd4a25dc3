//! Annotations of GitHub Actions: at most ten, since the service shows no more of a step.

use super::cut;
use crate::record::{CaseRecord, Record, Standing};

/// How many annotations a step may have.
const ANNOTATIONS_MAX: usize = 10;

/// The workflow commands, one a line. The last one counts what has no place.
pub(super) fn render(record: &Record) -> String {
    let mut told: Vec<&CaseRecord> = record.cases.iter().filter(|case| level(case).is_some()).collect();
    // Errors before warnings: they may take all the places.
    told.sort_by_key(|case| level(case) != Some("error"));
    let mut text = String::new();
    let shown = if told.len() > ANNOTATIONS_MAX { ANNOTATIONS_MAX - 1 } else { told.len() };
    for case in &told[..shown] {
        let title = format!("{} {}", case.id, case.verdict.name());
        let message = format!("{}\nwhat came back: {}\nrepeat it: {}", case.rule, cut(&case.verdict.sentence(), 2048), case.repeat);
        text += &format!("::{} title={}::{}\n", level(case).unwrap_or("error"), property(&title), data(&message));
    }
    if told.len() > shown {
        text += &format!("::error title=more failures::{} more cases failed; the job's summary has them all\n", told.len() - shown);
    }
    text
}

fn level(case: &CaseRecord) -> Option<&'static str> {
    match case.standing() {
        Standing::Failed | Standing::Unknown | Standing::UnexpectedPass => Some("error"),
        Standing::Warned => Some("warning"),
        _ => None,
    }
}

/// A command's text.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A command's property, in which `:` and `,` mean something as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
