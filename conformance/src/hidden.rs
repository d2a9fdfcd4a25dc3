//! The hidden modes of a program that runs the harness: it starts itself again for each case, and for each other process of a case.

use std::process::ExitCode;

/// The first argument of a process that tries one case.
pub(crate) const CASE: &str = "--longshore-case";
/// The first argument of a process that has the driver for a case of another one.
pub(crate) const PEER: &str = "--longshore-peer";
/// The first argument of a process that measures a driver.
pub(crate) const BENCH: &str = "--longshore-bench";

/// Runs a hidden mode, if this process was started in one; a program that runs the harness calls this first.
pub fn entered() -> Option<ExitCode> {
    longshore_loader::run_if_child();
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next()?;
    let mut task = || arguments.next().unwrap_or_default();
    match mode.as_str() {
        CASE => Some(crate::run::attempt::attempt(&task())),
        BENCH => Some(crate::bench::measure::run(&task())),
        PEER => Some(crate::trial::peer::serve(&task())),
        _ => None,
    }
}

/// Has the kernel kill this process when its parent ends, so that nothing outlives a harness that was killed.
pub(crate) fn die_with_the_parent() {
    // Without it, only the tidiness after a kill is lost.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}
