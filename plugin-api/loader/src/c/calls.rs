//! Each function of a driver's table as a safe method: arguments lent, answers checked.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use longshore_plugin_api::{ByteRange, Bytes, Condition, DriverError, ListPage, ListRequest, Method, ObjectInfo, UploadToken};

use super::answer::broken;
use super::buffer::taken;
use super::lend::{Context, OwnSettings, OwnText, lend_bytes, lend_or_null};
use super::list::{Found, FoundTokens};
use super::services::OwnHost;
use super::table::DriverTable;
use super::values::{self, Chunk, Error, Info, LONGSHORE_TO_END, ReadAnswer, Token, Url};

/// A checked table. `entry` has made sure that every required function is there.
#[derive(Clone, Copy)]
pub(crate) struct Calls(pub(crate) &'static DriverTable);

/// A pointer of the driver's own to something of kind `K`. It is made here only, of what the driver answered, and given back by value.
pub(crate) struct Opaque<K>(NonNull<c_void>, PhantomData<fn() -> K>);

// SAFETY: the header says that any thread may call; that calls on one reader or upload come one after the other is seen to by `instance`.
unsafe impl<K> Send for Opaque<K> {}
// SAFETY: as above.
unsafe impl<K> Sync for Opaque<K> {}

/// An instance.
pub(crate) enum Driver {}
/// A reader of an instance.
pub(crate) enum Reader {}
/// An upload of an instance.
pub(crate) enum Upload {}

impl<K> Opaque<K> {
    fn new(pointer: *mut c_void, what: &str) -> Result<Self, DriverError> {
        let pointer = NonNull::new(pointer).ok_or_else(|| broken(format_args!("NULL for {what}")))?;
        Ok(Self(pointer, PhantomData))
    }

    fn get(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

impl Calls {
    /// True if both are of one library: each load of a file copies its table, and the functions are the same.
    pub(crate) fn is_of_the_driver_of(self, other: Self) -> bool {
        match (self.0.open, other.0.open) {
            (Some(one), Some(other)) => ptr::fn_addr_eq(one, other),
            _ => false,
        }
    }
}

/// What `read_open` answered, not yet compared with what was asked.
pub(crate) struct Opened {
    pub(crate) info: Result<ObjectInfo, DriverError>,
    pub(crate) file: Option<OwnedFd>,
    pub(crate) file_offset: u64,
}

/// Calls a function of the table.
macro_rules! call {
    ($calls:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match $calls.0.$name {
            // SAFETY: the table's library is never unloaded. Pointers of the driver's own are `Opaque`, which is alive until it is given
            // back; the others are lent by the frame around this call and are valid until it returns. That the function keeps the rules of
            // the header is what whoever installs a driver trusts it for.
            Some(function) => Ok(unsafe { function($($argument),*) }),
            None => Err(DriverError::unsupported(stringify!($name))),
        }
    };
}

/// Calls a function that may fail.
macro_rules! attempt {
    ($calls:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        let mut error = Error::empty();
        let answer = call!($calls, $name($($argument,)* &raw mut error))?;
        error.outcome(answer)
    }};
}

impl Calls {
    pub(crate) fn open(self, host: &OwnHost, settings: &OwnSettings) -> Result<Opaque<Driver>, DriverError> {
        let mut driver = ptr::null_mut();
        settings.lend(|settings| attempt!(self, open(host.lend(), settings, &raw mut driver)))?;
        Opaque::new(driver, "an open instance")
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is the pointer's end")]
    pub(crate) fn close(self, driver: Opaque<Driver>) {
        let _ = call!(self, close(driver.get()));
    }

    pub(crate) fn health(self, driver: &Opaque<Driver>, context: &Context) -> Result<(), DriverError> {
        attempt!(self, health(driver.get(), context.lend()))
    }

    pub(crate) fn stat(self, driver: &Opaque<Driver>, context: &Context, key: &OwnText) -> Result<ObjectInfo, DriverError> {
        let mut info = Info::empty();
        attempt!(self, stat(driver.get(), context.lend(), key.lend(), &raw mut info))?;
        info.checked()
    }

    /// A reader, or a file, or what a confused driver answers.
    pub(crate) fn read_open(
        self,
        driver: &Opaque<Driver>,
        context: &Context,
        key: &OwnText,
        range: ByteRange,
    ) -> Result<(Opened, Option<Opaque<Reader>>), DriverError> {
        let mut answer = ReadAnswer::empty();
        let length = range.length.unwrap_or(LONGSHORE_TO_END);
        attempt!(self, read_open(driver.get(), context.lend(), key.lend(), range.offset, length, &raw mut answer))?;
        // SAFETY: the header says that a descriptor in the answer is the host's from now on.
        let file = (answer.fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(answer.fd) });
        let opened = Opened { info: answer.info.checked(), file, file_offset: answer.fd_offset };
        Ok((opened, Opaque::new(answer.reader, "a reader").ok()))
    }

    /// The next bytes, none at the end. `room_max` is how many are wanted at the most.
    pub(crate) fn read_next(self, reader: &Opaque<Reader>, context: &Context, room_max: usize) -> Result<Bytes, DriverError> {
        let mut room = vec![0; room_max];
        let mut chunk = Chunk::with_room(&mut room);
        attempt!(self, read_next(reader.get(), context.lend(), &raw mut chunk))?;
        taken(room, chunk)
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is the pointer's end")]
    pub(crate) fn read_close(self, reader: Opaque<Reader>) {
        let _ = call!(self, read_close(reader.get()));
    }

    pub(crate) fn put(
        self,
        driver: &Opaque<Driver>,
        context: &Context,
        key: &OwnText,
        bytes: &[u8],
        condition: Condition,
    ) -> Result<ObjectInfo, DriverError> {
        let condition = match condition {
            Condition::Always => values::LONGSHORE_ALWAYS,
            Condition::IfAbsent => values::LONGSHORE_IF_ABSENT,
        };
        let mut info = Info::empty();
        attempt!(self, put(driver.get(), context.lend(), key.lend(), lend_bytes(bytes), condition, &raw mut info))?;
        info.checked_size(bytes.len() as u64)
    }

    pub(crate) fn list(self, driver: &Opaque<Driver>, context: &Context, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let (prefix, start_after) = (OwnText::from(request.prefix.as_str()), request.start_after.map(OwnText::from));
        let asked = values::ListRequest {
            prefix: prefix.lend(),
            start_after: lend_or_null(start_after.as_ref()),
            limit: request.limit,
            recursive: u32::from(request.recursive),
            reserved: [0; 4],
        };
        Found::new(request.prefix, request.limit).fill(|page| attempt!(self, list(driver.get(), context.lend(), &raw const asked, page)))
    }

    pub(crate) fn remove(self, driver: &Opaque<Driver>, context: &Context, key: &OwnText) -> Result<(), DriverError> {
        attempt!(self, remove(driver.get(), context.lend(), key.lend()))
    }

    pub(crate) fn delete_prefix(self, driver: &Opaque<Driver>, context: &Context, prefix: &OwnText) -> Result<(), DriverError> {
        attempt!(self, delete_prefix(driver.get(), context.lend(), prefix.lend()))
    }

    pub(crate) fn copy(self, driver: &Opaque<Driver>, context: &Context, from: &OwnText, to: &OwnText) -> Result<ObjectInfo, DriverError> {
        let mut info = Info::empty();
        attempt!(self, copy(driver.get(), context.lend(), from.lend(), to.lend(), &raw mut info))?;
        info.checked()
    }

    pub(crate) fn presign(
        self,
        driver: &Opaque<Driver>,
        context: &Context,
        key: &OwnText,
        method: Method,
        expires_ms: u64,
    ) -> Result<String, DriverError> {
        let method = match method {
            Method::Get => values::LONGSHORE_GET,
            Method::Head => values::LONGSHORE_HEAD,
            Method::Put => values::LONGSHORE_PUT,
        };
        let mut url = Url::empty();
        attempt!(self, presign(driver.get(), context.lend(), key.lend(), method, expires_ms, &raw mut url))?;
        url.checked()
    }

    pub(crate) fn upload_list(
        self,
        driver: &Opaque<Driver>,
        context: &Context,
        older_than_ms: u64,
    ) -> Result<Vec<UploadToken>, DriverError> {
        FoundTokens::fill(|tokens| attempt!(self, upload_list(driver.get(), context.lend(), older_than_ms, tokens)))
    }
}

impl Calls {
    pub(crate) fn upload_begin(
        self,
        driver: &Opaque<Driver>,
        context: &Context,
        destination: Option<&OwnText>,
    ) -> Result<Opaque<Upload>, DriverError> {
        let mut upload = ptr::null_mut();
        attempt!(self, upload_begin(driver.get(), context.lend(), lend_or_null(destination), &raw mut upload))?;
        Opaque::new(upload, "an upload")
    }

    pub(crate) fn upload_resume(
        self,
        driver: &Opaque<Driver>,
        context: &Context,
        token: &UploadToken,
    ) -> Result<Opaque<Upload>, DriverError> {
        let mut upload = ptr::null_mut();
        attempt!(self, upload_resume(driver.get(), context.lend(), lend_bytes(token.as_bytes()), &raw mut upload))?;
        Opaque::new(upload, "a resumed upload")
    }

    pub(crate) fn upload_offset(self, upload: &Opaque<Upload>) -> Result<u64, DriverError> {
        call!(self, upload_offset(upload.get()))
    }

    pub(crate) fn upload_write(self, upload: &Opaque<Upload>, context: &Context, bytes: &[u8]) -> Result<(), DriverError> {
        attempt!(self, upload_write(upload.get(), context.lend(), lend_bytes(bytes)))
    }

    pub(crate) fn upload_suspend(self, upload: &Opaque<Upload>, context: &Context) -> Result<UploadToken, DriverError> {
        let mut token = Token::empty();
        attempt!(self, upload_suspend(upload.get(), context.lend(), &raw mut token))?;
        token.checked()
    }

    pub(crate) fn upload_commit(
        self,
        upload: &Opaque<Upload>,
        context: &Context,
        destination: &OwnText,
        size: u64,
    ) -> Result<ObjectInfo, DriverError> {
        let mut info = Info::empty();
        attempt!(self, upload_commit(upload.get(), context.lend(), destination.lend(), size, &raw mut info))?;
        info.checked_size(size)
    }

    pub(crate) fn upload_abort(self, upload: &Opaque<Upload>, context: &Context) -> Result<(), DriverError> {
        attempt!(self, upload_abort(upload.get(), context.lend()))
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is the pointer's end")]
    pub(crate) fn upload_drop(self, upload: Opaque<Upload>) {
        let _ = call!(self, upload_drop(upload.get()));
    }
}
