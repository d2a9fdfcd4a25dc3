//! Drivers of blocking code through the trait that the boundary calls: their calls as jobs on the host's threads, given up, overtaken,
//! panicking, refused.
//!
//! The host's threads are a queue that each test works off by hand, in the order that it is about; nothing depends on time.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use longshore_plugin_api::blocking::{Blocking, BlockingBody, BlockingDriver, BlockingRead, BlockingUpload};
use longshore_plugin_api::convenience::Body;
use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Host, HostServices, Key, Level, ListPage, ListRequest, ObjectInfo,
    OpenDriver, Settings, Upload, UploadToken,
};

const CALL: Call = Call::unbounded();

/// The host's threads, and what the driver logs: one line for each of its functions that ran.
#[derive(Default)]
struct Threads {
    jobs: Mutex<VecDeque<Box<dyn FnOnce() + Send>>>,
    lines: Mutex<Vec<String>>,
    /// What happens while the driver counts, in the middle of a job.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Threads {
    /// Begins a call and gives it up in the middle of its job, when the driver counts.
    fn give_up_half_way<T>(&self, work: impl Future<Output = T> + Send + 'static) {
        let mut work = Box::pin(work);
        assert!(poll(work.as_mut()).is_pending(), "a call waits for a thread");
        *self.meanwhile.lock().expect("no test panics here") = Some(Box::new(move || drop(work)));
        self.run();
        assert!(self.meanwhile.lock().expect("no test panics here").is_none(), "the job began");
    }

    fn take_first(&self) -> Box<dyn FnOnce() + Send> {
        self.jobs.lock().expect("no test panics here").pop_front().expect("a job waits")
    }

    /// Runs what waits, first come first served.
    fn run(&self) {
        while !self.jobs.lock().expect("no test panics here").is_empty() {
            self.take_first()();
        }
    }

    /// What ran since the last question.
    fn ran(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().expect("no test panics here"))
    }
}

impl HostServices for Threads {
    fn log(&self, _: Level, message: &str) {
        self.lines.lock().expect("no test panics here").push(message.to_owned());
    }
    fn count(&self, _: &str, _: u64) {
        let meanwhile = self.meanwhile.lock().expect("no test panics here").take();
        meanwhile.into_iter().for_each(|happens| happens());
    }
    fn run_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        self.jobs.lock().expect("no test panics here").push_back(job);
    }
}

/// A driver that logs what runs. The key `panic` makes a call panic.
struct Logging(Host);

impl Logging {
    fn ran(&self, what: &str, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.0.log(Level::Info, what);
        assert_ne!(key.as_str(), "panic", "the key says so");
        Ok(ObjectInfo::new(0, 0))
    }
}

impl BlockingDriver for Logging {
    type Upload = LoggingUpload;

    fn open(_: Settings, host: &Host) -> Result<Self, DriverError> {
        host.log(Level::Debug, "open");
        Ok(Self(host.clone()))
    }
    fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.ran("stat", key)
    }
    fn read(&self, key: &Key, _: ByteRange) -> Result<BlockingRead, DriverError> {
        let info = self.ran("read", key)?;
        Ok(BlockingRead {
            info,
            body: BlockingBody::Reader(Box::new(Reader { host: self.0.clone(), left: 512 * 1024, panics: key.as_str() == "bad" })),
        })
    }
    fn put(&self, key: &Key, _: Bytes, _: Condition) -> Result<ObjectInfo, DriverError> {
        self.ran("put", key)
    }
    fn list(&self, _: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        Ok(ListPage::default())
    }
    fn delete(&self, key: &Key) -> Result<(), DriverError> {
        self.ran("delete", key).map(drop)
    }
    fn upload_begin(&self, _: Option<&Key>) -> Result<LoggingUpload, DriverError> {
        Ok(LoggingUpload { host: self.0.clone(), bytes: Vec::new() })
    }
    fn upload_resume(&self, _: &UploadToken) -> Result<LoggingUpload, DriverError> {
        self.upload_begin(None)
    }
    fn health(&self) -> Result<(), DriverError> {
        Ok(())
    }
    fn close(&self) -> Result<(), DriverError> {
        self.0.log(Level::Info, "close");
        Ok(())
    }
}

struct LoggingUpload {
    host: Host,
    bytes: Vec<u8>,
}

