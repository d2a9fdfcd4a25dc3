//! One end of the socket between host and child: frames go out in batches, and come in one by one, descriptors beside them.
#![expect(unsafe_code, reason = "tokio watches descriptors by their number")]

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use super::frame::{self, Frame, Garbage, Kind};

/// Who has a body to send waits while more bytes than these are to be sent already.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;
/// Descriptors of one system call.
const FILES_MAX: usize = 16;
/// Descriptors that came in and that no frame has taken yet.
const FILES_WAITING_MAX: usize = 256;
/// Bytes that are received at once.
const RECEIVE_BYTES: usize = 64 * 1024;

/// A descriptor that tokio watches. It has to be in non-blocking mode.
///
/// # Errors
/// What the system says to one more, or to a file that cannot be watched.
pub(super) fn watched(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is one descriptor, open for as long as it is registered, which it owns alone.
    let registered = unsafe { AsyncFd::register(descriptor) };
    Ok(registered?)
}

/// Frames on their way out.
#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// How long the queue is, for who need not know exactly.
    length: AtomicUsize,
    filled: Notify,
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Each with where its frame begins.
    files: VecDeque<(usize, OwnedFd)>,
    /// Nothing is sent any more.
    closed: bool,
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic leaves a whole number of frames, or ends in the reader's refusal.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room. Whoever sends a body does; what is small and bounded by the calls under way need not.
    pub(super) async fn room(&self) {
        while self.length.load(Ordering::Relaxed) > QUEUE_BYTES {
            let drained = self.drained.notified();
            if self.length.load(Ordering::Relaxed) > QUEUE_BYTES {
                drained.await;
            }
        }
    }

    /// True if a frame of little worth would better not be sent.
    pub(super) fn is_crowded(&self) -> bool {
        self.length.load(Ordering::Relaxed) > QUEUE_BYTES
    }

    /// Sends a frame, before anyone waits for anything.
    pub(super) fn send(&self, kind: Kind, flags: u8, id: u64, write: impl FnOnce(&mut Vec<u8>)) {
        self.append(|queue| frame::append(&mut queue.bytes, kind, flags, id, write));
    }

    /// Sends a frame with descriptors.
    pub(super) fn send_files(&self, kind: Kind, id: u64, files: impl IntoIterator<Item = OwnedFd>, write: impl FnOnce(&mut Vec<u8>)) {
        self.append(|queue| {
            let at = queue.bytes.len();
            queue.files.extend(files.into_iter().map(|file| (at, file)));
            frame::append(&mut queue.bytes, kind, frame::WITH_FILE, id, write);
        });
    }

    fn append(&self, add: impl FnOnce(&mut Queue)) {
        let mut queue = self.queue();
        if queue.closed {
            return;
        }
        let was_empty = queue.bytes.is_empty();
        add(&mut queue);
        self.length.store(queue.bytes.len(), Ordering::Relaxed);
        drop(queue);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Forgets all frames, also those that come later.
    pub(super) fn close(&self) {
        *self.queue() = Queue { closed: true, ..Queue::default() };
        self.length.store(0, Ordering::Relaxed);
        self.drained.notify_waiters();
    }

    /// Sends all that comes, as much as there is at once, until the socket fails. While `more_may_come` is true, tasks that are ready go first,
    /// so that their frames go out with the same system call.
    pub(super) async fn run(&self, socket: &AsyncFd<OwnedFd>, more_may_come: impl Fn() -> bool) -> io::Error {
        let mut batch = Queue::default();
        loop {
            batch.bytes.clear();
            {
                let queue = &mut *self.queue();
                std::mem::swap(&mut batch.bytes, &mut queue.bytes);
                std::mem::swap(&mut batch.files, &mut queue.files);
                self.length.store(0, Ordering::Relaxed);
            }
            if batch.bytes.is_empty() {
                self.filled.notified().await;
                if more_may_come() {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            if let Err(error) = send_all(socket, &mut batch).await {
                return error;
            }
            self.drained.notify_waiters();
            if batch.bytes.capacity() > QUEUE_BYTES {
                batch.bytes = Vec::new();
            }
        }
    }
}

async fn send_all(socket: &AsyncFd<OwnedFd>, batch: &mut Queue) -> io::Result<()> {
    let mut sent = 0;
    while sent < batch.bytes.len() {
        // Bytes before the first frame whose descriptor does not fit any more.
        let files: Vec<_> = batch.files.iter().take(FILES_MAX).map(|(_, file)| file.as_fd()).collect();
        let end = batch.files.get(FILES_MAX).map_or(batch.bytes.len(), |(at, _)| *at);
        let bytes = IoSlice::new(&batch.bytes[sent..end]);
        let count = socket
            .async_io(Interest::WRITABLE, |socket| {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                // Room was made for them above.
                let _ = files.is_empty() || control.push(SendAncillaryMessage::ScmRights(&files));
                Ok(sendmsg(socket, &[bytes], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
            })
            .await?;
        let count_of_files = files.len();
        batch.files.drain(..count_of_files);
        sent += count;
    }
    Ok(())
}

/// Frames that come in.
pub(super) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    files: VecDeque<OwnedFd>,
}

/// Why no frame comes any more.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other side is gone.
    End,
    Failed(io::Error),
    Garbage(Garbage),
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; RECEIVE_BYTES], start: 0, end: 0, files: VecDeque::new() }
    }

    /// The next frame.
    ///
    /// # Errors
    /// That none can come any more.
    pub(super) async fn next(&mut self, socket: &AsyncFd<OwnedFd>) -> Result<Frame, Broken> {
        loop {
            match frame::parse(&self.buffer[self.start..self.end]).map_err(Broken::Garbage)? {
                Ok((frame, length)) => {
                    self.start += length;
                    return Ok(frame);
                }
                Err(wanted) => self.make_room(wanted),
            }
            match socket.async_io(Interest::READABLE, |socket| self.receive(socket)).await {
                Ok(0) => return Err(Broken::End),
                Ok(_) if self.files.len() > FILES_WAITING_MAX => {
                    return Err(Broken::Garbage(Garbage::new(format!("more than {FILES_WAITING_MAX} descriptors without their frames"))));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Broken::End),
                Err(error) => return Err(Broken::Failed(error)),
            }
        }
    }

    /// The descriptor that belongs to the frame that came last.
    ///
    /// # Errors
    /// That none came.
    pub(super) fn file(&mut self) -> Result<OwnedFd, Garbage> {
        self.files.pop_front().ok_or_else(|| Garbage::new("a frame that lacks its descriptor"))
    }

    /// Moves the begun frame to the front, and makes the buffer as long as it needs: no longer than what has come already, twice.
    fn make_room(&mut self, wanted: usize) {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let length = wanted.min(2 * self.end).max(RECEIVE_BYTES);
        if length > self.buffer.len() || (self.end <= RECEIVE_BYTES && length == RECEIVE_BYTES) {
            self.buffer.resize(length, 0);
            self.buffer.shrink_to(length);
        }
    }

    fn receive(&mut self, socket: &OwnedFd) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let bytes = IoSliceMut::new(&mut self.buffer[self.end..]);
        let received = recvmsg(socket, &mut [bytes], &mut control, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        self.end += received.bytes;
        Ok(received.bytes)
    }
}
