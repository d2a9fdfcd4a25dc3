//! Drivers whose code blocks: the contract without futures. Each call runs on one of the host's threads for blocking work.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Something to read to its end, 256 KiB at a time, on a thread for blocking work.
    Reader(Box<dyn io::Read + Send>),
    /// A place in an open file. Needs the capability `file_region`.
    File(FileRegion),
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
        self.host.blocking(move || work(&driver)).await
    }

    fn upload(&self, upload: D::Upload) -> BlockingUploadHandle<D::Upload> {
        let offset = upload.offset();
        let shared = Arc::new(Mutex::new(Shared { upload, ran: 0 }));
        BlockingUploadHandle { shared, calls: 0, offset, host: self.host.clone() }
    }
}

impl<D: BlockingDriver> OpenDriver for Blocking<D> {
    async fn open(settings: Settings, host: Host, _lower: Option<LowerDriver>) -> Result<Self, DriverError> {
        let handle = host.clone();
        let driver = host.blocking(move || D::open(settings, &handle)).await?;
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
    shared: Arc<Mutex<Shared<U>>>,
    /// How many calls began.
    calls: u64,
    offset: u64,
    host: Host,
}

/// What the jobs of an upload have in common.
struct Shared<U> {
    upload: U,
    /// The number of the newest call that ran.
    ran: u64,
}

impl<U: BlockingUpload> BlockingUploadHandle<U> {
    async fn run<T, F>(&mut self, work: F) -> Result<T, DriverError>
    where
        T: Send + 'static,
        F: FnOnce(&mut U) -> Result<T, DriverError> + Send + 'static,
    {
        self.calls += 1;
        let (number, shared) = (self.calls, self.shared.clone());
        let work = move || {
            // The lock keeps a call that was abandoned half-way from running beside the next one, and the number keeps one that got its
            // thread late from running after it: a write after the commit.
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.ran > number {
                return Err(DriverError::new(ErrorClass::Cancelled, "a later call of the upload ran first"));
            }
            shared.ran = number;
            let answer = work(&mut shared.upload);
            Ok((answer, shared.upload.offset()))
        };
        let (answer, offset) = self.host.blocking(work).await?;
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
fn chunks(reader: Box<dyn io::Read + Send>, host: Host) -> ByteStream {
    type Step = std::pin::Pin<Box<dyn Future<Output = Result<(Option<Bytes>, Box<dyn io::Read + Send>), DriverError>> + Send>>;
    struct Chunks {
        host: Host,
        /// The job in flight, or `None` after the end.
        step: Option<Step>,
    }
    fn step(host: Host, mut reader: Box<dyn io::Read + Send>) -> Step {
        Box::pin(async move {
            host.blocking(move || {
                let mut buffer = Vec::with_capacity(CHUNK_BYTES);
                io::Read::read_to_end(&mut io::Read::take(&mut reader, CHUNK_BYTES as u64), &mut buffer)?;
                Ok(((!buffer.is_empty()).then(|| buffer.into()), reader))
            })
            .await
        })
    }
    impl futures_core::Stream for Chunks {
        type Item = Result<Bytes, DriverError>;
        fn poll_next(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<Self::Item>> {
            let Some(running) = self.step.as_mut() else { return std::task::Poll::Ready(None) };
            let answer = std::task::ready!(running.as_mut().poll(context));
            self.step = None;
            std::task::Poll::Ready(match answer {
                Ok((None, _)) => None,
                Ok((Some(bytes), reader)) => {
                    // The next chunk is read while this one is consumed.
                    self.step = Some(step(self.host.clone(), reader));
                    Some(Ok(bytes))
                }
                Err(error) => Some(Err(error)),
            })
        }
    }
    let first = step(host.clone(), reader);
    Box::pin(Chunks { host, step: Some(first) })
}
