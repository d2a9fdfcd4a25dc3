//! The figures as a page with plots: for each call, rate by size, a line for each number of clients.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Call, Measured, Row, table};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 6] = ["#1565c0", "#2e7d32", "#c62828", "#6a1b9a", "#ef6c00", "#00838f"];

/// The page: what was measured, the table, the plots. The other's lines are dashed.
pub fn page(measured: &Measured, rows: &[Row], other: Option<(&str, &[Row])>) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "measuring " (measured.driver) }
                style { (PreEscaped("body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; } pre { overflow-x: auto; }")) }
            }
            body {
                h1 { (measured.driver) @if let Some((name, _)) = other { " beside " (name) } }
                p { (measured.rounds.len()) " rounds, Linux " (measured.kernel) ", sha256 " code { (measured.sha256) } }
                pre { (table(rows)) }
                @for call in Call::ALL { (plot(call, rows, other.map(|(_, rows)| rows))) }
            }
        }
    };
    page.into_string()
}

/// What the plot of a call shows of a row: MiB per second, or calls.
fn value(row: &Row) -> f64 {
    if row.cell.call.moves_bytes() { row.mib } else { row.rate }
}

fn plot(call: Call, rows: &[Row], other: Option<&[Row]>) -> Markup {
    let of_call = |rows: &[Row]| rows.iter().filter(|row| row.cell.call == call).cloned().collect::<Vec<_>>();
    let (ours, theirs) = (of_call(rows), other.map(of_call).unwrap_or_default());
    if ours.is_empty() {
        return html! {};
    }
    let mut clients: Vec<_> = ours.iter().map(|row| row.cell.clients).collect();
    clients.dedup();
    clients.sort_unstable();
    clients.dedup();
    let mut sizes: Vec<_> = ours.iter().map(|row| row.cell.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let top = ours.iter().chain(&theirs).map(value).fold(1.0, f64::max).log10().ceil();
    let bottom = ours.iter().chain(&theirs).map(value).fold(f64::MAX, f64::min).max(0.1).log10().floor().min(top - 1.0);
    let x = |place: usize| MARGIN + (WIDTH - 2.0 * MARGIN) * (place as f64 + 0.5) / sizes.len() as f64;
    let y = |value: f64| HEIGHT - 40.0 - (HEIGHT - 60.0) * (value.max(0.1).log10() - bottom) / (top - bottom);
    let line = |rows: &[Row], clients: usize| {
        let points = rows.iter().filter(|row| row.cell.clients == clients).filter_map(|row| {
            let place = sizes.iter().position(|size| *size == row.cell.size)?;
            Some(format!("{:.1},{:.1}", x(place), y(value(row))))
        });
        points.collect::<Vec<_>>().join(" ")
    };
    html! {
        h2 { (call) }
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width="100%" style="max-width: 44rem" {
            @for power in (bottom as i32)..=(top as i32) {
                @let at = y(10_f64.powi(power));
                line x1=(MARGIN) x2=(WIDTH - MARGIN) y1=(at) y2=(at) stroke="#ccc" {}
                text x=(MARGIN - 6.0) y=(at + 4.0) font-size="10" text-anchor="end" { (10_f64.powi(power)) }
            }
            @for (place, size) in sizes.iter().enumerate() {
                text x=(x(place)) y=(HEIGHT - 22.0) font-size="10" text-anchor="middle" { @if call.moves_bytes() { (size) } }
            }
            text x="6" y="14" font-size="11" { @if call.moves_bytes() { "MiB/s" } @else { "calls/s" } }
            @for (number, count) in clients.iter().enumerate() {
                @let colour = COLOURS[number % COLOURS.len()];
                (points(&line(&ours, *count), colour, None))
                (points(&line(&theirs, *count), colour, Some("5 4")))
                text x=(WIDTH - MARGIN + 4.0) y=(30.0 + 14.0 * number as f64) font-size="10" fill=(colour) { (count) " clients" }
            }
        }
    }
}

/// A line through points, or one point.
fn points(points: &str, colour: &str, dashes: Option<&str>) -> Markup {
    html! {
        polyline points=(points) fill="none" stroke=(colour) stroke-width="2" stroke-dasharray=[dashes] {}
        @for point in points.split(' ').filter_map(|point| point.split_once(',')) {
            circle cx=(point.0) cy=(point.1) r="3" fill=(colour) {}
        }
    }
}
