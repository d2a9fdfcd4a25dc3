//! What crosses in calls of a driver in C. The header for such drivers is generated from this file and `table.rs`, comments and all, so both
//! are written for whoever reads it there: the first line of each comment says what, the rest which rules.
#![allow(unreachable_pub, dead_code, reason = "the generator writes what is public, for C to use")]

use std::ffi::{c_char, c_void};

/// The ABI's major: a host loads drivers of its own major.
pub const LONGSHORE_C_MAJOR: u16 = 1;
/// The ABI's minor: it counts what was added at the end of a table.
pub const LONGSHORE_C_MINOR: u16 = 0;

/// The longest message of an error and the longest line of the log, in bytes.
pub const LONGSHORE_MESSAGE_MAX: usize = 4096;
/// The longest token of an upload, in bytes.
pub const LONGSHORE_TOKEN_MAX: usize = 4096;
/// The longest version of an object, in bytes.
pub const LONGSHORE_VERSION_MAX: usize = 128;
/// The room for it and its NUL, in bytes.
pub const LONGSHORE_VERSION_ROOM: usize = 136;
/// The longest URL with its final NUL, in bytes.
pub const LONGSHORE_URL_MAX: usize = 8192;
/// The largest chunk of a body that a driver may hand over, in bytes.
pub const LONGSHORE_CHUNK_MAX: usize = 16777216;
/// The length of a read that goes on to the object's end.
pub const LONGSHORE_TO_END: u64 = u64::MAX;

/// The call succeeded. Every other answer is the class of a failure; a number that is not listed here is read as `LONGSHORE_INTERNAL`.
pub const LONGSHORE_OK: i32 = 0;
/// No such key or prefix, no such upload.
pub const LONGSHORE_NOT_FOUND: i32 = 1;
/// The condition of a `put` was lost.
pub const LONGSHORE_ALREADY_EXISTS: i32 = 2;
/// A key clashes with a prefix, or an upload's token is in use.
pub const LONGSHORE_CONFLICT: i32 = 3;
/// The text is not a key. The host checks keys before it calls.
pub const LONGSHORE_INVALID_KEY: i32 = 4;
/// The range begins after the object's end.
pub const LONGSHORE_INVALID_RANGE: i32 = 5;
/// Another argument is out of its range.
pub const LONGSHORE_INVALID_ARGUMENT: i32 = 6;
/// The call does not fit the state of the upload.
pub const LONGSHORE_INVALID_STATE: i32 = 7;
/// The capability was not declared.
pub const LONGSHORE_UNSUPPORTED: i32 = 8;
/// The settings are wrong; the message names every fault, each with its key.
pub const LONGSHORE_CONFIG: i32 = 9;
/// The back-end refuses the credentials or the permission.
pub const LONGSHORE_UNAUTHORIZED: i32 = 10;
/// The back-end cannot be written.
pub const LONGSHORE_READ_ONLY: i32 = 11;
/// The container itself (bucket, root folder) is not there.
pub const LONGSHORE_MISSING: i32 = 12;
/// The back-end cannot be reached now. May be tried again.
pub const LONGSHORE_UNREACHABLE: i32 = 13;
/// The back-end took too long. May be tried again.
pub const LONGSHORE_TIMEOUT: i32 = 14;
/// The back-end asks for fewer requests. May be tried again.
pub const LONGSHORE_THROTTLED: i32 = 15;
/// The back-end answered nonsense or dropped the connection half-way. May be tried again.
pub const LONGSHORE_BROKEN: i32 = 16;
/// No space or quota; the space of the failed write was given back.
pub const LONGSHORE_FULL: i32 = 17;
/// Bytes do not match what was stored, or a size does not match what was written.
pub const LONGSHORE_CORRUPT: i32 = 18;
/// The host gave the call up, and the driver noticed.
pub const LONGSHORE_CANCELLED: i32 = 19;
/// The instance was closed. The host answers this itself.
pub const LONGSHORE_CLOSED: i32 = 20;
/// A bug in the driver.
pub const LONGSHORE_INTERNAL: i32 = -1;

