//! The driver's side: any [`Driver`] as the frozen tables. All of this is compiled into the driver file.

use std::convert::identity;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use abi_stable::erased_types::TD_Opaque;
use abi_stable::library::{CheckTypeLayout, LibHeader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::RResult::ROk;
use abi_stable::std_types::{ROption, RSlice, RStr, RString, RVec};
use async_ffi::{FfiContext, FfiPoll};

use super::DrvBytes;
use super::extension::{Extension, Instance};
use super::future::AbiFuture;
use super::guard::{Contained, answer, contain};
use super::host_side::ForeignDriver;
use super::panic_log::log_panics_to;
use super::services::ForeignHost;
use super::tables::*;
use super::values::*;
use crate::metadata::DriverInfo;
use crate::schema::Schema;
use crate::{
    ByteRange, ByteStream, Call, Capabilities, Capability, Driver, DriverError, ErrorClass, Host, HostServices, Key, ListPage, ListRequest,
    OpenDriver, Prefix, Read, ReadBody, Settings, Upload,
};

/// What [`export_driver!`](crate::export_driver) fills in.
pub trait Exports: 'static {
    /// The driver.
    type Driver: OpenDriver;
    /// The note's JSON.
    const NOTE: &'static str;
    /// Extension tables beyond those of the capabilities.
    fn extension(_name: &str) -> Option<Extension> {
        None
    }
}

/// The exported header of a driver file.
pub const fn header(constructor: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: `constructor` is only ever `root::<E>`, which makes a `RootRef`.
    unsafe { LibHeader::from_constructor::<RootRef>(constructor, CheckTypeLayout::Yes) }
}

/// The root module of a driver file.
pub fn root<E: Exports>() -> RootModuleResult {
    let root = Root { describe: describe::<E>, open: open::<E> }.leak_into_prefix();
    // SAFETY: the host casts back to `RootRef` only after the header's layout was checked against it.
    ROk(unsafe { abi_stable::prefix_type::PrefixRefTrait::to_prefix_ref(root).cast() })
}

extern "C" fn describe<E: Exports>() -> RStr<'static> {
    E::NOTE.into()
}

extern "C" fn open<E: Exports>(
    settings: RString,
    instance: RString,
    host: HostObject,
    lower: ROption<DriverObject>,
) -> AbiFuture<'static, DriverObject> {
    let work = async move {
        let services: Arc<dyn HostServices> = Arc::new(ForeignHost::new(host));
        log_panics_to(&services);
        let settings = serde_json::from_str(&settings)
            .map_err(|error| DriverError::new(ErrorClass::Config, format!("settings are not JSON: {error}")))?;
        let info = DriverInfo::from_json(E::NOTE.as_bytes()).map_err(|error| DriverError::new(ErrorClass::Internal, error.to_string()))?;
        let settings = checked_settings(&info, &settings)?;
        let host = Host::new(services.clone(), &instance);
        let lower = lower.into_option().map(|lower| ForeignDriver::adopt(lower, Capabilities::of(&Capability::ALL), LOWER));
        let driver = E::Driver::open(Settings::new(settings), host, lower).await?;
        Ok(Adapter::new(driver, info.known_capabilities(), E::extension, Some(services)))
    };
    answer("open", work, |adapter| AbiDriver_TO::from_value(adapter, TD_Opaque))
}

/// The settings completed by the driver's own schema. A host does this before; whoever calls without one is told all that is wrong, and a
/// driver is never handed what its schema does not allow. For a driver in C, the host's adapter of it asks.
///
/// # Errors
/// `config` with all that is wrong; `internal` if the schema itself cannot be read.
pub fn checked_settings(info: &DriverInfo, settings: &serde_json::Value) -> Result<serde_json::Value, DriverError> {
    let schema = Schema::from_json(&info.settings)
        .map_err(|error| DriverError::new(ErrorClass::Internal, format!("the driver's own schema cannot be read: {error}")))?;
    schema.check(settings).map_err(|faults| {
        let faults = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        DriverError::new(ErrorClass::Config, faults)
    })
}

/// Offers an instance of this side to a driver that stacks on it (capability `layer`).
pub fn lend<D: Driver>(driver: D, capabilities: Capabilities) -> DriverObject {
    AbiDriver_TO::from_value(Adapter::new(driver, capabilities, |_| None, None), TD_Opaque)
}

