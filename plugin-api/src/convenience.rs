//! Whole objects, text, JSON and copies: helpers written once over the trait, for drivers, hosts and tests alike.

use std::future::poll_fn;
use std::os::unix::fs::FileExt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, Key, ListRequest, ObjectInfo, Prefix, Read, ReadBody, Upload,
};

/// How much of a file region is read at a time, in bytes.
const CHUNK_BYTES: u64 = 256 * 1024;

/// Reads a whole object of at most `max_bytes`.
///
/// # Errors
/// As [`Driver::read`]; `full` if the object is larger; `broken` if the driver delivers another number of bytes than it promised.
pub async fn get<D: Driver>(driver: &D, call: &Call, key: &Key, max_bytes: u64) -> Result<Bytes, DriverError> {
    let read = driver.read(call, key, ByteRange::ALL).await?;
    let size = read.info.size;
    if size > max_bytes {
        return Err(DriverError::new(ErrorClass::Full, format!("{key} has {size} bytes, at most {max_bytes} are wanted")));
    }
    collect(read, size).await
}

/// The bytes of a read, of which there must be exactly `length`.
///
/// # Errors
/// Those of the stream; `broken` for another number of bytes.
pub async fn collect(read: Read, length: u64) -> Result<Bytes, DriverError> {
    let wrong = |got: u64| DriverError::new(ErrorClass::Broken, format!("the driver promised {length} bytes and delivered {got}"));
    let mut body = Body::new(read.body);
    let mut whole: Vec<u8> = Vec::new();
    while let Some(chunk) = body.next().await? {
        if whole.is_empty() && chunk.len() as u64 == length {
            return Ok(chunk);
        }
        whole.extend_from_slice(&chunk);
        if whole.len() as u64 > length {
            return Err(wrong(whole.len() as u64));
        }
    }
    if whole.len() as u64 == length { Ok(whole.into()) } else { Err(wrong(whole.len() as u64)) }
}

/// A body of any kind, chunk by chunk. A file region is read with calls that may block.
pub struct Body(ReadBody);

impl Body {
    /// The chunks of `body`.
    pub fn new(body: ReadBody) -> Self {
        Self(body)
    }

    /// The next chunk, or `None` at the end.
    ///
    /// # Errors
    /// Those of the stream or of the file; `broken` if the file is shorter than its region.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DriverError> {
        match &mut self.0 {
            ReadBody::Bytes(bytes) => {
                let all = std::mem::take(bytes);
                Ok((!all.is_empty()).then_some(all))
            }
            ReadBody::Stream(stream) => poll_fn(|context| stream.as_mut().poll_next(context)).await.transpose(),
            ReadBody::File(region) => {
                let mut chunk = vec![0; usize::try_from(region.length.min(CHUNK_BYTES)).unwrap_or(0)];
                if chunk.is_empty() {
                    return Ok(None);
                }
                let file = std::fs::File::from(region.file.try_clone()?);
                file.read_exact_at(&mut chunk, region.offset)
                    .map_err(|error| DriverError::from(error).caused_by("offset", region.offset))?;
                region.offset += chunk.len() as u64;
                region.length -= chunk.len() as u64;
                Ok(Some(chunk.into()))
            }
        }
    }
}

/// Reads a whole object of at most `max_bytes` as UTF-8.
///
/// # Errors
/// As [`get`]; `corrupt` if it is not UTF-8.
pub async fn get_text<D: Driver>(driver: &D, call: &Call, key: &Key, max_bytes: u64) -> Result<String, DriverError> {
    let bytes = get(driver, call, key, max_bytes).await?;
    String::from_utf8(bytes.into()).map_err(|error| DriverError::new(ErrorClass::Corrupt, format!("{key} is not text: {error}")))
}

/// Writes text as a whole object.
///
/// # Errors
/// As [`Driver::put`].
pub async fn put_text<D: Driver>(driver: &D, call: &Call, key: &Key, text: impl Into<String>) -> Result<ObjectInfo, DriverError> {
    driver.put(call, key, Bytes::from(text.into()), Condition::Always).await
}

/// Reads a whole object of at most `max_bytes` as JSON.
///
/// # Errors
/// As [`get`]; `corrupt` if it does not fit the type.
pub async fn get_json<D: Driver, T: DeserializeOwned>(driver: &D, call: &Call, key: &Key, max_bytes: u64) -> Result<T, DriverError> {
    let bytes = get(driver, call, key, max_bytes).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| DriverError::new(ErrorClass::Corrupt, format!("{key} is not the JSON that was expected: {error}")))
}

/// Writes a value as JSON.
///
/// # Errors
/// As [`Driver::put`]; `invalid_argument` if the value has no JSON form.
pub async fn put_json<D: Driver, T: Serialize + Sync>(driver: &D, call: &Call, key: &Key, value: &T) -> Result<ObjectInfo, DriverError> {
    let json = serde_json::to_vec(value).map_err(|error| DriverError::new(ErrorClass::InvalidArgument, error.to_string()))?;
    driver.put(call, key, json.into(), Condition::Always).await
}

/// Copies an object from one driver to another (or the same), as a stream.
///
/// # Errors
/// Those of both drivers; the upload is aborted on any.
pub async fn copy_stream<A: Driver, B: Driver>(from: (&A, &Key), to: (&B, &Key), call: &Call) -> Result<ObjectInfo, DriverError> {
    let mut body = Body::new(from.0.read(call, from.1, ByteRange::ALL).await?.body);
    let mut upload = to.0.upload_begin(call, Some(to.1)).await?;
    let moved = async {
        while let Some(chunk) = body.next().await? {
            upload.write(call, chunk).await?;
        }
        let size = upload.offset();
        upload.commit(call, to.1, size).await
    };
    let moved = moved.await;
    if moved.is_err() {
        upload.abort(call).await?;
    }
    moved
}

/// Whether an object is there.
///
/// # Errors
/// As [`Driver::stat`], but for `not_found`.
pub async fn exists<D: Driver>(driver: &D, call: &Call, key: &Key) -> Result<bool, DriverError> {
    match driver.stat(call, key).await {
        Ok(_) => Ok(true),
        Err(error) if error.class() == ErrorClass::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes all keys below `prefix` by listing them: what a host does for drivers without the capability `delete_prefix`.
///
/// # Errors
/// As [`Driver::list`] and [`Driver::delete`]; keys that vanish meanwhile are no error.
pub async fn delete_by_listing<D: Driver>(driver: &D, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
    let mut found = false;
    loop {
        let page = match driver.list(call, &ListRequest::objects(prefix, 1000)).await {
            Err(error) if error.class() == ErrorClass::NotFound && found => return Ok(()),
            page => page?,
        };
        for entry in &page.entries {
            if let crate::Entry::Object(key, _) = entry {
                match driver.delete(call, key).await {
                    Err(error) if error.class() != ErrorClass::NotFound => return Err(error),
                    _ => found = true,
                }
            }
        }
        if !page.more {
            return Ok(());
        }
    }
}
