//! The calls of the contract and their answers, as frames carry them.

use longshore_plugin_api::{
    ByteRange, Bytes, Condition, DriverError, KeyBuf, ListPage, ListRequest, Method, ObjectInfo, PrefixBuf, UploadToken,
};

use super::codec::{Reader, Writer};
use super::frame::Garbage;
use super::slots::{SLOT_BYTES, Slots};
use crate::handle::CallKind;

/// A body of fewer bytes travels in its frame: a slot would cost more than it saves.
const SLOT_FROM_BYTES: usize = 16 * 1024;

/// A call with all that it needs.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Stat(KeyBuf),
    Read(KeyBuf, ByteRange),
    Put(KeyBuf, Condition, Bytes),
    List {
        prefix: PrefixBuf,
        start_after: Option<String>,
        limit: u32,
        recursive: bool,
    },
    Delete(KeyBuf),
    UploadBegin(Option<KeyBuf>),
    UploadResume(UploadToken),
    /// Calls of an upload name the call that began it.
    Write(u64, Bytes),
    Suspend(u64),
    Commit(u64, KeyBuf, u64),
    Abort(u64),
    Health,
    Close,
    DeletePrefix(PrefixBuf),
    Copy(KeyBuf, KeyBuf),
    Presign(KeyBuf, Method, u64),
    UploadList(u64),
}

impl Request {
    pub(super) fn list(request: &ListRequest<'_>) -> Self {
        let start_after = request.start_after.map(str::to_owned);
        Self::List { prefix: request.prefix.to_owned(), start_after, limit: request.limit, recursive: request.recursive }
    }

    pub(super) fn kind(&self) -> CallKind {
        match self {
            Self::Stat(_) => CallKind::Stat,
            Self::Read(..) => CallKind::Read,
            Self::Put(..) => CallKind::Put,
            Self::List { .. } => CallKind::List,
            Self::Delete(_) => CallKind::Delete,
            Self::UploadBegin(_) => CallKind::UploadBegin,
            Self::UploadResume(_) => CallKind::UploadResume,
            Self::Write(..) => CallKind::Write,
            Self::Suspend(_) => CallKind::Suspend,
            Self::Commit(..) => CallKind::Commit,
            Self::Abort(_) => CallKind::Abort,
            Self::Health => CallKind::Health,
            Self::Close => CallKind::Close,
            Self::DeletePrefix(_) => CallKind::DeletePrefix,
            Self::Copy(..) => CallKind::Copy,
            Self::Presign(..) => CallKind::Presign,
            Self::UploadList(_) => CallKind::UploadList,
        }
    }

    /// True if asking twice is the same as asking once.
    pub(super) fn only_reads(&self) -> bool {
        use CallKind::{Health, List, Presign, Read, Stat, UploadList};
        matches!(self.kind(), Stat | Read | List | Health | Presign | UploadList)
    }

    /// What the call is about, for reports; `None` if it has no name.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Self::Stat(key) | Self::Read(key, _) | Self::Put(key, ..) | Self::Delete(key) | Self::UploadBegin(Some(key)) => {
                Some(key.as_str())
            }
            Self::Commit(_, key, _) | Self::Copy(key, _) | Self::Presign(key, ..) => Some(key.as_str()),
            Self::List { prefix, .. } | Self::DeletePrefix(prefix) => Some(prefix.as_str()),
            _ => None,
        }
    }

    pub(super) fn write(&self, out: &mut Writer<'_>, slots: &Slots) {
        out.u8(self.kind() as u8);
        match self {
            Self::Stat(key) | Self::Delete(key) => out.text(key.as_str()),
            Self::Read(key, range) => {
                out.text(key.as_str());
                out.range(*range);
            }
            Self::Put(key, condition, bytes) => {
                out.text(key.as_str());
                out.condition(*condition);
                write_body(out, slots, bytes);
            }
            Self::List { prefix, start_after, limit, recursive } => {
                out.text(prefix.as_str());
                out.option(start_after.as_deref(), Writer::text);
                out.u32(*limit);
                out.flag(*recursive);
            }
            Self::UploadBegin(destination) => out.option(destination.as_ref(), |out, key| out.text(key.as_str())),
            Self::UploadResume(token) => out.bytes(token.as_bytes()),
            Self::Write(upload, bytes) => {
                out.u64(*upload);
                write_body(out, slots, bytes);
            }
            Self::Suspend(upload) | Self::Abort(upload) => out.u64(*upload),
            Self::Commit(upload, destination, size) => {
                out.u64(*upload);
                out.text(destination.as_str());
                out.u64(*size);
            }
            Self::Health | Self::Close => {}
            Self::DeletePrefix(prefix) => out.text(prefix.as_str()),
            Self::Copy(from, to) => {
                out.text(from.as_str());
                out.text(to.as_str());
            }
            Self::Presign(key, method, expires_ms) => {
                out.text(key.as_str());
                out.method(*method);
                out.u64(*expires_ms);
            }
            Self::UploadList(older_than_ms) => out.u64(*older_than_ms),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>, slots: &Slots) -> Result<Self, Garbage> {
        let number = from.u8()?;
        let kind = CallKind::ALL.get(usize::from(number)).ok_or_else(|| Garbage::new(format!("the unknown call {number}")))?;
        Ok(match kind {
            CallKind::Stat => Self::Stat(from.key()?),
            CallKind::Read => Self::Read(from.key()?, from.range()?),
            CallKind::Put => Self::Put(from.key()?, from.condition()?, copied_body(from, slots)?),
            CallKind::List => {
                let (prefix, start_after) = (from.prefix()?, from.option(Reader::text)?.map(str::to_owned));
                Self::List { prefix, start_after, limit: from.u32()?, recursive: from.flag()? }
            }
            CallKind::Delete => Self::Delete(from.key()?),
            CallKind::UploadBegin => Self::UploadBegin(from.option(Reader::key)?),
            CallKind::UploadResume => Self::UploadResume(from.token()?),
            CallKind::Write => Self::Write(from.u64()?, copied_body(from, slots)?),
            CallKind::Suspend => Self::Suspend(from.u64()?),
            CallKind::Commit => Self::Commit(from.u64()?, from.key()?, from.u64()?),
            CallKind::Abort => Self::Abort(from.u64()?),
            CallKind::Health => Self::Health,
            CallKind::Close => Self::Close,
            CallKind::DeletePrefix => Self::DeletePrefix(from.prefix()?),
            CallKind::Copy => Self::Copy(from.key()?, from.key()?),
            CallKind::Presign => Self::Presign(from.key()?, from.method()?, from.u64()?),
            CallKind::UploadList => Self::UploadList(from.u64()?),
        })
    }
}

