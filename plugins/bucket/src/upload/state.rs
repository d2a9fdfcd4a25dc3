//! Where an upload stands: the content of its token, and the head of its record.

use longshore_plugin_api::{DriverError, ErrorClass, Key, UploadToken};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::parts::Sending;
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
}

impl State {
    /// Of an upload that begins.
    pub(super) fn new(id: String, object: String) -> Self {
        let tags = String::new();
        Self { v: 1, id, object, upload: None, parts: 0, tags, offset: 0, number: 0, record: None, before: None }
    }

    /// Of an upload that nobody put down, found in the store.
    pub(super) fn found(object: String, upload: String) -> Self {
        Self { upload: Some(upload), ..Self::new(String::new(), object) }
    }

    /// The state after the parts that were sent since.
    pub(super) fn following(&self, sending: &Sending, offset: u64, root: &Root) -> Result<Self, DriverError> {
        let number = self.number + 1;
        let id = if self.id.is_empty() { random_name()? } else { self.id.clone() };
        let record = root.upload_record(&id, number, &random_name()?);
        let tags = sending.sent().iter().fold(self.tags.clone(), |tags, part| chained(&tags, part));
        Ok(Self {
            parts: self.parts + sending.sent().len() as u32,
            id,
            tags,
            offset,
            number,
            record: Some(record),
            before: self.record.clone(),
            ..self.clone()
        })
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
        let object = state.object == root.upload_data(&state.id) || root.strip(&state.object).is_some_and(|key| Key::parse(key).is_ok());
        let whole = state.v == 1 && object && state.record.iter().all(of_upload) && state.before.iter().all(of_upload);
        let there = state.record.is_some() || state.upload.is_some() && state.offset == 0;
        if whole && there { Ok(state) } else { Err(foreign()) }
    }

    /// Whether `parts` are those that were stored when this state was made.
    pub(super) fn has(&self, parts: &[Part]) -> bool {
        parts.len() == self.parts as usize && parts.iter().fold(String::new(), |tags, part| chained(&tags, part)) == self.tags
    }

    /// The names of the records that are still there.
    pub(super) fn records(&self) -> impl Iterator<Item = String> + use<> {
        self.record.clone().into_iter().chain(self.before.clone())
    }
}

fn chained(before: &str, part: &Part) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{before} {} {}", part.number, part.tag));
    hasher.finalize().iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, tag: &str) -> Part {
        Part { number, tag: tag.to_owned() }
    }

    #[test]
    fn parts_that_were_written_over_are_noticed() {
        let mut state = State::new("id".into(), "object".into());
        for part in [part(1, "a"), part(2, "b")] {
            state.tags = chained(&state.tags, &part);
            state.parts += 1;
        }
        assert!(state.has(&[part(1, "a"), part(2, "b")]));
        for others in [vec![part(1, "a")], vec![part(1, "a"), part(2, "c")], vec![part(1, "a"), part(2, "b"), part(3, "c")]] {
            assert!(!state.has(&others), "{others:?}");
        }
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let root = Root::new("r/");
        let mut state = State::new("id".into(), root.upload_data("id"));
        state.record = Some(root.upload_record("id", 1, "n"));
        let token = |state: &State| UploadToken::new(state.to_json()).expect("it is shorter than 4 KiB");
        assert_eq!(State::from_token(&token(&state), &root).ok(), Some(state.clone()));
        let foreign = [
            State { record: Some("r/some/key".into()), ..state.clone() },
            State { before: Some(root.upload_record("other", 1, "n")), ..state.clone() },
            State { object: "elsewhere/key".into(), ..state.clone() },
            State { record: None, ..state.clone() },
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
