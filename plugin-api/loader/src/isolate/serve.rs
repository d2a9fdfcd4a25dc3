//! The child's side of the traffic: frames become calls of the driver, and what it answers becomes frames.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use longshore_plugin_api::abi::{ForeignDriver, ForeignUpload};
use longshore_plugin_api::{
    ByteStream, Bytes, Call, Driver, DriverError, ErrorClass, Level, ListRequest, ObjectInfo, Read, ReadBody, Upload,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::codec::{Reader, Writer};
use super::frame::{Frame, Garbage, Kind, WITH_STREAM};
use super::message::{Answer, Request, write_body};
use super::slots::{SLOT_BYTES, Slots};
use super::socket::{Broken, Inbox, Outbox};
use super::stream::WINDOW;

/// While a driver has chunk after chunk at hand, so many bytes of them go out together: waking a host that has gone to sleep costs a good part of
/// what copying 256 KiB does. A driver that has to wait for its next chunk keeps none back.
const SEND_FROM_BYTES: usize = 1024 * 1024;

/// What the child's side of the traffic is made of.
pub(crate) struct ToHost {
    outbox: Outbox,
    up: Slots,
    down: Slots,
    calls: Mutex<HashMap<u64, Running>>,
    credits: Mutex<HashMap<u64, Arc<Semaphore>>>,
    uploads: Mutex<HashMap<u64, Arc<tokio::sync::Mutex<ForeignUpload>>>>,
}

/// A call under way. Its future stands apart from its task, so that it can be dropped at once: what the host asks for next must find the
/// call gone.
struct Running {
    work: Arc<Mutex<Option<Work>>>,
    task: AbortHandle,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked here has lost its own call, and the maps are whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ToHost {
    pub(super) fn new(up: Slots, down: Slots) -> Self {
        Self { outbox: Outbox::default(), up, down, calls: Mutex::default(), credits: Mutex::default(), uploads: Mutex::default() }
    }

    /// A line for the host's log. Where too many are under way already, it is lost.
    pub(crate) fn log(&self, level: Level, message: &str) {
        if !self.outbox.is_crowded() {
            let message = &message[..message.floor_char_boundary(4096)];
            self.outbox.send(Kind::Log, 0, 0, |out| {
                let mut out = Writer(out);
                out.u8(level as u8);
                out.text(message);
            });
        }
    }

    /// Something for one of the host's counters.
    pub(crate) fn count(&self, name: &str, value: u64) {
        if !self.outbox.is_crowded() {
            self.outbox.send(Kind::Count, 0, 0, |out| {
                let mut out = Writer(out);
                out.text(name);
                out.u64(value);
            });
        }
    }

    pub(super) fn answer(&self, id: u64, answer: &Answer) {
        self.outbox.send(Kind::Answer, 0, id, |out| answer.write(&mut Writer(out), &self.down));
    }

    /// Sends what there is to send, until the socket fails.
    pub(super) async fn send(&self, socket: &AsyncFd<OwnedFd>) {
        self.outbox.run(socket, || false).await;
    }

    /// Takes frames and calls `driver`, until the host is gone.
    pub(super) async fn receive(self: &Arc<Self>, inbox: &mut Inbox, socket: &AsyncFd<OwnedFd>, driver: &Arc<ForeignDriver>) -> Broken {
        loop {
            match inbox.next(socket).await {
                Ok(frame) => {
                    if let Err(garbage) = self.received(&frame, driver) {
                        return Broken::Garbage(garbage);
                    }
                }
                Err(broken) => return broken,
            }
        }
    }

    fn received(self: &Arc<Self>, frame: &Frame, driver: &Arc<ForeignDriver>) -> Result<(), Garbage> {
        match frame.kind {
            Kind::Call => {
                let mut from = Reader::new(&frame.payload);
                let (call, request) = (from.call()?, Request::read(&mut from, &self.up)?);
                from.end()?;
                self.begin(frame.id, call, request, driver.clone());
            }
            Kind::Cancel => self.cancel(frame.id),
            Kind::Credit => {
                let count = Reader::new(&frame.payload).u32()?;
                if let Some(credit) = lock(&self.credits).get(&frame.id) {
                    credit.add_permits((count as usize).min(WINDOW));
                }
            }
            Kind::Ping => self.outbox.send(Kind::Pong, 0, 0, |_| {}),
            kind => return Err(Garbage::new(format!("a frame {kind:?}, which only a child sends"))),
        }
        Ok(())
    }

    /// Begins a call. One that is answered at once needs no task.
    fn begin(self: &Arc<Self>, id: u64, call: Call, request: Request, driver: Arc<ForeignDriver>) {
        let this = self.clone();
        let mut work: Work = Box::pin(async move { this.run(id, &call, request, &driver).await });
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            lock(&self.credits).remove(&id);
            return;
        }
        let work = Arc::new(Mutex::new(Some(work)));
        let (this, polled) = (self.clone(), work.clone());
        // It is polled again at once, with a waker that wakes.
        let task = tokio::spawn(poll_fn(move |context| {
            let mut work = lock(&polled);
            let done = work.as_mut().is_none_or(|work| work.as_mut().poll(context).is_ready());
            if !done {
                return Poll::Pending;
            }
            *work = None;
            drop(work);
            lock(&this.calls).remove(&id);
            lock(&this.credits).remove(&id);
            Poll::Ready(())
        }));
        lock(&self.calls).insert(id, Running { work, task: task.abort_handle() });
    }

    /// Drops what a call left: its future, its stream, its upload.
    fn cancel(&self, id: u64) {
        let running = lock(&self.calls).remove(&id);
        if let Some(running) = running {
            running.task.abort();
            let work = lock(&running.work).take();
            drop(work);
        }
        lock(&self.credits).remove(&id);
        let upload = lock(&self.uploads).remove(&id);
        drop(upload);
    }

    async fn run(self: &Arc<Self>, id: u64, call: &Call, request: Request, driver: &ForeignDriver) {
        match request {
            Request::Read(key, range) => match driver.read(call, &key, range).await {
                Ok(read) => self.answer_read(id, read).await,
                Err(error) => self.answer(id, &Answer::Error(error)),
            },
            request => {
                let answer = self.call(id, call, request, driver).await.unwrap_or_else(Answer::Error);
                self.answer(id, &answer);
            }
        }
    }

    async fn call(&self, id: u64, call: &Call, request: Request, driver: &ForeignDriver) -> Result<Answer, DriverError> {
        Ok(match request {
            Request::Stat(key) => Answer::Info(driver.stat(call, &key).await?),
            Request::Put(key, condition, bytes) => Answer::Info(driver.put(call, &key, bytes, condition).await?),
            Request::List { prefix, start_after, limit, recursive } => {
                let request = ListRequest { prefix: &prefix, start_after: start_after.as_deref(), limit, recursive };
                Answer::Page(driver.list(call, &request).await?)
            }
            Request::Delete(key) => done(driver.delete(call, &key).await?),
            Request::UploadBegin(destination) => self.keep(id, driver.upload_begin(call, destination.as_deref()).await?),
            Request::UploadResume(token) => self.keep(id, driver.upload_resume(call, &token).await?),
            Request::Write(upload, bytes) => {
                let upload = self.upload(upload)?;
                let mut upload = upload.lock().await;
                upload.write(call, bytes).await?;
                Answer::Offset(upload.offset())
            }
            Request::Suspend(upload) => Answer::Token(self.upload(upload)?.lock().await.suspend(call).await?),
            Request::Commit(upload, destination, size) => {
                Answer::Info(self.upload(upload)?.lock().await.commit(call, &destination, size).await?)
            }
            Request::Abort(upload) => done(self.upload(upload)?.lock().await.abort(call).await?),
            Request::Health => done(driver.health(call).await?),
            Request::Close => done(driver.close(call).await?),
            Request::DeletePrefix(prefix) => done(driver.delete_prefix(call, &prefix).await?),
            Request::Copy(from, to) => Answer::Info(driver.copy(call, &from, &to).await?),
            Request::Presign(key, method, expires_ms) => Answer::Url(driver.presign(call, &key, method, expires_ms).await?),
            Request::UploadList(older_than_ms) => Answer::Tokens(driver.upload_list(call, older_than_ms).await?),
            Request::Read(..) => return Err(DriverError::new(ErrorClass::Internal, "a read is answered elsewhere")),
        })
    }

    fn keep(&self, id: u64, upload: ForeignUpload) -> Answer {
        let offset = upload.offset();
        lock(&self.uploads).insert(id, Arc::new(tokio::sync::Mutex::new(upload)));
        Answer::Offset(offset)
    }

    fn upload(&self, id: u64) -> Result<Arc<tokio::sync::Mutex<ForeignUpload>>, DriverError> {
        let upload = lock(&self.uploads).get(&id).cloned();
        upload.ok_or_else(|| DriverError::new(ErrorClass::InvalidState, "the upload was dropped"))
    }

    async fn answer_read(&self, id: u64, read: Read) {
        let info = read.info;
        match read.body {
            ReadBody::Bytes(bytes) if bytes.len() <= SLOT_BYTES => self.answer(id, &Answer::ReadBytes(info, bytes)),
            ReadBody::Bytes(bytes) => {
                let mut body = OutgoingBody::begin(self, id, info);
                body.send(bytes).await;
                body.end(None);
            }
            ReadBody::Stream(chunks) => {
                let mut body = OutgoingBody::begin(self, id, info);
                let error = body.send_all(chunks).await.err();
                body.end(error.as_ref());
            }
            ReadBody::File(region) => {
                let answer = Answer::ReadFile(info, region.offset, region.length);
                self.outbox.send_files(Kind::Answer, id, [region.file], |out| answer.write(&mut Writer(out), &self.down));
            }
        }
    }
}

/// A body on its way to the host, in chunks.
struct OutgoingBody<'a> {
    host: &'a ToHost,
    id: u64,
    credit: Arc<Semaphore>,
    /// Bytes that were copied since frames last went out.
    kept_back: usize,
}

