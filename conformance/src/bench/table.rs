//! The figures as a table of text.

use super::Row;

/// The table.
pub fn table(rows: &[Row]) -> String {
    let compared = rows.iter().any(|row| row.ratio.is_some());
    let mut text =
        format!("{:<7} {:>8} {:>7} {:>12} {:>10} {:>12} {:>12}", "call", "size", "clients", "calls/s", "MiB/s", "p50 us", "p99 us");
    text += if compared { "   x the other (95 %)\n" } else { "\n" };
    for row in rows {
        let size = if row.cell.call.moves_bytes() { row.cell.size.to_string() } else { String::new() };
        let mib = if row.cell.call.moves_bytes() { format!("{:.1}", row.mib) } else { String::new() };
        text += &format!(
            "{:<7} {size:>8} {:>7} {:>12.0} {mib:>10} {:>12.1} {:>12.1}",
            row.cell.call, row.cell.clients, row.rate, row.p50_us, row.p99_us
        );
        if let Some(ratio) = row.ratio {
            text += &format!("   {:.2} ({:.2} to {:.2})", ratio.median, ratio.low, ratio.high);
        }
        text.push('\n');
    }
    text
}
