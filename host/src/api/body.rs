//! The bodies of answers, in the cheapest form that they come in. The server knows how each is sent.

use bytes::Bytes;
use longshore_loader::api::ReadBody;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// A document.
    Bytes(Bytes),
    /// Bytes of a blob: chunks, or a place in a file. The answer's `Content-Length` says how many.
    Blob(ReadBody, u64),
}
