//! The side that asks: starts the process, gives it its order, and reads what comes back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::message::{ANSWERS_MAX_BYTES, Answer, Order, OrderedDriver, OrderedOpening};
use super::output::Reader;
use super::{MODE, Opening, Probe, Probed, findings};

/// How long the watching process may take beyond the limit, to end what has to be ended.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Loads the drivers in a process of its own and asks each what it is; opens them too, and asks for their health, if `opening` is given. The
/// first is the outermost layer, the last one keeps the bytes.
///
/// Blocks until the process has ended: within `limit` and what `opening` allows, but for the time it takes to end processes.
///
/// # Errors
/// The process cannot be started. What the drivers do to it is no error but a finding.
pub fn probe(drivers: &[Probed<'_>], opening: Option<&Opening>, limit: Duration) -> io::Result<Probe> {
    let (limit, order) = order(drivers, opening, limit)?;
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(MODE).env_clear().process_group(0);
    // The dynamic linker's own: without it a library that the host finds would be missing. The child takes it out of its environment.
    command.envs(std::env::var_os("LD_LIBRARY_PATH").map(|folders| ("LD_LIBRARY_PATH", folders)));
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // It has the other end of the socket, which must not stay open here.
    drop(command);
    let stdout = child.stdout.take().map(Reader::of);
    let stderr = child.stderr.take().map(Reader::of);
    let answers = exchange(ours, &order, limit + END_LIMIT);
    // Whoever does not answer in time is ended; what it watches ends with it.
    let _ = child.kill();
    let _ = child.wait();
    let printed = [stdout, stderr].map(|reader| reader.map(Reader::finish).unwrap_or_default());
    Ok(findings::probe(&answers, printed, limit))
}

fn order(drivers: &[Probed<'_>], opening: Option<&Opening>, limit: Duration) -> io::Result<(Duration, Vec<u8>)> {
    let limit = opening.map_or(limit, |opening| {
        // Opening, the question for its health, and closing.
        limit + opening.options.open_limit * drivers.len() as u32 + 2 * opening.options.call_limit
    });
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let ordered = drivers.iter().map(|driver| {
        Ok(OrderedDriver {
            path: driver.inspection.path().to_owned(),
            sha256: driver.inspection.sha256()?.to_string(),
            settings: driver.settings.clone(),
        })
    });
    let open = opening.map(|opening| OrderedOpening {
        instance: opening.instance.clone(),
        open_ms: millis(opening.options.open_limit),
        call_ms: millis(opening.options.call_limit),
    });
    let order = Order { drivers: ordered.collect::<io::Result<_>>()?, open, limit_ms: millis(limit) };
    Ok((limit, serde_json::to_vec(&order)?))
}

/// Everything that came back, up to the first line that is no answer.
fn exchange(mut socket: UnixStream, order: &[u8], limit: Duration) -> Vec<Answer> {
    let sent = socket.set_read_timeout(Some(limit)).and_then(|()| socket.write_all(order)).and_then(|()| socket.shutdown(Shutdown::Write));
    if sent.is_err() {
        return Vec::new();
    }
    let lines = BufReader::new(socket.take(ANSWERS_MAX_BYTES)).lines();
    let mut answers = Vec::new();
    for answer in lines.map_while(Result::ok).map_while(|line| serde_json::from_str::<Answer>(&line).ok()) {
        let is_last = matches!(answer, Answer::Ended(_));
        answers.push(answer);
        if is_last {
            break;
        }
    }
    answers
}
