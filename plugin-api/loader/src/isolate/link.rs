//! The host's side of the traffic with one child: who waits for which answer.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longshore_plugin_api::{Bytes, Call, DriverError, Level};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc, oneshot};

use super::codec::{Reader, Writer};
use super::frame::{Frame, Garbage, Kind, WITH_FILE, WITH_STREAM};
use super::message::{Answer, Request, lent_body};
use super::said::Said;
use super::slots::Slots;
use super::socket::{Broken, Inbox, Outbox};
use super::stream::WINDOW;

/// How long a child that let a call's deadline pass may take to answer a ping.
const PING_LIMIT: Duration = Duration::from_secs(5);

/// The traffic with one child.
pub(super) struct Link {
    pub(super) outbox: Outbox,
    /// Bodies to the child, and from it.
    up: Slots,
    down: Arc<Slots>,
    calls: Mutex<Calls>,
    next: AtomicU64,
    /// A call was given up after its deadline.
    overdue: Notify,
    ponged: Notify,
}

/// The calls under way.
#[derive(Default)]
struct Calls {
    waiting: HashMap<u64, Waiting>,
    /// No answer comes any more.
    over: bool,
    /// What was under way then.
    lost: Vec<LostCall>,
}

struct Waiting {
    call: LostCall,
    what: What,
}

/// A call that a child was busy with when it ended.
#[derive(Debug)]
pub(super) struct LostCall {
    /// The call's name.
    pub(super) name: &'static str,
    /// The key or prefix that it is about.
    pub(super) subject: Option<Box<str>>,
}

enum What {
    Answer(oneshot::Sender<Reply>),
    Chunks(mpsc::Sender<Result<Bytes, DriverError>>),
}

/// An answer as it came.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) file: Option<OwnedFd>,
    pub(super) chunks: Option<mpsc::Receiver<Result<Bytes, DriverError>>>,
}

/// The child ended before it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

/// Why the traffic with a child ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The child closed its end, by which it ended or is about to.
    Gone,
    /// It sent what no child of ours sends.
    Garbage(Garbage),
    /// It answers no more.
    Hangs,
    /// The socket failed.
    Failed(std::io::Error),
}

