//! The sound driver with something else done at each of its entries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use longshore_plugin_api::abi::LowerDriver;
use longshore_plugin_api::{
    ByteRange, ByteStream, Bytes, Call, Condition, Driver, DriverError, Host, Key, ListPage, ListRequest, Method, ObjectInfo, OpenDriver,
    Prefix, Read, ReadBody, Settings, Upload, UploadToken,
};

use crate::{Sound, SoundUpload};

/// What a specimen does before the sound driver is reached.
pub trait Interference: Send + Sync + Sized + 'static {
    /// When an instance opens.
    fn open(settings: Settings, host: Host) -> impl Future<Output = Result<Self, DriverError>> + Send;

    /// At each call, by the name that the contract gives it.
    fn call(&self, entry: &'static str) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// At each entry that is no call: `offset`, `stream_poll`, and the drops `stream_drop`, `upload_drop`, `instance_drop`.
    fn entry(&self, entry: &'static str);

    /// What `presign` answers; `None` for the sound driver's answer, which leads nowhere.
    fn presigned(&self, _key: &Key, _method: Method, _expires_ms: u64) -> Option<String> {
        None
    }
}

/// An instance of such a specimen.
pub struct Around<I: Interference> {
    sound: Sound,
    interference: Arc<I>,
}

impl<I: Interference> OpenDriver for Around<I> {
    async fn open(settings: Settings, host: Host, _: Option<LowerDriver>) -> Result<Self, DriverError> {
        let interference = Arc::new(I::open(settings, host).await?);
        let sound = Sound::default();
        Ok(Self { sound, interference })
    }
}

impl<I: Interference> Around<I> {
    fn upload(&self, upload: SoundUpload) -> AroundUpload<I> {
        AroundUpload { upload, interference: self.interference.clone() }
    }
}

impl<I: Interference> Drop for Around<I> {
    fn drop(&mut self) {
        self.interference.entry("instance_drop");
    }
}

impl<I: Interference> Driver for Around<I> {
    type Upload = AroundUpload<I>;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.interference.call("stat").await?;
        self.sound.stat(call, key).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        self.interference.call("read").await?;
        let mut read = self.sound.read(call, key, range).await?;
        if let ReadBody::Stream(stream) = read.body {
            let interference = self.interference.clone();
            read.body = ReadBody::Stream(Box::pin(AroundStream { stream, interference }));
        }
        Ok(read)
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        self.interference.call("put").await?;
        self.sound.put(call, key, bytes, condition).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        self.interference.call("list").await?;
        self.sound.list(call, request).await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        self.interference.call("delete").await?;
        self.sound.delete(call, key).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<AroundUpload<I>, DriverError> {
        self.interference.call("upload_begin").await?;
        Ok(self.upload(self.sound.upload_begin(call, destination).await?))
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<AroundUpload<I>, DriverError> {
        self.interference.call("upload_resume").await?;
        Ok(self.upload(self.sound.upload_resume(call, token).await?))
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.interference.call("health").await?;
        self.sound.health(call).await
    }

    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        self.interference.call("close").await?;
        self.sound.close(call).await
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        self.interference.call("delete_prefix").await?;
        self.sound.delete_prefix(call, prefix).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.interference.call("copy").await?;
        self.sound.copy(call, from, to).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        self.interference.call("presign").await?;
        match self.interference.presigned(key, method, expires_ms) {
            Some(url) => Ok(url),
            None => self.sound.presign(call, key, method, expires_ms).await,
        }
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        self.interference.call("upload_list").await?;
        self.sound.upload_list(call, older_than_ms).await
    }
}

/// An upload of such a specimen.
pub struct AroundUpload<I: Interference> {
    upload: SoundUpload,
    interference: Arc<I>,
}

impl<I: Interference> Drop for AroundUpload<I> {
    fn drop(&mut self) {
        self.interference.entry("upload_drop");
    }
}

impl<I: Interference> Upload for AroundUpload<I> {
    fn offset(&self) -> u64 {
        self.interference.entry("offset");
        self.upload.offset()
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.interference.call("write").await?;
        self.upload.write(call, bytes).await
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        self.interference.call("suspend").await?;
        self.upload.suspend(call).await
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        self.interference.call("commit").await?;
        self.upload.commit(call, destination, size).await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        self.interference.call("abort").await?;
        self.upload.abort(call).await
    }
}

struct AroundStream<I: Interference> {
    stream: ByteStream,
    interference: Arc<I>,
}

impl<I: Interference> Stream for AroundStream<I> {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.interference.entry("stream_poll");
        self.stream.as_mut().poll_next(context)
    }
}

impl<I: Interference> Drop for AroundStream<I> {
    fn drop(&mut self) {
        self.interference.entry("stream_drop");
    }
}
