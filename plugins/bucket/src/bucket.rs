//! What a store must offer: the calls that a driver is made of.

use std::fmt;
use std::future::{Future, ready};

use longshore_plugin_api::{ByteStream, DriverError, Host, Method, ObjectInfo, Settings};

use crate::{Options, Payload};

/// A bucket or container of an object store, as its client library offers it.
///
/// A name is the whole name of an object in the store, with the configured root before the key. Each call makes one request, or the few that
/// the store needs for it, and makes none of them again: [`BucketDriver`](crate::BucketDriver) does that. Errors have the contract's classes,
/// and the store's status, code and request id as causes.
pub trait Bucket: Send + Sync + Sized + 'static {
    /// Whether a multipart upload may begin at the name that its object will have. Not so in a store where two uploads of one name would see
    /// each other's parts, or where a large one becomes several objects before it is one: there every upload has a private name, and is copied
    /// to its key.
    const BEGINS_AT_KEY: bool = true;

    /// Makes a client, and proves with as few requests as possible that the bucket can be used.
    ///
    /// # Errors
    /// `config` with every fault at once; `missing`, `unauthorized`, `unreachable` or `timeout` for the store.
    fn open(settings: Settings, host: &Host) -> impl Future<Output = Result<(Self, Options), DriverError>> + Send;

    /// Facts about an object.
    ///
    /// # Errors
    /// `not_found`.
    fn head(&self, name: &str) -> impl Future<Output = Result<Facts, DriverError>> + Send;

    /// The bytes of a span.
    ///
    /// # Errors
    /// `not_found`; `invalid_range` if the span begins at the end or after it; `broken` if the object is not of the version asked for.
    fn get(&self, name: &str, span: &Span) -> impl Future<Output = Result<Fetched, DriverError>> + Send;

    /// Writes an object whole. With `only_new` it is written only if the name is free.
    ///
    /// # Errors
    /// `already_exists`; `unsupported` with `only_new` if this store cannot.
    fn put(&self, name: &str, payload: Payload, only_new: Option<&Mark>) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send;

    /// A page of names in byte order, with what is common up to a `/` joined if asked. May be shorter than the limit, and empty.
    ///
    /// # Errors
    /// The store's.
    fn list(&self, query: &Query) -> impl Future<Output = Result<Names, DriverError>> + Send;

    /// Removes an object.
    ///
    /// # Errors
    /// `not_found` if it is absent.
    fn delete(&self, name: &str) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Removes up to 1,000 objects; those that are absent are passed over.
    ///
    /// # Errors
    /// That of the first that could not be removed.
    fn delete_all(&self, names: &[String]) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Copies an object of `size` bytes within the store, atomically at the destination.
    ///
    /// # Errors
    /// `not_found` if `from` is absent.
    fn copy(&self, from: &str, to: &str, size: u64) -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send;

    /// One request that tells whether the bucket can be used.
    ///
    /// # Errors
    /// The class tells what is wrong.
    fn probe(&self) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// A URL that permits `method` for `expires_ms` milliseconds.
    ///
    /// # Errors
    /// `invalid_argument` if the store does not sign for so long, `unsupported` if the credentials cannot sign.
    fn presign(&self, name: &str, method: Method, expires_ms: u64) -> impl Future<Output = Result<String, DriverError>> + Send;

    /// Begins a multipart upload whose object will carry `mark`; answers the store's id of it.
    ///
    /// # Errors
    /// The store's.
    fn begin(&self, name: &str, mark: &Mark) -> impl Future<Output = Result<String, DriverError>> + Send;

    /// Writes one part, replacing an earlier one of that number; answers the store's tag of its bytes.
    ///
    /// # Errors
    /// `not_found` if the upload is over.
    fn part(&self, name: &str, upload: &str, number: u32, payload: Payload) -> impl Future<Output = Result<String, DriverError>> + Send;

    /// Makes a part of the first `size` bytes of an object, replacing an earlier one of that number; answers the store's tag of them. Only
    /// for stores whose [`Options::segments`] say so.
    ///
    /// # Errors
    /// `not_found` if the upload is over or `from` is absent.
    fn part_copy(
        &self,
        name: &str,
        upload: &str,
        number: u32,
        from: &str,
        size: u64,
    ) -> impl Future<Output = Result<String, DriverError>> + Send {
        let _ = (name, upload, number, from, size);
        ready(Err(DriverError::unsupported("copying a part")))
    }

    /// All parts of an upload, by number.
    ///
    /// # Errors
    /// `not_found` if the upload is over.
    fn parts(&self, name: &str, upload: &str) -> impl Future<Output = Result<Vec<Part>, DriverError>> + Send;

    /// Lets go of the parts after the first `parts`, which somebody wrote who was not heard of again. Of no use where a part replaces the one
    /// of its number whatever its bytes are.
    ///
    /// # Errors
    /// `not_found` if the upload is over, `conflict` if the first parts are not told from others.
    fn rewind(&self, _name: &str, _upload: &str, _parts: u32) -> impl Future<Output = Result<(), DriverError>> + Send {
        ready(Ok(()))
    }

    /// Makes the object, of `size` bytes, of exactly these parts.
    ///
    /// # Errors
    /// `not_found` if the upload is over, `conflict` if a part has other bytes than its tag says.
    fn complete(&self, name: &str, upload: &str, parts: &[Part], size: u64)
    -> impl Future<Output = Result<ObjectInfo, DriverError>> + Send;

    /// Removes an upload and its parts.
    ///
    /// # Errors
    /// `not_found` if it is over.
    fn cancel(&self, name: &str, upload: &str) -> impl Future<Output = Result<(), DriverError>> + Send;

    /// Multipart uploads in progress of names with a prefix; none if the store cannot list them.
    ///
    /// # Errors
    /// The store's.
    fn uploads(&self, prefix: &str) -> impl Future<Output = Result<Vec<Pending>, DriverError>> + Send;
}

