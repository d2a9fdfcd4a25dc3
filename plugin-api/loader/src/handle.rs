//! A driver instance as the host uses it: every call has a deadline and is counted.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longshore_plugin_api::abi::{ForeignDriver, ForeignUpload};
use longshore_plugin_api::metadata::DriverInfo;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Capabilities, Condition, Driver, DriverError, ErrorClass, Key, ListPage, ListRequest, Method, ObjectInfo,
    Prefix, Read, ReadBody, Upload, UploadToken,
};

use crate::crash::{self, Running};
use crate::isolate::{DriverState, Supervisor};
use crate::services::Counters;
use crate::swap::{self, Retired, Use, Users};

macro_rules! kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// The calls of the contract, as they are counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "named as the calls are")]
        pub enum CallKind { $($variant,)* }

        impl CallKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The call's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}
kinds! {
    Stat = "stat", Read = "read", Put = "put", List = "list", Delete = "delete", UploadBegin = "upload_begin", UploadResume = "upload_resume",
    Write = "write", Suspend = "suspend", Commit = "commit", Abort = "abort", Health = "health", Close = "close", DeletePrefix = "delete_prefix",
    Copy = "copy", Presign = "presign", UploadList = "upload_list",
}

/// How often each call was made, and how the calls ended.
#[derive(Debug, Default)]
pub struct CallCounts {
    made: [AtomicU64; CallKind::ALL.len()],
    answered: [AtomicU64; CallKind::ALL.len()],
    failed: [[AtomicU64; ErrorClass::ALL.len()]; CallKind::ALL.len()],
}

impl CallCounts {
    /// How often `kind` was called.
    pub fn of(&self, kind: CallKind) -> u64 {
        self.made[kind as usize].load(Ordering::Relaxed)
    }

