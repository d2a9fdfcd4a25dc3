//! The two tables between a host and a driver in C: the host's services, and the calls of a driver. See `values.rs` on their comments.
#![allow(unreachable_pub, reason = "the generator writes what is public")]

use std::ffi::c_void;

use super::values::{CallContext, Chunk, Error, Info, Lent, ListRequest, Page, ReadAnswer, SettingList, Text, Token, TokenList, Url};

/// What the host offers to an instance, from before `open` is called until `close` has returned. Any thread may use it.
///
/// A minor may add fields at its end; `struct_size` tells how far the host's goes.
#[repr(C)]
pub struct HostTable {
    /// The table's size in bytes.
    pub struct_size: u32,
    /// `LONGSHORE_C_MAJOR` of the host.
    pub major: u16,
    /// `LONGSHORE_C_MINOR` of the host.
    pub minor: u16,
    /// The host's own.
    pub context: *mut c_void,
    /// The name that the operator gave the instance.
    pub instance: Text,
    /// Writes one line of UTF-8 to the host's log, at one of the levels from `LONGSHORE_ERROR` to `LONGSHORE_TRACE`. Never log a secret; a
    /// driver writes to no other place, stdout and stderr least of all.
    pub log: Option<unsafe extern "C" fn(host: *const HostTable, level: u32, message: *const std::ffi::c_char, message_len: usize)>,
    /// Adds `value` to a counter of the instance; `name` is a string of `a-z` and `_`.
    pub count: Option<unsafe extern "C" fn(host: *const HostTable, name: *const std::ffi::c_char, value: u64)>,
    /// 1 once the host has given this call up. Long calls ask now and then, and answer `LONGSHORE_CANCELLED`.
    pub cancelled: Option<unsafe extern "C" fn(call: *const CallContext) -> u32>,
}

/// A driver: the calls of the contract as functions that block, each on a thread of the host's pool.
///
/// Rules of all calls. Any thread may make them, several at once; only calls on one reader or one upload come one after the other. What the
/// host lends lives until the call returns. An answer other than `LONGSHORE_OK` fails the call, and its reason is written to `error`; the
/// instance stays usable. No exception, panic or longjmp leaves a call. A driver installs no signal handler, changes nothing that belongs to
/// the whole process, ends no process, and does nothing while it is loaded. The host has checked keys, prefixes and limits, asks for no
/// capability that was not declared, and calls nothing after `close`.
///
/// `driver`, `reader` and `upload` are the driver's own pointers, never NULL.
#[repr(C)]
pub struct DriverTable {
    /// `sizeof(longshore_driver_table)`. A minor may add fields at the end; the host reads no further than this.
    pub struct_size: u32,
    /// `LONGSHORE_C_MAJOR`.
    pub major: u16,
    /// `LONGSHORE_C_MINOR`.
    pub minor: u16,
    /// 0.
    pub reserved: [u64; 4],

    /// Opens an instance and writes its pointer. Several instances are independent; a failure leaks nothing. `host` stays until `close` has
    /// returned, `settings` end with the call.
    ///
    /// Fails with `LONGSHORE_CONFIG` telling every fault at once, `LONGSHORE_MISSING`, `LONGSHORE_UNAUTHORIZED` or `LONGSHORE_UNREACHABLE`.
    pub open: Option<
        unsafe extern "C" fn(host: *const HostTable, settings: *const SettingList, driver: *mut *mut c_void, error: *mut Error) -> i32,
    >,
    /// Lets go of everything. It is called once for each instance, when no other call runs and all readers and uploads were given back.
    pub close: Option<unsafe extern "C" fn(driver: *mut c_void)>,
    /// Whether the back-end can be used, in at most one round trip. The class tells what is wrong.
    pub health: Option<unsafe extern "C" fn(driver: *mut c_void, call: *const CallContext, error: *mut Error) -> i32>,

