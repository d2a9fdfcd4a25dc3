//! Where things lie: `<root><key>` for objects, and below `<root>!uploads/` what is the driver's own.
//!
//! `!` is in no key, so that no key reaches the private objects, and it sorts before everything a key has, so that a list passes them first.

use longshore_plugin_api::{DriverError, ErrorClass, Key, Prefix};

/// What private names begin with, below the root.
const PRIVATE: &str = "!uploads/";
/// How many bytes a name has at the most, and the start of a list with it. S3, Azure and Google Cloud Storage agree on it.
const NAME_MAX_BYTES: usize = 1024;
/// After every private name, before every key.
const AFTER_PRIVATE: &str = "!~";

/// The names of one store.
#[derive(Debug, Clone)]
pub(crate) struct Root(String);

impl Root {
    pub(crate) fn new(root: &str) -> Self {
        Self(root.to_owned())
    }

    /// An object's name.
    ///
    /// # Errors
    /// `invalid_key` if no store has a name so long.
    pub(crate) fn object(&self, key: &Key) -> Result<String, DriverError> {
        let name = format!("{}{key}", self.0);
        if name.len() <= NAME_MAX_BYTES {
            return Ok(name);
        }
        let message = format!("names in the store have {NAME_MAX_BYTES} bytes at the most, this one with the root has {}", name.len());
        Err(DriverError::new(ErrorClass::InvalidKey, message))
    }

    /// What the names below a prefix begin with.
    pub(crate) fn below(&self, prefix: &Prefix) -> String {
        if prefix.is_root() { self.0.clone() } else { format!("{}{prefix}/", self.0) }
    }

    /// A name without the root.
    pub(crate) fn strip<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&self.0)
    }

    /// Where a list of `prefix` begins that wants names after `after`.
    ///
    /// Where names are joined, one below the prefix that ends in `/` stands for all that follow its `/`: the list begins after the last of them.
    /// What is too long for a name is cut, which is a little earlier.
    pub(crate) fn after(&self, prefix: &Prefix, joined: bool, after: Option<&str>) -> String {
        let stands_for_more = |after: &str| joined && after.strip_suffix('/').is_some_and(|name| prefix.strip(name).is_some());
        let after = match after {
            Some(after) if after <= AFTER_PRIVATE => AFTER_PRIVATE.to_owned(),
            Some(after) if after.len() < NAME_MAX_BYTES - self.0.len() - 4 && stands_for_more(after) => format!("{after}\u{7f}"),
            Some(after) => self.sendable(after).to_owned(),
            None => AFTER_PRIVATE.to_owned(),
        };
        format!("{}{after}", self.0)
    }

    /// The part of a text that a store takes: letters that no key has, as control characters are, do not come back in every answer.
    fn sendable<'a>(&self, after: &'a str) -> &'a str {
        let end = after.bytes().take(NAME_MAX_BYTES - self.0.len()).position(|byte| !byte.is_ascii_graphic());
        &after[..end.unwrap_or(after.len().min(NAME_MAX_BYTES - self.0.len()))]
    }

    /// What all private names begin with.
    pub(crate) fn private(&self) -> String {
        format!("{}{PRIVATE}", self.0)
    }

    /// Where the bytes of upload `id` gather until their key is known.
    pub(crate) fn upload_data(&self, id: &str) -> String {
        format!("{}{PRIVATE}{id}/data", self.0)
    }

    /// The record of where upload `id` stands after its suspension `number`.
    pub(crate) fn upload_record(&self, id: &str, number: u32, nonce: &str) -> String {
        format!("{}{PRIVATE}{id}/at-{number:08}-{nonce}", self.0)
    }

    /// The upload of a record's name; `None` for other private names.
    pub(crate) fn recorded<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (id, file) = self.strip(name)?.strip_prefix(PRIVATE)?.split_once('/')?;
        file.starts_with("at-").then_some(id)
    }
}

/// 32 hexadecimal digits that nobody else has.
pub(crate) fn random_name() -> Result<String, DriverError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| DriverError::new(ErrorClass::Internal, format!("the system gives no random bytes: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_are_no_keys_and_come_before_all_keys() {
        let root = Root::new("r/");
        for name in [root.upload_data("1"), root.upload_record("1", 3, "n")] {
            assert!(Key::parse(root.strip(&name).unwrap_or_default()).is_err(), "{name}");
            assert!(name < root.after(Prefix::root(), true, None), "{name}");
        }
        // The least and the greatest first byte of a key.
        for key in ["%", "~"] {
            assert!(format!("r/{key}") > root.after(Prefix::root(), true, None), "{key}");
        }
    }

    #[test]
    fn a_list_goes_on_after_all_that_was_joined() {
        let (root, all) = (Root::new(""), Prefix::root());
        assert!(*root.after(all, true, Some("a/")) > *"a/~~~", "after what is below a/");
        assert!(*root.after(all, true, Some("a/")) < *"a0", "before the first key after a/");
        assert_eq!(root.after(all, true, Some("a")), "a");
        let a = Prefix::parse("a").expect("the text is a prefix");
        assert_eq!(root.after(a, true, Some("a/")), "a/", "the prefix itself was not joined");
        assert_eq!(root.after(Prefix::parse("b/c").expect("the text is a prefix"), true, Some("b/")), "b/", "it is above the prefix");
        assert_eq!(root.after(all, false, Some("a/")), "a/", "nothing was joined");
        assert!(root.after(all, true, Some(&"é".repeat(5000))).len() <= NAME_MAX_BYTES);
    }

    #[test]
    fn records_are_told_from_data() {
        let root = Root::new("r/");
        assert_eq!(root.recorded(&root.upload_record("id", 1, "n")), Some("id"));
        assert_eq!(root.recorded(&root.upload_data("id")), None);
        assert_eq!(root.recorded("r/a/at-1"), None);
    }
}
