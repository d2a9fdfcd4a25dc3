//! A setting that does not fit, as data and as a sentence.

use std::fmt;

use serde_json::Value;

/// One setting that does not fit. Its `Display` is the whole sentence, `durability is "fast", must be "disk" or "process"`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingFault {
    /// Where: keys, and positions in lists counted from 0. A missing or unknown key is its last step.
    pub path: Vec<String>,
    /// What kind of fault it is.
    pub kind: SettingFaultKind,
    /// What was found, cut to a readable length; `None` if there is nothing to show or the value is a secret.
    pub found: Option<String>,
    /// What is allowed, as the end of a sentence: `must be at least 1`.
    pub rule: String,
    /// For an unknown key, the known one that was most likely meant.
    pub nearest: Option<String>,
}

/// The kinds of [`SettingFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingFaultKind {
    /// The schema has no such key.
    UnknownKey,
    /// A required key is absent.
    Missing,
    /// A value of another type.
    WrongType,
    /// A text whose unit is unknown, or that is not a whole number in the schema's unit.
    BadUnit,
    /// A number or length outside its range.
    OutOfRange,
    /// None of the values listed.
    NotAllowed,
    /// A key that still works and should be replaced: a warning.
    Deprecated,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = if self.path.is_empty() { "settings".to_owned() } else { self.path.join(".") };
        match &self.found {
            Some(found) => write!(f, "{subject} is {found}, {}", self.rule),
            None => write!(f, "{subject} {}", self.rule),
        }
    }
}

/// A value as a fault shows it.
pub(super) fn show(value: &Value) -> String {
    const SHOWN_MAX_CHARS: usize = 60;
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(text) if text.chars().count() > SHOWN_MAX_CHARS => {
            format!("{:?}", text.chars().take(SHOWN_MAX_CHARS).chain(['…']).collect::<String>())
        }
        other => other.to_string(),
    }
}
