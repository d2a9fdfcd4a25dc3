//! Panics of a driver file as lines of the host's log, where they would otherwise be text on stderr.
//!
//! Source: driver contract, section 8.

use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use crate::{HostServices, Level};

/// The hosts of this file's instances, in the order of their opening.
static HOSTS: Mutex<Vec<Weak<dyn HostServices>>> = Mutex::new(Vec::new());

/// From now on a panic of this file on any thread is logged, as long as one of its instances lives.
///
/// A driver file has its own copy of the standard library, and so its own hook: the host's hook sees nothing of this. A hook knows no
/// instance; with several open, the line goes to the newest, while the call's own `internal` error names the right one.
pub(super) fn log_panics_to(services: &Arc<dyn HostServices>) {
    static HOOK: Once = Once::new();
    {
        let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|host| host.strong_count() > 0);
        hosts.push(Arc::downgrade(services));
    }
    HOOK.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match newest_host() {
            Some(host) => host.log(Level::Error, &line(panic)),
            None => earlier(panic),
        }));
    });
}

fn newest_host() -> Option<Arc<dyn HostServices>> {
    let hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    hosts.iter().rev().find_map(Weak::upgrade)
}

fn line(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let text = panic.payload_as_str().unwrap_or("(no text)");
    format!("the driver panicked at {place}: {text}")
}