/// `put` writes whatever is there.
pub const LONGSHORE_ALWAYS: u32 = 0;
/// `put` writes only if the key is absent. Asked only of drivers with the capability `put_if_absent`.
pub const LONGSHORE_IF_ABSENT: u32 = 1;

/// A presigned URL permits reading the object.
pub const LONGSHORE_GET: u32 = 0;
/// A presigned URL permits asking for the object's headers.
pub const LONGSHORE_HEAD: u32 = 1;
/// A presigned URL permits replacing the object.
pub const LONGSHORE_PUT: u32 = 2;

/// A line of the log: somebody must act.
pub const LONGSHORE_ERROR: u32 = 1;
/// A line of the log: somebody should look.
pub const LONGSHORE_WARN: u32 = 2;
/// A line of the log: worth knowing.
pub const LONGSHORE_INFO: u32 = 3;
/// A line of the log: for the driver's author.
pub const LONGSHORE_DEBUG: u32 = 4;
/// A line of the log: each step.
pub const LONGSHORE_TRACE: u32 = 5;

/// Text in UTF-8 that the host lends for the time of one call.
///
/// There is a NUL after its end, so `ptr` is a string of C as well. A key is 1 to 1024 bytes: components of 1 to 255 bytes out of
/// `A-Z a-z 0-9 . _ - % + = @ ~ ,` joined by single `/`, none of them `.` or `..`. A prefix is a key or empty. Only `start_after` of a list
/// may hold any byte, NUL too.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    /// The first byte. Never NULL, except where a text is absent.
    pub ptr: *const c_char,
    /// How many bytes, without the NUL.
    pub len: usize,
}

/// Bytes that the host lends for the time of one call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Lent {
    /// The first byte. Never NULL.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

/// Bytes of the driver's own, and the way to give them back.
#[repr(C)]
pub struct Buffer {
    /// The first byte; NULL for no buffer.
    pub ptr: *const u8,
    /// How many, at most `LONGSHORE_CHUNK_MAX`. They do not change until `release`.
    pub len: usize,
    /// Whatever `release` needs.
    pub owner: *mut c_void,
    /// Called once when the host needs the bytes no more: from any thread, perhaps after `close`. NULL for bytes that live for ever.
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void, ptr: *const u8, len: usize)>,
}

/// What accompanies a call.
#[repr(C)]
pub struct CallContext {
    /// When the host stops waiting, in milliseconds since 1970-01-01 UTC; 0 for never. The call still runs to its end.
    pub deadline_unix_ms: u64,
    /// The upper half of the request's trace id, for logs and for requests to a back-end; 0 for none.
    pub trace_high: u64,
    /// The lower half.
    pub trace_low: u64,
    /// The host's own, for `cancelled`.
    pub context: *mut c_void,
    /// For later minors.
    pub reserved: [u64; 4],
}

/// Where a call that fails says why. The host clears it before each call.
#[repr(C)]
pub struct Error {
    /// 0 for what the class says, 1 if the same call may succeed later, 2 if not.
    pub retryable: u32,
    /// How long the back-end asks to wait, in milliseconds; 0 if it does not.
    pub retry_after_ms: u32,
    /// The system's error number behind it; 0 for none.
    pub system_errno: i32,
    /// 0.
    pub reserved_first: u32,
    /// For later minors.
    pub reserved: [u64; 4],
    /// One line of UTF-8, ending in NUL if it is shorter than the room: what failed, where, and why. Never a secret.
    pub message: [c_char; LONGSHORE_MESSAGE_MAX],
}

/// What is known of an object without reading it.
#[repr(C)]
pub struct Info {
    /// The whole object's size in bytes.
    pub size: u64,
    /// When the content was last replaced, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: i64,
    /// For later minors.
    pub reserved: [u64; 4],
    /// Text that changes whenever the content is replaced, ending in NUL; empty if the back-end has none.
    pub version: [c_char; LONGSHORE_VERSION_ROOM],
}

