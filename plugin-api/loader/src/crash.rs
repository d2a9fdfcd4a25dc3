//! Says which driver was running when a signal ends this process: the last line of the log then names driver, call and the key's hash.
//!
//! Each poll of a driver's future, and each job of a driver on a thread that blocks, notes what it is in its thread. A crash on a thread that a
//! driver has made itself is no call's.
#![expect(unsafe_code, reason = "a signal handler; every step carries its argument")]

use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{MapFlags, ProtFlags};
use sha2::{Digest, Sha256};

use crate::isolate::signal_name;

/// The signals that a fault of a driver raises.
const SIGNALS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGILL, libc::SIGFPE];
/// The longest line, in bytes; a longer one is cut.
const LINE_BYTES: usize = 1024;
/// The handler's stack on threads that run drivers. What Rust makes for overflows is no larger than what the kernel itself puts there.
const STACK_BYTES: usize = 64 * 1024;

/// What a thread does for a driver.
#[derive(Clone, Copy)]
pub(crate) struct Running<'a> {
    /// Driver and instance.
    pub(crate) origin: &'a str,
    /// The call's name.
    pub(crate) call: &'static str,
    /// The key or prefix that it is about; empty if it has none.
    pub(crate) subject: &'a str,
}

thread_local! {
    /// Valid while it is not null: `during` puts it there and takes it away. No lazy start and no destructor, so that a handler may look.
    static RUNNING: Cell<*const Running<'static>> = const { Cell::new(ptr::null()) };
}

thread_local! {
    static HAS_STACK: Cell<bool> = const { Cell::new(false) };
    static STACK: Option<HandlerStack> = HandlerStack::install();
}

/// A stack for this thread's handler.
struct HandlerStack(*mut libc::c_void);

impl HandlerStack {
    fn install() -> Option<Self> {
        let (access, private) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: new memory at an address of the system's choice.
        let memory = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), STACK_BYTES, access, private) }.ok()?;
        let stack = libc::stack_t { ss_sp: memory, ss_flags: 0, ss_size: STACK_BYTES };
        // SAFETY: the memory is there until `drop` has told the kernel to use it no more.
        let _ = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
        Some(Self(memory))
    }
}

impl Drop for HandlerStack {
    fn drop(&mut self) {
        let none = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: no handler runs on it, for this runs on the thread itself.
        let _ = unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
        // SAFETY: mapped by `install`, and nothing uses it any more.
        let _ = unsafe { rustix::mm::munmap(self.0, STACK_BYTES) };
    }
}

/// Once a thread: makes the handler's stack, if there is a handler.
#[cold]
fn prepare_thread() {
    HAS_STACK.set(true);
    // A thread that ends has no more use for one.
    let _ = STACK.try_with(|_| ());
}

