//! A read of a driver in C: bytes, a file or a stream, each with exactly the bytes that were asked for.

use std::os::fd::{IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures_core::Stream;
use longshore_plugin_api::{ByteRange, Bytes, Call, DriverError, FileRegion, ObjectInfo, Read, ReadBody};

use super::answer::broken;
use super::calls::{Opened, Reader};
use super::instance::{Handle, Instance};
use super::lend::{Context, GiveUp, OwnText};
use super::pool::Job;
use crate::services::Services;

/// How much room a driver is given for one chunk, in bytes.
const ROOM_BYTES: u64 = 256 * 1024;

/// What the first blocking job of a read found.
pub(crate) enum Begun {
    Whole(ObjectInfo, Bytes),
    File(ObjectInfo, FileRegion),
    /// The first chunk, and how many bytes come after it.
    Stream(ObjectInfo, Bytes, Handle<Reader>, u64),
}

/// Opens a read and takes its first chunk, so that a small object costs one hop to a blocking thread; blocks.
pub(crate) fn begin(
    instance: &Arc<Instance>,
    context: &Context,
    key: &OwnText,
    range: ByteRange,
    may_give_files: bool,
) -> Result<Begun, DriverError> {
    let (Opened { info, file, file_offset }, reader) = instance.begin(|calls, driver| calls.read_open(driver, context, key, range))?;
    let info = info?;
    let length = range.within(info.size)?;
    match (file, reader) {
        (Some(_), _) if !may_give_files => Err(broken("a file without the capability file_region")),
        (Some(_), Some(_)) => Err(broken("a file and a reader to one read")),
        (Some(file), None) => region(file, file_offset, length).map(|region| Begun::File(info, region)),
        (None, Some(reader)) if length == 0 => {
            reader.end();
            Ok(Begun::Whole(info, Bytes::new()))
        }
        (None, Some(reader)) => first_chunk(info, reader, context, length),
        (None, None) => Err(broken("a read without a body")),
    }
}

fn first_chunk(info: ObjectInfo, reader: Handle<Reader>, context: &Context, length: u64) -> Result<Begun, DriverError> {
    let first = chunk(&reader, context, length)?;
    let left = length - first.len() as u64;
    if left > 0 {
        return Ok(Begun::Stream(info, first, reader, left));
    }
    reader.end();
    Ok(Begun::Whole(info, first))
}

/// The next chunk of a body of which `left` bytes are left, more than none; blocks.
fn chunk(reader: &Handle<Reader>, context: &Context, left: u64) -> Result<Bytes, DriverError> {
    let room_max = left.min(ROOM_BYTES) as usize;
    let bytes = reader.call(|calls, reader| calls.read_next(reader, context, room_max))?;
    match bytes.len() as u64 {
        0 => Err(broken(format_args!("a body that ends {left} bytes early"))),
        got if got > left => Err(broken(format_args!("{got} bytes of a body of which {left} are left"))),
        _ => Ok(bytes),
    }
}

/// A place in a file, if it is there: the host sends it without looking at its bytes.
fn region(file: OwnedFd, offset: u64, length: u64) -> Result<FileRegion, DriverError> {
    let stat = match rustix::fs::fstat(&file) {
        Ok(stat) => stat,
        Err(errno) => {
            // A number that is no descriptor is nobody's to close; meanwhile it may have become somebody's.
            let _ = file.into_raw_fd();
            return Err(broken(format_args!("a descriptor that is none: {errno}")));
        }
    };
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(broken("a descriptor that is no regular file"));
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(broken(format_args!("{length} bytes at {offset} of a file of {size}")));
    }
    Ok(FileRegion { file, offset, length })
}

/// The answer to a read.
pub(crate) fn answer(begun: Begun) -> Result<Read, DriverError> {
    let (info, body) = match begun {
        Begun::Whole(info, bytes) => (info, ReadBody::Bytes(bytes)),
        Begun::File(info, region) => (info, ReadBody::File(region)),
        Begun::Stream(info, first, reader, left) => (info, ReadBody::Stream(Box::pin(Chunks::new(first, reader, left)?))),
    };
    Ok(Read { info, body })
}

/// A body in chunks, of which one is read ahead.
struct Chunks {
    reader: Arc<Handle<Reader>>,
    services: Arc<Services>,
    ready: Option<Bytes>,
    next: Option<Next>,
    /// How many bytes come after `ready` and before the end.
    left: u64,
}

/// A chunk under way; dropping it gives the call up.
struct Next {
    job: Job<Bytes>,
    _give_up: GiveUp,
}

impl Chunks {
    fn new(first: Bytes, reader: Handle<Reader>, left: u64) -> Result<Self, DriverError> {
        let services = reader.instance()?.host().services().clone();
        let mut chunks = Self { reader: Arc::new(reader), services, ready: Some(first), next: None, left };
        chunks.read_ahead();
        Ok(chunks)
    }

    fn read_ahead(&mut self) {
        self.next = (self.left > 0).then(|| {
            let (context, give_up) = Context::new(&Call::unbounded());
            let (reader, left) = (self.reader.clone(), self.left);
            Next { job: Job::begin(&self.services, move || chunk(&reader, &context, left)), _give_up: give_up }
        });
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, DriverError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.ready.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(next) = self.next.as_mut() else { return Poll::Ready(None) };
        let answer = ready!(Pin::new(&mut next.job).poll(context));
        self.next = None;
        if let Ok(bytes) = &answer {
            self.left -= bytes.len() as u64;
            self.read_ahead();
        }
        Poll::Ready(Some(answer))
    }
}
