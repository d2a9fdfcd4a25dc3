//! Drivers whose code blocks: the contract without futures. Each call is a job on one of the host's threads for blocking work.
//!
//! A call that was given up before its job got a thread does not reach the driver. One that was given up later runs to its end.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use crate::abi::LowerDriver;
use crate::{
    ByteRange, ByteStream, Bytes, Call, Condition, Driver, DriverError, ErrorClass, FileRegion, Host, Key, KeyBuf, ListPage, ListRequest,
    Method, ObjectInfo, OpenDriver, Prefix, Read, ReadBody, Settings, Upload, UploadToken,
};

/// How much is read ahead of a slow consumer, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// A driver of plain blocking functions; wrap it in [`Blocking`] to export it. The rules of each call are those of [`Driver`].
pub trait BlockingDriver: Send + Sync + Sized + 'static {
    /// The uploads of this driver.
    type Upload: BlockingUpload;

    /// See [`OpenDriver::open`].
    ///
    /// # Errors
    /// As there.
    fn open(settings: Settings, host: &Host) -> Result<Self, DriverError>;
    /// See [`Driver::stat`].
    ///
    /// # Errors
    /// As there.
    fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError>;
    /// See [`Driver::read`].
    ///
    /// # Errors
    /// As there.
    fn read(&self, key: &Key, range: ByteRange) -> Result<BlockingRead, DriverError>;
    /// See [`Driver::put`].
    ///
    /// # Errors
    /// As there.
    fn put(&self, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError>;
    /// See [`Driver::list`].
    ///
    /// # Errors
    /// As there.
    fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError>;
    /// See [`Driver::delete`].
    ///
    /// # Errors
    /// As there.
    fn delete(&self, key: &Key) -> Result<(), DriverError>;
    /// See [`Driver::upload_begin`].
    ///
    /// # Errors
    /// As there.
    fn upload_begin(&self, destination: Option<&Key>) -> Result<Self::Upload, DriverError>;
    /// See [`Driver::upload_resume`].
    ///
    /// # Errors
    /// As there.
    fn upload_resume(&self, token: &UploadToken) -> Result<Self::Upload, DriverError>;
    /// See [`Driver::health`].
    ///
    /// # Errors
    /// As there.
    fn health(&self) -> Result<(), DriverError>;
    /// See [`Driver::close`].
    ///
    /// # Errors
    /// As there.
    fn close(&self) -> Result<(), DriverError> {
        Ok(())
    }
    /// See [`Driver::delete_prefix`].
    ///
    /// # Errors
    /// As there.
    fn delete_prefix(&self, prefix: &Prefix) -> Result<(), DriverError> {
        let _ = prefix;
        Err(DriverError::unsupported("delete_prefix"))
    }
    /// See [`Driver::copy`].
    ///
    /// # Errors
    /// As there.
    fn copy(&self, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let _ = (from, to);
        Err(DriverError::unsupported("copy"))
    }
    /// See [`Driver::presign`].
    ///
    /// # Errors
    /// As there.
    fn presign(&self, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let _ = (key, method, expires_ms);
        Err(DriverError::unsupported("presign"))
    }
    /// See [`Driver::upload_list`].
    ///
    /// # Errors
    /// As there.
    fn upload_list(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let _ = older_than_ms;
        Err(DriverError::unsupported("upload_list"))
    }
}

/// An upload of plain blocking functions. The rules of each call are those of [`Upload`].
pub trait BlockingUpload: Send + 'static {
    /// See [`Upload::offset`].
    fn offset(&self) -> u64;
    /// See [`Upload::write`].
    ///
    /// # Errors
    /// As there.
    fn write(&mut self, bytes: Bytes) -> Result<(), DriverError>;
    /// See [`Upload::suspend`].
    ///
    /// # Errors
    /// As there.
    fn suspend(&mut self) -> Result<UploadToken, DriverError>;
    /// See [`Upload::commit`].
    ///
    /// # Errors
    /// As there.
    fn commit(&mut self, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError>;
    /// See [`Upload::abort`].
    ///
    /// # Errors
    /// As there.
    fn abort(&mut self) -> Result<(), DriverError>;
}

