//! Where an upload stands: the content of its token, and the head of its record.

use longshore_plugin_api::{DriverError, ErrorClass, Key, UploadToken};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::parts::Sending;
use super::segment::{self, Stand};
use crate::bucket::Part;
use crate::names::{Root, random_name};

/// The longest token in bytes, and so the longest head of a record.
pub(super) const TOKEN_MAX_BYTES: usize = longshore_plugin_api::TOKEN_MAX_BYTES;

/// What any process needs to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// The version of this form.
    v: u8,
    /// Which upload; the mark of the object that its parts become.
    pub(super) id: String,
    /// The name of that object.
    pub(super) object: String,
    /// The store's id of the multipart upload, once there is one.
    pub(super) upload: Option<String>,
    /// How many parts are stored.
    pub(super) parts: u32,
    /// A hash of their numbers and tags: parts that somebody else wrote over them are noticed.
    pub(super) tags: String,
    /// Bytes accepted: those of the parts, and those after them, which are in the record.
    pub(super) offset: u64,
    /// How often it was put down.
    pub(super) number: u32,
    /// The name of this state's record; `None` if it was never put down.
    pub(super) record: Option<String>,
    /// The record before, which stays until this one was used.
    pub(super) before: Option<String>,
    /// The segment that parts go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) segment: Option<Stand>,
    /// The name of the segment of the record before, unless it is this one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before_segment: Option<String>,
}

impl State {
    /// Of an upload that begins.
    pub(super) fn new(id: String, object: String) -> Self {
        let tags = String::new();
        let (record, before, segment, before_segment) = (None, None, None, None);
        Self { v: 1, id, object, upload: None, parts: 0, tags, offset: 0, number: 0, record, before, segment, before_segment }
    }

    /// Of an upload that nobody put down, found in the store. Its id is not told, so that nothing else of that id is touched.
    pub(super) fn found(object: String, upload: String) -> Self {
        Self { upload: Some(upload), ..Self::new(String::new(), object) }
    }

    /// Of private objects that nobody published, found in the store.
    pub(super) fn left(id: &str, root: &Root) -> Self {
        Self::new(id.to_owned(), root.upload_data(id))
    }

    /// Where the parts of a private upload gather: an object for each multipart upload, since two may go on from one token.
    pub(super) fn fresh_object(&self, root: &Root) -> Result<String, DriverError> {
        match owner(&self.object, root) {
            Some(id) => Ok(format!("{}-{}", root.upload_data(id), random_name()?)),
            None => Ok(self.object.clone()),
        }
    }

    /// True if the parts become an object that no key has.
    pub(super) fn is_private(&self, root: &Root) -> bool {
        owner(&self.object, root).is_some()
    }

    /// The id, which an upload that was found gets when it goes on.
    pub(super) fn known_id(&self, root: &Root) -> Result<String, DriverError> {
        match owner(&self.object, root) {
            _ if !self.id.is_empty() => Ok(self.id.clone()),
            Some(id) => Ok(id.to_owned()),
            None => random_name(),
        }
    }

    /// The state after the parts that were sent since.
    pub(super) fn following(&self, sending: &Sending, segment: Option<Stand>, offset: u64, root: &Root) -> Result<Self, DriverError> {
        let number = self.number + 1;
        let id = self.known_id(root)?;
        let record = root.upload_record(&id, number, &random_name()?);
        let tags = chained(&self.tags, sending.sent());
        let other = |stand: &&Stand| segment.as_ref().is_none_or(|segment| segment.name != stand.name);
        Ok(Self {
            before_segment: self.segment.as_ref().filter(other).map(|stand| stand.name.clone()),
            segment,
            parts: sending.parts(),
            id,
            tags,
            offset,
            number,
            record: Some(record),
            before: self.record.clone(),
            ..self.clone()
        })
    }

    /// Whether its object is one of a key, or a private one of this upload, or of one that is not told.
    pub(super) fn is_of(&self, root: &Root) -> bool {
        match owner(&self.object, root) {
            Some(id) => self.id.is_empty() || id == self.id,
            None => root.strip(&self.object).is_some_and(|key| Key::parse(key).is_ok()),
        }
    }

    pub(super) fn token(&self) -> Result<UploadToken, DriverError> {
        UploadToken::new(self.to_json())
    }

