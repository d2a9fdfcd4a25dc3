//! The side that loads the file.
#![expect(unsafe_code, reason = "forking and closing inherited descriptors are unsafe; each step carries its argument")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use longshore_plugin_api::{Driver, DriverError};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::message::{Answer, ORDER_MAX_BYTES, Order, OrderedOpening, Traces};
use super::{Held, Surroundings, watch};
use crate::inspect::inspect;
use crate::open::{LoadedDriver, OpenOptions, load};
use crate::refusal::{Refusal, RefusalCode};
use crate::trust::CONTENT_MAX_BYTES;

/// How large a file it may write, in bytes: the private copy of the driver's file is one.
const FILE_MAX_BYTES: u64 = CONTENT_MAX_BYTES;
/// How much memory it may have, in bytes.
const MEMORY_MAX_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// How many descriptors it may have.
const DESCRIPTORS_MAX: u64 = 1024;

/// Does what whoever started this process has ordered; never returns.
pub(super) fn run() -> ! {
    // Whoever asked sees that nothing came back.
    let _ = answer_order();
    std::process::exit(0)
}

fn answer_order() -> io::Result<()> {
    close_inherited();
    let mut socket = own_socket()?;
    let mut order = Vec::new();
    (&socket).take(ORDER_MAX_BYTES).read_to_end(&mut order)?;
    let order: Order = serde_json::from_slice(&order)?;
    // What its children leave behind becomes a child of this process, which ends it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let watching = rustix::process::getpid();
    // SAFETY: this process has one thread: it has just begun, and nothing before this starts one. So the copy can do all that this one can.
    match unsafe { libc::fork() } {
        0 => {
            let _ = enter(watching, &order).and_then(|()| work(&order, &mut socket));
            // As a host ends: what the file runs at the end of a process is a part of what it does.
            std::process::exit(0)
        }
        id => {
            let child = Pid::from_raw(id).ok_or_else(io::Error::last_os_error)?;
            let ended = watch::watch(child, &socket, Duration::from_millis(order.limit_ms))?;
            say(&mut socket, &Answer::Ended(ended))
        }
    }
}

/// Descriptors that whoever started the host left open to all of its children: the file has no business with them.
fn close_inherited() {
    // SAFETY: nothing in this process has opened a descriptor above the three standard ones yet, so nothing owns one of these.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Takes the socket from standard input, and gives the file nothing to read there.
fn own_socket() -> io::Result<UnixStream> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(UnixStream::from(socket))
}

/// Gives away all that loading a file does not need.
fn enter(watching: Pid, order: &Order) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(watching) {
        return Err(io::Error::other("whoever watches is gone"));
    }
    rustix::process::setsid()?;
    rustix::thread::set_no_new_privs(true)?;
    let secs = order.limit_ms.div_ceil(1000) + 1;
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::Cpu, secs),
        (Resource::Fsize, FILE_MAX_BYTES),
        (Resource::Data, MEMORY_MAX_BYTES),
        (Resource::Nofile, DESCRIPTORS_MAX),
    ] {
        // Whoever has less already keeps it.
        let least = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        rustix::process::setrlimit(resource, Rlimit { current: Some(least), maximum: Some(least) })?;
    }
    // SAFETY: this process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var("LD_LIBRARY_PATH") };
    Ok(())
}

fn say(socket: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    socket.write_all(&line)
}

fn work(order: &Order, socket: &mut UnixStream) -> io::Result<()> {
    let mut loaded = Vec::new();
    for number in 0..order.drivers.len() {
        match load_one(order, number, socket)? {
            Ok(driver) => loaded.push(driver),
            Err(refusal) => {
                let code = refusal.code.as_str().to_owned();
                say(socket, &Answer::Refused { code, why: refusal.why, fix: refusal.fix })?;
                return say(socket, &Answer::Done);
            }
        }
    }
    if let Some(opening) = &order.open {
        open(order, opening, &loaded, socket)?;
    }
    say(socket, &Answer::Done)
}

fn load_one(order: &Order, number: usize, socket: &mut UnixStream) -> io::Result<Result<LoadedDriver, Refusal>> {
    let driver = &order.drivers[number];
    let inspected = inspect(&driver.path).and_then(|inspection| Ok((inspection.content_sha256()?.to_string(), inspection)));
    let inspection = match inspected {
        Ok((sha256, inspection)) if sha256 == driver.sha256 => inspection,
        Ok(_) => {
            let why = "it was changed between its inspection and this";
            return Ok(Err(Refusal::new(
                RefusalCode::FileChanged,
                &driver.path,
                why,
                "install drivers by renaming a finished file into place",
            )));
        }
        Err(refusal) => return Ok(Err(refusal)),
    };
    let this = std::process::id();
    say(socket, &Answer::Loading { driver: number })?;
    let (surroundings, held) = (Surroundings::now(), Held::now());
    let loaded = load(&inspection);
    if std::process::id() != this {
        // A copy of this process that the file made. Whoever watches counts it.
        std::process::exit(0);
    }
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let new = Held::now().since(&held);
    let (processes, left): (Vec<_>, Vec<_>) = new.into_iter().partition(|item| item.starts_with("child process"));
    let changed = Surroundings::now().changes(&surroundings);
    say(socket, &Answer::Loaded(Traces { changed, left, processes: !processes.is_empty() || watch::had_children() }))?;
    say(socket, &Answer::Described { as_its_note: loaded.describes_itself(&inspection) })?;
    Ok(Ok(loaded))
}

fn open(order: &Order, opening: &OrderedOpening, loaded: &[LoadedDriver], socket: &mut UnixStream) -> io::Result<()> {
    let options = OpenOptions { open_limit: Duration::from_millis(opening.open_ms), call_limit: Duration::from_millis(opening.call_ms) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(4).enable_time().build()?;
    let done = runtime.block_on(async {
        let mut opened = None;
        for (driver, ordered) in loaded.iter().zip(&order.drivers).rev() {
            match driver.open_over(opened.take(), &opening.instance, &ordered.settings, &options).await {
                Ok(handle) => opened = Some(handle),
                Err(error) => return say(socket, &failed("cannot be opened", &error)),
            }
        }
        let Some(driver) = opened else { return Ok(()) };
        let capabilities = driver.capabilities().iter().map(|capability| capability.to_string()).collect();
        say(socket, &Answer::Opened { capabilities })?;
        match driver.health(&LoadedDriver::call(&options)).await {
            Ok(()) => say(socket, &Answer::Healthy)?,
            Err(error) => say(socket, &failed("is not well", &error))?,
        }
        match driver.close(&LoadedDriver::call(&options)).await {
            Ok(()) => Ok(()),
            Err(error) => say(socket, &failed("cannot be closed", &error)),
        }
    });
    // A driver's blocking work may go on for ever; the process does not wait for it.
    runtime.shutdown_background();
    done
}

fn failed(what: &str, error: &DriverError) -> Answer {
    Answer::Failed { what: format!("it {what}: {error}") }
}