/// The answer of [`BlockingDriver::read`].
pub struct BlockingRead {
    /// Facts about the whole object.
    pub info: ObjectInfo,
    /// The bytes of the asked range.
    pub body: BlockingBody,
}

/// The bytes of a blocking read.
pub enum BlockingBody {
    /// All of them at once.
    Bytes(Bytes),
    /// Something to read to its end, 256 KiB at a time and one such chunk ahead, on a thread for blocking work.
    Reader(Box<dyn io::Read + Send>),
    /// A place in an open file. Needs the capability `file_region`.
    File(FileRegion),
}

/// Whoever waits for a job's answer, as the job sees it.
struct Asker(Weak<()>);

impl Asker {
    /// # Errors
    /// `cancelled` once the answer's future was dropped.
    fn check(&self) -> Result<(), DriverError> {
        if self.0.strong_count() == 0 {
            return Err(DriverError::new(ErrorClass::Cancelled, "nobody waits for this call any more"));
        }
        Ok(())
    }
}

/// Hands `job` to one of the host's threads, now. It is told who asked, because only it knows when it begins: some wait for a lock first.
fn ask<T, F>(host: &Host, job: F) -> impl Future<Output = Result<T, DriverError>> + Send + use<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Asker) -> Result<T, DriverError> + Send + 'static,
{
    let waits = Arc::new(());
    let asker = Asker(Arc::downgrade(&waits));
    let answer = host.start(move || job(&asker));
    async move {
        let answer = answer.await;
        drop(waits);
        answer
    }
}

/// A [`BlockingDriver`] as a [`Driver`].
pub struct Blocking<D> {
    driver: Arc<D>,
    host: Host,
}

impl<D: BlockingDriver> Blocking<D> {
    async fn run<T, F>(&self, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(&D) -> Result<T, DriverError> + Send + 'static,
    {
        let driver = self.driver.clone();
        let job = move |asker: &Asker| {
            asker.check()?;
            work(&driver)
        };
        ask(&self.host, job).await
    }

    fn upload(&self, upload: D::Upload) -> BlockingUploadHandle<D::Upload> {
        let offset = upload.offset();
        BlockingUploadHandle { upload: Arc::new(Mutex::new(upload)), offset, host: self.host.clone() }
    }
}

impl<D: BlockingDriver> OpenDriver for Blocking<D> {
    async fn open(settings: Settings, host: Host, _lower: Option<LowerDriver>) -> Result<Self, DriverError> {
        let handle = host.clone();
        let job = move |asker: &Asker| {
            asker.check()?;
            D::open(settings, &handle)
        };
        let driver = ask(&host, job).await?;
        Ok(Self { driver: Arc::new(driver), host })
    }
}

impl<D: BlockingDriver> Driver for Blocking<D> {
    type Upload = BlockingUploadHandle<D::Upload>;

    async fn stat(&self, _: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        let key = key.to_owned();
        self.run(move |driver| driver.stat(&key)).await
    }

    async fn read(&self, _: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let key = key.to_owned();
        let read = self.run(move |driver| driver.read(&key, range)).await?;
        let body = match read.body {
            BlockingBody::Bytes(bytes) => ReadBody::Bytes(bytes),
            BlockingBody::File(region) => ReadBody::File(region),
            BlockingBody::Reader(reader) => ReadBody::Stream(chunks(reader, self.host.clone())),
        };
        Ok(Read { info: read.info, body })
    }

    async fn put(&self, _: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        let key = key.to_owned();
        self.run(move |driver| driver.put(&key, bytes, condition)).await
    }

    async fn list(&self, _: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let (prefix, after) = (request.prefix.to_owned(), request.start_after.map(str::to_owned));
        let (limit, recursive) = (request.limit, request.recursive);
        self.run(move |driver| driver.list(&ListRequest { prefix: &prefix, start_after: after.as_deref(), limit, recursive })).await
    }

    async fn delete(&self, _: &Call, key: &Key) -> Result<(), DriverError> {
        let key = key.to_owned();
        self.run(move |driver| driver.delete(&key)).await
    }

    async fn upload_begin(&self, _: &Call, destination: Option<&Key>) -> Result<Self::Upload, DriverError> {
        let destination: Option<KeyBuf> = destination.map(ToOwned::to_owned);
        let upload = self.run(move |driver| driver.upload_begin(destination.as_deref())).await?;
        Ok(self.upload(upload))
    }

