//! The host's side: a driver instance behind the tables, as an ordinary [`Driver`]. Loader and layering drivers use it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use abi_stable::std_types::RResult::{RErr, ROk};
use abi_stable::std_types::{ROption, RString, RVec};
use async_ffi::{ContextExt, FfiPoll};
use futures_core::Stream;

use super::DrvBytes;
use super::extension::Extension;
use super::future::AbiFuture;
use super::services::{HostExtensions, host_object};
use super::tables::*;
use super::values::*;
use crate::{
    ByteRange, Bytes, Call, Capabilities, Capability, Condition, Driver, DriverError, ErrorClass, FileRegion, HostServices, Key, ListPage,
    ListRequest, Method, ObjectInfo, Prefix, Read, ReadBody, Upload, UploadToken,
};

/// The driver that a layering driver stacks on.
///
/// The layer is called with nothing that the lower driver has not declared, so it need not ask: [`capabilities`](ForeignDriver::capabilities) names
/// all of them here. The host closes the lower driver after the layer, whether or not the layer has done so.
pub type LowerDriver = ForeignDriver;

/// A driver instance on the other side of the boundary.
pub struct ForeignDriver {
    object: DriverObject,
    origin: Arc<str>,
    capabilities: Capabilities,
    delete_prefix: Option<DeletePrefixTable>,
    copy: Option<CopyTable>,
    presign: Option<PresignTable>,
    upload_list: Option<UploadListTable>,
}

impl ForeignDriver {
    /// Opens an instance. `origin` is put before the messages of its errors: driver and instance name. A layer is given `lower`, made by
    /// [`lend`](super::lend).
    ///
    /// # Errors
    /// What the driver answers.
    pub async fn open(
        root: RootRef,
        settings: &serde_json::Value,
        (instance, origin): (&str, &str),
        capabilities: Capabilities,
        (services, extensions): (Arc<dyn HostServices>, HostExtensions),
        lower: Option<DriverObject>,
    ) -> Result<Self, DriverError> {
        let host = host_object(services, extensions);
        let mut opened = root.open()(settings.to_string().into(), instance.into(), host, lower.into());
        let object = finished(&mut opened, origin, take).await?;
        Ok(Self::adopt(object, capabilities, origin))
    }

    /// Wraps an instance, perhaps of this side; its extension tables are asked for once, here.
    pub fn adopt(object: DriverObject, capabilities: Capabilities, origin: &str) -> Self {
        let (delete_prefix, copy) =
            (table(&object, capabilities, Capability::DeletePrefix), table(&object, capabilities, Capability::Copy));
        let (presign, upload_list) =
            (table(&object, capabilities, Capability::Presign), table(&object, capabilities, Capability::UploadList));
        Self { object, origin: origin.into(), capabilities, delete_prefix, copy, presign, upload_list }
    }

    /// The capabilities that the driver declared.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Driver and instance, as errors name them.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// An extension table of the instance, if it has one of that name and layout. A host does without it otherwise.
    pub fn extension<M>(&self, name: &str) -> Option<M>
    where
        M: abi_stable::prefix_type::PrefixRefTrait + abi_stable::StableAbi,
    {
        self.object.extension(name.into()).into_option().and_then(|extension: Extension| extension.cast::<M>().ok())
    }

    fn lacks(&self, call: &str) -> DriverError {
        DriverError::unsupported(call).from_instance(&self.origin)
    }

    fn upload(&self, start: AbiUploadStart) -> ForeignUpload {
        ForeignUpload { object: start.upload, offset: start.offset, origin: self.origin.clone() }
    }
}

fn table<M>(object: &DriverObject, capabilities: Capabilities, capability: Capability) -> Option<M>
where
    M: abi_stable::prefix_type::PrefixRefTrait + abi_stable::StableAbi,
{
    let name = capability.extension().filter(|_| capabilities.has(capability))?;
    object.extension(name.into()).into_option().and_then(|extension: Extension| extension.cast::<M>().ok())
}

/// Waits for a call, makes of its value what `convert` says, and names the instance in its error.
///
/// Future and value stay where the other side wrote them: each move of them would cost 5 ns to 15 ns.
async fn answered<T, U>(
    future: &mut AbiFuture<'_, T>,
    origin: &str,
    convert: impl Fn(&mut T) -> Result<U, DriverError>,
) -> Result<U, DriverError> {
    let answer = |answer: &mut Answer<T>| match answer {
        ROk(value) => convert(value),
        RErr(error) => Err((&*error).into()),
    };
    finished(future, origin, answer).await
}

/// Waits for a call, and names the instance in its error.
async fn finished<T, U>(
    future: &mut AbiFuture<'_, T>,
    origin: &str,
    take: impl Fn(&mut Answer<T>) -> Result<U, DriverError>,
) -> Result<U, DriverError> {
    let answer = poll_fn(|context| future.poll(context, &take)).await;
    let nonsense = || Err(DriverError::new(ErrorClass::Broken, "the driver's answer to a poll is none that its ABI has"));
    answer.unwrap_or_else(nonsense).map_err(|error| error.from_instance(origin))
}

/// The conversion to the facts of an object.
fn info(info: &mut AbiInfo) -> Result<ObjectInfo, DriverError> {
    Ok((&*info).into())
}

/// The conversion of a value that needs none.
fn same<T: Copy>(value: &mut T) -> Result<T, DriverError> {
    Ok(*value)
}

