//! A driver in a child as a [`Driver`]: each call is asked of the child, and once more of the next one where that changes nothing.

use std::sync::Arc;

use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, Driver, DriverError, ErrorClass, FileRegion, Key, ListPage, ListRequest, Method, ObjectInfo, Prefix,
    Read, ReadBody, Upload, UploadToken,
};
use rustix::fs::{FileType, OFlags};

use super::frame::FRAME_MAX_BYTES;
use super::link::{Lost, Reply, Ticket};
use super::message::{Answer, Request};
use super::slots::SLOT_BYTES;
use super::stream::Chunks;
use super::supervisor::Supervisor;

/// The largest object of a `put`: it has to fit in a frame.
const PUT_MAX_BYTES: usize = FRAME_MAX_BYTES / 2;

/// An instance whose driver runs in a child. Dropping it ends the child.
pub(super) struct Isolated {
    pub(super) supervisor: Arc<Supervisor>,
}

impl Drop for Isolated {
    fn drop(&mut self) {
        self.supervisor.close();
    }
}

/// Ends the child when it is dropped: a close that passes its deadline is dropped where it stands.
struct Ending<'a>(&'a Supervisor);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Isolated {
    /// Asks the child; a call that only reads is asked of the next child too, if this one ends.
    async fn ask(&self, call: &Call, request: &Request) -> Result<(Reply, Ticket), DriverError> {
        let mut again = request.only_reads();
        loop {
            let link = self.supervisor.link().await?;
            match link.ask(call, request).await {
                Ok((Reply { answer: Answer::Error(error), .. }, ticket)) => {
                    ticket.done();
                    return Err(error);
                }
                Ok(answered) => return Ok(answered),
                Err(Lost) if again => again = false,
                Err(Lost) => return Err(self.lost(request)),
            }
        }
    }

    fn lost(&self, request: &Request) -> DriverError {
        if self.supervisor.is_closed() {
            return DriverError::closed();
        }
        let outcome = if request.only_reads() { "twice" } else { "before it answered, and what it did is not known" };
        let message = format!("the driver's process ended during {}, {outcome}", request.kind().name());
        DriverError::new(ErrorClass::Broken, message)
    }

    /// A call whose answer is all of it.
    async fn answer(&self, call: &Call, request: &Request) -> Result<Answer, DriverError> {
        let (reply, ticket) = self.ask(call, request).await?;
        ticket.done();
        Ok(reply.answer)
    }

    async fn info(&self, call: &Call, request: &Request) -> Result<ObjectInfo, DriverError> {
        match self.answer(call, request).await? {
            Answer::Info(info) => Ok(info),
            other => Err(nonsense(request, &other)),
        }
    }

    async fn done(&self, call: &Call, request: &Request) -> Result<(), DriverError> {
        match self.answer(call, request).await? {
            Answer::Unit => Ok(()),
            other => Err(nonsense(request, &other)),
        }
    }

    async fn begin(&self, call: &Call, request: &Request) -> Result<IsolatedUpload, DriverError> {
        let (reply, ticket) = self.ask(call, request).await?;
        match reply.answer {
            Answer::Offset(offset) => Ok(IsolatedUpload { ticket, offset }),
            other => Err(nonsense(request, &other)),
        }
    }
}

fn nonsense(request: &Request, answer: &Answer) -> DriverError {
    let kind = match answer {
        Answer::Unit => "nothing",
        Answer::Info(_) => "the facts of an object",
        Answer::ReadBytes(..) | Answer::ReadStream(_) | Answer::ReadFile(..) => "a body",
        Answer::Page(_) => "a page",
        Answer::Offset(_) => "an offset",
        Answer::Token(_) => "a token",
        Answer::Url(_) => "a URL",
        Answer::Tokens(_) => "tokens",
        Answer::Error(_) => "an error",
    };
    DriverError::new(ErrorClass::Broken, format!("the driver's process answered {} with {kind}", request.kind().name()))
}

impl Driver for Isolated {
    type Upload = IsolatedUpload;

    async fn stat(&self, call: &Call, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.info(call, &Request::Stat(key.to_owned())).await
    }

    async fn read(&self, call: &Call, key: &Key, range: ByteRange) -> Result<Read, DriverError> {
        let request = Request::Read(key.to_owned(), range);
        let (Reply { answer, file, chunks }, ticket) = self.ask(call, &request).await?;
        let (info, body) = match (answer, file, chunks) {
            (Answer::ReadBytes(info, bytes), None, None) => {
                ticket.done();
                (info, ReadBody::Bytes(bytes))
            }
            (Answer::ReadStream(info), None, Some(chunks)) => {
                (info, ReadBody::Stream(Box::pin(Chunks::new(chunks, ticket, self.supervisor.origin().clone()))))
            }
            (Answer::ReadFile(info, offset, length), Some(file), None) => {
                ticket.done();
                check_file(&file)?;
                (info, ReadBody::File(FileRegion { file, offset, length }))
            }
            (other, ..) => return Err(nonsense(&request, &other)),
        };
        Ok(Read { info, body })
    }

    async fn put(&self, call: &Call, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        if bytes.len() > PUT_MAX_BYTES {
            let message = format!("a put of {} bytes; to an isolated driver it has at most {PUT_MAX_BYTES}", bytes.len());
            return Err(DriverError::new(ErrorClass::InvalidArgument, message));
        }
        self.info(call, &Request::Put(key.to_owned(), condition, bytes)).await
    }

