//! What calls carry across the boundary, and how it becomes the contract's own types.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RResult, RString, RVec};

use super::DrvBytes;
use super::tables::{ReaderObject, UploadObject};
use crate::{Cause, Condition, DriverError, Entry, ErrorClass, KeyBuf, Method, ObjectInfo, PrefixBuf, UploadToken};

/// The answer of a call.
pub(crate) type Answer<T> = RResult<T, AbiError>;

/// The whole of an answer; an empty error is left in its place.
pub(crate) fn take<T>(answer: &mut Answer<T>) -> Result<T, DriverError> {
    let empty = AbiError { class: 0, retryable: 0, retry_after_ms: 0, reserved: 0, message: RString::new(), causes: RVec::new() };
    std::mem::replace(answer, RResult::RErr(empty)).into_result().map_err(|error| (&error).into())
}

/// [`Call`] as it crosses, and as it is.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AbiCall {
    pub(crate) deadline_unix_ms: u64,
    pub(crate) trace_high: u64,
    pub(crate) trace_low: u64,
    pub(crate) reserved: [u64; 2],
}

/// [`ObjectInfo`] as it crosses; an empty version is none.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiInfo {
    size: u64,
    modified: i64,
    version: RString,
    reserved: [u64; 2],
}

impl From<ObjectInfo> for AbiInfo {
    fn from(info: ObjectInfo) -> Self {
        // Handed over, not copied: each call answers one.
        let version = info.version.map_or_else(RString::new, |version| String::from(version).into());
        Self { size: info.size, modified: info.modified, version, reserved: [0; 2] }
    }
}

impl From<&AbiInfo> for ObjectInfo {
    fn from(info: &AbiInfo) -> Self {
        let version = (!info.version.is_empty()).then(|| info.version.as_str().into());
        Self { size: info.size, modified: info.modified, version }
    }
}

/// [`DriverError`] as it crosses.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiError {
    class: u32,
    retryable: u32,
    retry_after_ms: u32,
    reserved: u32,
    message: RString,
    causes: RVec<AbiCause>,
}

/// [`Cause`] as it crosses.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiCause {
    kind: RString,
    value: RString,
}

/// What a layer calls the driver below it, whose name it is not told.
pub(super) const LOWER: &str = "lower";

/// The cause by which an error says whose it is, when it goes through a layer on its way to the host.
const ORIGIN: &str = "driver";

impl From<DriverError> for AbiError {
    fn from(error: DriverError) -> Self {
        let cause = |cause: &Cause| AbiCause { kind: cause.kind.as_str().into(), value: cause.value.as_str().into() };
        let origin = error.origin().filter(|origin| *origin != LOWER).map(|origin| AbiCause { kind: ORIGIN.into(), value: origin.into() });
        Self {
            class: error.class() as u32,
            retryable: u32::from(error.is_retryable()),
            retry_after_ms: error.retry_after().unwrap_or(0),
            reserved: 0,
            message: error.message().into(),
            causes: error.causes().iter().map(cause).chain(origin).collect(),
        }
    }
}

impl From<&AbiError> for DriverError {
    fn from(error: &AbiError) -> Self {
        let mut back = Self::new(ErrorClass::from_number(error.class), error.message.as_str());
        if error.retry_after_ms != 0 {
            back = back.retry_after_ms(error.retry_after_ms);
        }
        error.causes.iter().fold(back.with_retryable(error.retryable != 0), |back, cause| match cause.kind.as_str() {
            ORIGIN => back.from_instance(&cause.value),
            kind => back.caused_by(kind, &cause.value),
        })
    }
}

/// An open descriptor on its way; closed if nobody takes it.
#[repr(transparent)]
#[derive(StableAbi)]
pub struct AbiFd(i32);

impl AbiFd {
    pub(crate) const NONE: Self = Self(-1);

