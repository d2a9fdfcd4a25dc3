//! A badge: as the JSON that badge services read from an endpoint, and as a picture.

use maud::{PreEscaped, html};

use crate::record::Record;

/// What the badge says on its right side, and its colour.
fn message(record: &Record) -> (String, &'static str) {
    let must = &record.summary.must;
    // What is not about the driver is not counted against it.
    let asked = must.all() - must.skipped;
    let text = format!("{} {}/{asked} MUST", record.header.profile, must.passed);
    (text, if record.summary.conformant { "brightgreen" } else { "red" })
}

/// The JSON of a badge endpoint.
pub(super) fn endpoint(record: &Record) -> String {
    let (message, color) = message(record);
    let label = format!("longshore driver {}", record.header.driver);
    format!("{}\n", serde_json::json!({ "schemaVersion": 1, "label": label, "message": message, "color": color }))
}

/// The picture.
pub(super) fn svg(record: &Record) -> String {
    const DIGIT_WIDTH: usize = 7;
    const MARGIN: usize = 10;
    let (message, color) = message(record);
    let label = format!("longshore driver {}", record.header.driver);
    let colour = if color == "red" { "#c62828" } else { "#2e7d32" };
    let (left, right) = (label.len() * DIGIT_WIDTH + MARGIN, message.len() * DIGIT_WIDTH + MARGIN);
    let all = left + right;
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(all) height="20" role="img" aria-label={ (label) ": " (message) } {
            rect width=(left) height="20" fill="#555" {}
            rect x=(left) width=(right) height="20" fill=(colour) {}
            g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle" {
                text x=(left / 2) y="14" { (label) }
                text x=(left + right / 2) y="14" { (message) }
            }
        }
    };
    format!("{}\n", PreEscaped(picture.into_string()).0)
}
