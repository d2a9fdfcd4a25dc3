//! A concurrent history as a picture: a row for each client, a bar for each call, the one that has no place in any order in red.

use maud::{Markup, html};

use crate::verdict::Event;

const WIDTH: u64 = 900;
const LEFT: u64 = 70;
const ROW: u64 = 34;
/// How many calls are drawn, the last ones.
const SHOWN_MAX: usize = 200;

/// The picture, as SVG.
pub(super) fn render(history: &[Event]) -> Markup {
    // The culprit is near the end of what was tried, and a picture of thousands of bars shows nothing.
    let shown = &history[history.len().saturating_sub(SHOWN_MAX)..];
    let begin = shown.iter().map(|event| event.begin_us).min().unwrap_or(0);
    let end = shown.iter().map(|event| event.end_us.unwrap_or(event.begin_us)).max().unwrap_or(begin).max(begin + 1);
    let clients = shown.iter().map(|event| event.client).max().map_or(0, |client| client as u64 + 1);
    let at = |us: u64| LEFT + us.saturating_sub(begin).min(end - begin) * (WIDTH - LEFT - 10) / (end - begin);
    html! {
        svg class="timeline" xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (clients * ROW + 20) } width="100%" {
            @for client in 0..clients {
                text x="4" y=(client * ROW + 20) font-size="11" { "client " (client) }
                line x1=(LEFT) x2=(WIDTH - 10) y1=(client * ROW + 24) y2=(client * ROW + 24) stroke="#ddd" {}
            }
            @for event in shown {
                @let from = at(event.begin_us);
                @let to = at(event.end_us.unwrap_or(end)).max(from + 2);
                @let y = event.client as u64 * ROW + 8;
                g {
                    title { (event.text) ", " (event.begin_us) " to " (event.end_us.map_or_else(|| "unknown".to_owned(), |end| end.to_string())) " us" }
                    rect x=(from) y=(y) width=(to - from) height="16" rx="2"
                        fill=(if event.culprit { "#c62828" } else if event.end_us.is_none() { "#f9a825" } else { "#1565c0" }) fill-opacity="0.75" {}
                    text x=(from) y=(y + 27) font-size="9" { (event.text) }
                }
            }
            text x=(LEFT) y=(clients * ROW + 16) font-size="10" { (begin) " us" }
            text x=(WIDTH - 10) y=(clients * ROW + 16) font-size="10" text-anchor="end" { (end) " us" }
        }
    }
}
