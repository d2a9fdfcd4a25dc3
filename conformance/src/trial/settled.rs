//! What an open instance may hold beside what it held before: what its pools keep for the next call.

use std::time::{Duration, Instant};

use super::Subject;
use super::observe::{GRACE, Held};
use crate::case::Outcome;
use crate::verdict::hold;

/// What the runtime may start meanwhile for the driver's blocking work.
const POOL_THREADS: usize = 70;

/// How many connections to its service a driver may keep. A case that looks for a leak does its work more often than that.
const POOL_SOCKETS: usize = 50;

/// Waits until nothing is held but what was before, and what a pool may hold while the instance is open.
pub(crate) async fn settled(it: &Subject, before: &Held, after: &str) -> Outcome {
    let begin = Instant::now();
    let sockets_max = if it.is_service() { POOL_SOCKETS } else { 0 };
    loop {
        let now = Held::now();
        let threads = now.threads.len().saturating_sub(before.threads.len());
        let left = Held { threads: before.threads.clone(), ..now }.since(before);
        let (sockets, others): (Vec<_>, Vec<_>) = left.iter().partition(|item| item.contains(" of socket:"));
        if others.is_empty() && sockets.len() <= sockets_max && threads <= POOL_THREADS {
            return Ok(());
        }
        let (count, all) = (left.len(), left.iter().take(10).cloned().collect::<Vec<_>>().join(", "));
        hold!(begin.elapsed() < GRACE, "after {after} there are {threads} threads and {count} other things more: {all}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
