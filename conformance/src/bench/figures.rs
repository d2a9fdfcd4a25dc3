//! Medians over rounds, and ratios with their confidence.

use super::measure::Sample;
use super::{Cell, Measured};
use crate::trial::Random;

/// How often the rounds are drawn anew to see how much a ratio depends on them.
const DRAWS: usize = 1000;

/// A value, and where it lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// One cell's figures.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub cell: Cell,
    /// Calls per second.
    pub rate: f64,
    /// MiB per second; 0 for calls that move none.
    pub mib: f64,
    /// The median latency, in microseconds.
    pub p50_us: f64,
    /// The latency that 99 of 100 calls stay below, in microseconds.
    pub p99_us: f64,
    /// Calls per second, as a multiple of the other's; above 1 is quicker.
    pub ratio: Option<Interval>,
}

/// The figures of `measured`, beside `other`, whose rounds are of the same time if `paired`. Cells that the other lacks have no ratio.
pub fn rows(measured: &Measured, other: Option<&Measured>, paired: bool) -> Vec<Row> {
    let row = |(number, cell): (usize, &Cell)| {
        let samples = of_cell(measured, number);
        let other = other.and_then(|other| Some(of_cell(other, other.cells.iter().position(|known| known == cell)?)));
        Row {
            cell: *cell,
            rate: median(samples.iter().map(|sample| rate(sample)).collect()),
            mib: median(samples.iter().map(|sample| sample.bytes as f64 / sample.seconds / f64::from(1 << 20)).collect()),
            p50_us: median(samples.iter().map(|sample| sample.p50_us).collect()),
            p99_us: median(samples.iter().map(|sample| sample.p99_us).collect()),
            ratio: other.map(|other| ratio(&rates(&samples), &rates(&other), paired)),
        }
    };
    measured.cells.iter().enumerate().map(row).collect()
}

fn of_cell(measured: &Measured, number: usize) -> Vec<&Sample> {
    measured.rounds.iter().filter_map(|round| round.get(number)).collect()
}

fn rate(sample: &Sample) -> f64 {
    sample.calls as f64 / sample.seconds
}

fn rates(samples: &[&Sample]) -> Vec<f64> {
    samples.iter().map(|sample| rate(sample)).collect()
}

/// The value in the middle; 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count.is_multiple_of(2) => f64::midpoint(values[count / 2 - 1], values[count / 2]),
        count => values[count / 2],
    }
}

/// How many times as quick `ours` is: the median over rounds, and its interval by drawing rounds anew (bootstrap).
fn ratio(ours: &[f64], theirs: &[f64], paired: bool) -> Interval {
    let mut random = Random::new(1);
    let pairs: Vec<f64> = ours.iter().zip(theirs).map(|(our, their)| our / their).collect();
    let mut draw = |values: &[f64]| median((0..values.len()).map(|_| *random.one_of(values)).collect());
    let mut drawn: Vec<f64> = (0..DRAWS).map(|_| if paired { draw(&pairs) } else { draw(ours) / draw(theirs) }).collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let middle = if paired { median(pairs.clone()) } else { median(ours.to_vec()) / median(theirs.to_vec()) };
    Interval { median: middle, low: drawn[DRAWS / 40], high: drawn[DRAWS - 1 - DRAWS / 40] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_of_pairs_does_not_see_what_slows_both() {
        let theirs = [100.0, 50.0, 10.0, 80.0, 20.0, 70.0, 40.0];
        let ours: Vec<_> = theirs.iter().map(|rate| rate * 2.0).collect();
        assert_eq!(ratio(&ours, &theirs, true), Interval { median: 2.0, low: 2.0, high: 2.0 });
        let unpaired = ratio(&ours, &theirs, false);
        assert!(unpaired.low < 2.0 && unpaired.high > 2.0, "{unpaired:?}");
    }

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