    /// Facts about an object; the content is not read. `LONGSHORE_NOT_FOUND` if the key is absent.
    pub stat:
        Option<unsafe extern "C" fn(driver: *mut c_void, call: *const CallContext, key: Text, info: *mut Info, error: *mut Error) -> i32>,
    /// Begins to read `length` bytes from `offset` on, or as many as there are between `offset` and the end if that is fewer
    /// (`LONGSHORE_TO_END`: all). `offset` + `length` exceeds 64 bits only for `LONGSHORE_TO_END`.
    ///
    /// A reader that began before an overwrite or a delete delivers the old bytes to the end or fails with `LONGSHORE_BROKEN`.
    ///
    /// `LONGSHORE_NOT_FOUND` if the key is absent, whatever the range; else `LONGSHORE_INVALID_RANGE` if `offset` exceeds the size.
    pub read_open: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            key: Text,
            offset: u64,
            length: u64,
            answer: *mut ReadAnswer,
            error: *mut Error,
        ) -> i32,
    >,
    /// The next bytes of the range, in order. At most 16 MiB are held for one reader. After a failure the host takes nothing of `chunk`, and
    /// asks this reader no more.
    pub read_next: Option<unsafe extern "C" fn(reader: *mut c_void, call: *const CallContext, chunk: *mut Chunk, error: *mut Error) -> i32>,
    /// Gives a reader back, read to its end or not; once for each.
    pub read_close: Option<unsafe extern "C" fn(reader: *mut c_void)>,
    /// Writes a small whole object (the host uses it up to 4 MiB), whole or not at all, and durable when it answers. `condition` is
    /// `LONGSHORE_ALWAYS` or `LONGSHORE_IF_ABSENT`.
    ///
    /// `LONGSHORE_ALREADY_EXISTS` if the condition is lost (of any number of racing creators exactly one wins), `LONGSHORE_CONFLICT` if the
    /// key clashes with a prefix, `LONGSHORE_FULL` if there is no space.
    pub put: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            key: Text,
            bytes: Lent,
            condition: u32,
            info: *mut Info,
            error: *mut Error,
        ) -> i32,
    >,
    /// Fills one page of the names below a prefix, at a cost in proportion to the page. Uploads are never listed.
    ///
    /// `LONGSHORE_NOT_FOUND` if the prefix is not the root and has no key below it, wherever the page starts.
    pub list: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            request: *const ListRequest,
            page: *mut Page,
            error: *mut Error,
        ) -> i32,
    >,
    /// Deletes an object. `LONGSHORE_NOT_FOUND` if the key is absent, every time.
    pub remove: Option<unsafe extern "C" fn(driver: *mut c_void, call: *const CallContext, key: Text, error: *mut Error) -> i32>,

    /// Starts an upload and writes its pointer. `destination` is a hint, with a NULL `ptr` if the host does not know yet.
    pub upload_begin: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            destination: Text,
            upload: *mut *mut c_void,
            error: *mut Error,
        ) -> i32,
    >,
    /// Continues the upload that a token names, from the offset at which it was suspended or a later one, and writes its pointer.
    ///
    /// `LONGSHORE_NOT_FOUND` if it was committed, aborted or purged; `LONGSHORE_CONFLICT` if it is in use; `LONGSHORE_INVALID_ARGUMENT` if the
    /// token is none of this driver's. Tokens travel through clients: trust nothing in them.
    pub upload_resume: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            token: Lent,
            upload: *mut *mut c_void,
            error: *mut Error,
        ) -> i32,
    >,
    /// How many bytes the upload has, without I/O. It may be asked until `upload_drop`.
    pub upload_offset: Option<unsafe extern "C" fn(upload: *mut c_void) -> u64>,
    /// Appends bytes, which may be none. After a failure, what `upload_offset` counts is good.
    pub upload_write: Option<unsafe extern "C" fn(upload: *mut c_void, call: *const CallContext, bytes: Lent, error: *mut Error) -> i32>,
    /// Makes everything accepted so far durable, and names it so that any process on any host that shares the store can go on.
    pub upload_suspend:
        Option<unsafe extern "C" fn(upload: *mut c_void, call: *const CallContext, token: *mut Token, error: *mut Error) -> i32>,
    /// Publishes the object in one step, replacing any older one. The host has compared `size` with `upload_offset`.
    ///
    /// `LONGSHORE_CONFLICT` if the key clashes with a prefix. After a success only `upload_drop` follows.
    pub upload_commit: Option<
        unsafe extern "C" fn(
            upload: *mut c_void,
            call: *const CallContext,
            destination: Text,
            size: u64,
            info: *mut Info,
            error: *mut Error,
        ) -> i32,
    >,
    /// Removes every trace. After a success only `upload_drop` follows.
    pub upload_abort: Option<unsafe extern "C" fn(upload: *mut c_void, call: *const CallContext, error: *mut Error) -> i32>,
    /// Gives an upload back; once for each. It is neither commit nor abort: what the last `upload_suspend` promised is kept.
    pub upload_drop: Option<unsafe extern "C" fn(upload: *mut c_void)>,

    /// Removes all keys below a prefix, which is never the root, and only those. NULL without the capability `delete_prefix`.
    ///
    /// `LONGSHORE_NOT_FOUND` if nothing is there. After a partial failure the call can be repeated.
    pub delete_prefix: Option<unsafe extern "C" fn(driver: *mut c_void, call: *const CallContext, prefix: Text, error: *mut Error) -> i32>,
    /// Copies an object within the back-end, in one step at the destination. NULL without the capability `copy`.
    pub copy: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            from: Text,
            to: Text,
            info: *mut Info,
            error: *mut Error,
        ) -> i32,
    >,
    /// A URL that permits a method (`LONGSHORE_GET`, `LONGSHORE_HEAD`, `LONGSHORE_PUT`) on a key without credentials for `expires_ms`
    /// milliseconds. NULL without the capability `presign`.
    pub presign: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            key: Text,
            method: u32,
            expires_ms: u64,
            url: *mut Url,
            error: *mut Error,
        ) -> i32,
    >,
    /// Tokens of uploads that nobody has written to for `older_than_ms` milliseconds. NULL without the capability `upload_list`.
    pub upload_list: Option<
        unsafe extern "C" fn(
            driver: *mut c_void,
            call: *const CallContext,
            older_than_ms: u64,
            tokens: *mut TokenList,
            error: *mut Error,
        ) -> i32,
    >,
}