impl BlockingUpload for LoggingUpload {
    fn offset(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn write(&mut self, bytes: Bytes) -> Result<(), DriverError> {
        self.host.log(Level::Info, format_args!("write {}", String::from_utf8_lossy(&bytes)));
        self.host.count("writes", 1);
        assert_ne!(&bytes[..], b"panic", "the bytes say so");
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }
    fn suspend(&mut self) -> Result<UploadToken, DriverError> {
        UploadToken::new(self.bytes.clone())
    }
    fn commit(&mut self, _: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        self.host.log(Level::Info, "commit");
        Ok(ObjectInfo::new(size, 0))
    }
    fn abort(&mut self) -> Result<(), DriverError> {
        self.host.log(Level::Info, "abort");
        Ok(())
    }
}

impl Drop for LoggingUpload {
    fn drop(&mut self) {
        self.host.log(Level::Info, "upload dropped");
    }
}

/// A body that has so many bytes left, or one that panics. It logs how much was left when it was let go.
struct Reader {
    host: Host,
    left: usize,
    panics: bool,
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.panics, "the reader panics");
        let length = buffer.len().min(self.left);
        self.left -= length;
        buffer[..length].fill(7);
        Ok(length)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.host.log(Level::Info, format_args!("reader dropped with {} KiB left", self.left / 1024));
    }
}

fn poll<F: Future>(work: Pin<&mut F>) -> Poll<F::Output> {
    work.poll(&mut Context::from_waker(Waker::noop()))
}

/// The answer of a call, whose jobs are run as they come.
fn done<T>(threads: &Threads, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        match poll(work.as_mut()) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => threads.take_first()(),
        }
    }
}

/// Begins a call and gives it up while its job waits for a thread.
fn give_up<T>(work: impl Future<Output = T>) {
    assert!(poll(pin!(work)).is_pending(), "a call waits for a thread");
}

fn key(text: &str) -> &Key {
    Key::parse(text).expect("a legal key")
}

fn class<T>(answer: Result<T, DriverError>) -> Option<ErrorClass> {
    answer.err().map(|error| error.class())
}

fn opened() -> (Blocking<Logging>, Arc<Threads>) {
    let threads = Arc::new(Threads::default());
    let host = Host::new(threads.clone(), "test");
    let driver = done(&threads, Blocking::open(Settings::new(serde_json::json!({})), host, None)).expect("the driver opens");
    assert_eq!(threads.ran(), ["open"], "the driver opens once");
    (driver, threads)
}

/// Driver contract, section 8: "Dropping the future of a call cancels it: within 1 s the driver stops work".
#[test]
fn call_given_up_before_its_job_begins_does_not_reach_the_driver() {
    let (driver, threads) = opened();
    give_up(driver.put(&CALL, key("a"), Bytes::new(), Condition::Always));
    give_up(driver.delete(&CALL, key("a")));
    give_up(driver.upload_begin(&CALL, None));
    threads.run();
    assert_eq!(threads.ran(), [""; 0], "nobody waits for them");
    done(&threads, driver.stat(&CALL, key("a"))).expect("the instance is usable");
    assert_eq!(threads.ran(), ["stat"], "one job for one call");
}

#[test]
fn open_given_up_before_its_job_begins_does_not_open() {
    let threads = Arc::new(Threads::default());
    let host = Host::new(threads.clone(), "test");
    give_up(Blocking::<Logging>::open(Settings::new(serde_json::json!({})), host, None));
    threads.run();
    assert_eq!(threads.ran(), [""; 0], "nobody would close it");
}

/// Driver contract, section 8: "A panic anywhere in a driver becomes `internal` for that call".
#[test]
fn panic_in_a_job_is_the_error_of_its_call_alone() {
    let (driver, threads) = opened();
    let error = done(&threads, driver.stat(&CALL, key("panic"))).expect_err("a panic is an error");
    assert_eq!(error.class(), ErrorClass::Internal, "a panic becomes internal");
    assert!(error.message().contains("the key says so"), "the panic's text is kept: {error}");
    done(&threads, driver.stat(&CALL, key("a"))).expect("the instance is usable");

    let mut upload = done(&threads, driver.upload_begin(&CALL, None)).expect("an upload begins");
    done(&threads, upload.write(&CALL, "good".into())).expect("bytes are accepted");
    assert_eq!(class(done(&threads, upload.write(&CALL, "panic".into()))), Some(ErrorClass::Internal), "a panic becomes internal");
    assert_eq!(upload.offset(), 4, "what was accepted before stays good");
    done(&threads, upload.commit(&CALL, key("a"), 4)).expect("the upload is usable");
}

/// Driver contract, section 8, of a body: the panic is its last chunk.
#[test]
fn panic_in_a_reader_ends_its_body() {
    let (driver, threads) = opened();
    let mut body = Body::new(done(&threads, driver.read(&CALL, key("bad"), ByteRange::ALL)).expect("the read is answered").body);
    assert_eq!(class(done(&threads, body.next())), Some(ErrorClass::Internal), "a panic becomes internal");
    assert_eq!(done(&threads, body.next()), Ok(None), "an error ends a body");
    assert!(threads.ran().contains(&"reader dropped with 512 KiB left".to_owned()), "the reader is let go");
}

