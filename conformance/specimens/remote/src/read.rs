//! `stat` and `read`: what the head of an answer tells of an object, and a body as it comes.

use std::io::{self, Read};
use std::sync::Arc;

use longshore_plugin_api::blocking::{BlockingBody, BlockingRead};
use longshore_plugin_api::{ByteRange, Bytes, DriverError, ErrorClass, Key, ObjectInfo};

use crate::client::{Answer, Body, Client, Connection, Request};
use crate::flaw::Flaw;
use crate::message::{Head, escaped};

/// The longest name of an object, as if the service had no longer ones.
pub(crate) const NAME_MAX_BYTES: usize = 1000;

/// The refusal of a key that the service has no name for (driver contract, section 1).
pub(crate) fn too_long(key: &Key) -> DriverError {
    let length = key.as_str().len();
    DriverError::new(ErrorClass::InvalidKey, format!("the key has {length} bytes, and the service's names at most {NAME_MAX_BYTES}"))
}

/// What a head tells of its object.
pub(crate) fn info(head: &Head) -> Result<ObjectInfo, DriverError> {
    let missing = |name| DriverError::new(ErrorClass::Broken, format!("the service's answer tells no {name}"));
    Ok(ObjectInfo {
        size: head.number("x-size").ok_or_else(|| missing("size"))?,
        modified: head.field("x-modified").and_then(|value| value.parse().ok()).ok_or_else(|| missing("time"))?,
        version: head.field("etag").map(Into::into),
    })
}

impl Client {
    /// The service's name of an object, escaped.
    pub(crate) fn name(&self, key: &Key) -> Result<String, DriverError> {
        let max = if self.has(Flaw::RefusesSoon) { NAME_MAX_BYTES / 2 } else { NAME_MAX_BYTES };
        let text = key.as_str();
        match text.get(..max) {
            Some(cut) if text.len() > max && self.has(Flaw::CutsLongKeys) => Ok(escaped(cut)),
            Some(_) if text.len() > max && !self.has(Flaw::RefusesLongPuts) => Err(too_long(key)),
            _ => Ok(escaped(text)),
        }
    }

    /// The path of an object.
    pub(crate) fn object(&self, key: &Key) -> Result<String, DriverError> {
        Ok(format!("/objects/{}", self.name(key)?))
    }

    pub(crate) fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> {
        info(&self.ask(&Request::new("HEAD", self.object(key)?, key), &[200])?.head)
    }

    pub(crate) fn read(self: &Arc<Self>, key: &Key, range: ByteRange) -> Result<BlockingRead, DriverError> {
        let mut request = Request::new("GET", self.object(key)?, key);
        match range.length {
            None if range.offset == 0 => {}
            None => request = request.with("Range", format_args!("bytes={}-", range.offset)),
            Some(length) => match range.offset.checked_add(length).and_then(|end| end.checked_sub(1)) {
                Some(last) if length > 0 => request = request.with("Range", format_args!("bytes={}-{last}", range.offset)),
                // HTTP has no name for a range without bytes, nor for one that ends nowhere.
                _ => return empty(self.stat(key)?, range),
            },
        }
        let Answer { status, head, body } = self.ask(&request, &[200, 206, 416])?;
        let info = info(&head)?;
        if status == 416 {
            return empty(info, range);
        }
        let body = match body {
            Body::Whole(bytes) => BlockingBody::Bytes(bytes),
            Body::Stream { connection, length } => {
                BlockingBody::Reader(Box::new(Reader { client: self.clone(), connection: Some(connection), left: length }))
            }
        };
        Ok(BlockingRead { info, body })
    }
}

/// The answer to a range without bytes, or the error that it is.
fn empty(info: ObjectInfo, range: ByteRange) -> Result<BlockingRead, DriverError> {
    range.within(info.size)?;
    Ok(BlockingRead { info, body: BlockingBody::Bytes(Bytes::new()) })
}

/// A body that is read as it is asked for.
struct Reader {
    client: Arc<Client>,
    /// Kept for another request once the body is read.
    connection: Option<Connection>,
    left: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(connection) = self.connection.as_mut() else { return Ok(0) };
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        connection.get_mut().wait_until(self.client.patience());
        let got = connection.read(&mut buffer[..wanted]).map_err(told)?;
        if got == 0 && wanted > 0 && !self.client.has(Flaw::CutBodyIsWhole) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the answer ended {} bytes early", self.left)));
        }
        self.left -= got as u64;
        if self.left == 0 {
            self.connection.take().into_iter().for_each(|connection| self.client.keep(connection));
        }
        Ok(got)
    }
}

/// An error in the kinds from which the contract's classes are made: `timeout`, or `broken` for what was dropped half-way.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::new(io::ErrorKind::TimedOut, "the answer stopped half-way"),
        io::ErrorKind::Interrupted => error,
        _ => io::Error::new(io::ErrorKind::UnexpectedEof, format!("the answer broke off: {error}")),
    }
}
