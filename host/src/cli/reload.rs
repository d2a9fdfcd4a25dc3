//! `longshore reload` and `longshore driver reload`: what an operator asks of a running registry.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{Exit, faulty, print, say};
use crate::config::{Config, variables};
use crate::control::{Answer, Asked, FailureCode, Reloaded, ask};

/// How long a registry may take to check and open drivers, beside what its configuration gives it to drain the old ones.
const REST: Duration = Duration::from_secs(600);

/// Asks the registry that runs with the configuration `file`.
pub(super) fn reload(file: &Path, asked: &Asked, json: bool) -> Result<(), Exit> {
    // The faults are the registry's to report: it goes on with what it has.
    let (config, _) = Config::examine(file, variables()).map_err(|faults| faulty(&faults))?;
    let Some(socket) = &config.server.control else {
        say(
            "server.control is not set, so no running registry can be asked; set it and restart, or send the registry a SIGHUP and read its log",
        );
        return Err(Exit::Unreachable);
    };
    let answer = ask(socket, asked, config.drivers.drain + REST).map_err(|error| {
        say(&error.to_string());
        Exit::Unreachable
    })?;
    if json {
        print(&format!("{:#}\n", serde_json::to_value(&answer).unwrap_or_default()))?;
    }
    match answer {
        Answer::Done(_) if json => Ok(()),
        Answer::Done(reloaded) => print(&text(&reloaded)),
        Answer::Failed(failure) => {
            if !json {
                say(&failure.message);
            }
            Err(match failure.code {
                FailureCode::Config | FailureCode::Restart => Exit::Config,
                FailureCode::Driver => Exit::Driver,
                FailureCode::Unknown => Exit::Usage,
                FailureCode::Busy | FailureCode::Request => Exit::Unreachable,
            })
        }
    }
}

fn text(reloaded: &Reloaded) -> String {
    let mut text = String::new();
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
    for change in &reloaded.changes {
        let _ = writeln!(text, "{}: {} → {}", change.key, or_none(&change.from), or_none(&change.to));
    }
    for swapped in &reloaded.storages {
        let _ = writeln!(text, "storage {}: {} → {}", swapped.storage, or_none(&swapped.from), or_none(&swapped.to));
    }
    for warning in &reloaded.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    if text.is_empty() { "nothing has changed\n".to_owned() } else { text }
}
