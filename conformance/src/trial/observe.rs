//! What this process holds, as the kernel tells it.

use std::time::{Duration, Instant};

pub(crate) use longshore_loader::probe::{Held, children};

/// How long after `close` something may still be there (driver contract, section 3, `close`).
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Waits until nothing is held that was not held before, at most [`GRACE`]; answers what is left then.
pub(crate) fn settle(before: &Held) -> Vec<String> {
    settle_until(before, |left| left.is_empty())
}

/// The same until what is left is little enough.
pub(crate) fn settle_until(before: &Held, enough: impl Fn(&[String]) -> bool) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let left = Held::now().since(before);
        if enough(&left) || begin.elapsed() > GRACE {
            return left;
        }
        // Nothing tells when a thread is gone; asking again is all there is.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// True if all that is left may be made once for the process by a library, such as the pipe of a runtime for signals: descriptors of
/// pipes and of sockets that are no connections, `most` of them.
pub(crate) fn may_be_made_once(left: &[String], most: usize) -> bool {
    let connections = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let is_connection = |inode: &str| {
        // "sl local remote st queues timer retransmits uid timeout inode …"
        let inodes = connections.iter().flat_map(|table| table.lines()).filter_map(|line| line.split_whitespace().nth(9));
        inodes.into_iter().any(|known| known == inode)
    };
    let is_pipe = |item: &String| {
        let Some((_, target)) = item.split_once(" of ").filter(|_| item.starts_with("descriptor")) else { return false };
        let socket = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        target.starts_with("pipe:") || socket.is_some_and(|inode| !is_connection(inode))
    };
    left.len() <= most && left.iter().all(is_pipe)
}

/// The resident memory that is not backed by files, in bytes, of a process (`self` or its id).
pub(crate) fn memory_bytes(process: &str) -> u64 {
    status(process, "RssAnon").map_or(0, |kib| kib * 1024)
}

/// The most memory that a process ever had, in bytes.
pub(crate) fn peak_memory_bytes(process: &str) -> u64 {
    status(process, "VmHWM").map_or(0, |kib| kib * 1024)
}

fn status(process: &str, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn item(number: RawFd) -> String {
        let target = std::fs::read_link(format!("/proc/self/fd/{number}")).expect("it is open");
        format!("descriptor {number} of {}", target.display())
    }

    #[test]
    fn a_pair_may_be_made_once_and_a_connection_a_file_or_a_thread_may_not() {
        let (one, other) = UnixStream::pair().expect("a pair of sockets");
        let pair = [item(one.as_raw_fd()), item(other.as_raw_fd())];
        assert!(may_be_made_once(&pair, 2), "{pair:?}");
        assert!(!may_be_made_once(&pair, 1), "there are more than may be");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let connection = TcpStream::connect(listener.local_addr().expect("its address")).expect("it listens");
        let file = tempfile::tempfile().expect("a file");
        for left in [item(connection.as_raw_fd()), item(file.as_raw_fd()), "thread 7 \"a socket:[1]\"".into(), "child process 7".into()] {
            assert!(!may_be_made_once(std::slice::from_ref(&left), 4), "{left}");
        }
    }
}
