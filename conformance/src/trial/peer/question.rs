//! What a peer is asked and what it answers.

use std::fmt;

use longshore_loader::api::{Bytes, DriverError, ErrorClass};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::trial::Random;

/// Bytes that both sides can make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// A short text.
    Text(String),
    /// Random bytes that follow from a number.
    Random { seed: u64, size: usize },
}

impl Content {
    /// The bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Random { seed, size } => Random::new(*seed).bytes(*size).into(),
        }
    }

    /// Their SHA-256 as hexadecimal digits.
    pub(crate) fn sha256(&self) -> String {
        sha256(&self.bytes())
    }
}

/// The SHA-256 of some bytes, as hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a peer is to do with its instance. Uploads have numbers that the asker chooses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Question {
    Put {
        key: String,
        content: Content,
        if_absent: bool,
    },
    Get {
        key: String,
    },
    Stat {
        key: String,
    },
    Delete {
        key: String,
    },
    /// All objects of the store.
    List,
    DeletePrefix {
        prefix: String,
    },
    Copy {
        from: String,
        to: String,
    },
    Begin {
        upload: u64,
        destination: Option<String>,
    },
    Resume {
        upload: u64,
        token: Vec<u8>,
    },
    Write {
        upload: u64,
        content: Content,
    },
    Suspend {
        upload: u64,
    },
    Commit {
        upload: u64,
        key: String,
        size: u64,
    },
    Abort {
        upload: u64,
    },
    Drop {
        upload: u64,
    },
    /// The tokens of all uploads that nobody goes on with.
    UploadList,
    Health,
    Close,
    /// Closes and ends the process.
    End,
}

/// What came of it; each question has its own part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The object's size, or the upload's offset, in bytes.
    pub(crate) size: u64,
    /// The SHA-256 of what was read.
    pub(crate) sha256: String,
    /// What was read, if it is a text of at most 256 bytes.
    pub(crate) text: Option<String>,
    /// The token of a suspended upload.
    pub(crate) token: Vec<u8>,
    /// The keys of a list.
    pub(crate) keys: Vec<String>,
    /// How many tokens were listed.
    pub(crate) tokens: usize,
}

/// A driver's error, as it crosses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    class: u32,
    pub(crate) message: String,
    pub(crate) retryable: bool,
    /// Kinds and values.
    pub(crate) causes: Vec<(String, String)>,
}

impl Failure {
    /// Its class.
    pub(crate) fn class(&self) -> ErrorClass {
        ErrorClass::from_number(self.class)
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        let causes = error.causes().iter().map(|cause| (cause.kind.clone(), cause.value.clone())).collect();
        Self { class: error.class() as u32, message: error.message().to_owned(), retryable: error.is_retryable(), causes }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.class())?;
        self.causes.iter().try_for_each(|(kind, value)| write!(f, "; {kind} {value}"))
    }
}
