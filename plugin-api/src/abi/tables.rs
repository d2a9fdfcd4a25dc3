//! The frozen tables of the major. Nothing here changes once the major is released (see the rules in the parent module).

use abi_stable::StableAbi;
use abi_stable::library::RootModule;
use abi_stable::sabi_trait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{RArc, RBox, ROption, RSlice, RStr, RString, RVec};
use async_ffi::{FfiContext, FfiPoll};

use super::DrvBytes;
use super::extension::{Extension, Instance};
use super::future::AbiFuture;
use super::values::{AbiCall, AbiInfo, AbiListOptions, AbiPage, AbiRead, AbiUploadStart, Answer};

/// A driver instance.
pub type DriverObject = AbiDriver_TO<'static, RBox<()>>;
/// An upload of an instance.
pub type UploadObject = AbiUpload_TO<'static, RBox<()>>;
/// The chunks of a body.
pub type ReaderObject = AbiReader_TO<'static, RBox<()>>;
/// Work for a thread that may block.
pub type JobObject = AbiJob_TO<'static, RBox<()>>;
/// The host's services.
pub type HostObject = AbiHost_TO<'static, RArc<()>>;

/// What a driver file exports.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = RootRef)))]
#[sabi(missing_field(panic))]
pub struct Root {
    /// The note's JSON.
    pub describe: extern "C" fn() -> RStr<'static>,
    /// Opens an instance: settings as JSON, the instance's name, the host's services, the driver to stack on.
    #[sabi(last_prefix_field)]
    pub open: extern "C" fn(RString, RString, HostObject, ROption<DriverObject>) -> AbiFuture<'static, DriverObject>,
}

impl RootModule for RootRef {
    abi_stable::declare_root_module_statics! {RootRef}
    const BASE_NAME: &'static str = "longshore_driver";
    const NAME: &'static str = "longshore_driver";
    // The ABI's own version, not the package's: majors must be equal, and 1.0 fits every later 1.x.
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

/// The required calls of an instance, and the door to its extension tables.
#[sabi_trait]
pub trait AbiDriver: Send + Sync {
    fn stat<'a>(&'a self, call: AbiCall, key: RStr<'a>) -> AbiFuture<'a, AbiInfo>;
    fn read<'a>(&'a self, call: AbiCall, key: RStr<'a>, offset: u64, length: ROption<u64>) -> AbiFuture<'a, AbiRead>;
    fn put<'a>(&'a self, call: AbiCall, key: RStr<'a>, bytes: DrvBytes, condition: u32) -> AbiFuture<'a, AbiInfo>;
    fn list<'a>(
        &'a self,
        call: AbiCall,
        prefix: RStr<'a>,
        start_after: ROption<RStr<'a>>,
        options: AbiListOptions,
    ) -> AbiFuture<'a, AbiPage>;
    fn delete<'a>(&'a self, call: AbiCall, key: RStr<'a>) -> AbiFuture<'a, ()>;
    fn upload_begin<'a>(&'a self, call: AbiCall, destination: ROption<RStr<'a>>) -> AbiFuture<'a, AbiUploadStart>;
    fn upload_resume<'a>(&'a self, call: AbiCall, token: RSlice<'a, u8>) -> AbiFuture<'a, AbiUploadStart>;
    fn health<'a>(&'a self, call: AbiCall) -> AbiFuture<'a, ()>;
    fn close<'a>(&'a self, call: AbiCall) -> AbiFuture<'a, ()>;
    fn extension(&self, name: RStr<'_>) -> ROption<Extension>;
    #[sabi(last_prefix_field)]
    fn instance(&self) -> Instance<'_>;
}

/// An upload.
#[sabi_trait]
pub trait AbiUpload: Send {
    /// Answers the new offset.
    fn write<'a>(&'a mut self, call: AbiCall, bytes: DrvBytes) -> AbiFuture<'a, u64>;
    fn suspend<'a>(&'a mut self, call: AbiCall) -> AbiFuture<'a, RVec<u8>>;
    fn commit<'a>(&'a mut self, call: AbiCall, destination: RStr<'a>, size: u64) -> AbiFuture<'a, AbiInfo>;
    #[sabi(last_prefix_field)]
    fn abort<'a>(&'a mut self, call: AbiCall) -> AbiFuture<'a, ()>;
}

/// A stream of chunks.
#[sabi_trait]
pub trait AbiReader: Send {
    /// `RNone` once, at the end.
    #[sabi(last_prefix_field)]
    fn poll_next<'a>(&'a mut self, context: &'a mut FfiContext<'_>) -> FfiPoll<Answer<ROption<DrvBytes>>>;
}

/// Work that may block.
#[sabi_trait]
pub trait AbiJob: Send {
    /// Runs once; later calls do nothing.
    #[sabi(last_prefix_field)]
    fn run(&mut self);
}

/// What the host offers.
#[sabi_trait]
pub trait AbiHost: Send + Sync {
    fn log(&self, level: u32, message: RStr<'_>);
    fn count(&self, name: RStr<'_>, value: u64);
    fn run_blocking(&self, job: JobObject);
    #[sabi(last_prefix_field)]
    fn extension(&self, name: RStr<'_>) -> ROption<Extension>;
}

/// `delete_prefix/1`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = DeletePrefixTable)))]
pub struct DeletePrefixTableValue {
    #[sabi(last_prefix_field)]
    pub delete_prefix: for<'a> unsafe extern "C" fn(Instance<'a>, AbiCall, RStr<'a>) -> AbiFuture<'a, ()>,
}

/// `copy/1`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = CopyTable)))]
pub struct CopyTableValue {
    #[sabi(last_prefix_field)]
    pub copy: for<'a> unsafe extern "C" fn(Instance<'a>, AbiCall, RStr<'a>, RStr<'a>) -> AbiFuture<'a, AbiInfo>,
}

/// `presign/1`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PresignTable)))]
pub struct PresignTableValue {
    #[sabi(last_prefix_field)]
    pub presign: for<'a> unsafe extern "C" fn(Instance<'a>, AbiCall, RStr<'a>, u32, u64) -> AbiFuture<'a, RString>,
}

/// `upload_list/1`.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = UploadListTable)))]
pub struct UploadListTableValue {
    #[sabi(last_prefix_field)]
    pub upload_list: for<'a> unsafe extern "C" fn(Instance<'a>, AbiCall, u64) -> AbiFuture<'a, RVec<RVec<u8>>>,
}
