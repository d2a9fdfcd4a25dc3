//! What the operator sees of a running registry: logs here, lines for people on a terminal and JSON otherwise; the format of metrics in
//! `prometheus`, and what never comes out in `secrets`.

mod prometheus;
mod secrets;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub use prometheus::{Exposition, Labels};
pub use secrets::{hide, without_secrets};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Changes the level of the subscriber that this process has.
static SET_LEVEL: OnceLock<SetLevel> = OnceLock::new();

type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// Logs `level` and above from now on. Nothing happens before [`log_to_stderr`].
pub fn set_level(level: &str) {
    if let Some(set) = SET_LEVEL.get() {
        set(level);
    }
}

/// Sends log lines of `level` and above to standard error, and panics of this program with them. A second call changes nothing.
pub fn log_to_stderr(level: &str, format: Option<LogFormat>) {
    log_panics();
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json });
    let filter = EnvFilter::new(level);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| secrets::Stderr).with_span_events(FmtSpan::NONE);
    // The first subscriber stays, as in tests that start several hosts in one process.
    let _ = match format {
        LogFormat::Human => {
            let lines = lines.with_ansi(terminal).with_target(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init().map(|()| SET_LEVEL.set(Box::new(move |level| drop(handle.reload(EnvFilter::new(level))))))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.try_init().map(|()| SET_LEVEL.set(Box::new(move |level| drop(handle.reload(EnvFilter::new(level))))))
        }
    };
}

/// A panic is a line of the log like any other; what goes past it would go past what keeps secrets out.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(backtrace, "{}", panic.to_string().replace('\n', " "));
    }));
}