impl<'a> OutgoingBody<'a> {
    fn begin(host: &'a ToHost, id: u64, info: ObjectInfo) -> Self {
        let credit = Arc::new(Semaphore::new(WINDOW));
        lock(&host.credits).insert(id, credit.clone());
        let answer = Answer::ReadStream(info);
        host.outbox.send(Kind::Answer, WITH_STREAM, id, |out| answer.write(&mut Writer(out), &host.down));
        // So that the first chunk goes out at once.
        Self { host, id, credit, kept_back: SEND_FROM_BYTES }
    }

    async fn send_all(&mut self, mut chunks: ByteStream) -> Result<(), DriverError> {
        while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
            self.send(chunk?).await;
        }
        Ok(())
    }

    async fn send(&mut self, mut chunk: Bytes) {
        while !chunk.is_empty() {
            let part = chunk.split_to(chunk.len().min(SLOT_BYTES));
            // The semaphore is never closed.
            if let Ok(permit) = self.credit.acquire().await {
                permit.forget();
            }
            self.host.outbox.room().await;
            self.host.outbox.send(Kind::Chunk, 0, self.id, |out| write_body(&mut Writer(out), &self.host.down, &part));
            self.kept_back += part.len();
            if self.kept_back >= SEND_FROM_BYTES {
                self.kept_back = 0;
                // Frames go out while this task waits.
                tokio::task::yield_now().await;
            }
        }
    }

    fn end(self, error: Option<&DriverError>) {
        self.host.outbox.send(Kind::End, 0, self.id, |out| Writer(out).option(error, Writer::error));
    }
}

fn done((): ()) -> Answer {
    Answer::Unit
}