    /// One line.
    pub(super) fn to_json(&self) -> Vec<u8> {
        // Strings and numbers always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a token, and checks that every name in it is one that an upload of this store may touch.
    pub(super) fn from_token(token: &UploadToken, root: &Root) -> Result<Self, DriverError> {
        let foreign = || DriverError::new(ErrorClass::InvalidArgument, "this is no upload token of this driver and store");
        let state: Self = serde_json::from_slice(token.as_bytes()).map_err(|_| foreign())?;
        let of_upload = |record: &String| root.recorded(record) == Some(&*state.id);
        let whole = state.v == 1 && state.is_of(root) && state.record.iter().all(of_upload) && state.before.iter().all(of_upload);
        let mut segments = state.segment.iter().map(|stand| &stand.name).chain(&state.before_segment);
        let whole = whole && segments.all(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let there = state.record.is_some() || state.offset == 0 && (state.upload.is_some() || state.is_private(root));
        if whole && there { Ok(state) } else { Err(foreign()) }
    }

    /// The private objects that this state needs no more: the record before, and its segment.
    pub(super) fn earlier(&self, root: &Root) -> impl Iterator<Item = String> + use<> {
        let segment = self.before_segment.as_ref().map(|name| segment::object(root, &self.id, name));
        self.before.clone().into_iter().chain(segment)
    }

    /// The private objects that are there for this state: records, and what may have become of their segments.
    pub(super) fn objects(&self, root: &Root) -> impl Iterator<Item = String> + use<> {
        let segment = self.segment.as_ref().map(|stand| segment::object(root, &self.id, &stand.name));
        self.record.clone().into_iter().chain(segment).chain(self.earlier(root))
    }
}

/// The upload of a private object that is no record.
pub(super) fn owner<'n>(name: &'n str, root: &Root) -> Option<&'n str> {
    let (id, file) = name.strip_prefix(&root.private())?.split_once('/')?;
    let ours = file == "data" || file.starts_with("data-") || file.starts_with("segment-");
    (ours && id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// The hash of parts after those of another hash.
pub(super) fn chained(before: &str, parts: &[Part]) -> String {
    parts.iter().fold(before.to_owned(), |before, part| {
        let mut hasher = Sha256::new();
        hasher.update(format!("{before} {} {}", part.number, part.tag));
        hasher.finalize().iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_were_written_over_are_noticed() {
        let part = |number, tag: &str| Part { number, tag: tag.to_owned() };
        let two = [part(1, "a"), part(2, "b")];
        let hash = chained("", &two);
        assert_eq!(hash, chained(&chained("", &two[..1]), &two[1..]), "in one session or in two");
        for others in [vec![], vec![part(1, "a")], vec![part(1, "a"), part(2, "c")], vec![part(1, "a"), part(3, "b")]] {
            assert_ne!(hash, chained("", &others), "{others:?}");
        }
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let root = Root::new("r/");
        let id = "0123456789abcdef0123456789abcdef";
        let mut state = State::new(id.into(), root.upload_data(id));
        state.record = Some(root.upload_record(id, 1, "n"));
        let token = |state: &State| UploadToken::new(state.to_json()).expect("it is shorter than 4 KiB");
        assert_eq!(State::from_token(&token(&state), &root).ok(), Some(state.clone()));
        for object in [root.upload_data(id), "r/some/key".into()] {
            let found = State::found(object, "upload".into());
            assert_eq!(State::from_token(&token(&found), &root).ok(), Some(found));
        }
        let foreign = [
            State { record: Some("r/some/key".into()), ..state.clone() },
            State { before: Some(root.upload_record("other", 1, "n")), ..state.clone() },
            State { object: "elsewhere/key".into(), ..state.clone() },
            State { object: root.upload_data(&"0".repeat(32)), ..state.clone() },
            State { before_segment: Some("../key".into()), ..state.clone() },
            State { object: "r/key".into(), record: None, ..state.clone() },
            State { offset: 1, record: None, ..state.clone() },
        ];
        for state in foreign {
            assert_eq!(
                State::from_token(&token(&state), &root).map_err(|error| error.class()),
                Err(ErrorClass::InvalidArgument),
                "{state:?}"
            );
        }
        assert!(State::from_token(&UploadToken::new(*b"{}").expect("it is short"), &root).is_err());
    }
}