    /// How many calls of `kind` ended in which way: `ok`, or the name of an error's class. Calls that were dropped are not among them.
    pub fn outcomes(&self, kind: CallKind) -> impl Iterator<Item = (&'static str, u64)> {
        let failed = ErrorClass::ALL.iter().zip(&self.failed[kind as usize]).map(|(class, count)| (class.name(), count));
        [("ok", &self.answered[kind as usize])].into_iter().chain(failed).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    fn add(&self, kind: CallKind) {
        self.made[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn end<T>(&self, kind: CallKind, answer: &Result<T, DriverError>) {
        let count = match answer {
            Ok(_) => &self.answered[kind as usize],
            Err(error) => &self.failed[kind as usize][error.class() as usize],
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// The classes are numbered as they stand in `ALL`, so that a number is an index.
const _: () = {
    let mut index = 0;
    while index < ErrorClass::ALL.len() {
        assert!(ErrorClass::ALL[index] as usize == index, "the classes are counted from 0, without a gap");
        index += 1;
    }
};

/// An open instance; cheap to clone. It is a [`Driver`] itself.
///
/// Handles, uploads and bodies that stream use the instance; [`retire`](Self::retire) waits for them.
#[derive(Clone)]
pub struct DriverHandle(Arc<Inner>, Arc<Users>);

pub(crate) struct Inner {
    driver: ForeignDriver,
    info: Arc<DriverInfo>,
    call_limit: Duration,
    counts: CallCounts,
    /// What the driver counts itself.
    counters: Arc<Counters>,
    /// The driver that this one stacks on.
    lower: Option<DriverHandle>,
    /// Whose timers are used: a layer may call the driver below it from a thread of its own.
    runtime: tokio::runtime::Handle,
    /// Who keeps the driver's process, if it has one of its own.
    supervisor: Option<Arc<Supervisor>>,
}

/// How long a store may take to copy `size` bytes, beside what any answer may take: a second for each 32 MiB. Where the destination of an upload
/// was not known at its start, publishing is a copy within the store (driver contract, section 5).
fn copied_within(size: u64) -> Duration {
    Duration::from_secs(size / (32 << 20))
}

/// A call that ends `limit` from now.
pub(crate) fn call(limit: Duration, trace_id: u128) -> Call {
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + limit;
    Call::new(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX), trace_id)
}

impl Inner {
    /// Counts a call and waits for it until its deadline. A call that answers at once costs no timer.
    ///
    /// `subject` is the key or prefix that the call is about, or empty; a crash is told with it.
    ///
    /// `work` makes the call's future, so that it is made where it stays: a future handed over by value is copied whole, twice.
    fn run<T, F>(
        &self,
        call: &Call,
        kind: CallKind,
        subject: &str,
        work: impl FnOnce() -> F,
    ) -> impl Future<Output = Result<T, DriverError>>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        self.run_within(self.call_limit, call, kind, subject, work)
    }

    /// As [`run`](Self::run), with the limit of a call that carries no deadline.
    async fn run_within<T, F>(
        &self,
        limit: Duration,
        call: &Call,
        kind: CallKind,
        subject: &str,
        work: impl FnOnce() -> F,
    ) -> Result<T, DriverError>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        self.counts.add(kind);
        let running = Running { origin: self.driver.origin(), call: kind.name(), subject };
        // Nothing of the driver runs before the first poll.
        let mut work = pin!(work());
        let mut deadline = None;
        let answer = poll_fn(|context| {
            if let Poll::Ready(answer) = crash::during(&running, || work.as_mut().poll(context)) {
                return Poll::Ready(answer);
            }
            let (limit, timer) = deadline.get_or_insert_with(|| {
                let limit = call.remaining().unwrap_or(limit);
                let _entered = self.runtime.enter();
                (limit, Box::pin(tokio::time::sleep(limit)))
            });
            timer.as_mut().poll(context).map(|()| {
                let message = format!("{} did not answer within {} ms", kind.name(), limit.as_millis());
                Err(DriverError::new(ErrorClass::Timeout, message).from_instance(self.driver.origin()))
            })
        })
        .await;
        self.counts.end(kind, &answer);
        answer
    }
}

impl DriverHandle {
    /// An instance, on the current tokio runtime.
    pub(crate) fn new(
        driver: ForeignDriver,
        info: Arc<DriverInfo>,
        call_limit: Duration,
        counters: Arc<Counters>,
        lower: Option<Self>,
    ) -> Self {
        let (counts, runtime) = (CallCounts::default(), tokio::runtime::Handle::current());
        Self::of(Arc::new(Inner { driver, info, call_limit, counts, counters, lower, runtime, supervisor: None }))
    }

    /// The same instance, whose driver runs in a process that `supervisor` keeps.
    pub(crate) fn in_process(mut self, supervisor: Arc<Supervisor>) -> Self {
        // A handle that was made just now has no clone.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.supervisor = Some(supervisor);
        }
        self
    }

    /// Whether the instance can be called now.
    pub fn state(&self) -> DriverState {
        self.0.supervisor.as_ref().map_or(DriverState::Serving, |supervisor| supervisor.state())
    }

    /// How often the driver's own process was started again; 0 for a driver in the host's.
    pub fn restarts(&self) -> u64 {
        self.0.supervisor.as_ref().map_or(0, |supervisor| supervisor.restarts())
    }

    /// The driver's own process, while it has one.
    pub fn process_id(&self) -> Option<u32> {
        self.0.supervisor.as_ref()?.process_id()
    }

    /// True if the driver has a process of its own.
    pub fn is_isolated(&self) -> bool {
        self.0.supervisor.is_some()
    }

    /// A handle that no other user of the instance waits for.
    pub(crate) fn of(instance: Arc<Inner>) -> Self {
        Self(instance, Arc::default())
    }

    /// The instance without a use of it: for whoever puts another one in its place, and closes it when its users are gone.
    pub fn retire(&self) -> Retired {
        Retired::new(self.0.clone(), &self.1)
    }

    /// The driver that this one stacks on, if it is a layer.
    pub fn lower(&self) -> Option<&Self> {
        self.0.lower.as_ref()
    }

    /// This driver and those below it, from the outermost layer to the one that keeps the bytes.
    pub fn stack(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |handle| handle.lower())
    }

    /// What the driver's file says of itself.
    pub fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    /// The declared capabilities; of a layer those that the driver below it has as well.
    pub fn capabilities(&self) -> Capabilities {
        self.0.driver.capabilities()
    }

    /// Driver and instance, as errors name them.
    pub fn origin(&self) -> &str {
        self.0.driver.origin()
    }

    /// How often each call was made.
    pub fn counts(&self) -> &CallCounts {
        &self.0.counts
    }

    /// What the driver has counted itself, by the names that it gave: `[a-z_]+`.
    pub fn counters(&self) -> Vec<(String, u64)> {
        self.0.counters.all()
    }

    /// The context of a call that begins now.
    pub fn call(&self, trace_id: u128) -> Call {
        call(self.0.call_limit, trace_id)
    }

    /// The context of a call that begins now, before whose answer the driver may have to copy `size` bytes: a commit.
    pub fn call_with_copy(&self, trace_id: u128, size: u64) -> Call {
        call(self.0.call_limit + copied_within(size), trace_id)
    }

    /// The instance itself, for extension tables.
    pub fn foreign(&self) -> &ForeignDriver {
        &self.0.driver
    }

    fn upload(&self, upload: ForeignUpload) -> UploadHandle {
        UploadHandle { upload, instance: self.0.clone(), _use: Use::by_upload(&self.1) }
    }
}

impl Driver for DriverHandle {
    type Upload = UploadHandle;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.run(call, CallKind::Stat, key.as_str(), || self.0.driver.stat(call, key)).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let mut read = self.0.run(call, CallKind::Read, key.as_str(), || self.0.driver.read(call, key, range)).await;
        if let Ok(Read { body: body @ ReadBody::Stream(_), .. }) = &mut read {
            swap::keep_open(body, &self.1);
        }
        read
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.0.run(call, CallKind::Put, key.as_str(), || self.0.driver.put(call, key, bytes, condition)).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.0.run(call, CallKind::List, request.prefix.as_str(), || self.0.driver.list(call, request)).await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        self.0.run(call, CallKind::Delete, key.as_str(), || self.0.driver.delete(call, key)).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<UploadHandle, DriverError> {
        let upload = self
            .0
            .run(call, CallKind::UploadBegin, destination.map_or("", Key::as_str), || self.0.driver.upload_begin(call, destination))
            .await?;
        Ok(self.upload(upload))
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<UploadHandle, DriverError> {
        let upload = self.0.run(call, CallKind::UploadResume, "", || self.0.driver.upload_resume(call, token)).await?;
        Ok(self.upload(upload))
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.0.run(call, CallKind::Health, "", || self.0.driver.health(call)).await
    }

    /// Closes the lower drivers too, whatever a layer does about them.
    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        let mut closed = Ok(());
        for handle in self.stack() {
            closed = closed.and(handle.0.run(call, CallKind::Close, "", || handle.0.driver.close(call)).await);
        }
        closed
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        self.0.run(call, CallKind::DeletePrefix, prefix.as_str(), || self.0.driver.delete_prefix(call, prefix)).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.run(call, CallKind::Copy, from.as_str(), || self.0.driver.copy(call, from, to)).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        self.0.run(call, CallKind::Presign, key.as_str(), || self.0.driver.presign(call, key, method, expires_ms)).await
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.0.run(call, CallKind::UploadList, "", || self.0.driver.upload_list(call, older_than_ms)).await
    }
}

/// An upload of a [`DriverHandle`].
pub struct UploadHandle {
    // Dropped before the use of its instance ends.
    upload: ForeignUpload,
    instance: Arc<Inner>,
    _use: Use,
}

impl Upload for UploadHandle {
    fn offset(&self) -> u64 {
        self.upload.offset()
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.instance.run(call, CallKind::Write, "", || self.upload.write(call, bytes)).await
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        self.instance.run(call, CallKind::Suspend, "", || self.upload.suspend(call)).await
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        let limit = self.instance.call_limit + copied_within(size);
        self.instance.run_within(limit, call, CallKind::Commit, destination.as_str(), || self.upload.commit(call, destination, size)).await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        self.instance.run(call, CallKind::Abort, "", || self.upload.abort(call)).await
    }
}
