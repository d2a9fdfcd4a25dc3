//! The calls of a driver.

use std::future::{Future, ready};

use crate::abi::LowerDriver;
use crate::{
    ByteRange, Bytes, Call, DriverError, Host, Key, ListPage, ListRequest, ObjectInfo, Prefix, Read, Settings, Upload, UploadToken,
};

/// When a `put` may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// Only if the key is absent; the loser gets `already_exists`. Needs the capability `put_if_absent`.
    IfAbsent,
}

/// What a presigned URL permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reading the object.
    Get,
    /// Asking for its headers.
    Head,
    /// Replacing it.
    Put,
}

/// A storage driver: bytes in, bytes out.
///
/// Every call may come from any thread, concurrently, after `open` has answered. Dropping the future of a call cancels it: within one
/// second the driver stops and frees what it held, and a cancelled `put` or `commit` leaves the old or the new state, whole. The host
/// refuses bad keys, undeclared capabilities and calls after `close` before a driver sees them, and turns a panic into `internal`.
///
/// Source: driver contract, sections 2, 3 and 8.
pub trait Driver: Send + Sync + Sized + 'static {
    /// The uploads of this driver.
    type Upload: Upload;

    /// Facts about an object; the content is not read.
    ///
    /// # Errors
    /// `not_found` if the key is absent.
    fn stat(&self, call: &Call, key: &Key) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send;

    /// Reads the part of an object that `range` names; the info tells the whole object's size.
    ///
    /// The body has exactly the bytes of [`ByteRange::within`]. A reader that began before an overwrite or a delete delivers the old bytes
    /// to the end or fails with `broken`. At most 16 MiB are held for one read.
    ///
    /// # Errors
    /// `not_found` if the key is absent, whatever the range; else `invalid_range` as [`ByteRange::within`] says.
    fn read(&self, call: &Call, key: &Key, range: ByteRange) -> impl Future<Output = Result<Read, DriverError>> + Send;

    /// Writes a small whole object (the host uses it up to 4 MiB), whole or not at all, and durable when it answers.
    ///
    /// # Errors
    /// `already_exists` if the condition is lost, `conflict` if the key clashes with a prefix, `full` if there is no space.
    fn put(
        &self,
        call: &Call,
        key: &Key,
        bytes: Bytes,
        condition: Condition,
    ) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send;

    /// One page of the names below a prefix, in the byte order of the returned text.
    ///
    /// # Errors
    /// `not_found` if the prefix is not the root and has no key below it.
    ///
    /// Source: driver contract, section 4.
    fn list(&self, call: &Call, request: &ListRequest<'_>) -> impl Future<Output = Result<ListPage, DriverError>> + Send;

    /// Removes an object.
    ///
    /// Where a service does not tell whether something was there, look first: of deletes that overlap all may then succeed, and one that
    /// begins after the object was gone must not.
    ///
    /// # Errors
    /// `not_found` if the key is absent, every time.
    fn delete(&self, call: &Call, key: &Key) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Starts an upload. `destination` is a hint: the driver may write there directly, invisible until commit.
    ///
    /// # Errors
    /// `full`, `read_only` and the classes of a back-end that cannot be reached.
    fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> impl Future<Output = Result<Self::Upload, DriverError>> + Send;

    /// Continues the upload that [`Upload::suspend`] gave this token for, from exactly the offset at which it was suspended or a later one.
    ///
    /// # Errors
    /// `not_found` if the upload was committed, aborted or purged; `conflict` if it is in use; `invalid_argument` if this is no token of ours.
    fn upload_resume(&self, call: &Call, token: &UploadToken) -> impl Future<Output = Result<Self::Upload, DriverError>> + Send;

    /// Whether the back-end can be used, in at most one round trip.
    ///
    /// # Errors
    /// The class tells what is wrong.
    fn health(&self, call: &Call) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Lets go of everything. Calls after it are answered by the host's side; no thread, descriptor or temporary survives it by 5 s.
    ///
    /// # Errors
    /// Anything that could not be let go; the instance is closed all the same.
    fn close(&self, call: &Call) -> impl Future<Output = Result<(), DriverError>> + Send {
        let _ = call;
        ready(Ok(()))
    }

    /// Removes all keys below `prefix`, which is never the root, and only those. Capability `delete_prefix`.
    ///
    /// # Errors
    /// `not_found` if nothing is there. After a partial failure the call can be repeated.
    fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> impl Future<Output = Result<(), DriverError>> + Send {
        let _ = (call, prefix);
        ready(Err(DriverError::unsupported("delete_prefix")))
    }

    /// Copies an object within the back-end, atomically at the destination. Capability `copy`.
    ///
    /// # Errors
    /// `not_found` if `from` is absent.
    fn copy(&self, call: &Call, from: &Key, to: &Key) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send {
        let _ = (call, from, to);
        ready(Err(DriverError::unsupported("copy")))
    }

    /// A URL that permits `method` on `key` without credentials for `expires_ms` milliseconds. Capability `presign`.
    ///
    /// # Errors
    /// `invalid_argument` if the back-end cannot sign for so long.
    fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> impl Future<Output = Result<String, DriverError>> + Send {
        let _ = (call, key, method, expires_ms);
        ready(Err(DriverError::unsupported("presign")))
    }

    /// Tokens of uploads that nobody has written to for `older_than_ms` milliseconds. Capability `upload_list`.
    ///
    /// # Errors
    /// The classes of the back-end.
    fn upload_list(&self, call: &Call, older_than_ms: u64) -> impl Future<Output = Result<Vec<UploadToken>, DriverError>> + Send {
        let _ = (call, older_than_ms);
        ready(Err(DriverError::unsupported("upload_list")))
    }
}

/// How an instance comes to be.
pub trait OpenDriver: Driver {
    /// Opens an instance. `settings` were checked against the driver's schema; two instances are independent; a failure leaks nothing.
    ///
    /// `lower` is the driver to stack on, for drivers that declare the capability `layer`.
    ///
    /// # Errors
    /// `config` with every fault at once, each naming its key; `missing`, `unauthorized` or `unreachable` for the back-end.
    fn open(settings: Settings, host: Host, lower: Option<LowerDriver>) -> impl Future<Output = Result<Self, DriverError>> + Send;
}
