//! Whom to believe that a driver file is harmless, and that the file which was checked is the one which runs.
//!
//! | question | file |
//! |---|---|
//! | which bytes are checked and loaded | `content` |
//! | who may have written them | `owner` |
//! | who signed them | `signature` |
//! | who vouches for them | `source` |
//! | what comes with them unchecked | `beside` |
//! | all of it, one answer each | `checks` |

mod beside;
mod checks;
mod content;
mod owner;
mod signature;
mod source;

pub(crate) use beside::check as nothing_beside;
pub use checks::{Check, checks};
pub(crate) use content::is_sealed;
pub use content::{CONTENT_MAX_BYTES, Content, content_descriptors};
pub(crate) use owner::check as owner;
pub use signature::{SIGNATURE_MAX_BYTES, TrustedKey, TrustedKeyError};
pub use source::{Trust, TrustRule, TrustSource, platform};
pub(crate) use source::{digest, other};
