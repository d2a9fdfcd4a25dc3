//! Removes abandoned uploads from time to time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::running::Running;

/// How often the configuration is looked at: a reload may want another time, or none.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Purges every storage each `registry.upload_purge_secs`, for ever. The first time comes at a random moment of that time, so that hosts which
/// were started together do not ask together.
pub(super) async fn now_and_then(running: Arc<Running>) {
    let mut random = [0; 1];
    // Without a random number they ask together.
    let _ = getrandom::fill(&mut random);
    let (mut part, mut last) = (f64::from(random[0]) / 256.0, Instant::now());
    loop {
        let every = running.state.lock().await.config.registry.upload_purge;
        let left = every.map(|every| every.mul_f64(part).saturating_sub(last.elapsed()));
        if left == Some(Duration::ZERO) {
            purge(&running).await;
            (part, last) = (1.0, Instant::now());
        } else {
            tokio::time::sleep(left.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)).await;
        }
    }
}

async fn purge(running: &Running) {
    // The store of this moment, for one storage only: a reload waits for those who use an instance.
    for index in 0..running.live.store().storages().len() {
        let store = running.live.store();
        let Some(storage) = store.storages().get(index) else { return };
        match storage.purge_uploads().await {
            Ok(purged) if purged == Default::default() => {}
            Ok(purged) => {
                tracing::info!(storage = storage.name(), removed = purged.removed, kept = purged.kept, "abandoned uploads purged");
            }
            Err(error) => tracing::warn!(storage = storage.name(), "abandoned uploads were not purged: {}", error.with_cause()),
        }
    }
}
