//! The side that watches: it loads nothing, and ends whatever the other side has started.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, pidfd_open, waitpid};

use super::held::children;
use super::message::Ending;

/// How often children are looked for that have to be ended; each round ends all that are there.
const ROUNDS_MAX: usize = 1000;

/// Waits for `child` to end, or until `limit`, or until whoever has the other end of `socket` is gone; then ends everything that is left.
pub(super) fn watch(child: Pid, socket: &UnixStream, limit: Duration) -> io::Result<Ending> {
    let late = !ended_in_time(child, socket, limit)?;
    // It is the leader of its group, unless it ended before it made one.
    let _ = kill_process_group(child, Signal::KILL);
    if late {
        let _ = kill_process(child, Signal::KILL);
    }
    let status = waitpid(Some(child), WaitOptions::empty())?.map(|(_, status)| status);
    let strays = end_strays();
    let signal = status.and_then(WaitStatus::terminating_signal);
    Ok(Ending { signal, code: status.and_then(WaitStatus::exit_status), late, strays })
}

fn ended_in_time(child: Pid, socket: &UnixStream, limit: Duration) -> io::Result<bool> {
    let process = pidfd_open(child, PidfdFlags::empty())?;
    let end = Instant::now() + limit;
    loop {
        // Of the socket only its end is waited for, which is always told.
        let mut events =
            [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN), PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::empty())];
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).unwrap_or_default();
        match poll(&mut events, Some(&left)) {
            Ok(0) => return Ok(false),
            Ok(_) if !events[0].revents().is_empty() => return Ok(true),
            Ok(_) => return Ok(false),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends every other process below this one, however far it had gone away: this process is where the kernel puts orphans. Answers how many
/// there were.
fn end_strays() -> usize {
    let mut ended = 0;
    for _ in 0..ROUNDS_MAX {
        let children: Vec<Pid> = children(std::process::id()).into_iter().filter_map(|id| Pid::from_raw(id.cast_signed())).collect();
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        for child in &children {
            // Its own children become ours then, for the next round.
            if waitpid(Some(*child), WaitOptions::empty()).is_ok() {
                ended += 1;
            }
        }
        if children.is_empty() {
            break;
        }
    }
    ended
}

/// True if this process has had children that it waited for: their use of memory is added to its own.
pub(super) fn had_children() -> bool {
    /// Page faults of such children, counted from the state, which is the first field after the name.
    const FAULTS: usize = 8;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may have blanks.
    let faults = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(FAULTS)?.parse::<u64>().ok());
    faults.is_some_and(|faults| faults > 0)
}
