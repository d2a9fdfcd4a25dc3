//! Objects: their bytes, their checksums, what is known of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use jiff::Timestamp;
use md5::{Digest, Md5};

use crate::refusal::Refusal;

/// The bytes of an object or part, in pieces that others may share, with their checksums.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pieces: Arc<Vec<Bytes>>,
    size: u64,
    crc32c: u32,
    /// Only of what came in one request.
    md5: Option<[u8; 16]>,
}

impl Content {
    pub(crate) fn new(bytes: Bytes) -> Self {
        let crc32c = crc32c::crc32c(&bytes);
        let md5 = Md5::digest(&bytes).into();
        Self { size: bytes.len() as u64, crc32c, md5: Some(md5), pieces: Arc::new(vec![bytes]) }
    }

    /// One after the other.
    pub(crate) fn joined<'a>(contents: impl IntoIterator<Item = &'a Content>) -> Self {
        let (mut pieces, mut size, mut crc32c) = (Vec::new(), 0, 0);
        for content in contents {
            // A content is in memory, so its size is a `usize`.
            crc32c = crc32c::crc32c_combine(crc32c, content.crc32c, content.size as usize);
            size += content.size;
            pieces.extend(content.pieces.iter().cloned());
        }
        Self { pieces: Arc::new(pieces), size, crc32c, md5: None }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset` on, `length` of them, which must be there.
    pub(crate) fn range(&self, offset: u64, length: u64) -> Vec<Bytes> {
        let (mut skip, mut left, mut found) = (offset, length, Vec::new());
        for piece in self.pieces.iter() {
            let size = piece.len() as u64;
            if skip >= size {
                skip -= size;
                continue;
            }
            let take = left.min(size - skip);
            // Both lie within a buffer that is in memory.
            let (from, to) = (skip as usize, (skip + take) as usize);
            found.push(piece.slice(from..to));
            (skip, left) = (0, left - take);
            if left == 0 {
                break;
            }
        }
        found
    }

    pub(crate) fn crc32c(&self) -> String {
        BASE64.encode(self.crc32c.to_be_bytes())
    }

    pub(crate) fn md5(&self) -> Option<String> {
        self.md5.map(|md5| BASE64.encode(md5))
    }

    /// The ETag that the XML interface gives to what came in one request.
    pub(crate) fn md5_hex(&self) -> Option<String> {
        self.md5.map(|md5| md5.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Compares with what the sender has computed, in Base64.
    ///
    /// # Errors
    /// A checksum differs.
    pub(crate) fn check(&self, crc32c: Option<&str>, md5: Option<&str>) -> Result<(), Refusal> {
        if crc32c.is_some_and(|told| told != self.crc32c()) {
            return Err(Refusal::digest("CRC32C"));
        }
        if md5.is_some_and(|told| Some(told) != self.md5().as_deref()) {
            return Err(Refusal::digest("MD5"));
        }
        Ok(())
    }
}

/// What a writer says of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) storage_class: Option<String>,
    pub(crate) kms_key: Option<String>,
}

/// A generation of an object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) description: Description,
    pub(crate) generation: u64,
    pub(crate) metageneration: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// Of how many parts it was made, if it was made of any.
    pub(crate) components: Option<usize>,
}

impl Object {
    /// The ETag of the JSON interface.
    pub(crate) fn etag(&self) -> String {
        BASE64.encode(format!("{}/{}", self.generation, self.metageneration))
    }

    /// The ETag of the XML interface.
    pub(crate) fn xml_etag(&self) -> String {
        match (self.components, self.content.md5_hex()) {
            (None, Some(md5)) => format!("\"{md5}\""),
            (components, _) => format!("\"-{}-{}\"", self.generation, components.unwrap_or(1)),
        }
    }

    /// The value of the field `x-goog-hash`.
    pub(crate) fn hashes(&self) -> String {
        match self.content.md5() {
            Some(md5) => format!("crc32c={},md5={md5}", self.content.crc32c()),
            None => format!("crc32c={}", self.content.crc32c()),
        }
    }
}

/// A time as a field of HTTP has it: whole seconds.
pub(crate) fn http_date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_contents_have_the_checksum_of_the_whole() {
        let parts = [Content::new(Bytes::from_static(b"1234")), Content::new(Bytes::new()), Content::new(Bytes::from_static(b"56789"))];
        let (joined, whole) = (Content::joined(&parts), Content::new(Bytes::from_static(b"123456789")));
        assert_eq!(whole.crc32c, 0xe306_9283, "the check value of CRC-32C");
        assert_eq!(joined.crc32c, whole.crc32c);
        assert_eq!(joined.range(3, 4).concat(), b"4567");
    }
}
