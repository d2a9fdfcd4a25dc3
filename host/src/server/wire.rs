//! A client's socket: it limits how long a write may pause, and sends places in files without reading them.
//!
//! hyper owns the socket and only knows bytes in memory. So a body that is a place in a file hands the place to the connection's [`Regions`]
//! and gives hyper a placeholder of the same length: a part of one static page range that is never written to and never read. When the
//! socket is asked to write bytes at those addresses, it lets the kernel send the file instead. HTTP/1 answers in order, so the regions
//! are sent in the order in which the placeholders were given.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use longshore_loader::api::FileRegion;
use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};

use super::answering::{Answering, HALF_CLOSED_MAX};
use super::traffic::Traffic;

/// How much of a file goes to the kernel at a time, in bytes. After each step other threads get their turn, see `poll_send_file`.
const STEP_BYTES: usize = 512 * 1024;

/// How far ahead of the client a file is read that is not in memory, in bytes; up to twice as much at a time. The disk is kept busy while the
/// client takes what was read, and a client that goes away has cost no more than this.
const AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// Stands for bytes of files. It takes no memory: the pages of a static of zeros exist only once they are touched.
static PLACEHOLDER: [u8; STEP_BYTES] = [0; STEP_BYTES];

/// A slice that stands for the next `left` bytes of a file, or as many of them as one step sends.
pub(super) fn placeholder(left: u64) -> &'static [u8] {
    &PLACEHOLDER[..usize::try_from(left).unwrap_or(usize::MAX).min(STEP_BYTES)]
}

/// Compares addresses only: nothing else in the process lies inside the static.
fn is_placeholder(slice: &[u8]) -> bool {
    !slice.is_empty() && PLACEHOLDER.as_ptr_range().contains(&slice.as_ptr())
}

/// The places in files that a connection has to send, in order.
#[derive(Default)]
pub(super) struct Regions(Mutex<VecDeque<Region>>);

struct Region {
    file: Arc<OwnedFd>,
    offset: u64,
    left: u64,
    /// Up to where the file is known to be in memory.
    warm: u64,
    /// Up to where it is, or was asked to be read.
    asked: u64,
}

impl Region {
    /// What to read ahead now, if the client has come near to what was asked for and the rest is not in memory anyway.
    fn ahead(&mut self) -> Option<(u64, u64)> {
        let (from, end) = (self.asked.max(self.offset), self.offset + self.left);
        if from + STEP_BYTES as u64 >= end || self.offset + AHEAD_BYTES < from {
            return None;
        }
        self.asked = end.min(from + 2 * AHEAD_BYTES);
        (!in_memory(&self.file, self.asked - 1)).then_some((from, self.asked - from))
    }
}

impl Regions {
    /// Adds a place, for the placeholder that is given to hyper next.
    pub(super) fn push(&self, region: FileRegion) {
        let (file, offset) = (Arc::new(region.file), region.offset);
        self.lock().push_back(Region { file, offset, left: region.length, warm: offset, asked: offset });
    }

    /// A push or a pop is whole even if its thread panics.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Region>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's socket.
pub(super) struct Wire {
    stream: TcpStream,
    regions: Arc<Regions>,
    answering: Answering,
    traffic: Arc<Traffic>,
    /// Once the client sends nothing more: until when hyper is not told if an answer is under way.
    ended: Option<Pin<Box<Sleep>>>,
    idle: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    armed: bool,
    /// Brings the next step of a file into memory, so that sending it does not make this thread wait for a disk.
    warming: Option<JoinHandle<()>>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, idle: Duration, traffic: Arc<Traffic>) -> Self {
        let (regions, answering) = (Arc::default(), Answering::default());
        Self { stream, regions, answering, traffic, ended: None, idle, timer: None, armed: false, warming: None }
    }

    /// Where requests say that they are being answered.
    pub(super) fn answering(&self) -> Answering {
        self.answering.clone()
    }

    /// Where bodies put their places in files.
    pub(super) fn regions(&self) -> Arc<Regions> {
        self.regions.clone()
    }