impl Driver for ForeignDriver {
    type Upload = ForeignUpload;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        answered(&mut self.object.stat(call.into(), key.as_str().into()), &self.origin, info).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let mut future = self.object.read(call.into(), key.as_str().into(), range.offset, range.length.into());
        answered(&mut future, &self.origin, |answer| body(answer, &self.origin)).await
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        let mut future = self.object.put(call.into(), key.as_str().into(), DrvBytes::new(bytes), condition::number(condition));
        answered(&mut future, &self.origin, info).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let options = AbiListOptions { limit: request.limit, recursive: u32::from(request.recursive), reserved: [0; 2] };
        let start_after = request.start_after.map(Into::into).into();
        let mut future = self.object.list(call.into(), request.prefix.as_str().into(), start_after, options);
        answered(&mut future, &self.origin, |page: &mut AbiPage| {
            let entries = std::mem::take(&mut page.entries).into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
            Ok(ListPage { entries, more: page.more != 0 })
        })
        .await
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        answered(&mut self.object.delete(call.into(), key.as_str().into()), &self.origin, same).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<ForeignUpload, DriverError> {
        let destination = destination.map(|key| key.as_str().into()).into();
        finished(&mut self.object.upload_begin(call.into(), destination), &self.origin, take).await.map(|start| self.upload(start))
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<ForeignUpload, DriverError> {
        let mut future = self.object.upload_resume(call.into(), token.as_bytes().into());
        finished(&mut future, &self.origin, take).await.map(|start| self.upload(start))
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        answered(&mut self.object.health(call.into()), &self.origin, same).await
    }

    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        answered(&mut self.object.close(call.into()), &self.origin, same).await
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        let table = self.delete_prefix.ok_or_else(|| self.lacks("delete_prefix"))?;
        // SAFETY: the table came from `self.object`, and so does the instance.
        let mut future = unsafe { table.delete_prefix()(self.object.instance(), call.into(), prefix.as_str().into()) };
        answered(&mut future, &self.origin, same).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        let table = self.copy.ok_or_else(|| self.lacks("copy"))?;
        // SAFETY: as in `delete_prefix`.
        let mut future = unsafe { table.copy()(self.object.instance(), call.into(), from.as_str().into(), to.as_str().into()) };
        answered(&mut future, &self.origin, info).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let table = self.presign.ok_or_else(|| self.lacks("presign"))?;
        let method = method::number(method);
        // SAFETY: as in `delete_prefix`.
        let mut future = unsafe { table.presign()(self.object.instance(), call.into(), key.as_str().into(), method, expires_ms) };
        answered(&mut future, &self.origin, |url: &mut RString| Ok(url.as_str().to_owned())).await
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let table = self.upload_list.ok_or_else(|| self.lacks("upload_list"))?;
        // SAFETY: as in `delete_prefix`.
        let mut future = unsafe { table.upload_list()(self.object.instance(), call.into(), older_than_ms) };
        let tokens = |tokens: &mut RVec<RVec<u8>>| tokens.iter().map(|bytes| token(bytes)).collect();
        answered(&mut future, &self.origin, tokens).await
    }
}

/// The one body that the answer's kind names.
#[inline]
fn body(answer: &mut AbiRead, origin: &Arc<str>) -> Result<Read, DriverError> {
    let body = match answer.kind {
        read_kind::BYTES => ReadBody::Bytes(std::mem::replace(&mut answer.bytes, DrvBytes::empty()).into_bytes()),
        read_kind::STREAM => match answer.stream.take() {
            ROption::RSome(reader) => ReadBody::Stream(Box::pin(ForeignStream { reader: Some(reader), origin: origin.clone() })),
            ROption::RNone => return Err(DriverError::new(ErrorClass::Broken, "the driver answered a read with a stream but gave none")),
        },
        read_kind::FILE => match answer.file.take() {
            Some(file) => ReadBody::File(FileRegion { file, offset: answer.offset, length: answer.length }),
            None => return Err(DriverError::new(ErrorClass::Broken, "the driver answered a read with a file but gave none")),
        },
        other => {
            return Err(DriverError::new(ErrorClass::Broken, format!("the driver answered a read with a body of unknown kind {other}")));
        }
    };
    Ok(Read { info: (&answer.info).into(), body })
}

/// A body on the other side of the boundary.
struct ForeignStream {
    /// `None` after the end.
    reader: Option<ReaderObject>,
    origin: Arc<str>,
}

// The object is a pointer; nothing is pinned inside this struct.
impl Unpin for ForeignStream {}

impl Stream for ForeignStream {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(reader) = this.reader.as_mut() else { return Poll::Ready(None) };
        let polled = context.with_ffi_context(|context| reader.poll_next(context));
        let item = match polled {
            FfiPoll::Pending => return Poll::Pending,
            FfiPoll::Panicked => Some(Err(DriverError::panicked("poll_next", "(no text)"))),
            FfiPoll::Ready(answer) => match answer.into_result() {
                Ok(chunk) => chunk.into_option().map(|bytes| Ok(bytes.into_bytes())),
                Err(error) => Some(Err((&error).into())),
            },
        };
        if !matches!(item, Some(Ok(_))) {
            this.reader = None;
        }
        Poll::Ready(item.map(|item| item.map_err(|error| error.from_instance(&this.origin))))
    }
}

/// An upload on the other side of the boundary.
pub struct ForeignUpload {
    object: UploadObject,
    offset: u64,
    origin: Arc<str>,
}

impl Upload for ForeignUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, call: &Call, bytes: Bytes) -> Result<(), DriverError> {
        self.offset = answered(&mut self.object.write(call.into(), DrvBytes::new(bytes)), &self.origin, same).await?;
        Ok(())
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        answered(&mut self.object.suspend(call.into()), &self.origin, |bytes: &mut RVec<u8>| token(bytes)).await
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        answered(&mut self.object.commit(call.into(), destination.as_str().into(), size), &self.origin, info).await
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        answered(&mut self.object.abort(call.into()), &self.origin, same).await
    }
}