    async fn list(&self, call: &Call, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let request = Request::list(request);
        match self.answer(call, &request).await? {
            Answer::Page(page) => Ok(page),
            other => Err(nonsense(&request, &other)),
        }
    }

    async fn delete(&self, call: &Call, key: &Key) -> Result<(), DriverError> {
        self.done(call, &Request::Delete(key.to_owned())).await
    }

    async fn upload_begin(&self, call: &Call, destination: Option<&Key>) -> Result<IsolatedUpload, DriverError> {
        self.begin(call, &Request::UploadBegin(destination.map(ToOwned::to_owned))).await
    }

    async fn upload_resume(&self, call: &Call, token: &UploadToken) -> Result<IsolatedUpload, DriverError> {
        self.begin(call, &Request::UploadResume(token.clone())).await
    }

    async fn health(&self, call: &Call) -> Result<(), DriverError> {
        self.done(call, &Request::Health).await
    }

    /// Ends the child too, whatever the driver answers, and also if nobody waits for that any more.
    async fn close(&self, call: &Call) -> Result<(), DriverError> {
        let ending = Ending(&self.supervisor);
        let closed = match self.supervisor.link_if_serving() {
            Some(link) => match link.ask(call, &Request::Close).await {
                Ok((Reply { answer, .. }, ticket)) => {
                    ticket.done();
                    if let Answer::Error(error) = answer { Err(error) } else { Ok(()) }
                }
                // What ended needs no closing.
                Err(Lost) => Ok(()),
            },
            None => Ok(()),
        };
        drop(ending);
        self.supervisor.ended().await;
        closed
    }

    async fn delete_prefix(&self, call: &Call, prefix: &Prefix) -> Result<(), DriverError> {
        self.done(call, &Request::DeletePrefix(prefix.to_owned())).await
    }

    async fn copy(&self, call: &Call, from: &Key, to: &Key) -> Result<ObjectInfo, DriverError> {
        self.info(call, &Request::Copy(from.to_owned(), to.to_owned())).await
    }

    async fn presign(&self, call: &Call, key: &Key, method: Method, expires_ms: u64) -> Result<String, DriverError> {
        let request = Request::Presign(key.to_owned(), method, expires_ms);
        match self.answer(call, &request).await? {
            Answer::Url(url) => Ok(url),
            other => Err(nonsense(&request, &other)),
        }
    }

    async fn upload_list(&self, call: &Call, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let request = Request::UploadList(older_than_ms);
        match self.answer(call, &request).await? {
            Answer::Tokens(tokens) => Ok(tokens),
            other => Err(nonsense(&request, &other)),
        }
    }
}

/// A child may hand over what is no file, and reading that could take for ever.
fn check_file(file: &std::os::fd::OwnedFd) -> Result<(), DriverError> {
    let regular = rustix::fs::fstat(file).is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::RegularFile);
    let readable = rustix::fs::fcntl_getfl(file).is_ok_and(|it| !it.intersects(OFlags::WRONLY | OFlags::PATH));
    if regular && readable {
        return Ok(());
    }
    Err(DriverError::new(ErrorClass::Broken, "the driver's process answered a read with a descriptor that is no readable file"))
}

/// An upload that a child holds.
pub(super) struct IsolatedUpload {
    ticket: Ticket,
    offset: u64,
}

impl IsolatedUpload {
    async fn ask(&self, call: &Call, request: &Request) -> Result<Answer, DriverError> {
        match self.ticket.link().ask(call, request).await {
            Ok((reply, ticket)) => {
                ticket.done();
                if let Answer::Error(error) = reply.answer { Err(error) } else { Ok(reply.answer) }
            }
            Err(Lost) => {
                let message = format!(
                    "the driver's process ended, and with it this upload (during {}); it may go on from its last token",
                    request.kind().name()
                );
                Err(DriverError::new(ErrorClass::Broken, message))
            }
        }
    }
}

impl Upload for IsolatedUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that do not fit in a slot are written one slot after the other.
    async fn write(&mut self, call: &Call, mut bytes: Bytes) -> Result<(), DriverError> {
        loop {
            let request = Request::Write(self.ticket.id(), bytes.split_to(bytes.len().min(SLOT_BYTES)));
            match self.ask(call, &request).await? {
                Answer::Offset(offset) => self.offset = offset,
                other => return Err(nonsense(&request, &other)),
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    async fn suspend(&mut self, call: &Call) -> Result<UploadToken, DriverError> {
        let request = Request::Suspend(self.ticket.id());
        match self.ask(call, &request).await? {
            Answer::Token(token) => Ok(token),
            other => Err(nonsense(&request, &other)),
        }
    }

    async fn commit(&mut self, call: &Call, destination: &Key, size: u64) -> Result<ObjectInfo, DriverError> {
        let request = Request::Commit(self.ticket.id(), destination.to_owned(), size);
        match self.ask(call, &request).await? {
            Answer::Info(info) => Ok(info),
            other => Err(nonsense(&request, &other)),
        }
    }

    async fn abort(&mut self, call: &Call) -> Result<(), DriverError> {
        let request = Request::Abort(self.ticket.id());
        match self.ask(call, &request).await? {
            Answer::Unit => Ok(()),
            other => Err(nonsense(&request, &other)),
        }
    }
}