struct Adapter<D> {
    driver: Contained<D>,
    closed: Arc<AtomicBool>,
    capabilities: Capabilities,
    more: fn(&str) -> Option<Extension>,
    /// Dropped after the driver: a panic in the driver's drop is still a line of the host's log.
    _services: Option<Arc<dyn HostServices>>,
}

impl<D: Driver> Adapter<D> {
    fn new(driver: D, capabilities: Capabilities, more: fn(&str) -> Option<Extension>, services: Option<Arc<dyn HostServices>>) -> Self {
        Self { driver: Contained::new(driver), closed: Arc::default(), capabilities, more, _services: services }
    }

    /// The driver, unless it was closed.
    fn driver(&self) -> Result<&D, DriverError> {
        open_or_closed(&self.closed)?;
        Ok(self.driver.get())
    }

    fn upload(&self, upload: D::Upload) -> AbiUploadStart {
        let offset = upload.offset();
        let adapter = UploadAdapter { upload: Contained::new(upload), ended: None, closed: self.closed.clone() };
        AbiUploadStart { offset, upload: AbiUpload_TO::from_value(adapter, TD_Opaque) }
    }

    // Inlined, so that the large answer is put together where it crosses.
    #[inline(always)]
    fn read(&self, read: Read) -> AbiRead {
        let (mut bytes, mut stream) = (DrvBytes::empty(), ROption::RNone);
        let (mut file, mut offset, mut length) = (AbiFd::NONE, 0, 0);
        let kind = match read.body {
            ReadBody::Bytes(whole) => {
                bytes = DrvBytes::new(whole);
                read_kind::BYTES
            }
            ReadBody::Stream(chunks) => {
                let adapter = ReaderAdapter { stream: Some(Contained::new(chunks)), closed: self.closed.clone() };
                stream = ROption::RSome(AbiReader_TO::from_value(adapter, TD_Opaque));
                read_kind::STREAM
            }
            ReadBody::File(region) => {
                (file, offset, length) = (region.file.into(), region.offset, region.length);
                read_kind::FILE
            }
        };
        AbiRead { info: read.info.into(), kind, file, offset, length, bytes, stream }
    }
}

fn open_or_closed(closed: &AtomicBool) -> Result<(), DriverError> {
    if closed.load(Ordering::Acquire) { Err(DriverError::closed()) } else { Ok(()) }
}

impl<D: Driver> AbiDriver for Adapter<D> {
    fn stat<'a>(&'a self, call: AbiCall, key: RStr<'a>) -> AbiFuture<'a, AbiInfo> {
        let work = async move { self.driver()?.stat(&Call::from(call), Key::parse(key.into())?).await };
        answer("stat", work, Into::into)
    }

    fn read<'a>(&'a self, call: AbiCall, key: RStr<'a>, offset: u64, length: ROption<u64>) -> AbiFuture<'a, AbiRead> {
        let work = async move {
            let range = ByteRange { offset, length: length.into_option() };
            self.driver()?.read(&Call::from(call), Key::parse(key.into())?, range).await
        };
        answer("read", work, |read| self.read(read))
    }

    fn put<'a>(&'a self, call: AbiCall, key: RStr<'a>, bytes: DrvBytes, condition: u32) -> AbiFuture<'a, AbiInfo> {
        let work = async move {
            let condition = condition::parse(condition)?;
            if condition == crate::Condition::IfAbsent {
                self.declared(Capability::PutIfAbsent)?;
            }
            self.driver()?.put(&Call::from(call), Key::parse(key.into())?, bytes.into_bytes(), condition).await
        };
        answer("put", work, Into::into)
    }