    /// Turns a write that pauses for too long into an error.
    fn within_limit<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.armed = false;
            return polled;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.idle)));
        if !self.armed {
            timer.as_mut().reset(Instant::now() + self.idle);
            self.armed = true;
        }
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took nothing for too long")))
    }

    /// Lets the kernel send at most `count` bytes of the first region.
    fn poll_send_file(&mut self, context: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        if let Some(warming) = self.warming.as_mut() {
            // A failed read shows when the bytes are sent.
            let _ = ready!(Pin::new(warming).poll(context));
            self.warming = None;
        }
        let mut regions = self.regions.lock();
        let Some(region) = regions.front_mut() else {
            return Poll::Ready(Err(io::Error::other("a placeholder has no file")));
        };
        let count = count.min(usize::try_from(region.left).unwrap_or(usize::MAX));
        if let Some((from, length)) = region.ahead() {
            let file = region.file.clone();
            // Nobody waits for it: a page that is not there in time is waited for below.
            drop(tokio::task::spawn_blocking(move || will_need(&file, from, length)));
        }
        if region.offset >= region.warm {
            region.warm = region.offset + count as u64;
            if !in_memory(&region.file, region.warm - 1) {
                let (file, offset) = (region.file.clone(), region.offset);
                let mut warming = tokio::task::spawn_blocking(move || warm(&file, offset, count));
                drop(regions);
                // Not there yet, or the runtime is going down and the write fails below.
                if Pin::new(&mut warming).poll(context).is_pending() {
                    self.warming = Some(warming);
                    return Poll::Pending;
                }
                return self.poll_send_file(context, count);
            }
        }
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let mut offset = region.offset;
            let sent =
                self.stream.try_io(Interest::WRITABLE, || Ok(rustix::fs::sendfile(&self.stream, &region.file, Some(&mut offset), count)?));
            match sent {
                Ok(0) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a stored file is shorter than it was"))),
                Ok(sent) => {
                    region.offset += sent as u64;
                    region.left -= sent as u64;
                    if region.left == 0 {
                        regions.pop_front();
                    }
                    drop(regions);
                    // A client or proxy on this machine is best served on this core, while what was sent is in its cache: without the
                    // yield it runs on another one, woken by an interrupt for each step, at a quarter of the throughput. With a client
                    // elsewhere the call costs less than a microsecond.
                    std::thread::yield_now();
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes the slices before the first placeholder. If a file follows, the kernel is told that more comes, so that a head and the first
    /// bytes of its body leave together.
    fn poll_write_memory(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>], more: bool) -> Poll<io::Result<usize>> {
        let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            let sent = self
                .stream
                .try_io(Interest::WRITABLE, || Ok(rustix::net::sendmsg(&self.stream, slices, &mut SendAncillaryBuffer::default(), flags)?));
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }
}

/// True if the byte at `offset` can be read without waiting. The bytes before it were asked for earlier, or come with it by read-ahead.
fn in_memory(file: &OwnedFd, offset: u64) -> bool {
    let mut byte = [0];
    !matches!(
        rustix::io::preadv2(file.as_fd(), &mut [IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT),
        Err(rustix::io::Errno::AGAIN)
    )
}

/// Asks the system to read a part of a file into memory. A file that knows no such advice is read when it is sent.
fn will_need(file: &OwnedFd, offset: u64, length: u64) {
    let _ = rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(length), Advice::WillNeed);
}

/// Reads a part of a file into the system's memory; the bytes themselves are thrown away.
fn warm(file: &OwnedFd, offset: u64, count: usize) {
    will_need(file, offset, count as u64);
    let mut buffer = vec![0; 64 * 1024];
    let mut at = offset;
    while at < offset + count as u64 {
        match rustix::io::pread(file, buffer.as_mut_slice(), at) {
            Ok(read) if read > 0 => at += read as u64,
            // The end, or an error that shows when the bytes are sent.
            _ => return,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ended.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            this.traffic.received(buffer.filled().len() - before);
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let ended = this.ended.get_or_insert_with(|| Box::pin(tokio::time::sleep(HALF_CLOSED_MAX)));
        if this.answering.any() { ended.as_mut().poll(context).map(Ok) } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let file = slices.iter().position(|slice| is_placeholder(slice));
        let first = slices.iter().position(|slice| !slice.is_empty());
        let polled = match file {
            Some(at) if Some(at) == first => self.poll_send_file(context, slices[at].len()),
            Some(at) => self.poll_write_memory(context, &slices[..at], true),
            None => self.poll_write_memory(context, slices, false),
        };
        if let Poll::Ready(Ok(sent)) = &polled {
            self.traffic.sent(*sent);
        }
        self.within_limit(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        // hyper copies what it writes into one buffer otherwise, and would copy placeholders.
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.answering.sent() && self.ended.is_some() {
            // Now hyper may be told that the client sends nothing more.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_ahead_keeps_its_distance_and_ends_with_what_is_sent() {
        const MIB: u64 = 1 << 20;
        let file = tempfile::tempfile().expect("a file");
        file.set_len(40 * MIB).expect("it can be long");
        let (offset, end) = (MIB, 31 * MIB);
        let mut region = Region { file: Arc::new(file.into()), offset, left: end - offset, warm: offset, asked: offset };
        while region.left > 0 {
            let before = region.asked.max(region.offset);
            if let Some((from, length)) = region.ahead() {
                assert_eq!((from, from + length), (before, region.asked), "nothing is asked for twice, and nothing is left out");
            }
            assert!(region.asked <= end, "nobody wants what lies behind");
            assert!(region.asked <= region.offset + 3 * AHEAD_BYTES, "a client that goes away has cost little");
            assert!(region.asked + STEP_BYTES as u64 >= end.min(region.offset + AHEAD_BYTES), "the disk is ahead of the client");
            region.offset += STEP_BYTES as u64;
            region.left -= STEP_BYTES as u64;
        }
    }
}
