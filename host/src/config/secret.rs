//! Secrets: kept where the operator keeps them, named in `registry.toml`, and never printed.

use std::fmt;
use std::fs::File;
use std::io::Read;

use super::environment::Environment;
use super::written::{Node, Value};

/// The largest file that a secret is read from, in bytes.
pub const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// What a secret has to look like, as the end of a sentence.
pub(super) const RULE: &str = r#"must name where the secret is: { env = "NAME" } or { file = "PATH" }"#;

/// A secret's text. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for those who have to use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference<'n> {
    Environment(&'n str),
    /// A path as the process sees it.
    File(&'n str),
}

impl<'n> Reference<'n> {
    /// Reads `{ env = "NAME" }` or `{ file = "PATH" }`; any other value is no reference.
    pub(super) fn of(node: &'n Node) -> Option<Self> {
        let Value::Table(table) = &node.value else { return None };
        let mut entries = table.iter();
        let (key, entry) = entries.next()?;
        let text = entry.node.as_text()?;
        match (key.as_str(), entries.next()) {
            ("env", None) => Some(Self::Environment(text)),
            ("file", None) => Some(Self::File(text)),
            _ => None,
        }
    }

    /// Fetches the secret.
    ///
    /// # Errors
    /// A sentence: nothing there, or not a text. It never quotes what was found.
    pub(super) fn resolve(&self, environment: &Environment) -> Result<String, String> {
        let text = match self {
            Self::Environment(name) => match environment.get(name) {
                Some(text) => text.to_owned(),
                None => return Err(format!("the environment variable {name:?} is not set")),
            },
            Self::File(path) => read(path)?,
        };
        if text.is_empty() { Err(format!("the secret in {self} is empty")) } else { Ok(text) }
    }
}

impl fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// The file's text without the line end that editors and `echo` leave.
fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SECRET_MAX_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!("the secret file {path:?} cannot be read: {error}")),
        Ok(length) if length as u64 > SECRET_MAX_BYTES => Err(format!("the secret file {path:?} is larger than {SECRET_MAX_BYTES} bytes")),
        Ok(_) => {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::variable;
    use super::*;

    fn environment() -> Environment {
        Environment::new([("KEY".to_owned(), "hunter2".to_owned()), ("NONE".to_owned(), String::new())].into_iter())
    }

    fn resolve(text: &str) -> Result<String, String> {
        Reference::of(&variable("V", text)).unwrap().resolve(&environment())
    }

    #[test]
    fn secret_is_never_printed() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "(hidden) Secret(hidden) Secret(hidden)");
        assert!(!format!("{:?}", environment()).contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn reference_is_a_table_with_exactly_one_of_the_two_keys() {
        for text in ["{ env = 1 }", "{ env = 'A', file = 'b' }", "{ key = 'A' }", "{}", "'A'", "['A']"] {
            assert_eq!(Reference::of(&variable("V", text)), None, "{text}");
        }
    }

    #[test]
    fn reference_fetches_a_variable_or_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let file = format!("{{ file = '{}' }}", path.display());
        assert_eq!(resolve("{ env = 'KEY' }").unwrap(), "hunter2");
        assert!(resolve(&file).unwrap_err().ends_with("cannot be read: No such file or directory (os error 2)"));
        for (content, secret) in [("two\nlines\n", "two\nlines"), ("dos\r\n", "dos"), ("plain", "plain"), ("two\n\n", "two\n")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(resolve(&file).unwrap(), secret);
        }
    }

    #[test]
    fn reference_to_nothing_says_what_is_missing() {
        assert_eq!(resolve("{ env = 'GONE' }").unwrap_err(), "the environment variable \"GONE\" is not set");
        assert_eq!(resolve("{ env = 'NONE' }").unwrap_err(), "the secret in environment NONE is empty");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, vec![b'x'; 65_537]).unwrap();
        assert!(resolve(&format!("{{ file = '{}' }}", path.display())).unwrap_err().ends_with("is larger than 65536 bytes"));
    }
}