    fn list<'a>(
        &'a self,
        call: AbiCall,
        prefix: RStr<'a>,
        start_after: ROption<RStr<'a>>,
        options: AbiListOptions,
    ) -> AbiFuture<'a, AbiPage> {
        let work = async move {
            let request = ListRequest {
                prefix: Prefix::parse(prefix.into())?,
                start_after: start_after.into_option().map(Into::into),
                limit: options.limit,
                recursive: options.recursive != 0,
            };
            request.check()?;
            self.driver()?.list(&Call::from(call), &request).await
        };
        let convert = |page: ListPage| AbiPage { entries: page.entries.into_iter().map(Into::into).collect(), more: u32::from(page.more) };
        answer("list", work, convert)
    }

    fn delete<'a>(&'a self, call: AbiCall, key: RStr<'a>) -> AbiFuture<'a, ()> {
        let work = async move { self.driver()?.delete(&Call::from(call), Key::parse(key.into())?).await };
        answer("delete", work, identity)
    }

    fn upload_begin<'a>(&'a self, call: AbiCall, destination: ROption<RStr<'a>>) -> AbiFuture<'a, AbiUploadStart> {
        let work = async move {
            let destination = destination.into_option().map(|key| Key::parse(key.into())).transpose()?;
            self.driver()?.upload_begin(&Call::from(call), destination).await
        };
        answer("upload_begin", work, |upload| self.upload(upload))
    }

    fn upload_resume<'a>(&'a self, call: AbiCall, bytes: RSlice<'a, u8>) -> AbiFuture<'a, AbiUploadStart> {
        let work = async move {
            let token = token(bytes.as_slice())?;
            self.driver()?.upload_resume(&Call::from(call), &token).await
        };
        answer("upload_resume", work, |upload| self.upload(upload))
    }

    fn health<'a>(&'a self, call: AbiCall) -> AbiFuture<'a, ()> {
        answer("health", async move { self.driver()?.health(&Call::from(call)).await }, identity)
    }

    fn close<'a>(&'a self, call: AbiCall) -> AbiFuture<'a, ()> {
        let work = async move {
            if self.closed.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            self.driver.get().close(&Call::from(call)).await
        };
        answer("close", work, identity)
    }

    fn extension(&self, name: RStr<'_>) -> ROption<Extension> {
        contain("extension", || Ok(self.table(name.as_str()))).ok().flatten().into()
    }

    fn instance(&self) -> Instance<'_> {
        Instance::of(self)
    }
}

impl<D: Driver> Adapter<D> {
    fn declared(&self, capability: Capability) -> Result<(), DriverError> {
        if self.capabilities.has(capability) { Ok(()) } else { Err(DriverError::unsupported(capability.name())) }
    }

    /// The extension table of that name, if the driver declared the capability or brings the table itself.
    fn table(&self, name: &str) -> Option<Extension> {
        let Some(capability) = self.capabilities.iter().find(|capability| capability.extension() == Some(name)) else {
            return (self.more)(name);
        };
        match capability {
            Capability::DeletePrefix => {
                Some(Extension::new(DeletePrefixTableValue { delete_prefix: delete_prefix::<D> }.leak_into_prefix()))
            }
            Capability::Copy => Some(Extension::new(CopyTableValue { copy: copy::<D> }.leak_into_prefix())),
            Capability::Presign => Some(Extension::new(PresignTableValue { presign: presign::<D> }.leak_into_prefix())),
            Capability::UploadList => Some(Extension::new(UploadListTableValue { upload_list: upload_list::<D> }.leak_into_prefix())),
            Capability::PutIfAbsent | Capability::FileRegion | Capability::NestedObjects | Capability::Layer => None,
        }
    }
}

unsafe extern "C" fn delete_prefix<'a, D: Driver>(instance: Instance<'a>, call: AbiCall, prefix: RStr<'a>) -> AbiFuture<'a, ()> {
    // SAFETY: the host passes the instance of the object that this table came from, which is an `Adapter<D>`.
    let adapter = unsafe { instance.get::<Adapter<D>>() };
    let work = async move {
        let prefix = Prefix::parse(prefix.into())?;
        if prefix.is_root() {
            return Err(DriverError::new(ErrorClass::InvalidArgument, "delete_prefix is refused for the root"));
        }
        adapter.driver()?.delete_prefix(&Call::from(call), prefix).await
    };
    answer("delete_prefix", work, identity)
}

unsafe extern "C" fn copy<'a, D: Driver>(instance: Instance<'a>, call: AbiCall, from: RStr<'a>, to: RStr<'a>) -> AbiFuture<'a, AbiInfo> {
    // SAFETY: as in `delete_prefix`.
    let adapter = unsafe { instance.get::<Adapter<D>>() };
    let work = async move { adapter.driver()?.copy(&Call::from(call), Key::parse(from.into())?, Key::parse(to.into())?).await };
    answer("copy", work, Into::into)
}