/// What `read_open` answers. The host clears it before the call, and sets `fd` to -1.
///
/// Either a reader or, with the capability `file_region`, a file.
#[repr(C)]
pub struct ReadAnswer {
    /// The whole object, whatever the range.
    pub info: Info,
    /// The driver's own pointer, for `read_next` and `read_close`.
    pub reader: *mut c_void,
    /// A regular file that is open for reading and never changes while it is open. The host closes it.
    pub fd: i32,
    /// 0.
    pub reserved_first: u32,
    /// Where in the file the bytes of the asked range begin.
    pub fd_offset: u64,
    /// For later minors.
    pub reserved: [u64; 4],
}

/// What `read_next` answers: bytes in the host's room or a buffer of the driver's own. The host clears it before the call.
///
/// Neither is the body's end. Best are chunks of 256 KiB to 1 MiB.
#[repr(C)]
pub struct Chunk {
    /// Memory of the host to write to, for drivers that have no better place.
    pub room: *mut u8,
    /// Its size in bytes; never more than what is left of the asked range.
    pub room_len: usize,
    /// How many bytes the driver wrote to `room`, from its start.
    pub used: usize,
    /// Or these bytes, which the host takes over without copying.
    pub own: Buffer,
}

/// What to list.
#[repr(C)]
pub struct ListRequest {
    /// Below what, by component: `a/b` lists nothing of `a/bc`. Empty for the root.
    pub prefix: Text,
    /// Only names after this text, compared as bytes; it need not exist. With a NULL `ptr` from the start.
    pub start_after: Text,
    /// How many entries at the most, 1 to 10,000.
    pub limit: u32,
    /// 1 for all objects below, 0 for direct children: objects, and each deeper level once as a prefix that ends in `/`.
    pub recursive: u32,
    /// For later minors.
    pub reserved: [u64; 4],
}

/// Where `list` puts what it finds.
#[repr(C)]
pub struct Page {
    /// The host's own, for `add`.
    pub context: *mut c_void,
    /// Adds the next name, which the host copies: a whole key, or a prefix with a final `/`. `info` is that of an object if it costs
    /// nothing, else NULL. Names come in the order of their bytes, a prefix with its final `/`.
    ///
    /// Answers 0. Anything else: the page takes no more, because it is full (then `more` is set) or because the name is none; `list`
    /// should end and answer `LONGSHORE_OK`.
    pub add: Option<unsafe extern "C" fn(page: *mut Page, name: *const c_char, name_len: usize, info: *const Info) -> u32>,
    /// 1 if something follows; for drivers that know it without an `add` too many.
    pub more: u32,
    /// 0.
    pub reserved_first: u32,
    /// For later minors.
    pub reserved: [u64; 4],
}

/// Where `upload_list` puts what it finds.
#[repr(C)]
pub struct TokenList {
    /// The host's own, for `add`.
    pub context: *mut c_void,
    /// Adds a token, which the host copies. Answers 0; anything else if the host takes no more.
    pub add: Option<unsafe extern "C" fn(list: *mut TokenList, bytes: *const u8, len: usize) -> u32>,
    /// For later minors.
    pub reserved: [u64; 4],
}

/// Where `upload_suspend` writes the upload's token. The host clears it before the call.
#[repr(C)]
pub struct Token {
    /// How many bytes it has.
    pub len: u32,
    /// 0.
    pub reserved_first: u32,
    /// Opaque to the host, and the same to every process on every host that shares the store.
    pub bytes: [u8; LONGSHORE_TOKEN_MAX],
}

/// Where `presign` writes a URL. The host clears it before the call.
#[repr(C)]
pub struct Url {
    /// Ends in NUL.
    pub text: [c_char; LONGSHORE_URL_MAX],
}

/// One setting as text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Setting {
    /// Its name. What lies deeper has the names above it before its own, joined by `.`; places in an array count from 0.
    pub key: Text,
    /// A string as it is, a number or `true` and `false` as JSON writes them. A setting that is `null` is absent.
    pub value: Text,
}

/// The settings of an instance, which were checked against the schema in the driver's note and have its defaults filled in.
#[repr(C)]
pub struct SettingList {
    /// As text, name by name: no parser is needed.
    pub entries: *const Setting,
    /// How many entries.
    pub count: usize,
    /// The same as JSON.
    pub json: Text,
    /// For later minors.
    pub reserved: [u64; 4],
}
