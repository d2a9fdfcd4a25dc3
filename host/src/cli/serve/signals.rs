//! What the system tells the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Exit, say};

fn listen(kind: SignalKind) -> Result<Signal, Exit> {
    signal(kind).map_err(|error| {
        say(&format!("cannot wait for signals: {error}"));
        Exit::Listen
    })
}

/// Completes on SIGTERM or SIGINT.
pub(super) fn stop() -> Result<impl Future<Output = ()>, Exit> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: no new connections, requests under way may end"),
            _ = interrupt.recv() => tracing::info!("SIGINT: no new connections, requests under way may end"),
        }
    })
}

/// Tells each SIGHUP, or several that came while nobody asked as one.
pub(super) fn hang_up() -> Result<Signal, Exit> {
    listen(SignalKind::hangup())
}
