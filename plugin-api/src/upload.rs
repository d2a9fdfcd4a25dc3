//! Uploads: explicit objects, never half-written keys.

use std::fmt;
use std::future::Future;

use crate::{Bytes, Call, DriverError, ErrorClass, Key, ObjectInfo};

/// The longest token, in bytes (driver contract, section 5).
pub const TOKEN_MAX_BYTES: usize = 4096;

/// An upload in progress.
///
/// Dropping it is neither commit nor abort: what the last `suspend` promised is kept, the rest may be lost. The boundary answers
/// `invalid_state` for any call after `commit` or `abort`, so a driver need not. At most 16 MiB are held for one upload.
///
/// Source: driver contract, section 5.
pub trait Upload: Send + 'static {
    /// How many bytes were accepted, from the start of the object.
    fn offset(&self) -> u64;

    /// Appends `bytes`, which may be empty.
    ///
    /// # Errors
    /// `full` if there is no space; what was accepted before stays good.
    fn write(&mut self, call: &Call, bytes: Bytes) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Makes everything accepted so far durable, and names it so that any process on any host that shares the store can go on.
    ///
    /// Earlier tokens of the upload end here: resuming one answers `not_found`, or the upload as the newest token has it.
    /// If the answer does not reach the caller, the token before stays good until either of the two is used.
    ///
    /// # Errors
    /// The classes of the back-end.
    fn suspend(&mut self, call: &Call) -> impl Future<Output = Result<UploadToken, DriverError>> + Send;

    /// Publishes the object atomically, replacing any older one.
    ///
    /// # Errors
    /// `corrupt` if `size` differs from what was written (the boundary compares it with `offset` first); `conflict` if the key clashes
    /// with a prefix.
    fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send;

    /// Removes every trace.
    ///
    /// # Errors
    /// The classes of the back-end.
    fn abort(&mut self, call: &Call) -> impl Future<Output = Result<(), DriverError>> + Send;
}

/// Compares what was written with what a commit expects.
pub(crate) fn check_size(offset: u64, size: u64) -> Result<(), DriverError> {
    if offset == size {
        return Ok(());
    }
    Err(DriverError::new(ErrorClass::Corrupt, format!("the upload has {offset} bytes, the commit expects {size}")))
}

/// What [`Upload::suspend`] gives and [`Driver::upload_resume`](crate::Driver::upload_resume) takes: at most 4 KiB, opaque to the host.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UploadToken(Vec<u8>);

impl UploadToken {
    /// Keeps `bytes`.
    ///
    /// # Errors
    /// `invalid_argument` above 4 KiB.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, DriverError> {
        let bytes = bytes.into();
        if bytes.len() > TOKEN_MAX_BYTES {
            return Err(DriverError::new(
                ErrorClass::InvalidArgument,
                format!("an upload token has at most 4096 bytes, this one {}", bytes.len()),
            ));
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for UploadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A token may let its holder write: people see only its length.
        write!(f, "UploadToken({} bytes)", self.0.len())
    }
}
