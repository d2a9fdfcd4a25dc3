//! An instance whose calls are recorded: the last of them explain a failure, and the keys written are those that the harness may remove.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longshore_loader::api::{
    ByteRange, Bytes, Call, Capabilities, Condition, Driver, DriverError, Key, KeyBuf, ListPage, ListRequest, Method, ObjectInfo, Prefix,
    Read, Upload, UploadToken,
};
use longshore_loader::{DriverHandle, UploadHandle};

use crate::config::DriverConfig;

/// How many calls are kept.
const TRACE_CALLS: usize = 40;

/// The last calls of a case, and all keys that it wrote.
#[derive(Debug, Default)]
pub(crate) struct Trace(Mutex<Recorded>);

#[derive(Debug, Default)]
struct Recorded {
    calls: VecDeque<String>,
    left_out: usize,
    written: BTreeSet<KeyBuf>,
}

impl Trace {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T>(&self, call: String, answer: &Result<T, DriverError>, describe: impl FnOnce(&T) -> String) {
        let mut line = call;
        // A string takes every write.
        let _ = match answer {
            Ok(answer) => write!(line, " -> {}", describe(answer)),
            Err(error) => write!(line, " -> {}: {}", error.class(), error.message()),
        };
        let mut recorded = self.lock();
        if recorded.calls.len() == TRACE_CALLS {
            recorded.calls.pop_front();
            recorded.left_out += 1;
        }
        recorded.calls.push_back(line);
    }

    fn wrote(&self, key: &Key) {
        let mut recorded = self.lock();
        if !recorded.written.contains(key) {
            recorded.written.insert(key.to_owned());
        }
    }

    /// The last calls, oldest first; the first line tells how many came before them.
    pub(crate) fn lines(&self) -> Vec<String> {
        let recorded = self.lock();
        let before = (recorded.left_out > 0).then(|| format!("({} calls before)", recorded.left_out));
        before.into_iter().chain(recorded.calls.iter().cloned()).collect()
    }

    /// Every key that was written through instances of this case.
    pub(crate) fn written(&self) -> Vec<KeyBuf> {
        self.lock().written.iter().cloned().collect()
    }
}

/// An open instance whose calls are recorded.
#[derive(Clone)]
pub(crate) struct Instance {
    handle: DriverHandle,
    capabilities: Capabilities,
    trace: Arc<Trace>,
}

impl Instance {
    pub(crate) fn new(handle: DriverHandle, config: &DriverConfig, trace: Arc<Trace>) -> Self {
        Self { capabilities: config.capabilities(handle.capabilities()), handle, trace }
    }

    /// The declared capabilities, without those that the back-end lacks.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The handle itself, whose calls are not recorded.
    pub(crate) fn handle(&self) -> &DriverHandle {
        &self.handle
    }

    fn upload(&self, upload: UploadHandle) -> InstanceUpload {
        InstanceUpload { upload, trace: self.trace.clone() }
    }
}

fn size(info: &ObjectInfo) -> String {
    format!("{} bytes", info.size)
}

fn done(_: &()) -> String {
    "ok".to_owned()
}

impl Driver for Instance {
    type Upload = InstanceUpload;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        let answer = self.handle.stat(call, key).await;
        self.trace.write(format!("stat {key:?}"), &answer, size);
        answer
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let answer = self.handle.read(call, key, range).await;
        self.trace.write(format!("read {key:?} {range:?}"), &answer, |read| format!("of {} bytes, {:?}", read.info.size, read.body));
        answer
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.trace.wrote(key);
        let line = format!("put {key:?} {} bytes, {condition:?}", bytes.len());
        let answer = self.handle.put(call, key, bytes, condition).await;
        self.trace.write(line, &answer, size);
        answer
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let answer = self.handle.list(call, request).await;
        self.trace.write(format!("list {request:?}"), &answer, |page| format!("{} entries, more: {}", page.entries.len(), page.more));
        answer
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        let answer = self.handle.delete(call, key).await;
        self.trace.write(format!("delete {key:?}"), &answer, done);
        answer
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<InstanceUpload, DriverError> {
        let answer = self.handle.upload_begin(call, destination).await;
        self.trace.write(format!("upload_begin for {destination:?}"), &answer, |_| "ok".to_owned());
        Ok(self.upload(answer?))
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<InstanceUpload, DriverError> {
        let answer = self.handle.upload_resume(call, token).await;
        self.trace.write(format!("upload_resume {token:?}"), &answer, |upload| format!("at {}", upload.offset()));
        Ok(self.upload(answer?))
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        let answer = self.handle.health(call).await;
        self.trace.write("health".to_owned(), &answer, done);
        answer
    }

    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        let answer = self.handle.close(call).await;
        self.trace.write("close".to_owned(), &answer, done);
        answer
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        let answer = self.handle.delete_prefix(call, prefix).await;
        self.trace.write(format!("delete_prefix {prefix:?}"), &answer, done);
        answer
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.trace.wrote(to);
        let answer = self.handle.copy(call, from, to).await;
        self.trace.write(format!("copy {from:?} {to:?}"), &answer, size);
        answer
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let answer = self.handle.presign(call, key, method, expires_ms).await;
        // The URL is as good as a password for a while.
        self.trace.write(format!("presign {key:?} {method:?}"), &answer, |url| format!("a URL of {} bytes", url.len()));
        answer
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let answer = self.handle.upload_list(call, older_than_ms).await;
        self.trace.write(format!("upload_list older than {older_than_ms} ms"), &answer, |tokens| format!("{} tokens", tokens.len()));
        answer
    }
}

/// An upload whose calls are recorded.
pub(crate) struct InstanceUpload {
    upload: UploadHandle,
    trace: Arc<Trace>,
}

impl Upload for InstanceUpload {
    fn offset(&self) -> u64 {
        self.upload.offset()
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        let line = format!("write {} bytes", bytes.len());
        let answer = self.upload.write(call, bytes).await;
        self.trace.write(line, &answer, |()| format!("at {}", self.upload.offset()));
        answer
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        let answer = self.upload.suspend(call).await;
        self.trace.write("suspend".to_owned(), &answer, |token| format!("{token:?}"));
        answer
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size_bytes: u64) -> Result<ObjectInfo, DriverError> {
        self.trace.wrote(destination);
        let answer = self.upload.commit(call, destination, size_bytes).await;
        self.trace.write(format!("commit {destination:?} {size_bytes} bytes"), &answer, size);
        answer
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        let answer = self.upload.abort(call).await;
        self.trace.write("abort".to_owned(), &answer, done);
        answer
    }
}