/// Driver contract, section 8: "Dropping the future of a call cancels it: within 1 s the driver stops work and frees what it held."
#[test]
fn body_given_up_reads_no_further_and_frees_its_reader() {
    let (driver, threads) = opened();
    let mut body = Body::new(done(&threads, driver.read(&CALL, key("a"), ByteRange::ALL)).expect("the read is answered").body);
    let chunk = done(&threads, body.next()).expect("a chunk comes").expect("there are two");
    assert_eq!(chunk.len(), 256 * 1024, "a chunk is 256 KiB");
    give_up(body.next());
    drop(body);
    threads.run();
    assert_eq!(threads.ran(), ["read", "reader dropped with 256 KiB left"], "nobody waits for the second chunk");
}

/// The next chunk of a body is read while the one before is consumed, and no further: what is held does not grow with the body.
#[test]
fn body_is_read_one_chunk_ahead() {
    let (driver, threads) = opened();
    let mut body = Body::new(done(&threads, driver.read(&CALL, key("a"), ByteRange::ALL)).expect("the read is answered").body);
    threads.run();
    assert!(poll(pin!(body.next())).is_ready(), "the first chunk was read before it was asked for");
    threads.run();
    assert!(poll(pin!(body.next())).is_ready(), "the second chunk was read while the first was consumed");
    assert_eq!(done(&threads, body.next()), Ok(None), "there are two chunks");

    let body = done(&threads, driver.read(&CALL, key("a"), ByteRange::ALL)).expect("the read is answered").body;
    threads.ran();
    threads.run();
    drop(body);
    assert_eq!(threads.ran(), ["reader dropped with 256 KiB left"], "of a body that nobody takes from, one chunk is read");
}

/// Driver contract, section 5: "`write` after `commit`, `commit` twice, anything after `abort`: `invalid_state`, no change."
#[test]
fn write_given_up_and_overtaken_by_a_commit_does_not_run_after_it() {
    let (driver, threads) = opened();
    let mut upload = done(&threads, driver.upload_begin(&CALL, None)).expect("an upload begins");
    done(&threads, upload.write(&CALL, "one".into())).expect("bytes are accepted");
    give_up(upload.write(&CALL, "late".into()));
    let late = threads.take_first();
    done(&threads, upload.commit(&CALL, key("a"), 3)).expect("the upload has three bytes");
    late();
    assert_eq!(threads.ran(), ["write one", "commit"], "no call runs after a later one");
}

/// Driver contract, section 5: `commit` "refuses with `corrupt` if `size` differs from what was written".
#[test]
fn write_whose_answer_was_lost_is_seen_by_the_commit() {
    let (driver, threads) = opened();
    let mut upload = done(&threads, driver.upload_begin(&CALL, None)).expect("an upload begins");
    {
        let mut write = pin!(upload.write(&CALL, "late".into()));
        assert!(poll(write.as_mut()).is_pending(), "a call waits for a thread");
        threads.run();
    }
    assert_eq!(class(done(&threads, upload.commit(&CALL, key("a"), 0))), Some(ErrorClass::Corrupt), "four bytes are no empty object");
    assert_eq!(threads.ran(), ["write late"], "jobs of an upload run one after the other, and the commit did not");
    assert_eq!(upload.offset(), 4, "the offset is what was written");
    done(&threads, upload.abort(&CALL)).expect("an upload is aborted");
}

/// Driver contract, section 5: "Dropping an `Upload` is neither commit nor abort".
#[test]
fn upload_dropped_during_a_call_lives_until_its_job_ends() {
    let (driver, threads) = opened();
    let mut upload = done(&threads, driver.upload_begin(&CALL, None)).expect("an upload begins");
    threads.give_up_half_way(async move { upload.write(&CALL, "last".into()).await });
    assert_eq!(threads.ran(), ["write last", "upload dropped"], "neither committed nor aborted");
}

#[test]
fn close_is_a_job_like_any_other_and_runs_after_those_before_it() {
    let (driver, threads) = opened();
    let mut delete = pin!(driver.delete(&CALL, key("a")));
    assert!(poll(delete.as_mut()).is_pending(), "a call waits for a thread");
    done(&threads, driver.close(&CALL)).expect("an instance closes");
    assert_eq!(threads.ran(), ["delete", "close"]);
}

/// `Host::blocking`: "`cancelled` if the host is shutting down".
#[test]
fn job_that_the_host_drops_is_answered_with_cancelled() {
    let (driver, threads) = opened();
    let mut stat = pin!(driver.stat(&CALL, key("a")));
    assert!(poll(stat.as_mut()).is_pending(), "a call waits for a thread");
    drop(threads.take_first());
    assert!(matches!(poll(stat), Poll::Ready(Err(error)) if error.class() == ErrorClass::Cancelled), "nobody will run it");
    assert_eq!(threads.ran(), [""; 0], "the driver was not reached");
}