/// Does `work`, and takes the blame for a crash in it to `running`.
pub(crate) fn during<T>(running: &Running<'_>, work: impl FnOnce() -> T) -> T {
    struct Back(*const Running<'static>);
    impl Drop for Back {
        fn drop(&mut self) {
            RUNNING.set(self.0);
        }
    }
    if INSTALLED.load(Ordering::Relaxed) && !HAS_STACK.get() {
        prepare_thread();
    }
    // A layer calls the driver below it from within its own poll.
    let _back = Back(RUNNING.replace(ptr::from_ref(running).cast()));
    work()
}

/// What this thread runs now, as a job elsewhere keeps it.
pub(crate) fn now_running() -> Option<(&'static str, Box<str>)> {
    let running = RUNNING.get();
    // SAFETY: `during` is on this thread's stack below, and what it points to outlives it.
    let running = unsafe { running.as_ref() }?;
    Some((running.call, running.subject.into()))
}

static INSTALLED: AtomicBool = AtomicBool::new(false);
static REPORTED: AtomicBool = AtomicBool::new(false);
static AS_JSON: AtomicBool = AtomicBool::new(false);
/// The handlers that were there before, by the places of `SIGNALS`; each is known before ours can run.
static BEFORE: [OnceLock<libc::sigaction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];

/// Has a line written to standard error when a signal such as SIGSEGV ends this process, as JSON or as text; then the signal takes its course.
/// A second call changes nothing but the form. For programs that run drivers, at their start.
///
/// # Errors
/// What the system says to a handler.
pub fn report_crashes(as_json: bool) -> io::Result<()> {
    AS_JSON.store(as_json, Ordering::Relaxed);
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    for (signal, before) in SIGNALS.into_iter().zip(&BEFORE) {
        // The flag above lets only the first call come here.
        let _ = before.set(change(signal, None)?);
        // SAFETY: all bytes zero are a valid `sigaction`: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = report as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        change(signal, Some(&action))?;
    }
    Ok(())
}

/// Sets what a signal does, unless there is nothing to set, and answers what it did before.
fn change(signal: i32, action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: all bytes zero are a valid `sigaction`.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both are actions, or null; a handler among them does what handlers may (see `report`).
    match unsafe { libc::sigaction(signal, action.map_or(ptr::null(), ptr::from_ref), &raw mut before) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The handler. It takes no lock, allocates nothing and needs little of a stack: it puts a line together and writes it.
extern "C" fn report(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    if !REPORTED.swap(true, Ordering::Relaxed) {
        let mut line = Line::NEW;
        describe(&mut line, signal);
        // SAFETY: as many bytes are there. If they cannot be written, nobody can be told.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length) };
    }
    if let Some(index) = SIGNALS.iter().position(|known| *known == signal) {
        let _ = change(signal, BEFORE[index].get());
    }
    // SAFETY: the kernel gives the signal's facts to a handler with SA_SIGINFO.
    let was_sent = unsafe { info.as_ref() }.is_none_or(|info| info.si_code <= 0);
    if was_sent {
        // It takes its course when this handler returns. A faulty instruction raises its own again.
        // SAFETY: `raise` may be called in a handler.
        let _ = unsafe { libc::raise(signal) };
    }
}

/// A line that is put together without the machinery of formats, which takes more of a stack than there may be.
struct Line {
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    const NEW: Self = Self { bytes: [0; LINE_BYTES], length: 0 };

    fn push(&mut self, text: &[u8]) {
        for byte in text {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = *byte;
                self.length += 1;
            }
        }
    }

    /// A number below 100, as those of signals are.
    fn push_number(&mut self, number: i32) {
        let digits = [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        self.push(if number < 10 { &digits[1..] } else { &digits });
    }

    fn push_hash(&mut self, name: &str) {
        for byte in Sha256::digest(name).iter().take(8) {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
            self.push(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

fn describe(line: &mut Line, signal: i32) {
    let running = RUNNING.get();
    // SAFETY: this thread was interrupted within `during`, or the pointer is null.
    let running = unsafe { running.as_ref() };
    let as_json = AS_JSON.load(Ordering::Relaxed);
    line.push(if as_json { br#"{"level":"ERROR","target":"longshore::crash","message":""# } else { b"ERROR " });
    // Names of drivers and storages, calls and hashes have no character that JSON wants escaped.
    line.push(b"ended by signal ");
    line.push_number(signal);
    line.push(b" (");
    line.push(signal_name(signal).as_bytes());
    line.push(b") ");
    match running {
        Some(running) => {
            line.push(b"in driver ");
            line.push(running.origin.as_bytes());
            line.push(b" during ");
            line.push(running.call.as_bytes());
            if !running.subject.is_empty() {
                line.push(b" of ");
                line.push_hash(running.subject);
            }
        }
        None => line.push(b"on a thread that runs no driver's call"),
    }
    line.push(if as_json { b"\"}\n" } else { b"\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(signal: i32) -> String {
        let mut line = Line::NEW;
        describe(&mut line, signal);
        String::from_utf8_lossy(&line.bytes[..line.length]).into_owned()
    }

    #[test]
    fn line_names_driver_call_and_the_keys_hash() {
        let outer = Running { origin: "count/main", call: "stat", subject: "foo" };
        let inner = Running { origin: "memory/main", call: "list", subject: "" };
        during(&outer, || {
            let line = described(libc::SIGSEGV);
            assert!(line.contains("in driver count/main during stat of 2c26b46b68ffc68f"), "{line}");
            during(&inner, || assert!(described(libc::SIGABRT).contains("in driver memory/main during list")));
            assert_eq!(now_running(), Some(("stat", "foo".into())), "the driver above goes on");
        });
        assert!(described(libc::SIGBUS).contains("on a thread that runs no driver's call"));
    }
}