/// A random text that an object carries as metadata, by which whoever wrote it knows it again after an answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Mark {
    /// A new one.
    ///
    /// # Errors
    /// `internal` if the system gives no random bytes.
    pub fn random() -> Result<Self, DriverError> {
        crate::names::random_name().map(Self)
    }

    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text: hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a store says of an object.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Size, time and version.
    pub info: ObjectInfo,
    /// The mark that it carries.
    pub mark: Option<String>,
}

/// Which bytes to fetch, of which version.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// The first byte, counted from 0.
    pub offset: u64,
    /// How many bytes at the most, at least 1; `None` for all that follow.
    pub length: Option<u64>,
    /// Only of this version.
    pub version: Option<Box<str>>,
}

/// An answer with a body.
pub struct Fetched {
    /// Facts about the whole object.
    pub info: ObjectInfo,
    /// The bytes of the span, cut at the object's end.
    pub body: ByteStream,
}

/// Which names to list.
#[derive(Debug, Clone)]
pub struct Query {
    /// Names that begin so.
    pub prefix: String,
    /// Names after this text, in byte order. A store may give names before it again: they are passed over.
    pub after: Option<String>,
    /// Where the page before ended, in the store's own words; then `after` has no meaning.
    pub token: Option<String>,
    /// Whether names that go on after a `/` are joined up to it.
    pub joined: bool,
    /// At most so many.
    pub limit: u32,
}

/// A page of names.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Objects, with what the store says of each.
    pub objects: Vec<(String, Option<ObjectInfo>)>,
    /// Joined names, each with its final `/`.
    pub joined: Vec<String>,
    /// Where the next page begins; `None` at the end.
    pub token: Option<String>,
}

/// A part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// From 1 on.
    pub number: u32,
    /// The store's tag of its bytes.
    pub tag: String,
}

/// A multipart upload in progress.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The object that it will be.
    pub name: String,
    /// The store's id.
    pub upload: String,
    /// When it was begun, in milliseconds since 1970-01-01 UTC.
    pub begun: i64,
}
