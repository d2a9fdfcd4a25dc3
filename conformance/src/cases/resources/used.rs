//! Memory and processor time.

use std::time::Duration;

use longshore_loader::api::Driver;

use super::held::mixed;
use crate::case::Outcome;
use crate::trial::observe::memory_bytes;
use crate::trial::peer::{Content, Peer, Question};
use crate::trial::{CALL, Random, Trial};
use crate::verdict::{Stop, hold};

/// A straight line through measured points, and how sure its slope is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    slope: f64,
    /// The standard error of the slope.
    error: f64,
}

/// The line with the least squares of distances.
fn fit(points: &[(f64, f64)]) -> Line {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let slope = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
    let rest: f64 = points.iter().map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2)).sum();
    Line { slope, error: (rest / (count - 2.0) / spread).sqrt() }
}

pub(super) async fn memory_does_not_grow(trial: &Trial) -> Outcome {
    const CALLS: usize = 10_000;
    const WARM_UP: usize = 2000;
    const STEP: usize = 200;
    // Allocators keep pieces; a call that leaks leaves at least its key.
    const SLOPE_MAX_BYTES: f64 = 64.0;
    // Two standard errors: a slope that is larger by chance is as rare as one run in forty, and the threshold is added to that.
    const SURE: f64 = 2.0;
    let driver = trial.open().await?;
    let mut random = Random::new(trial.seed());
    let mut points = Vec::new();
    for call in 0..CALLS {
        mixed(&driver, &mut random).await?;
        if call >= WARM_UP && call.is_multiple_of(STEP) {
            points.push((call as f64, memory_bytes("self") as f64));
        }
    }
    driver.close(&CALL).await?;
    let line = fit(&points);
    trial.note("memory per call", format!("{:.1} ± {:.1} bytes", line.slope, SURE * line.error));
    let grows = line.slope - SURE * line.error > SLOPE_MAX_BYTES;
    hold!(!grows, "memory grows by {:.0} ± {:.0} bytes with each of {CALLS} calls on the same three keys", line.slope, SURE * line.error);
    Ok(())
}

pub(super) async fn idle_is_idle(trial: &Trial) -> Outcome {
    const IDLE: Duration = Duration::from_secs(10);
    // 1 % of the time that is watched.
    const BUSY_MAX_MS: u64 = 100;
    let peer = Peer::start(trial).await?;
    for number in 0..50 {
        let content = Content::Random { seed: number, size: 10_000 };
        peer.ask(Question::Put { key: format!("a/{number}"), content, if_absent: false }).await?;
        peer.ask(Question::Get { key: format!("a/{number}") }).await?;
    }
    let unknown = || Stop::harness("/proc", "it does not tell the time of a process");
    let before = busy_ms(peer.id()).ok_or_else(unknown)?;
    // What is tried is that nothing happens, so there is no event to wait for.
    tokio::time::sleep(IDLE).await;
    let busy = busy_ms(peer.id()).ok_or_else(unknown)?.saturating_sub(before);
    peer.end().await?;
    trial.note("idle for 10 s", format!("{busy} ms of processor time"));
    hold!(busy < BUSY_MAX_MS, "in 10 s in which nobody called it the driver used {busy} ms of processor time");
    Ok(())
}

/// The processor time of a process, in milliseconds.
fn busy_ms(process: u32) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    // Nanoseconds on a processor, of each thread.
    let times = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Some(times.sum::<u64>() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_points_of_a_line_is_that_line() {
        let points: Vec<_> = (0..20).map(|x| (f64::from(x), 3.0f64.mul_add(f64::from(x), 7.0))).collect();
        let line = fit(&points);
        assert!((line.slope - 3.0).abs() < 1e-9 && line.error < 1e-6, "{line:?}");
    }

    #[test]
    fn noise_without_growth_is_not_sure() {
        let points: Vec<_> = (0..40).map(|x| (f64::from(x), if x % 2 == 0 { 100.0 } else { 0.0 })).collect();
        let line = fit(&points);
        assert!(line.slope.abs() < 2.0 * line.error, "{line:?}");
    }
}