    /// The descriptor, once.
    pub(crate) fn take(&mut self) -> Option<OwnedFd> {
        let raw = std::mem::replace(&mut self.0, -1);
        // SAFETY: a value other than -1 came from `IntoRawFd` in `From<OwnedFd>`, so this is the one owner, and it is taken out here.
        (raw >= 0).then(|| unsafe { OwnedFd::from_raw_fd(raw) })
    }
}

impl From<OwnedFd> for AbiFd {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into_raw_fd())
    }
}

impl Drop for AbiFd {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// The answer of `read`: exactly one of the three bodies, as `kind` says.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiRead {
    pub(crate) info: AbiInfo,
    pub(crate) kind: u32,
    pub(crate) file: AbiFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) bytes: DrvBytes,
    pub(crate) stream: ROption<ReaderObject>,
}

/// `kind` of an [`AbiRead`].
pub(crate) mod read_kind {
    pub(crate) const BYTES: u32 = 0;
    pub(crate) const STREAM: u32 = 1;
    pub(crate) const FILE: u32 = 2;
}

/// An upload and where it stands.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiUploadStart {
    pub(crate) offset: u64,
    pub(crate) upload: UploadObject,
}

/// [`ListRequest`](crate::ListRequest) without its texts.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct AbiListOptions {
    pub(crate) limit: u32,
    /// 1 for all objects below, 0 for direct children.
    pub(crate) recursive: u32,
    pub(crate) reserved: [u64; 2],
}

/// One entry; a name that ends in `/` is a prefix.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiEntry {
    name: RString,
    info: ROption<AbiInfo>,
}

impl From<Entry> for AbiEntry {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Object(key, info) => Self { name: String::from(key).into(), info: info.map(Into::into).into() },
            Entry::Prefix(prefix) => {
                let mut name = String::from(prefix);
                name.push('/');
                Self { name: name.into(), info: ROption::RNone }
            }
        }
    }
}

impl TryFrom<AbiEntry> for Entry {
    type Error = DriverError;
    fn try_from(entry: AbiEntry) -> Result<Self, DriverError> {
        let bad = |error: crate::KeyError| DriverError::new(ErrorClass::Broken, format!("the driver listed a bad name: {error}"));
        let mut name = String::from(entry.name);
        if name.ends_with('/') {
            name.pop();
            return PrefixBuf::new(name).map(Self::Prefix).map_err(bad);
        }
        let info = entry.info.as_ref().into_option().map(Into::into);
        KeyBuf::new(name).map(|key| Self::Object(key, info)).map_err(bad)
    }
}

/// A page of entries.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiPage {
    pub(crate) entries: RVec<AbiEntry>,
    /// 1 if something follows.
    pub(crate) more: u32,
}

/// [`Condition`] as a number.
pub(crate) mod condition {
    use super::{Condition, DriverError, ErrorClass};

    pub(crate) fn number(condition: Condition) -> u32 {
        match condition {
            Condition::Always => 0,
            Condition::IfAbsent => 1,
        }
    }

    pub(crate) fn parse(number: u32) -> Result<Condition, DriverError> {
        match number {
            0 => Ok(Condition::Always),
            1 => Ok(Condition::IfAbsent),
            other => Err(DriverError::new(ErrorClass::Unsupported, format!("condition {other} of put is not known to this driver"))),
        }
    }
}

/// [`Method`] as a number.
pub(crate) mod method {
    use super::{DriverError, ErrorClass, Method};

    pub(crate) fn number(method: Method) -> u32 {
        match method {
            Method::Get => 0,
            Method::Head => 1,
            Method::Put => 2,
        }
    }

    pub(crate) fn parse(number: u32) -> Result<Method, DriverError> {
        match number {
            0 => Ok(Method::Get),
            1 => Ok(Method::Head),
            2 => Ok(Method::Put),
            other => Err(DriverError::new(ErrorClass::Unsupported, format!("method {other} of presign is not known to this driver"))),
        }
    }
}

/// A token as it crosses.
pub(crate) fn token(bytes: &[u8]) -> Result<UploadToken, DriverError> {
    UploadToken::new(bytes)
}
