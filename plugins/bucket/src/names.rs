//! Where things lie: `<root><key>` for objects, and below `<root>!uploads/` what is the driver's own.
//!
//! `!` is in no key, so that no key reaches the private objects, and it sorts before everything a key has, so that a list passes them first.

use longshore_plugin_api::{DriverError, ErrorClass, Key, Prefix};

/// What private names begin with, below the root.
const PRIVATE: &str = "!uploads/";
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
    pub(crate) fn object(&self, key: &Key) -> String {
        format!("{}{key}", self.0)
    }

    /// What the names below a prefix begin with.
    pub(crate) fn below(&self, prefix: &Prefix) -> String {
        if prefix.is_root() { self.0.clone() } else { format!("{}{prefix}/", self.0) }
    }

    /// A name without the root.
    pub(crate) fn strip<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&self.0)
    }

    /// Where a list of the names below `prefix` begins that wants those after `after`.
    ///
    /// A joined name stands for all that follow its `/`: the list begins after the last of them.
    pub(crate) fn after(&self, prefix: &Prefix, after: Option<&str>, joined: bool) -> String {
        let is_joined = |after: &str| {
            let below =
                if prefix.is_root() { Some(after) } else { after.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('/')) };
            joined && below.and_then(|below| below.strip_suffix('/')).is_some_and(|child| !child.is_empty() && !child.contains('/'))
        };
        match after {
            Some(after) if is_joined(after) && after > AFTER_PRIVATE => format!("{}{after}~\u{10ffff}", self.0),
            Some(after) if after > AFTER_PRIVATE => format!("{}{after}", self.0),
            _ => format!("{}{AFTER_PRIVATE}", self.0),
        }
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
            assert!(name < root.after(Prefix::root(), None, false), "{name}");
        }
        // The least and the greatest first byte of a key.
        for key in ["%", "~"] {
            assert!(format!("r/{key}") > root.after(Prefix::root(), None, false), "{key}");
        }
    }

    #[test]
    fn a_list_goes_on_after_all_that_was_joined() {
        let root = Root::new("");
        let after = |after, joined| root.after(Prefix::root(), Some(after), joined);
        assert!(*after("a/", true) > *"a/~~~", "the last key below a/");
        assert!(*after("a/", true) < *"a0", "the first key after a/");
        assert_eq!(after("a", true), "a");
        assert_eq!(after("a/", false), "a/", "nothing is joined");
        let prefix = Prefix::parse("p").expect("a prefix");
        assert_eq!(root.after(prefix, Some("p/"), true), "p/", "the prefix itself is no joined name");
        assert_eq!(root.after(prefix, Some("p/a/b/"), true), "p/a/b/", "p/a/ comes before it");
    }

    #[test]
    fn records_are_told_from_data() {
        let root = Root::new("r/");
        assert_eq!(root.recorded(&root.upload_record("id", 1, "n")), Some("id"));
        assert_eq!(root.recorded(&root.upload_data("id")), None);
        assert_eq!(root.recorded("r/a/at-1"), None);
    }
}
