//! The child: this program in a mode in which it does nothing but serve one driver.
#![expect(unsafe_code, reason = "takes over the descriptor that its parent left open, and sets what a signal does")]

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use longshore_plugin_api::abi::ForeignDriver;
use longshore_plugin_api::{DriverError, ErrorClass, Level};
use tokio::io::unix::AsyncFd;

use super::frame::{Garbage, Kind};
use super::message::Answer;
use super::orders::Orders;
use super::process::CHILD;
use super::serve::ToHost;
use super::slots::Slots;
use super::socket::{Broken, Inbox, watched};
use crate::services::Services;
use crate::{inspect, load};

/// Threads for work that blocks, as in the host by default.
const BLOCKING_THREADS: usize = 64;
/// The exit code of a child that was not started by a host, or has lost it.
pub(super) const NO_HOST: i32 = 70;

/// Becomes a driver's process if this process was started as one, and then never returns. The first thing that a program does which isolates
/// drivers: children are the same program.
pub fn run_if_child() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == CHILD) {
        let code = run(arguments).err().unwrap_or(0);
        // SAFETY: ends the process without what the driver may have left to be run at its end.
        unsafe { libc::_exit(code) }
    }
}

fn run(mut arguments: impl Iterator<Item = OsString>) -> Result<(), i32> {
    let mut number = || arguments.next()?.to_str()?.parse::<i32>().ok();
    let (host, socket) = (number().ok_or(NO_HOST)?, number().ok_or(NO_HOST)?);
    // The host may have ended before the kernel was told to end this process with it.
    if rustix::process::getppid().is_none_or(|parent| parent.as_raw_nonzero().get() != host) {
        return Err(NO_HOST);
    }
    // Who stops a service tells all its processes at once; the host ends this one, when the requests that it has are done.
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    // SAFETY: only asks about a number.
    if socket < 3 || unsafe { libc::fcntl(socket, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return Err(NO_HOST);
    }
    // SAFETY: the parent left this descriptor open for this process, and nothing else here knows of it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // One thread: a driver computes and waits on threads of its own or on blocking ones, and what is answered at once needs no other.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    let served = runtime.map_err(|_| NO_HOST)?.block_on(serve(socket));
    served.map_err(|_| NO_HOST)
}

/// What a child is given with its orders.
struct Given {
    orders: Orders,
    driver: OwnedFd,
    host: Arc<ToHost>,
}

async fn serve(socket: OwnedFd) -> Result<(), Broken> {
    rustix::io::ioctl_fionbio(&socket, true).map_err(|errno| Broken::Failed(errno.into()))?;
    let socket = watched(socket).map_err(Broken::Failed)?;
    let mut inbox = Inbox::new();
    let given = given(&mut inbox, &socket).await?;
    let host = given.host.clone();
    let serving = async {
        match open(given).await {
            Ok(driver) => {
                host.answer(0, &Answer::Unit);
                host.receive(&mut inbox, &socket, &Arc::new(driver)).await
            }
            Err(error) => {
                host.answer(0, &Answer::Error(error));
                // The host reads it and closes its end.
                loop {
                    if let Err(broken) = inbox.next(&socket).await {
                        break broken;
                    }
                }
            }
        }
    };
    tokio::select! {
        broken = serving => Err(broken),
        () = host.send(&socket) => Ok(()),
    }
}

async fn given(inbox: &mut Inbox, socket: &AsyncFd<OwnedFd>) -> Result<Given, Broken> {
    let frame = inbox.next(socket).await?;
    if frame.kind != Kind::Start {
        return Err(Broken::Garbage(Garbage::new("no orders")));
    }
    let orders = serde_json::from_slice(&frame.payload).map_err(|error| Broken::Garbage(Garbage::new(error.to_string())))?;
    let mut file = || inbox.file().map_err(Broken::Garbage);
    let (driver, up, down) = (file()?, file()?, file()?);
    let (up, down) = (Slots::open(up).map_err(Broken::Failed)?, Slots::open(down).map_err(Broken::Failed)?);
    Ok(Given { orders, driver, host: Arc::new(ToHost::new(up, down)) })
}

/// Confines this process, and then loads and opens the driver.
async fn open(given: Given) -> Result<ForeignDriver, DriverError> {
    let Given { orders, driver, host } = given;
    let lacking = orders.confinement.apply(&driver).map_err(|error| internal(&format!("cannot confine the driver's process: {error}")))?;
    for what in lacking {
        host.log(Level::Warn, &what);
    }
    // The file that the host has verified, whatever its path means by now. It stays open: by its number it is known to the dynamic linker.
    let path = format!("/proc/self/fd/{}", driver.as_raw_fd());
    std::mem::forget(driver);
    let refused = |refusal: crate::Refusal| internal(&refusal.to_string());
    let inspection = inspect(Path::new(&path)).map_err(refused)?;
    let loaded = load(&inspection).map_err(refused)?;
    if !loaded.describes_itself(&inspection) {
        return Err(internal("the loaded driver describes itself otherwise than its file's note does; rebuild it"));
    }
    let capabilities = inspection.info().known_capabilities();
    let names = (orders.instance.as_str(), orders.origin.as_str());
    loaded.instance(&orders.settings, names, capabilities, Arc::new(Services::of_child(&orders.origin, host)), None).await
}

fn internal(message: &str) -> DriverError {
    DriverError::new(ErrorClass::Internal, message)
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}
