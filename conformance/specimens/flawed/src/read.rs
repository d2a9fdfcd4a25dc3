//! `stat` and `read`.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use longshore_plugin_api::blocking::{BlockingBody, BlockingRead};
use longshore_plugin_api::{ByteRange, DriverError, Key, ObjectInfo};

use crate::flaw::Flaw;
use crate::open::Opened;
use crate::write::remembered;

/// How long a stale version is answered, by the flaw that does so.
const STALE: Duration = Duration::from_millis(100);

/// What a file says of its object.
pub(crate) fn info(metadata: &Metadata) -> ObjectInfo {
    let modified = metadata.mtime().saturating_mul(1000).saturating_add(metadata.mtime_nsec() / 1_000_000);
    let version = format!("{}-{}.{}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
    ObjectInfo { version: Some(version.into()), ..ObjectInfo::new(metadata.len(), modified) }
}

impl Opened {
    pub(crate) fn stat(&self, key: &Key) -> Result<ObjectInfo, DriverError> {
        self.wait_for_readers();
        let path = self.object(key);
        self.no_link(&path)?;
        let metadata = path.symlink_metadata().map_err(|error| self.error(error, key))?;
        Ok(info(&metadata))
    }

    pub(crate) fn read(self: &Arc<Self>, key: &Key, range: ByteRange) -> Result<BlockingRead, DriverError> {
        self.wait_for_readers();
        let path = self.object(key);
        self.no_link(&path)?;
        if let Some(answer) = self.remembered_read(&path, range) {
            return answer;
        }
        let file = File::open(&path).map_err(|error| {
            if self.has(Flaw::LeaksDescriptors) {
                std::mem::forget(File::open(&self.root));
            }
            self.error(error, key)
        })?;
        let info = info(&file.metadata().map_err(|error| self.error(error, key))?);
        let range = self.confused(range, info.size);
        let length = match range.within(info.size) {
            Err(_) if self.has(Flaw::BeyondEndIsEmpty) => return Ok(BlockingRead { info, body: BlockingBody::Bytes("".into()) }),
            length => length?,
        };
        if self.has(Flaw::EndIsError) && range.offset == info.size && info.size > 0 {
            return Err(ByteRange::from(info.size + 1).within(info.size).err().unwrap_or_else(DriverError::closed));
        }
        let file = self.file(path, file);
        if self.has(Flaw::ReadsWhole) {
            let mut whole = vec![0; usize::try_from(info.size).unwrap_or(0)];
            file.read_exact_at(&mut whole, 0).map_err(|error| self.error(error, key))?;
        }
        if self.has(Flaw::SharesCursor) {
            (&*file).seek(SeekFrom::Start(range.offset)).map_err(|error| self.error(error, key))?;
        }
        if self.has(Flaw::OneReaderBlocksAll) {
            *self.busy.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        }
        let reader = Reader { opened: self.clone(), file, offset: range.offset, left: length };
        Ok(BlockingRead { info, body: BlockingBody::Reader(Box::new(reader)) })
    }

    /// The range that a flaw makes of `range`.
    fn confused(&self, mut range: ByteRange, size: u64) -> ByteRange {
        const PART: u64 = 256 * 1024;
        match self.flaw {
            Flaw::OffByOneAtParts if range.offset > 0 && range.offset.is_multiple_of(PART) && range.offset < size => range.offset -= 1,
            Flaw::OffsetsOf32Bits if range.offset <= size => range.offset &= 0xffff_ffff,
            _ => {}
        }
        range
    }

    /// The answers of flaws that remember objects.
    fn remembered_read(&self, path: &PathBuf, range: ByteRange) -> Option<Result<BlockingRead, DriverError>> {
        let bytes = match self.flaw {
            Flaw::ReadsStale => {
                let stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
                stale.get(path).filter(|(_, since)| since.elapsed() < STALE).map(|(bytes, _)| bytes.clone())
            }
            Flaw::CachesForProcess => remembered().get(path).cloned(),
            _ => None,
        }?;
        let modified = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
        let info = ObjectInfo::new(bytes.len() as u64, i64::try_from(modified).unwrap_or(i64::MAX));
        let part = range.within(info.size).map(|length| {
            // Both lie within the bytes, as `within` says.
            bytes[range.offset as usize..(range.offset + length) as usize].to_vec()
        });
        Some(part.map(|part| BlockingRead { info, body: BlockingBody::Bytes(part.into()) }))
    }

    fn file(&self, path: PathBuf, file: File) -> Arc<File> {
        if !self.has(Flaw::SharesCursor) {
            return Arc::new(file);
        }
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_insert_with(|| Arc::new(file)).clone()
    }

    /// Where one reader blocks all: until there is none.
    pub(crate) fn wait_for_readers(&self) {
        if self.has(Flaw::OneReaderBlocksAll) {
            let busy = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
            drop(self.busy.1.wait_while(busy, |busy| *busy));
        }
    }

    /// Remembers what is about to be replaced.
    pub(crate) fn keep_stale(&self, path: &PathBuf) {
        if self.has(Flaw::ReadsStale)
            && let Ok(old) = std::fs::read(path)
        {
            self.stale.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), (old, Instant::now()));
        }
    }
}

/// The bytes of a range, read as they are asked for.
struct Reader {
    opened: Arc<Opened>,
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.opened.has(Flaw::OneReaderBlocksAll) {
            *self.opened.busy.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
            self.opened.busy.1.notify_all();
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..wanted];
        let got = if self.opened.has(Flaw::SharesCursor) { (&*self.file).read(buffer) } else { self.file.read_at(buffer, self.offset) };
        let got = match got {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted && self.opened.has(Flaw::ReadErrorIsEnd) => 0,
            got => got?,
        };
        if got == 0 && wanted > 0 && !self.opened.has(Flaw::ReadErrorIsEnd) && !self.opened.has(Flaw::SharesCursor) {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the object's file is shorter than it was"));
        }
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}
