//! How an operator speaks to a running registry: one line of JSON each way over a Unix socket of the configuration (`server.control`).
//!
//! | file | subject |
//! |---|---|
//! | `protocol` | the lines |
//! | `listener` | the registry's end |
//! | `client` | the command's end |
//!
//! Who may speak is who may write to the socket: the user whom the registry runs as, and root.

mod client;
mod listener;
mod protocol;

pub use client::{Unanswered, ask};
pub use listener::{ControlSocket, NotBound};
pub use protocol::{ANSWER_MAX_BYTES, Answer, Asked, Change, Failure, FailureCode, REQUEST_MAX_BYTES, Reloaded, Swapped, VERSION};