unsafe extern "C" fn presign<'a, D: Driver>(
    instance: Instance<'a>,
    call: AbiCall,
    key: RStr<'a>,
    method: u32,
    expires_ms: u64,
) -> AbiFuture<'a, RString> {
    // SAFETY: as in `delete_prefix`.
    let adapter = unsafe { instance.get::<Adapter<D>>() };
    let work = async move {
        let method = method::parse(method)?;
        adapter.driver()?.presign(&Call::from(call), Key::parse(key.into())?, method, expires_ms).await
    };
    answer("presign", work, Into::into)
}

unsafe extern "C" fn upload_list<'a, D: Driver>(
    instance: Instance<'a>,
    call: AbiCall,
    older_than_ms: u64,
) -> AbiFuture<'a, RVec<RVec<u8>>> {
    // SAFETY: as in `delete_prefix`.
    let adapter = unsafe { instance.get::<Adapter<D>>() };
    let work = async move { adapter.driver()?.upload_list(&Call::from(call), older_than_ms).await };
    answer("upload_list", work, |tokens| tokens.iter().map(|token| token.as_bytes().into()).collect())
}

struct UploadAdapter<U> {
    upload: Contained<U>,
    /// How it ended.
    ended: Option<&'static str>,
    closed: Arc<AtomicBool>,
}

impl<U: Upload> UploadAdapter<U> {
    fn upload(&mut self) -> Result<&mut U, DriverError> {
        open_or_closed(&self.closed)?;
        match self.ended {
            Some(how) => Err(DriverError::new(ErrorClass::InvalidState, format!("the upload was {how}"))),
            None => Ok(self.upload.get_mut()),
        }
    }
}

impl<U: Upload> AbiUpload for UploadAdapter<U> {
    fn write<'a>(&'a mut self, call: AbiCall, bytes: DrvBytes) -> AbiFuture<'a, u64> {
        let work = async move {
            let upload = self.upload()?;
            upload.write(&Call::from(call), bytes.into_bytes()).await?;
            Ok(upload.offset())
        };
        answer("write", work, identity)
    }

    fn suspend<'a>(&'a mut self, call: AbiCall) -> AbiFuture<'a, RVec<u8>> {
        let work = async move { self.upload()?.suspend(&Call::from(call)).await };
        answer("suspend", work, |token| token.as_bytes().into())
    }

    fn commit<'a>(&'a mut self, call: AbiCall, destination: RStr<'a>, size: u64) -> AbiFuture<'a, AbiInfo> {
        let work = async move {
            let upload = self.upload()?;
            crate::upload::check_size(upload.offset(), size)?;
            let info = upload.commit(&Call::from(call), Key::parse(destination.into())?, size).await?;
            self.ended = Some("committed");
            Ok(info)
        };
        answer("commit", work, Into::into)
    }

    fn abort<'a>(&'a mut self, call: AbiCall) -> AbiFuture<'a, ()> {
        let work = async move {
            self.upload()?.abort(&Call::from(call)).await?;
            self.ended = Some("aborted");
            Ok(())
        };
        answer("abort", work, identity)
    }
}

struct ReaderAdapter {
    /// `None` after the end or after a panic.
    stream: Option<Contained<ByteStream>>,
    closed: Arc<AtomicBool>,
}

impl AbiReader for ReaderAdapter {
    fn poll_next<'a>(&'a mut self, context: &'a mut FfiContext<'_>) -> FfiPoll<Answer<ROption<DrvBytes>>> {
        let polled = contain("poll_next", || {
            open_or_closed(&self.closed)?;
            let Some(stream) = self.stream.as_mut() else { return Ok(FfiPoll::Ready(ROption::RNone)) };
            match context.with_context(|context| stream.get_mut().as_mut().poll_next(context)) {
                std::task::Poll::Pending => Ok(FfiPoll::Pending),
                std::task::Poll::Ready(None) => Ok(FfiPoll::Ready(ROption::RNone)),
                std::task::Poll::Ready(Some(chunk)) => Ok(FfiPoll::Ready(ROption::RSome(DrvBytes::new(chunk?)))),
            }
        });
        match polled {
            Ok(FfiPoll::Pending) => FfiPoll::Pending,
            Ok(FfiPoll::Ready(chunk)) => {
                if chunk.is_none() {
                    self.stream = None;
                }
                FfiPoll::Ready(ROk(chunk))
            }
            Ok(FfiPoll::Panicked) => FfiPoll::Panicked,
            Err(error) => {
                self.stream = None;
                FfiPoll::Ready(abi_stable::std_types::RResult::RErr(error.into()))
            }
        }
    }
}