/// What a call answers; bodies that are streams or files come beside it.
#[derive(Debug)]
pub(super) enum Answer {
    Unit,
    Info(ObjectInfo),
    ReadBytes(ObjectInfo, Bytes),
    ReadStream(ObjectInfo),
    ReadFile(ObjectInfo, u64, u64),
    Page(ListPage),
    /// Where an upload stands.
    Offset(u64),
    Token(UploadToken),
    Url(String),
    Tokens(Vec<UploadToken>),
    Error(DriverError),
}

impl Answer {
    pub(super) fn write(&self, out: &mut Writer<'_>, slots: &Slots) {
        match self {
            Self::Unit => out.u8(0),
            Self::Info(info) => {
                out.u8(1);
                out.info(info);
            }
            Self::ReadBytes(info, bytes) => {
                out.u8(2);
                out.info(info);
                write_body(out, slots, bytes);
            }
            Self::ReadStream(info) => {
                out.u8(3);
                out.info(info);
            }
            Self::ReadFile(info, offset, length) => {
                out.u8(4);
                out.info(info);
                out.u64(*offset);
                out.u64(*length);
            }
            Self::Page(page) => {
                out.u8(5);
                out.page(page);
            }
            Self::Offset(offset) => {
                out.u8(6);
                out.u64(*offset);
            }
            Self::Token(token) => {
                out.u8(7);
                out.bytes(token.as_bytes());
            }
            Self::Url(url) => {
                out.u8(8);
                out.text(url);
            }
            Self::Tokens(tokens) => {
                out.u8(9);
                out.list(tokens.iter(), |out, token| out.bytes(token.as_bytes()));
            }
            Self::Error(error) => {
                out.u8(10);
                out.error(error);
            }
        }
    }

    pub(super) fn read(payload: &Bytes, slots: &std::sync::Arc<Slots>) -> Result<Self, Garbage> {
        let mut from = Reader::new(payload);
        let answer = match from.u8()? {
            0 => Self::Unit,
            1 => Self::Info(from.info()?),
            2 => Self::ReadBytes(from.info()?, lent_body(&mut from, slots)?),
            3 => Self::ReadStream(from.info()?),
            4 => Self::ReadFile(from.info()?, from.u64()?, from.u64()?),
            5 => Self::Page(from.page()?),
            6 => Self::Offset(from.u64()?),
            7 => Self::Token(from.token()?),
            8 => Self::Url(from.text()?.to_owned()),
            9 => Self::Tokens(from.list(Reader::token)?),
            10 => Self::Error(from.error()?),
            other => return Err(Garbage::new(format!("an answer of the unknown kind {other}"))),
        };
        from.end()?;
        Ok(answer)
    }
}

/// A body, through a slot if it is worth it and one is free, else in the frame: nobody waits for a slot.
pub(super) fn write_body(out: &mut Writer<'_>, slots: &Slots, bytes: &Bytes) {
    let worth_it = (SLOT_FROM_BYTES..=SLOT_BYTES).contains(&bytes.len());
    match worth_it.then(|| slots.put(bytes)).flatten() {
        Some(slot) => {
            out.u8(1);
            out.u32(slot);
            // A slot's length fits in 32 bits.
            out.u32(bytes.len() as u32);
        }
        None => {
            out.u8(0);
            out.bytes(bytes);
        }
    }
}

enum Body {
    Inline(Bytes),
    Slot(u32, usize),
}

fn body(from: &mut Reader<'_>) -> Result<Body, Garbage> {
    Ok(if from.flag()? { Body::Slot(from.u32()?, from.u32()? as usize) } else { Body::Inline(from.bytes()?) })
}

/// A body that is still in its slot, which it frees when it is dropped.
pub(super) fn lent_body(from: &mut Reader<'_>, slots: &std::sync::Arc<Slots>) -> Result<Bytes, Garbage> {
    match body(from)? {
        Body::Inline(bytes) => Ok(bytes),
        Body::Slot(slot, length) => slots.lend(slot, length),
    }
}

/// A body that may be kept: a driver may hold on to what it is given, and would hold on to the slot.
fn copied_body(from: &mut Reader<'_>, slots: &Slots) -> Result<Bytes, Garbage> {
    match body(from)? {
        Body::Inline(bytes) => Ok(bytes),
        Body::Slot(slot, length) => slots.take(slot, length),
    }
}
