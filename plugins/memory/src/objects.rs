//! The objects and the suspended uploads of an instance, and the limit on their bytes.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use longshore_plugin_api::{
    Bytes, Condition, DriverError, Entry, ErrorClass, Key, KeyBuf, ListPage, ListRequest, ObjectInfo, Prefix, PrefixBuf, UploadToken,
};

/// One object.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    modified: i64,
    version: u64,
}

impl Object {
    pub(crate) fn info(&self) -> ObjectInfo {
        ObjectInfo { size: self.bytes.len() as u64, modified: self.modified, version: Some(self.version.to_string().into()) }
    }
}

/// An upload that waits to be resumed.
pub(crate) struct Suspended {
    pub(crate) bytes: Vec<u8>,
    since: i64,
}

/// All that an instance holds.
pub(crate) struct Objects {
    /// By the key's text, so that any text can bound a range.
    map: BTreeMap<String, Object>,
    /// `None` while somebody works on the upload.
    uploads: HashMap<u64, Option<Suspended>>,
    used: u64,
    max_bytes: u64,
    next: u64,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Objects {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { map: BTreeMap::new(), uploads: HashMap::new(), used: 0, max_bytes, next: 1 }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_bytes);
    }

    /// A number that was not given before.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Takes `bytes` of the limit.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<(), DriverError> {
        let used = self.used.saturating_add(bytes);
        if used > self.max_bytes {
            let message = format!("{bytes} bytes do not fit: {} of {} (max_bytes) are in use", self.used, self.max_bytes);
            return Err(DriverError::new(ErrorClass::Full, message));
        }
        self.used = used;
        Ok(())
    }

    /// Gives `bytes` of the limit back.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }

    pub(crate) fn get(&self, key: &Key) -> Result<&Object, DriverError> {
        self.map.get(key.as_str()).ok_or_else(|| DriverError::not_found(key))
    }

    pub(crate) fn put(&mut self, key: &Key, bytes: Bytes, condition: Condition) -> Result<ObjectInfo, DriverError> {
        let old = self.map.get(key.as_str()).map(|object| object.bytes.len() as u64);
        if condition == Condition::IfAbsent && old.is_some() {
            return Err(DriverError::new(ErrorClass::AlreadyExists, format!("{key} exists")));
        }
        self.reserve(bytes.len() as u64)?;
        self.release(old.unwrap_or(0));
        Ok(self.insert(key, bytes))
    }

    /// Stores bytes that are counted already.
    pub(crate) fn insert(&mut self, key: &Key, bytes: Bytes) -> ObjectInfo {
        let object = Object { bytes, modified: now(), version: self.number() };
        let info = object.info();
        self.map.insert(key.to_string(), object);
        info
    }

    /// Stores what an upload has counted, in place of an older object.
    pub(crate) fn publish(&mut self, key: &Key, bytes: Bytes) -> ObjectInfo {
        let old = self.map.get(key.as_str()).map_or(0, |object| object.bytes.len() as u64);
        self.release(old);
        self.insert(key, bytes)
    }

    pub(crate) fn delete(&mut self, key: &Key) -> Result<(), DriverError> {
        let object = self.map.remove(key.as_str()).ok_or_else(|| DriverError::not_found(key))?;
        self.release(object.bytes.len() as u64);
        Ok(())
    }

    pub(crate) fn delete_prefix(&mut self, prefix: &Prefix) -> Result<(), DriverError> {
        let keys = self.below(prefix, "").map(|(key, _)| KeyBuf::new(key.as_str())).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(DriverError::not_found(prefix));
        }
        keys.iter().try_for_each(|key| self.delete(key))
    }

    /// The objects below `prefix`, in order, from the text `from` on.
    fn below<'a>(&'a self, prefix: &'a Prefix, from: &str) -> impl Iterator<Item = (&'a String, &'a Object)> + use<'a> {
        let first = if prefix.is_root() { String::new() } else { format!("{prefix}/") };
        let first = if first.as_str() < from { from.to_owned() } else { first };
        self.map.range(first..).take_while(|(key, _)| prefix.strip(key).is_some())
    }

    pub(crate) fn list(&self, request: &ListRequest<'_>) -> Result<ListPage, DriverError> {
        let prefix = request.prefix;
        if !prefix.is_root() && self.below(prefix, "").next().is_none() {
            return Err(DriverError::not_found(prefix));
        }
        let mut page = ListPage::default();
        let mut from = request.start_after.map_or_else(String::new, |after| format!("{after}\0"));
        // One search in the map for each entry: after a deeper level `a/`, the next name is looked for from `a0` on (`0` follows `/`).
        while let Some((key, object)) = self.below(prefix, &from).next() {
            if page.entries.len() == request.limit as usize {
                page.more = true;
                break;
            }
            let rest = prefix.strip(key).unwrap_or(key);
            match rest.find('/').filter(|_| !request.recursive) {
                None => {
                    page.entries.push(Entry::Object(KeyBuf::new(key.as_str())?, Some(object.info())));
                    from = format!("{key}\0");
                }
                Some(at) => {
                    let child = &key[..key.len() - rest.len() + at];
                    from = format!("{child}0");
                    let entry = Entry::Prefix(PrefixBuf::new(child)?);
                    // A level that `start_after` names, or points into, was on an earlier page.
                    if request.start_after.is_none_or(|after| entry.text().as_str() > after) {
                        page.entries.push(entry);
                    }
                }
            }
        }
        Ok(page)
    }

    /// Claims a suspended upload.
    pub(crate) fn claim(&mut self, id: u64) -> Result<Suspended, DriverError> {
        let upload = self.uploads.get_mut(&id).ok_or_else(|| DriverError::not_found(format_args!("upload {id}")))?;
        upload.take().ok_or_else(|| DriverError::new(ErrorClass::Conflict, format!("upload {id} is in use")))
    }

    /// Marks an upload as being worked on.
    pub(crate) fn open_upload(&mut self, id: u64) {
        self.uploads.insert(id, None);
    }

    /// Keeps an upload for `resume`; `bytes` are counted already.
    pub(crate) fn park(&mut self, id: u64, bytes: Vec<u8>) {
        self.uploads.insert(id, Some(Suspended { bytes, since: now() }));
    }

    /// Forgets an upload; its bytes are no longer counted.
    pub(crate) fn forget(&mut self, id: u64, bytes: u64) {
        self.uploads.remove(&id);
        self.release(bytes);
    }

    pub(crate) fn abandoned(&self, older_than_ms: u64) -> Result<Vec<UploadToken>, DriverError> {
        let limit = now().saturating_sub(i64::try_from(older_than_ms).unwrap_or(i64::MAX));
        let old = self.uploads.iter().filter(|(_, upload)| upload.as_ref().is_some_and(|upload| upload.since <= limit));
        old.map(|(id, _)| UploadToken::new(id.to_le_bytes())).collect()
    }
}
