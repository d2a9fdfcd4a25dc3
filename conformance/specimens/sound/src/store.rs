//! The objects and the suspended uploads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_plugin_api::{
    Bytes, Condition, DriverError, Entry, ErrorClass, Key, KeyBuf, ListPage, ListRequest, ObjectInfo, Prefix, PrefixBuf, UploadToken,
};

/// One object.
#[derive(Clone)]
pub(crate) struct Object {
    chunks: Arc<[Bytes]>,
    size: u64,
    modified: i64,
    version: u64,
}

impl Object {
    pub(crate) fn info(&self) -> ObjectInfo {
        ObjectInfo { version: Some(self.version.to_string().into()), ..ObjectInfo::new(self.size, self.modified) }
    }

    pub(crate) fn chunks(&self) -> &Arc<[Bytes]> {
        &self.chunks
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

/// What a suspended upload promised.
struct Suspended {
    chunks: Vec<Bytes>,
    since: i64,
}

/// All that an instance holds.
#[derive(Default)]
pub(crate) struct Store {
    objects: BTreeMap<KeyBuf, Object>,
    suspended: HashMap<u64, Suspended>,
    last: u64,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How many bytes `chunks` have together.
pub(crate) fn size_of(chunks: &[Bytes]) -> u64 {
    chunks.iter().map(|chunk| chunk.len() as u64).sum()
}

impl Store {
    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn get(&self, key: &Key) -> Result<&Object, DriverError> {
        self.objects.get(key).ok_or_else(|| DriverError::not_found(key))
    }

    pub(crate) fn put(&mut self, key: &Key, chunks: Vec<Bytes>, condition: Condition) -> Result<ObjectInfo, DriverError> {
        if condition == Condition::IfAbsent && self.objects.contains_key(key) {
            return Err(DriverError::new(ErrorClass::AlreadyExists, format!("{key} exists")));
        }
        let object = Object { size: size_of(&chunks), chunks: chunks.into(), modified: now(), version: self.number() };
        let info = object.info();
        self.objects.insert(key.to_owned(), object);
        Ok(info)
    }

    pub(crate) fn delete(&mut self, key: &Key) -> Result<(), DriverError> {
        self.objects.remove(key).map(drop).ok_or_else(|| DriverError::not_found(key))
    }

    pub(crate) fn delete_prefix(&mut self, prefix: &Prefix) -> Result<(), DriverError> {
        let before = self.objects.len();
        self.objects.retain(|key, _| prefix.strip(key.as_str()).is_none());
        if self.objects.len() == before {
            return Err(DriverError::not_found(prefix));
        }
        Ok(())
    }

    /// Goes through all keys: plain to read, and nobody stores much in a specimen.
    pub(crate) fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let below = self.objects.iter().filter_map(|(key, object)| entry(request, key, object));
        let mut entries = below.collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() && !request.prefix.is_root() {
            return Err(DriverError::not_found(request.prefix));
        }
        // The keys below one prefix stand together, and where the prefix's own text belongs.
        entries.dedup();
        entries.retain(|entry| request.start_after.is_none_or(|after| entry.text().as_str() > after));
        let more = entries.len() > request.limit as usize;
        entries.truncate(request.limit as usize);
        Ok(ListPage { entries, more })
    }

    /// Keeps `chunks` for `resume`.
    pub(crate) fn suspend(&mut self, id: u64, chunks: Vec<Bytes>) {
        self.suspended.insert(id, Suspended { chunks, since: now() });
    }

    /// What the last `suspend` kept. Two who resume at once are isolated: each has a list of its own.
    pub(crate) fn resume(&self, id: u64) -> Result<Vec<Bytes>, DriverError> {
        let upload = self.suspended.get(&id);
        upload.map(|upload| upload.chunks.clone()).ok_or_else(|| DriverError::not_found(format_args!("upload {id}")))
    }

    pub(crate) fn forget(&mut self, id: u64) {
        self.suspended.remove(&id);
    }

    pub(crate) fn abandoned(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let limit = now().saturating_sub(i64::try_from(older_than_ms).unwrap_or(i64::MAX));
        let old = self.suspended.iter().filter(|(_, upload)| upload.since <= limit);
        old.map(|(id, _)| UploadToken::new(id.to_le_bytes())).collect()
    }
}

/// How `key` appears in a page, if it lies below the prefix.
fn entry(request: &ListRequest<'_>, key: &KeyBuf, object: &Object) -> Option<Result<Entry, DriverError>> {
    let rest = request.prefix.strip(key.as_str())?;
    match rest.find('/').filter(|_| !request.recursive) {
        None => Some(Ok(Entry::Object(key.clone(), Some(object.info())))),
        Some(at) => {
            let level = &key.as_str()[..key.as_str().len() - rest.len() + at];
            Some(PrefixBuf::new(level).map(Entry::Prefix).map_err(DriverError::from))
        }
    }
}