    async fn upload_resume(&self, _: &Call, token: &UploadToken) -> Result<Self::Upload, DriverError> {
        let token = token.clone();
        let upload = self.run(move |driver| driver.upload_resume(&token)).await?;
        Ok(self.upload(upload))
    }

    async fn health(&self, _: &Call) -> Result<(), DriverError> {
        self.run(BlockingDriver::health).await
    }

    async fn close(&self, _: &Call) -> Result<(), DriverError> {
        self.run(BlockingDriver::close).await
    }

    async fn delete_prefix(&self, _: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        let prefix = prefix.to_owned();
        self.run(move |driver| driver.delete_prefix(&prefix)).await
    }

    async fn copy(&self, _: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.run(move |driver| driver.copy(&from, &to)).await
    }

    async fn presign(&self, _: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let key = key.to_owned();
        self.run(move |driver| driver.presign(&key, method, expires_ms)).await
    }

    async fn upload_list(&self, _: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.run(move |driver| driver.upload_list(older_than_ms)).await
    }
}

/// A [`BlockingUpload`] as an [`Upload`].
pub struct BlockingUploadHandle<U> {
    upload: Arc<Mutex<U>>,
    offset: u64,
    host: Host,
}

impl<U: BlockingUpload> BlockingUploadHandle<U> {
    async fn run<T, F>(&mut self, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(&mut U) -> Result<T, DriverError> + Send + 'static,
    {
        let upload = self.upload.clone();
        let job = move |asker: &Asker| {
            // The lock keeps a call that was given up half-way from running beside the next one. Asking behind it keeps one that got its
            // thread late from running after the next one: a write after the commit.
            let mut upload = upload.lock().unwrap_or_else(PoisonError::into_inner);
            asker.check()?;
            let answer = work(&mut upload);
            Ok((answer, upload.offset()))
        };
        let (answer, offset) = ask(&self.host, job).await?;
        self.offset = offset;
        answer
    }
}

impl<U: BlockingUpload> Upload for BlockingUploadHandle<U> {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, _: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.run(move |upload| upload.write(bytes)).await
    }

    async fn suspend(&mut self, _: &Call) -> Result<UploadToken, DriverError> {
        self.run(BlockingUpload::suspend).await
    }

    fn commit(&mut self, _: &Call, destination: &Key, size: u64) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send {
        let destination = destination.to_owned();
        self.run(move |upload| {
            // Again, although the boundary has compared it: a write that the host gave up may have run to its end since.
            crate::upload::check_size(upload.offset(), size)?;
            upload.commit(&destination, size)
        })
    }

    async fn abort(&mut self, _: &Call) -> Result<(), DriverError> {
        self.run(BlockingUpload::abort).await
    }
}

/// A reader as a stream: each chunk is one job on the blocking pool.
fn chunks(reader: Reader, host: Host) -> ByteStream {
    let first = read_chunk(&host, reader);
    Box::pin(Chunks { host, next: Some(first) })
}

type Reader = Box<dyn io::Read + Send>;
/// A chunk and what follows it, or `None` at the end.
type NextChunk = Pin<Box<dyn Future<Output = Result<Option<(Bytes, Reader)>, DriverError>> + Send>>;

struct Chunks {
    host: Host,
    /// The job in flight, or `None` after the end.
    next: Option<NextChunk>,
}

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(running) = self.next.as_mut() else { return Poll::Ready(None) };
        let answer = ready!(running.as_mut().poll(context));
        self.next = None;
        let chunk = answer.transpose().map(|answer| {
            let (bytes, reader) = answer?;
            // The next chunk is read while this one is consumed, and the one after that is not begun before it is taken.
            self.next = Some(read_chunk(&self.host, reader));
            Ok(bytes)
        });
        Poll::Ready(chunk)
    }
}

fn read_chunk(host: &Host, mut reader: Reader) -> NextChunk {
    Box::pin(ask(host, move |asker| {
        asker.check()?;
        let mut buffer = Vec::with_capacity(CHUNK_BYTES);
        io::Read::read_to_end(&mut io::Read::take(&mut reader, CHUNK_BYTES as u64), &mut buffer)?;
        Ok((!buffer.is_empty()).then(|| (buffer.into(), reader)))
    }))
}