impl Link {
    /// # Errors
    /// What the system says to the memory for bodies.
    pub(super) fn new(up: Slots, down: Slots) -> Self {
        Self {
            outbox: Outbox::default(),
            up,
            down: Arc::new(down),
            calls: Mutex::default(),
            // 0 is the start.
            next: AtomicU64::new(1),
            overdue: Notify::new(),
            ponged: Notify::new(),
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_over(&self) -> bool {
        self.calls().over
    }

    /// Asks the child. Dropping the future tells it that nobody waits any more.
    ///
    /// The answered ticket stands for what the child keeps for the call, a stream or an upload, until it is dropped.
    ///
    /// # Errors
    /// That the child ended first.
    pub(super) async fn ask(self: &Arc<Self>, call: &Call, request: &Request) -> Result<(Reply, Ticket), Lost> {
        self.outbox.room().await;
        let (ticket, answer) = self.enter(call, request)?;
        self.outbox.send(Kind::Call, 0, ticket.id, |out| {
            let mut out = Writer(out);
            out.call(call);
            request.write(&mut out, &self.up);
        });
        let reply = answer.await.map_err(|_| Lost)?;
        Ok((reply, ticket))
    }

    fn enter(self: &Arc<Self>, call: &Call, request: &Request) -> Result<(Ticket, oneshot::Receiver<Reply>), Lost> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let lost = LostCall { name: request.kind().name(), subject: request.subject().map(Into::into) };
        let answer = self.expect(id, lost)?;
        Ok((Ticket { link: self.clone(), id, call: *call, kept: true }, answer))
    }

    fn expect(&self, id: u64, call: LostCall) -> Result<oneshot::Receiver<Reply>, Lost> {
        let (sender, answer) = oneshot::channel();
        let mut calls = self.calls();
        if calls.over {
            return Err(Lost);
        }
        calls.waiting.insert(id, Waiting { call, what: What::Answer(sender) });
        Ok(answer)
    }

    /// Gives the child its orders, with the driver's file and the memory for bodies, and waits until the driver is open.
    ///
    /// # Errors
    /// That the child ended first.
    pub(super) async fn open(&self, orders: &[u8], driver: OwnedFd) -> Result<Reply, Lost> {
        let answer = self.expect(0, LostCall { name: "open", subject: None })?;
        let memory = [&self.up, &self.down].map(|slots| slots.file().try_clone_to_owned());
        let [Ok(up), Ok(down)] = memory else { return Err(Lost) };
        self.outbox.send_files(Kind::Start, 0, [driver, up, down], |out| out.extend_from_slice(orders));
        answer.await.map_err(|_| Lost)
    }

    /// Sends and receives until the child ends or has to be ended. Calls that still wait then are lost.
    pub(super) async fn run(&self, socket: &AsyncFd<OwnedFd>, said: &Said) -> Ended {
        let ended = tokio::select! {
            ended = self.receive(socket, said) => ended,
            error = self.outbox.run(socket, || self.calls().waiting.len() > 1) => match error.kind() {
                std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset => Ended::Gone,
                _ => Ended::Failed(error),
            },
            () = self.watch() => Ended::Hangs,
        };
        self.close();
        ended
    }

    /// No answer comes any more: whoever waits for one learns it.
    pub(super) fn close(&self) {
        let mut calls = self.calls();
        calls.over = true;
        let mut waiting: Vec<_> = calls.waiting.drain().collect();
        waiting.sort_by_key(|(id, _)| *id);
        calls.lost.extend(waiting.into_iter().map(|(_, waiting)| waiting.call));
        drop(calls);
        self.outbox.close();
    }

    /// The calls that the child was busy with at its end, for a report.
    pub(super) fn lost(&self) -> Vec<LostCall> {
        std::mem::take(&mut self.calls().lost)
    }

    async fn receive(&self, socket: &AsyncFd<OwnedFd>, said: &Said) -> Ended {
        let mut inbox = Inbox::new();
        loop {
            let frame = match inbox.next(socket).await {
                Ok(frame) => frame,
                Err(Broken::End) => return Ended::Gone,
                Err(Broken::Failed(error)) => return Ended::Failed(error),
                Err(Broken::Garbage(garbage)) => return Ended::Garbage(garbage),
            };
            if let Err(garbage) = self.received(&frame, &mut inbox, said) {
                return Ended::Garbage(garbage);
            }
        }
    }

    fn received(&self, frame: &Frame, inbox: &mut Inbox, said: &Said) -> Result<(), Garbage> {
        match frame.kind {
            Kind::Answer => self.answered(frame, inbox),
            Kind::Chunk => self.chunk(frame),
            Kind::End => self.end(frame),
            Kind::Log => log(frame, said),
            Kind::Count => count(frame, said),
            Kind::Pong => {
                self.ponged.notify_one();
                Ok(())
            }
            kind => Err(Garbage::new(format!("a frame {kind:?}, which only the host sends"))),
        }
    }

    fn answered(&self, frame: &Frame, inbox: &mut Inbox) -> Result<(), Garbage> {
        let file = frame.has(WITH_FILE).then(|| inbox.file()).transpose()?;
        let answer = Answer::read(&frame.payload, &self.down)?;
        let mut calls = self.calls();
        let Some(waiting) = calls.waiting.get_mut(&frame.id) else {
            // It crossed with the frame that gives the call up.
            return if self.was_asked(frame.id) { Ok(()) } else { Err(Garbage::new("an answer to a call that was never made")) };
        };
        let (chunks, next) = match frame.has(WITH_STREAM) {
            true => {
                let (sender, receiver) = mpsc::channel(WINDOW + 1);
                (Some(receiver), Some(What::Chunks(sender)))
            }
            false => (None, None),
        };
        let before = match next {
            Some(next) => Some(std::mem::replace(&mut waiting.what, next)),
            None => calls.waiting.remove(&frame.id).map(|waiting| waiting.what),
        };
        drop(calls);
        match before {
            Some(What::Answer(waiter)) => {
                // A waiter that is gone has given the call up.
                let _ = waiter.send(Reply { answer, file, chunks });
                Ok(())
            }
            _ => Err(Garbage::new("a second answer to one call")),
        }
    }

    fn was_asked(&self, id: u64) -> bool {
        id < self.next.load(Ordering::Relaxed)
    }

    fn chunk(&self, frame: &Frame) -> Result<(), Garbage> {
        let mut from = Reader::new(&frame.payload);
        let bytes = lent_body(&mut from, &self.down)?;
        from.end()?;
        if bytes.is_empty() {
            return Err(Garbage::new("a chunk without bytes"));
        }
        match self.calls().waiting.get(&frame.id).map(|waiting| &waiting.what) {
            Some(What::Chunks(sender)) => match sender.try_send(Ok(bytes)) {
                Err(mpsc::error::TrySendError::Full(_)) => Err(Garbage::new(format!("more than the {WINDOW} chunks it may send unread"))),
                // The stream was dropped, and the frame that says so is on its way.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            },
            Some(What::Answer(_)) => Err(Garbage::new("a chunk before the answer that it belongs to")),
            None if self.was_asked(frame.id) => Ok(()),
            None => Err(Garbage::new("a chunk of a call that was never made")),
        }
    }

    fn end(&self, frame: &Frame) -> Result<(), Garbage> {
        let mut from = Reader::new(&frame.payload);
        let error = from.option(Reader::error)?;
        from.end()?;
        let waiting = self.calls().waiting.remove(&frame.id);
        match (waiting.map(|waiting| waiting.what), error) {
            (Some(What::Chunks(sender)), error) => {
                // The end is a message too, so that a stream whose child died is told apart from one that is complete.
                let end = error.map_or_else(|| Ok(Bytes::new()), Err);
                match sender.try_send(end) {
                    Err(mpsc::error::TrySendError::Full(_)) => Err(Garbage::new("the end of a stream beyond what it may send unread")),
                    Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
                }
            }
            (Some(What::Answer(_)), _) => Err(Garbage::new("the end of a stream that it has not begun")),
            (None, _) if self.was_asked(frame.id) => Ok(()),
            (None, _) => Err(Garbage::new("the end of a call that was never made")),
        }
    }

    /// Completes once the child hangs: it let a call's deadline pass, and does not answer a ping either.
    async fn watch(&self) {
        loop {
            self.overdue.notified().await;
            self.outbox.send(Kind::Ping, 0, 0, |_| {});
            if tokio::time::timeout(PING_LIMIT, self.ponged.notified()).await.is_err() {
                return;
            }
        }
    }
}

fn log(frame: &Frame, said: &Said) -> Result<(), Garbage> {
    let mut from = Reader::new(&frame.payload);
    let level = match from.u8()? {
        1 => Level::Error,
        2 => Level::Warn,
        3 => Level::Info,
        4 => Level::Debug,
        5 => Level::Trace,
        other => return Err(Garbage::new(format!("a log line of the unknown level {other}"))),
    };
    said.log(level, from.text()?);
    from.end()
}

fn count(frame: &Frame, said: &Said) -> Result<(), Garbage> {
    let mut from = Reader::new(&frame.payload);
    said.count(from.text()?, from.u64()?);
    from.end()
}

/// What the child keeps for a call. Dropping it tells the child to let go.
pub(super) struct Ticket {
    link: Arc<Link>,
    id: u64,
    call: Call,
    /// False once the child keeps nothing.
    kept: bool,
}

impl Ticket {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The call is over, and the child keeps nothing for it.
    pub(super) fn done(mut self) {
        self.kept = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.kept {
            return;
        }
        let waited = self.link.calls().waiting.remove(&self.id).is_some_and(|waiting| matches!(waiting.what, What::Answer(_)));
        self.link.outbox.send(Kind::Cancel, 0, self.id, |_| {});
        if waited && self.call.remaining().is_some_and(|left| left.is_zero()) {
            self.link.overdue.notify_one();
        }
    }
}
