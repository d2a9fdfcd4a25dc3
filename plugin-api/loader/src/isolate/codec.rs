//! How values stand in a frame: little-endian integers, texts and lists after their length.

use longshore_plugin_api::{
    ByteRange, Bytes, Call, Condition, DriverError, Entry, ErrorClass, KeyBuf, ListPage, Method, ObjectInfo, PrefixBuf, UploadToken,
};

use super::frame::Garbage;

/// Appends values to a frame.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        // Longer ones make a frame that its reader refuses by its own length.
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(super) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn list<T>(&mut self, values: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
        values.for_each(|value| write(self, value));
    }

    pub(super) fn call(&mut self, call: &Call) {
        self.u64(call.deadline_unix_ms().unwrap_or(0));
        self.0.extend_from_slice(&call.trace_id().to_le_bytes());
    }

    pub(super) fn range(&mut self, range: ByteRange) {
        self.u64(range.offset);
        self.option(range.length, Self::u64);
    }

    pub(super) fn info(&mut self, info: &ObjectInfo) {
        self.u64(info.size);
        self.0.extend_from_slice(&info.modified.to_le_bytes());
        self.option(info.version.as_deref(), Self::text);
    }

    pub(super) fn error(&mut self, error: &DriverError) {
        self.u32(error.class() as u32);
        self.text(error.message());
        self.flag(error.is_retryable());
        self.option(error.retry_after(), Self::u32);
        self.option(error.origin(), Self::text);
        self.list(error.causes().iter(), |out, cause| {
            out.text(&cause.kind);
            out.text(&cause.value);
        });
    }

    pub(super) fn page(&mut self, page: &ListPage) {
        self.flag(page.more);
        self.list(page.entries.iter(), |out, entry| match entry {
            Entry::Object(key, info) => {
                out.u8(0);
                out.text(key.as_str());
                out.option(info.as_ref(), Self::info);
            }
            Entry::Prefix(prefix) => {
                out.u8(1);
                out.text(prefix.as_str());
            }
        });
    }

    pub(super) fn condition(&mut self, condition: Condition) {
        self.flag(condition == Condition::IfAbsent);
    }

    pub(super) fn method(&mut self, method: Method) {
        self.u8(match method {
            Method::Get => 0,
            Method::Head => 1,
            Method::Put => 2,
        });
    }
}

/// Takes values from a frame's payload.
pub(super) struct Reader<'a> {
    payload: &'a Bytes,
    at: usize,
}

type Taken<T> = Result<T, Garbage>;

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a Bytes) -> Self {
        Self { payload, at: 0 }
    }

    fn take(&mut self, length: usize) -> Taken<&'a [u8]> {
        let bytes = self.at.checked_add(length).and_then(|end| self.payload.get(self.at..end));
        let bytes = bytes.ok_or_else(|| Garbage::new(format!("a frame that ends before its value of {length} bytes")))?;
        self.at += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Taken<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Taken<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Taken<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Taken<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Taken<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Taken<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Garbage::new(format!("{other} where only yes or no can stand"))),
        }
    }

    /// Bytes that share the frame's memory.
    pub(super) fn bytes(&mut self) -> Taken<Bytes> {
        let length = self.u32()? as usize;
        let start = self.at;
        self.take(length)?;
        Ok(self.payload.slice(start..start + length))
    }

    pub(super) fn text(&mut self) -> Taken<&'a str> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|error| Garbage::new(format!("a text that is not UTF-8: {error}")))
    }

    pub(super) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Taken<T>) -> Taken<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Taken<T>) -> Taken<Vec<T>> {
        let count = self.u32()?;
        // Room is made as elements come, not as the count promises.
        (0..count).map(|_| read(self)).collect()
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Taken<()> {
        match self.payload.len() - self.at {
            0 => Ok(()),
            more => Err(Garbage::new(format!("a frame with {more} bytes after its last value"))),
        }
    }

    pub(super) fn call(&mut self) -> Taken<Call> {
        Ok(Call::new(self.u64()?, self.array().map(u128::from_le_bytes)?))
    }

    pub(super) fn key(&mut self) -> Taken<KeyBuf> {
        KeyBuf::new(self.text()?).map_err(|error| Garbage::new(format!("a bad key: {error}")))
    }

    pub(super) fn prefix(&mut self) -> Taken<PrefixBuf> {
        PrefixBuf::new(self.text()?).map_err(|error| Garbage::new(format!("a bad prefix: {error}")))
    }

    pub(super) fn range(&mut self) -> Taken<ByteRange> {
        Ok(ByteRange { offset: self.u64()?, length: self.option(Self::u64)? })
    }

    pub(super) fn token(&mut self) -> Taken<UploadToken> {
        UploadToken::new(self.bytes()?.to_vec()).map_err(|error| Garbage::new(error.message()))
    }

    pub(super) fn info(&mut self) -> Taken<ObjectInfo> {
        Ok(ObjectInfo { size: self.u64()?, modified: self.i64()?, version: self.option(Self::text)?.map(Into::into) })
    }

    pub(super) fn error(&mut self) -> Taken<DriverError> {
        let mut error = DriverError::new(ErrorClass::from_number(self.u32()?), self.text()?).with_retryable(self.flag()?);
        let retryable = error.is_retryable();
        if let Some(milliseconds) = self.option(Self::u32)? {
            error = error.retry_after_ms(milliseconds).with_retryable(retryable);
        }
        if let Some(origin) = self.option(Self::text)? {
            error = error.from_instance(origin);
        }
        let causes = self.list(|from| Ok((from.text()?, from.text()?)))?;
        Ok(causes.into_iter().fold(error, |error, (kind, value)| error.caused_by(kind, value)))
    }

    pub(super) fn page(&mut self) -> Taken<ListPage> {
        let more = self.flag()?;
        let entries = self.list(|from| match from.u8()? {
            0 => Ok(Entry::Object(from.key()?, from.option(Self::info)?)),
            1 => Ok(Entry::Prefix(from.prefix()?)),
            other => Err(Garbage::new(format!("an entry of the unknown kind {other}"))),
        })?;
        Ok(ListPage { entries, more })
    }

    pub(super) fn condition(&mut self) -> Taken<Condition> {
        Ok(if self.flag()? { Condition::IfAbsent } else { Condition::Always })
    }

    pub(super) fn method(&mut self) -> Taken<Method> {
        match self.u8()? {
            0 => Ok(Method::Get),
            1 => Ok(Method::Head),
            2 => Ok(Method::Put),
            other => Err(Garbage::new(format!("the unknown method {other} of presign"))),
        }
    }
}
