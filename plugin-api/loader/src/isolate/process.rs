//! A child as a process: how it is started, how it is ended, and what became of it.
#![expect(unsafe_code, reason = "what a new process does between fork and exec")]

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::sync::oneshot;

use super::child::NO_HOST;
use super::socket::watched;

/// The first argument of a child.
pub(super) const CHILD: &str = "--driver-of-longshore";

/// What a child is started with.
pub(super) struct Start {
    /// What people see in a list of processes.
    pub(super) title: String,
    /// All of its environment.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Another program than this one.
    pub(super) program: Option<PathBuf>,
    pub(super) socket: OwnedFd,
}

/// A child; dropping it ends it, and all that it started.
pub(super) struct Process {
    /// `None` once its end is known.
    child: Option<Child>,
    pid: Pid,
}

impl Process {
    /// Starts this program again, as a child that reads its orders from `socket`.
    ///
    /// # Errors
    /// What the system says to another process.
    pub(super) async fn start(start: Start) -> io::Result<(Self, ChildStdout, ChildStderr)> {
        let (done, started) = oneshot::channel();
        starter()?.send((start, done)).map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
        let mut process = started.await.map_err(|_| io::Error::other("the thread that starts processes is gone"))??;
        let pipes = process.child.as_mut().and_then(|child| child.stdout.take().zip(child.stderr.take()));
        let (output, errors) = pipes.ok_or_else(|| io::Error::other("the process has no output"))?;
        Ok((process, output, errors))
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits until the process has ended by itself, or ends it after `limit`. What became of it.
    pub(super) async fn end(mut self, limit: Duration) -> io::Result<ExitStatus> {
        if let Ok(ended) = pidfd_open(self.pid, PidfdFlags::NONBLOCK)
            && let Ok(ended) = watched(ended)
        {
            let _ = tokio::time::timeout(limit, ended.readable()).await;
        }
        self.kill();
        let mut child = self.child.take().ok_or_else(|| io::Error::other("the process was ended before"))?;
        // Killed, it ends at once unless the kernel is busy for it; that is no reason to hold up this thread.
        tokio::task::spawn_blocking(move || child.wait()).await.map_err(io::Error::other)?
    }

    fn kill(&self) {
        // Its group is its own. If it is gone already there is nothing to end; its number cannot be another's, since nobody has waited for it.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.kill();
            // Whoever drops may not block.
            std::thread::spawn(move || child.wait());
        }
    }
}

type Order = (Start, oneshot::Sender<io::Result<Process>>);

/// The thread that starts processes. The kernel ends a child with the *thread* that started it, so that thread has to last as long as the host.
fn starter() -> io::Result<&'static mpsc::Sender<Order>> {
    static STARTER: OnceLock<Result<mpsc::Sender<Order>, io::ErrorKind>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        let run = move || taken.into_iter().for_each(|(start, done)| drop(done.send(start_one(&start))));
        std::thread::Builder::new().name("driver-starter".into()).spawn(run).map_err(|error| error.kind())?;
        Ok(orders)
    });
    starter.as_ref().map_err(|kind| (*kind).into())
}

/// Makes what all isolated drivers of this process share, a thread; the first of them does it otherwise. For programs that count their threads.
///
/// # Errors
/// That no thread can be had.
pub fn prepare_isolation() -> io::Result<()> {
    starter()?;
    Ok(())
}

fn start_one(start: &Start) -> io::Result<Process> {
    let socket = start.socket.as_raw_fd();
    // The program that runs, even if another one has its path by now.
    let this = Path::new("/proc/self/exe");
    let mut command = Command::new(start.program.as_deref().unwrap_or(this));
    command.arg0(&start.title).arg(CHILD).arg(std::process::id().to_string()).arg(socket.to_string());
    command.env_clear().envs(start.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let prepare = move || {
        // The host's end is the kernel's reason to end the child; that it ended meanwhile is for the child to see.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        close_at_exec_but(socket)
    };
    // SAFETY: the closure makes system calls only, and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    let pid = Pid::from_child(&child);
    Ok(Process { child: Some(child), pid })
}

/// A child inherits its socket and the standard three, whatever descriptors libraries of the host forgot to mark.
fn close_at_exec_but(socket: i32) -> io::Result<()> {
    // SAFETY: marks descriptors of this process, which is about to become another program.
    let marked = unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
    // Before Linux 5.11 there is no such call, and descriptors stay as they were marked.
    let _ = marked;
    // SAFETY: clears the mark of an open descriptor of this process.
    match unsafe { libc::fcntl(socket, libc::F_SETFD, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What became of a process, in words; `by_host` if its host closed the socket and killed it, which it may not have lived to see.
pub(super) fn fate(status: &io::Result<ExitStatus>, by_host: bool) -> String {
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(libc::SIGKILL), _) | (None, Some(0 | NO_HOST)) if by_host => "its host".into(),
            (Some(signal), _) => format!("signal {signal} ({})", signal_name(signal)),
            (None, Some(code)) => format!("exit code {code}"),
            (None, None) => "an unknown end".into(),
        },
        Err(error) => format!("an unknown end ({error})"),
    }
}

/// The names of the signals that end drivers.
pub(crate) fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV: it used memory that is not its own",
        libc::SIGBUS => "SIGBUS: its file or a mapped one became shorter",
        libc::SIGABRT => "SIGABRT: it ended itself, as after a panic or without memory",
        libc::SIGILL => "SIGILL: an instruction that is none",
        libc::SIGFPE => "SIGFPE: a division by zero",
        libc::SIGSYS => "SIGSYS: a system call that is not allowed",
        libc::SIGKILL => "SIGKILL: ended from outside, perhaps for want of memory",
        libc::SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
