//! Flaws of a process: what a driver must leave alone.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::flaw::Flaw;

static SHARED_ROOT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Has every instance use the root of the newest.
pub(crate) fn share_root(root: &Path) {
    *SHARED_ROOT.lock().unwrap_or_else(PoisonError::into_inner) = Some(root.to_owned());
}

/// The root of the newest instance.
pub(crate) fn shared_root(own: &Path) -> PathBuf {
    SHARED_ROOT.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(|| own.to_owned())
}

/// What a flaw does to the process when an instance opens.
pub(crate) fn disturb(flaw: Flaw) {
    match flaw {
        Flaw::HandlesSignals => {
            // A flaw that cannot be had is noticed: the specimen is not caught.
            let _ = signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::new(AtomicBool::new(false)));
        }
        Flaw::ChangesProcess => {
            rustix::process::umask(rustix::fs::Mode::empty());
            let _ = std::env::set_current_dir("/");
        }
        Flaw::LeaksThreads => {
            std::thread::spawn(|| {
                loop {
                    std::thread::park();
                }
            });
        }
        Flaw::LeavesSockets => {
            Box::leak(Box::new(std::os::unix::net::UnixStream::pair()));
        }
        Flaw::Prints => print(),
        _ => {}
    }
}

#[expect(clippy::print_stdout, reason = "it is the flaw")]
pub(crate) fn print() {
    println!("hello from the specimen");
}
